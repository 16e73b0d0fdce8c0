"""The kill drill: SIGKILL at random moments, of which neither record nor parameters show a trace."""

import json
import os
import subprocess
import sys

import jax
import pytest

from research import configuration, loop, workdirs
from research.checkpoints import Checkpoints

CONFIG = 'configs/coherence/digits.py:smoke'
OVERRIDES = [
  'training.checkpoint_every=2',
  'training.log_every=3',
  'population.size=3',
  'task.label_noise=0.5',
  'optimizer.momentum=0.9',
  'instruments.stiffness.on=batch',
  'instruments.stiffness.every=5',
]

# Each attempt is a child that is forked after the imports, and before any device is opened. It says so
# whenever it begins to save, every other step. At a random one of these moments it is given a random
# part of a tenth of a second, so that many of the kills are amid an asynchronous save.
DRILL = """
import json, os, pathlib, random, signal, sys, time
from research import command_line, configuration, loop
from research.checkpoints import Checkpoints
import orbax.checkpoint

config_path, n_kills, seed, *overrides = json.loads(sys.argv[1])
config = configuration.load(config_path, overrides)

def train(workdir, pipe):
  save = Checkpoints.save
  def say_and_save(*args):
    os.write(pipe, b'.')
    save(*args)
  Checkpoints.save = say_and_save
  command_line.cache_programs()
  loop.train_and_evaluate(config, workdir)

def attempt(workdir):
  reader, writer = os.pipe()
  child = os.fork()
  if child == 0:
    os.close(reader)
    code = 1
    try:
      train(workdir, writer)
      code = 0
    finally:
      os._exit(code)
  os.close(writer)
  return child, reader

def ended(child):
  code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
  assert code in (0, -signal.SIGKILL), code
  return code

straight, killed = map(pathlib.Path, sys.argv[2:])
child, _ = attempt(straight)
assert ended(child) == 0
moments, kills, resumes, in_saves = random.Random(seed), 0, -1, 0
while not (killed / 'DONE').exists():
  child, reader = attempt(killed)
  resumes += 1
  if kills < n_kills:
    for _ in range(moments.randint(1, 12)):
      os.read(reader, 1)
    time.sleep(moments.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
  if ended(child):
    kills += 1
    unverified = killed / 'checkpoints' / 'unverified'
    in_saves += unverified.exists() and any(unverified.iterdir())
print(json.dumps({'kills': kills, 'resumes': resumes, 'in_saves': in_saves}))
"""


def drill(folder, n_kills, seed, *overrides):
  """Its counts, and the directories of the run that was left alone and of the one that was killed."""
  runs = [folder / 'straight', folder / 'killed']
  asked = json.dumps([CONFIG, n_kills, seed, *OVERRIDES, *overrides])
  command = [sys.executable, '-W', 'ignore', '-c', DRILL, asked, *map(str, runs)]
  environment = os.environ | {'GENLAB_CACHE': str(folder / 'cache'), 'XLA_FLAGS': ''}
  done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=550)
  assert done.returncode == 0, done.stderr
  assert 'is skipped' not in done.stderr
  return json.loads(done.stdout.splitlines()[-1]), *runs


def final_leaves(workdir, *overrides):
  config = configuration.load(CONFIG, [*OVERRIDES, *overrides])
  with Checkpoints(workdir / 'checkpoints') as checkpoints:
    step, state = checkpoints.restore_latest(loop.build(config).abstract_state())
  return step, jax.device_get(jax.tree.leaves(state))


def assert_same_run(here, there, *overrides):
  """Bit by bit: every row, with what was measured when, and the state of every network."""
  record = here / 'metrics.jsonl'
  assert record.read_bytes() == (there / 'metrics.jsonl').read_bytes()
  rows = [json.loads(line) for line in record.read_text().splitlines()]
  total = rows[-1]['step']
  stiffness = [row['step'] for row in rows if 'batch/stiffness/cosine' in row]
  assert stiffness == [*range(0, total + 1, 5)]
  assert any(len(row.get('coherence/alpha', [])) == 3 for row in rows[1:-1])
  (step, leaves), (other_step, others) = (final_leaves(run, *overrides) for run in (here, there))
  assert step == other_step == total
  for a, b in zip(leaves, others, strict=True):
    assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())


@pytest.mark.slow
@pytest.mark.parametrize(
  ('n_kills', 'steps'), [(3, 80), pytest.param(20, 400, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments_a_run_ends_the_same(tmp_path, n_kills, steps):
  override = f'training.total_steps={steps}'
  counts, straight, killed = drill(tmp_path, n_kills, 0, override)
  print(counts)
  assert counts['kills'] == counts['resumes'] == n_kills
  assert counts['in_saves'] > 0
  assert len(workdirs.read_json(killed / 'environment.json')['attempts']) == n_kills + 1
  assert workdirs.read_json(killed / 'DONE')['resumed_at'] > 0
  assert_same_run(killed, straight, override)
