"""The house has floors: a module imports only from floors strictly below its own."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

FLOORS = [
  {'types', 'trees', 'rngs', 'schedules', 'annotations', 'medians', 'peers'},
  {'settings', 'sharding', 'streams', 'workdirs', 'costs', 'profiling'},
  {
    'tasks',
    'models',
    'losses',
    'optimizers',
    'gradients',
    'attacks',
    'contrastive',
    'theory',
    'divergence',
  },
  {'references', 'objectives', 'hypotheses', 'langevin', 'referee', 'variation'},
  {
    'instruments',
    'step',
    'evaluate',
    'members',
    'checkpoints',
    'records',
    'thermodynamic_integration',
  },
  {'checks', 'samples', 'sections', 'measures', 'stopping'},
  {'population', 'configuration', 'tables', 'summaries'},
  {'forecast'},
  {'loop', 'sweeps', 'figures'},
  {'restored'},
  {'measured'},
  {'studies', 'command_line', 'processes'},
  {'main', 'replicate', 'rank'},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def modules(folder='research'):
  return sorted(p for p in (ROOT / folder).rglob('*.py') if p != ROOT / 'research' / '__init__.py')


def imports(path):
  """Every dotted name that a file imports, anywhere in it; `from a import b` gives `a.b`."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: imports are absolute'
      yield from (f'{node.module}.{alias.name}' for alias in node.names)


def room_of(path):
  return path.relative_to(ROOT / 'research').parts[0].removesuffix('.py')


def breaches(room, names):
  for name in names:
    package, _, rest = name.partition('.')
    other = rest.partition('.')[0]
    if package == 'research' and other != room and FLOOR[other] >= FLOOR[room]:
      yield name


@pytest.mark.parametrize('path', modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path):
  assert not list(breaches(room_of(path), imports(path)))


def test_an_import_that_goes_up_is_seen():
  assert list(breaches('gradients', ['research.loop.train_and_evaluate'])) != []
  assert list(breaches('loop', ['research.records', 'research.gradients.mean', 'jax'])) == []


def test_launchers_stand_on_the_house_and_nothing_in_it_knows_them():
  outside = [name for path in modules('launch') for name in imports(path)]
  assert {name.partition('.')[0] for name in outside} >= {'launch', 'research'}
  for folder in ('research', 'configs', 'notebooks', 'benchmarks'):
    for path in modules(folder):
      assert not [name for name in imports(path) if name.partition('.')[0] == 'launch'], path


def test_linen_lives_in_models_alone():
  for path in modules():
    if room_of(path) != 'models':
      assert not [name for name in imports(path) if name.startswith('flax.linen')], path


def test_orbax_tfds_and_grain_are_hidden_in_one_file_each():
  homes = {'orbax': 'checkpoints.py', 'tensorflow_datasets': 'tfds.py', 'grain': 'streams.py'}
  for hidden, home in homes.items():
    users = {path.name for path in modules() if any(n.startswith(hidden) for n in imports(path))}
    assert users == {home}


def test_no_private_jax_and_no_tensorflow():
  for path in modules():
    for name in imports(path):
      private = name.startswith(('jax._src', 'jax.core', 'jax.interpreters', 'clu'))
      assert not private or name == 'jax.core.Tracer', path
      assert name.partition('.')[0] != 'tensorflow', path


def test_configs_import_only_ml_collections():
  for path in modules('configs'):
    assert {name.partition('.')[0] for name in imports(path)} <= {'ml_collections'}, path


def test_one_file_one_page():
  for folder in ('research', 'configs', 'launch', 'benchmarks'):
    for path in modules(folder):
      assert len(path.read_text().splitlines()) <= 300, path
