"""A manifest: pure, keyed by content, and refused where it could not be run as it stands."""

import json

import pytest

from launch import manifest
from research.configuration import ConfigError


def edited(config, old, new):
  text = config.read_text()
  assert old in text
  config.write_text(text.replace(old, new))


def test_a_plan_is_pure_and_keyed_by_what_the_configs_hold(config):
  before = sorted(config.parent.iterdir())
  runs = manifest.plan(str(config), ['training.total_steps=4'])
  assert runs == manifest.plan(str(config), ['training.total_steps=4'])
  assert sorted(config.parent.iterdir()) == before
  assert [run.workdir for run in runs] == [f'label_noise={x}' for x in (0.0, 0.5, 1.0)]
  assert runs[1].overrides == ['training.total_steps=4', 'task.label_noise=0.5']
  others = manifest.plan(str(config))
  assert not {run.id for run in runs} & {run.id for run in others}
  moved = config.rename(config.with_name('moved.py'))
  assert [run.id for run in manifest.plan(str(moved))] == [run.id for run in others]


def test_the_command_is_that_of_a_single_run(config, tmp_path):
  run = manifest.plan(str(config), ['seed=3'])[2]
  assert run.command(tmp_path, 'python', 'sets') == [
    *(
      'python',
      '-m',
      'research.main',
      f'--config={config}',
      f'--workdir={tmp_path}/label_noise=1.0',
    ),
    *('--data_dir=sets', '--config.seed=3', '--config.task.label_noise=1.0'),
  ]


def test_a_config_alone_is_one_run_of_its_own_values(config):
  (run,) = manifest.plan(str(config), ['seed=3'], alone=True)
  assert (run.workdir, run.overrides) == ('run', ['seed=3'])


SWEEPS = {
  'seeds': ("[{'seed': 1}, {'seed': 2}]", 'differ in their seed alone'),
  'twice': ("{'a': {}, 'b': {'task.label_noise': 0.0}}", "'a' and 'b' are the same run"),
  'above': ("{'../a': {}}", 'cannot name a directory'),
  'none': ('[]', 'has no runs'),
  'typo': ("[{'task.label_nois': 1.0}]", "did you mean 'task.label_noise'"),
}


@pytest.mark.parametrize('case', SWEEPS)
def test_a_sweep_that_makes_no_sense_is_refused(case, config, call):
  arms, message = SWEEPS[case]
  head = config.read_text().partition('def sweep')[0]
  config.write_text(f'{head}def sweep():\n  return {arms}\n')
  code, out, errors = call('plan', f'--config={config}', f'--workdir={config.parent / "sweep"}')
  assert (code, out) == (2, '')
  assert message in errors
  assert len(errors.splitlines()) == 1
  assert not (config.parent / 'sweep').exists()


def test_a_manifest_is_written_once_and_may_grow(planned, config, call):
  path = planned / manifest.MANIFEST
  before = path.read_bytes(), path.stat().st_mtime_ns
  code, out, _ = call('plan', f'--config={config}', f'--workdir={planned}')
  assert (code, 'planned already' in out) == (0, True)
  assert (path.read_bytes(), path.stat().st_mtime_ns) == before
  edited(config, '(0.0, 0.5, 1.0)', '(0.0, 0.25, 0.5, 1.0)')
  assert call('plan', f'--config={config}', f'--workdir={planned}')[0] == 0
  ids = [run.id for run in manifest.read(planned)]
  assert set(ids) > {json.loads(line)['id'] for line in before[0].splitlines()}
  assert len(ids) == 4


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('total_steps=8', 'total_steps=9', 'now has another config; plan into another --workdir'),
    ('(0.0, 0.5, 1.0)', '(0.0, 1.0)', 'now has no such run; plan into another --workdir'),
  ],
)
def test_another_plan_in_the_same_folder_is_refused(old, new, message, planned, config, call):
  before = (planned / manifest.MANIFEST).read_bytes()
  edited(config, old, new)
  code, _, errors = call('plan', f'--config={config}', f'--workdir={planned}')
  assert code == 2
  assert message in errors
  assert (planned / manifest.MANIFEST).read_bytes() == before


@pytest.mark.parametrize('line', ['{"id": "1"}', 'x', '[]', '3'])
def test_a_line_that_is_no_run_is_named(line, planned):
  with (planned / manifest.MANIFEST).open('a') as file:
    file.write(line + '\n')
  with pytest.raises(ConfigError, match='line 4 of .* is no run'):
    manifest.read(planned)


def test_a_changed_config_is_noticed_before_anything_runs(planned, config, call, fake):
  edited(config, 'total_steps=8', 'total_steps=9')
  code, out, errors = call('run', f'--workdir={planned}', '--backend=local', f'--python={fake}')
  assert (code, out) == (2, '')
  assert "'label_noise=0.0' was planned as" in errors
  assert 'restore the file' in errors
  assert [path.name for path in planned.iterdir()] == [manifest.MANIFEST]
