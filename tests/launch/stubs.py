"""Stand-ins for the programs of engines, and for genlab itself where a test is about the launcher."""

import os
import pathlib
import stat
import sys

from launch.manifest import Run

RUNS = [
  Run(id='0123456789ab', config='configs/a.py:cpu', overrides=['seed=3'], workdir='noise=0.0'),
  Run(
    id='ba9876543210',
    config='configs/a.py:cpu',
    overrides=['model.widths=(64, 64)', "task.name='it''s'"],
    workdir='noise=0.5',
  ),
]

CONFIG = """
import os, pathlib, sys
from ml_collections import ConfigDict

def get_config(scale=''):
  crash = pathlib.Path(get_config.__code__.co_filename).with_name('crash')
  if crash.exists() and any(arg.endswith('label_noise=0.5') for arg in sys.argv):
    print('Segmentation fault', file=sys.stderr, flush=True)
    os._exit(139)
  c = ConfigDict()
  c.seed = 0
  c.task = dict(name='digits', n_train=64, n_test=64, label_noise=0.0)
  c.model = dict(name='mlp', widths=(8,))
  c.optimizer = dict(name='sgd', learning_rate=0.1)
  c.training = dict(total_steps=8, batch_size=16, log_every=4, checkpoint_every=4)
  c.population = dict(size=2)
  c.probe = dict(size=16)
  c.evaluation = dict(per_decade=2)
  return c

def sweep():
  return [{'task.label_noise': noise} for noise in (0.0, 0.5, 1.0)]
"""

# Takes the place of the interpreter: `fake -m research.main --config=C --workdir=W ...`. It waits where
# there is a file W.wait, crashes where there is W.crash, and else is done.
FAKE = """#!/bin/bash
for arg; do case "$arg" in --workdir=*) workdir="${arg#--workdir=}" ;; esac; done
echo "start $workdir gpu=${CUDA_VISIBLE_DEVICES-none}"
trap 'echo saved; exit 143' TERM
while [ -e "$workdir.wait" ]; do sleep 0.05; done
if [ -e "$workdir.crash" ]; then echo 'out of luck' >&2; exit 7; fi
mkdir -p "$workdir"
echo '{}' > "$workdir/DONE"
"""

# sbatch starts the tasks of an array one after another, as many at once as SLURM would not; it answers
# when they have ended. As with SLURM, the last task has the id of the array as its own, and squeue, if
# asked for that id, answers a line for each task. Else squeue shows what the test wrote into `queue`.
SBATCH = """
import os, re, subprocess, sys
script = sys.stdin.read()
folder = os.environ['STUB']
with open(folder + '/scripts', 'a') as file:
  file.write(script)
one = lambda flag: int(re.search(rf'^#SBATCH --{flag}=(\\d+)', script, re.M).group(1))
last = int(re.search(r'--array=0-(\\d+)', script).group(1))
job = 4000 + len(re.findall('#!/bin/bash', open(folder + '/scripts').read()))
with open(f'{folder}/array.{job}', 'w') as file:
  file.write('RUNNING\\n' * (last + 1))
for task in range(last + 1):
  own = {'SLURM_ARRAY_JOB_ID': job, 'SLURM_ARRAY_TASK_ID': task}
  own['SLURM_JOB_ID'] = job if task == last else 10 * job + task
  own['SLURM_NTASKS'] = one('nodes') * one('ntasks-per-node')
  own['SLURM_JOB_NUM_NODES'] = one('nodes')
  own['SLURM_CPUS_PER_TASK'] = one('cpus-per-task')
  environment = os.environ | {name: str(value) for name, value in own.items()}
  subprocess.run(['bash', '-s'], input=script, text=True, env=environment)
print(job)
"""
SRUN = """
import os, subprocess, sys
command, cpus = [arg for arg in sys.argv[1:]], '1'  # what SLURM 22.05 gives a process unless it is told
while command[0].startswith('--'):
  flag, _, value = command.pop(0).partition('=')
  cpus = value if flag == '--cpus-per-task' else cpus
if cpus != os.environ['SLURM_CPUS_PER_TASK']:
  sys.exit(f'{cpus} cores of the {os.environ["SLURM_CPUS_PER_TASK"]} that the job has for a process')
n, nodes = int(os.environ['SLURM_NTASKS']), int(os.environ['SLURM_JOB_NUM_NODES'])
tasks = []
for rank in range(n):
  own = {'SLURM_PROCID': rank, 'SLURM_LOCALID': rank % (n // nodes), 'SLURM_STEP_NODELIST': 'localhost'}
  environment = os.environ | {name: str(value) for name, value in own.items()}
  tasks.append(subprocess.Popen(command, env=environment))
codes = [task.wait() for task in tasks]
sys.exit(max(code if code >= 0 else 128 - code for code in codes))
"""
SQUEUE = """
import os, pathlib, sys
queue = pathlib.Path(os.environ['STUB'], 'queue')
asked = [arg.removeprefix('--job=') for arg in sys.argv if arg.startswith('--job=')]
if asked:
  array = queue.with_name('array.' + asked[0])
  print(array.read_text() if array.exists() else 'RUNNING\\n', end='')
elif queue.exists():
  print(queue.read_text(), end='')
"""
NOTES = """
import os, sys
with open(os.environ['STUB'] + '/' + os.path.basename(sys.argv[0]) + '.asked', 'a') as file:
  file.write(' '.join(sys.argv[1:]) + '\\n')
"""


def write(path: pathlib.Path, text: str) -> pathlib.Path:
  """An executable; a Python program unless its first line says what it is."""
  path.write_text(text if text.startswith('#!') else f'#!{sys.executable} -S\n{text}')
  path.chmod(path.stat().st_mode | stat.S_IXUSR)
  return path


def install(folder: pathlib.Path, monkeypatch, **programs: str) -> None:
  """Puts programs before all others on PATH, with STUB as the folder for their notes."""
  folder.mkdir(exist_ok=True)
  for name, text in programs.items():
    write(folder / name, text)
  monkeypatch.setenv('PATH', f'{folder}{os.pathsep}{os.environ["PATH"]}')
  monkeypatch.setenv('STUB', str(folder))


def slurm(folder: pathlib.Path, monkeypatch) -> None:
  """SLURM on this machine."""
  install(folder, monkeypatch, sbatch=SBATCH, srun=SRUN, squeue=SQUEUE, scontrol=NOTES)
