"""SLURM: one array job, a task for each run; on several nodes a run has one process for each GPU."""

import dataclasses
import re
import shlex
import sys
from pathlib import Path

from launch import engine, outcome
from launch.engine import option
from launch.manifest import Run
from research.configuration import ConfigError

TEMPLATE = """\
#!/bin/bash
#SBATCH --job-name=genlab-{name}
#SBATCH --array={array}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node={tasks}
{resources}#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
#SBATCH --output={logs}/slurm-%A_%a.out
{more}
case "$SLURM_ARRAY_TASK_ID" in
{cases}
esac
logs={quoted_logs}
rm -f "$logs/$id.exit"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 "${{run[@]}}" >> "$logs/$id.log" 2>&1
code=$?
echo "$code" > "$logs/$id.exit"
# Two minutes before the time limit SLURM sends TERM: the run saves and ends with 143, while the job
# still counts as running. Then it asks for another turn. A preempted job gets one without asking.
# For one task of an array SLURM_JOB_ID is the id of the whole array, which is not meant here.
job="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
if [ "$code" = 143 ] && [ "$(squeue --noheader --job="$job" --format=%T)" = RUNNING ]; then
  scontrol requeue "$job"
fi
exit "$code"
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """What each run is given.

  On one node a run is one process, which uses all the GPUs it is given. On several it is one process
  for each GPU, and those join: JAX finds the others through SLURM's variables, and takes one GPU for
  each process of a node.
  """

  nodes: int = option(1, 'machines of each run')
  gpus: int = option(1, 'GPUs of each machine')
  cpus: int = option(4, 'cores of each process')
  time: str = option('04:00:00', 'limit of each turn; a run that meets it saves and queues again')
  parallel: int | None = option(None, 'runs at once; default: as SLURM can')
  sbatch: tuple[str, ...] = option((), 'more for sbatch, as --sbatch=--partition=gpu; repeatable')
  python: str = option(sys.executable, 'the interpreter that has genlab')
  data_dir: str | None = option(None, 'the TFDS folder')

  def __post_init__(self):
    engine.at_least(1, nodes=self.nodes, cpus=self.cpus, parallel=self.parallel)
    engine.at_least(0, gpus=self.gpus)


def text(root: Path, runs: list[Run], options: Options) -> str:
  """The batch script, a pure function.

  Raises:
    ConfigError: directives of sbatch cannot name the folder.
  """
  if re.search(r'[\s%]', str(root)):
    raise ConfigError(f'--workdir={root} has a space or a %, which sbatch does not take; rename it')
  cases = []
  for number, run in enumerate(runs):
    command = shlex.join(run.command(root, options.python, options.data_dir))
    cases.append(f'  {number}) id={run.id} run=({command}) ;;')
  resources = f'#SBATCH --cpus-per-task={options.cpus}\n'
  if options.gpus:  # never by task: each process would see a GPU 0 of its own, and look for others
    resources = f'#SBATCH --gpus-per-node={options.gpus}\n{resources}'
  logs = root / outcome.LOGS
  return TEMPLATE.format(
    name=engine.slug(root),
    array=f'0-{len(runs) - 1}' + (f'%{options.parallel}' if options.parallel else ''),
    nodes=options.nodes,
    tasks=max(options.gpus, 1) if options.nodes > 1 else 1,
    resources=resources,
    time=options.time,
    logs=logs,
    quoted_logs=shlex.quote(str(logs)),
    more=''.join(f'#SBATCH {directive}\n' for directive in options.sbatch),
    cases='\n'.join(cases),
  )


def submit(root: Path, runs: list[Run], options: Options) -> int:
  """Hands the script to sbatch, from whose folder the job will run."""
  job = engine.ask(['sbatch', '--parsable'], text(root, runs, options)).strip().partition(';')[0]
  outcome.note_submission(root, 'slurm', job, runs)
  print(f'job {job} has {len(runs)} runs; see: python -m launch.sweep status --workdir={root}')
  return 0


def held(submissions: list[dict]) -> dict[str, tuple[str, str]]:
  """The state and a note on each run that SLURM holds, by id; nothing where there is no SLURM."""
  command = ['squeue', '--me', '--array', '--noheader', '--format=%i %T %r']
  if not submissions or not engine.is_here('squeue'):
    return {}
  tasks = {}
  for line in engine.ask(command).splitlines():
    task, state, reason = [*line.split(maxsplit=2), '', ''][:3]
    kind = 'running' if state in ('RUNNING', 'COMPLETING') else 'queued'
    tasks[task] = kind, f'job {task} is {state} ({reason})'
  return {
    run: tasks[f'{it["job"]}_{number}']
    for it in submissions
    for number, run in enumerate(it['runs'])
    if f'{it["job"]}_{number}' in tasks
  }
