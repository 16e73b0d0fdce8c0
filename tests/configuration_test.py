"""Configs: every file at every scale, and every way to get one wrong."""

import json
import pathlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import configuration, sweeps
from research.configuration import ConfigError, load
from research.instruments import INSTRUMENTS, Mounted
from research.models import MODELS, make_model
from research.optimizers import make_optimizer
from research.settings import Population, Training
from research.tasks import make_task
from research.trees import flat

CONFIGS = sorted(str(path) for path in pathlib.Path('configs').rglob('*.py'))
DIGITS = 'configs/coherence/digits.py'
SMOKE = f'{DIGITS}:smoke'
NAMES_OF_MODELS = "one of 'mlp', 'cnn', 'resnet', 'bottleneck_resnet', 'vit'"
SECTIONS = [
  'task',
  'model',
  'loss',
  'objective',
  'average',
  'optimizer',
  'training',
  'population',
  'vary',
  'probe',
  'evaluation',
]


def scales(file):
  """Those that the file names when asked for one that it has not."""
  with pytest.raises(ConfigError, match='no scale') as error:
    load(f'{file}:no_such_scale')
  return re.split(', | or ', str(error.value).partition('choose ')[2])


def refusal(*overrides, config=SMOKE):
  """The message of one line with which a config is refused."""
  with pytest.raises(ConfigError) as error:
    load(config, overrides)
  assert '\n' not in str(error.value)
  return str(error.value)


def write(tmp_path, text):
  path = tmp_path / 'config.py'
  path.write_text(text)
  return str(path)


MINIMAL = (
  'def get_config(scale=""):\n'
  '  return dict(model=dict(name="mlp"), training=dict(total_steps=1, batch_size=2){})\n'
)


@pytest.mark.parametrize('file', CONFIGS)
def test_every_config_has_its_scales(file):
  assert {'smoke', 'cpu'} <= set(scales(file)) <= {'smoke', 'cpu', 'full'}
  for scale in scales(file):
    config = load(f'{file}:{scale}')
    assert set(config) == {'source', 'seed', *SECTIONS, 'instruments'}
    assert config.source == f'{file}:{scale}'


@pytest.mark.parametrize('file', CONFIGS)
def test_the_default_scale_is_cpu(file):
  here, there = (configuration.as_json(load(path)) for path in (file, f'{file}:cpu'))
  assert here | {'source': ''} == there | {'source': ''}


@pytest.mark.parametrize('file', CONFIGS)
def test_every_config_is_stable_in_json(file):
  for scale in scales(file):
    values = configuration.as_json(load(f'{file}:{scale}'))
    text = json.dumps(values, allow_nan=False)
    assert json.loads(text) == values
    assert json.dumps(configuration.as_json(load(f'{file}:{scale}'))) == text


@pytest.mark.parametrize('file', CONFIGS)
def test_every_config_resolves_to_what_the_functions_take(file):
  for scale in scales(file):
    config = load(f'{file}:{scale}')
    total_steps = configuration.call(Training, config, 'training').total_steps
    configuration.call(make_optimizer, config, 'optimizer', total_steps)
    configuration.call(make_model, config, 'model', 2 if config.model.single_logit else 10)
    panel = configuration.mount_instruments(config, total_steps)
    assert list(panel) == list(config.instruments)
    assert all(isinstance(it, Mounted) for it in panel.values())


@pytest.mark.parametrize('file', CONFIGS)
def test_every_sweep_is_of_valid_overrides(file):
  if 'def sweep' not in pathlib.Path(file).read_text():
    with pytest.raises(ConfigError, match=r'defines no sweep\(\)'):
      sweeps.sweep(file)
    return
  arms = sweeps.sweep(f'{file}:smoke')
  assert len(arms) > 0
  for arm in arms.values():
    config = load(f'{file}:smoke', [f'{key}={value!r}' for key, value in arm.items()])
    values = flat(configuration.as_json(config))
    plain = json.loads(json.dumps(arm))
    assert {key: values[key] for key in arm} == plain


def test_a_saved_config_is_the_config_of_the_run(tmp_path):
  config = load(SMOKE, ['model.widths=(3,4)'])
  (tmp_path / 'config.json').write_text(json.dumps(configuration.as_json(config)))
  assert configuration.saved(tmp_path) == config


def test_defaults_are_those_of_the_functions():
  config = load(SMOKE)
  assert config.optimizer.b2 == 0.999
  assert config.training.keep_checkpoints == 2
  assert config.task.train_split == 'train'
  assert config.instruments.coherence.per_layer is True
  assert 'data_dir' not in config.task


def test_a_config_is_locked():
  config = load(SMOKE)
  with pytest.raises(AttributeError):
    config.modle = 3


@pytest.mark.parametrize(
  ('override', 'value'),
  [
    ('model.widths=(64,32)', (64, 32)),
    ('model.widths=64,32', (64, 32)),
    ('model.widths=[64]', (64,)),
    ('model.widths=()', ()),
    ('evaluation.every=None', None),
    ('evaluation.every=7', 7),
    ('task.shared_noise=True', True),
    ('task.shared_noise=false', False),
    ('optimizer.learning_rate=1e-3', 1e-3),
    ('optimizer.learning_rate=1', 1.0),
    ('optimizer.clip_norm=2', 2.0),
    ('optimizer.drop_at=(0.5,)', (0.5,)),
    ('optimizer.name=adam', 'adam'),
    ('task.name=mnist', 'mnist'),
    ('task.name="mnist"', 'mnist'),
    ('task.train_split=train[:100]', 'train[:100]'),
    ('training.total_steps=1_000', 1000),
    ('instruments.coherence.on=batch', 'batch'),
    ('seed=12', 12),
  ],
)
def test_overrides_have_the_type_of_their_key(override, value):
  config = load(SMOKE, [override])
  for part in override.partition('=')[0].split('.'):
    config = config[part]
  assert repr(config) == repr(value)


def test_the_last_override_of_a_key_counts():
  assert load(SMOKE, ['seed=1', 'seed=2']).seed == 2


def test_overrides_change_nothing_else():
  here = flat(configuration.as_json(load(SMOKE)))
  there = flat(configuration.as_json(load(SMOKE, ['training.batch_size=4'])))
  assert {key for key in here if here[key] != there[key]} == {'training.batch_size'}


@pytest.mark.parametrize('name', INSTRUMENTS)
def test_an_instrument_is_added_by_an_override_alone(name):
  config = load(SMOKE, [f'instruments.{name}.every=10', f'instruments.{name}.per_decade=None'])
  panel = configuration.mount_instruments(config, 20)
  assert sorted(panel[name].steps) == [0, 10, 20]
  assert set(panel) == {'coherence', 'noise_scale', name}


@pytest.mark.parametrize('name', MODELS)
def test_another_model_comes_with_its_own_defaults(name):
  config = load(SMOKE, [f'model.name={name}'])
  configuration.call(make_model, config, 'model', 10)
  assert (config.model.get('widths') == (16,)) is (name == 'mlp')


def test_keys_of_another_model_may_come_before_its_name():
  model = load(SMOKE, ['model.depth=10', 'model.name=resnet', 'model.norm=layer']).model
  assert (model.name, model.depth, model.norm) == ('resnet', 10, 'layer')


def test_one_and_one_point_nought_are_the_same_setting():
  configs = [load(SMOKE, [f'optimizer.learning_rate={text}']) for text in ('1', '1.0', '1e0')]
  assert len({json.dumps(configuration.as_json(config)) for config in configs}) == 1


def test_json_goes_back_and_forth():
  values = configuration.as_json(load(SMOKE, ['model.widths=(3,4)', 'optimizer.clip_norm=0.1']))
  assert values['model']['widths'] == [3, 4]
  assert values['optimizer']['clip_norm'] == 0.1
  by_key = flat(values)
  assert by_key['instruments.coherence.per_decade'] == 8
  overrides = [f'{k}={v!r}' for k, v in by_key.items() if k not in ('source',)]
  assert configuration.as_json(load(SMOKE, overrides)) == values


def test_flat_keeps_what_is_empty():
  assert flat({'a': {'b': {'c': 1}}, 'd': {}}) == {'a.b.c': 1, 'd': {}}


# (override, how the refusal begins, what it says besides)
UNKNOWN = [
  ('modle.name=3', "unknown config key 'modle.name'", "did you mean 'model.name'?"),
  ('sed=3', "unknown config key 'sed'", "did you mean 'seed'?"),
  ('zzz=3', "unknown config key 'zzz'", 'valid in the config: seed, task, model'),
  ('optimiser.name=3', "unknown config key 'optimiser.name'", "did you mean 'optimizer.name'?"),
  ('model.widht=3', "unknown config key 'model.widht'", "did you mean 'model.widths'?"),
  ('optimizer.lr=3', "unknown config key 'optimizer.lr'", "mean 'optimizer.learning_rate'?"),
  ('instruments.stifness.every=3', 'unknown', "did you mean 'instruments.stiffness.every'?"),
  ('instruments.gsnr.evry=3', 'unknown', "did you mean 'instruments.gsnr.every'?"),
  ('instruments.zzz.every=3', 'unknown', 'valid in instruments: adversarial, batch_coherence'),
  ('model.widths.x=3', 'unknown', "'model.widths' is a value, no section"),
  ('seed.x=3', 'unknown', "'seed' is a value, no section"),
  ('task.data_dir=/x', 'unknown', 'valid in task: name, label_noise'),
  ('source=x', 'unknown', 'valid in the config'),
  ('=3', "unknown config key ''", 'valid in the config'),
  ('model..name=3', 'unknown', 'valid in model: name, single_logit, ensemble, widths'),
  (
    'model=mlp',
    "'model' in ",
    'is a section, no value; set a key in it: name, single_logit, ensemble, widths',
  ),
  ('instruments=3', "'instruments' in ", 'is a section, no value'),
  ('instruments.gsnr=3', "'instruments.gsnr' in ", 'set a key in it: every, per_decade, on'),
]


@pytest.mark.parametrize(('override', 'start', 'hint'), UNKNOWN)
def test_an_unknown_key_is_refused_at_every_level(override, start, hint):
  message = refusal(override)
  assert message.startswith(start)
  assert hint in message
  assert DIGITS in message


@pytest.mark.parametrize(
  ('override', 'wanted'),
  [
    ('model.widths=64', 'a tuple of int'),
    ('model.widths=(64,"a")', 'a tuple of int'),
    ('training.total_steps=1e3', 'int'),
    ('training.total_steps=True', 'int'),
    ('optimizer.learning_rate=fast', 'float'),
    ('optimizer.learning_rate=True', 'float'),
    ('optimizer.learning_rate=1e999', 'float'),
    ('optimizer.clip_norm=', 'float or None'),
    ('task.shared_noise=1', 'bool'),
    ('task.name=None', 'str'),
    ('evaluation.every=often', 'int or None'),
    ('model.name=resnt', f"{NAMES_OF_MODELS} (did you mean 'resnet'?)"),
    ('model.name=[1]', NAMES_OF_MODELS),
    ('optimizer.name=adamm', "one of 'sgd', 'adam', 'adamw' (did you mean 'adam'?)"),
    ('population.advance=pmap', "one of 'auto', 'vmap', 'scan' (did you mean 'vmap'?)"),
    ('seed=x', 'int in [0, 2**31)'),
    ('seed=-1', 'int in [0, 2**31)'),
    ('seed=True', 'int in [0, 2**31)'),
    ('seed=2147483648', 'int in [0, 2**31)'),
  ],
)
def test_a_wrong_type_is_refused(override, wanted):
  key = override.partition('=')[0]
  message = refusal(override)
  assert message.startswith(f'{key}=')
  remedy = f'set it in {DIGITS} or with --config.{key}=VALUE'
  assert message.endswith(f' must be {wanted}; {remedy}')


def test_a_long_value_is_cut_short():
  assert len(refusal('seed=' + 'x' * 10_000)) < 300


def test_an_override_without_a_value_is_refused():
  assert refusal('seed') == "override 'seed' has no value; write --config.seed=VALUE"


@pytest.mark.parametrize(
  ('section', 'function', 'args', 'override', 'message'),
  [
    ('optimizer', make_optimizer, [20], 'learning_rate=-1', ' must be positive and finite, not -1'),
    ('training', Training, [], 'batch_size=0', ' must be at least 1, not 0'),
    ('population', Population, [], 'size=0', ' must be at least 1, not 0'),
    ('task', make_task, [], 'label_noise=2', ' must lie in [0, 1], not 2'),
    ('task', make_task, [], 'n_train=5000', ' must lie in [1, 1437]'),
    ('task', make_task, [], 'train_split=trian', ' must be one of train, test'),
    ('model', make_model, [10], 'widths=(0,)', ' must be positive, not (0,)'),
  ],
)
def test_what_is_out_of_range_is_refused_with_its_key(section, function, args, override, message):
  key = f'{section}.{override.partition("=")[0]}'
  config = load(SMOKE, [f'{section}.{override}'])
  with pytest.raises(ConfigError) as error:
    configuration.call(function, config, section, *args)
  assert str(error.value).startswith(key + message)
  assert str(error.value).endswith(f'; set it in {DIGITS} or with --config.{key}=VALUE')


def test_schedules_of_instruments_are_checked():
  config = load(SMOKE, ['instruments.gsnr.every=0'])
  with pytest.raises(
    ConfigError, match=r'^instruments\.gsnr\.every must be at least 1, not 0; set'
  ):
    configuration.mount_instruments(config, 20)


def test_an_error_that_names_no_key_still_names_its_section():
  def make(**section):
    raise ValueError('the moon is full')

  with pytest.raises(ConfigError, match=r'^loss: the moon is full; set .* --config\.loss\.KEY='):
    configuration.call(make, load(SMOKE), 'loss')


def fail(message):
  raise ValueError(message)


@pytest.mark.parametrize(
  ('message', 'key'),
  [
    ('probe.size=99 exceeds the 10 examples', 'probe.size'),
    ('patch must divide the image', 'model.patch'),
  ],
)
def test_an_error_that_names_a_key_of_any_section_is_the_configs(message, key):
  config = load(SMOKE, ['model.name=vit'])
  with pytest.raises(ConfigError) as error:
    configuration.checked(fail, config, message)
  assert str(error.value).startswith(key)
  assert f'--config.{key}=VALUE' in str(error.value)


@pytest.mark.parametrize(
  'message', ['shapes (3,) and (4,) differ', 'name is ambiguous', '(3,) differ']
)
def test_an_error_that_names_no_key_is_not_the_configs(message):
  with pytest.raises(ValueError, match=re.escape(message)) as error:
    configuration.checked(fail, load(SMOKE), message)
  assert not isinstance(error.value, ConfigError)


def test_a_required_key_is_missed(tmp_path):
  file = write(tmp_path, MINIMAL.format('').replace(', batch_size=2', ''))
  assert refusal(config=file) == f'training.batch_size is missing in {file}; it has no default'
  file = write(tmp_path, MINIMAL.format('').replace('name="mlp"', ''))
  assert refusal(config=file) == f'model.name is missing in {file}; it has no default'


def test_a_minimal_config_is_enough(tmp_path):
  config = load(write(tmp_path, MINIMAL.format('')))
  assert config.task.name == 'digits'
  assert not config.instruments


@pytest.mark.parametrize(
  ('more', 'start'),
  [
    (', optimiser=dict()', "unknown config key 'optimiser'"),
    (', optimizer=dict(lr=1)', "unknown config key 'optimizer.lr'"),
    (', optimizer=3', "'optimizer' in"),
    (', optimizer=dict(name="adm")', "optimizer.name='adm' must be one of"),
    (', optimizer=dict(momentum="x")', "optimizer.momentum='x' must be float"),
    (', instruments=3', "'instruments' in"),
    (', instruments=dict(gsnr=3)', "'instruments.gsnr' in"),
    (', instruments=dict(gsrn=dict())', "unknown config key 'instruments.gsrn'"),
    (', instruments=dict(gsnr=dict(evry=2))', "unknown config key 'instruments.gsnr.evry'"),
    (', seed=0.5', 'seed=0.5 must be int'),
    (', **{"model.name": "mlp"}', "unknown config key 'model.name'"),
  ],
)
def test_what_is_wrong_in_the_file_is_refused(tmp_path, more, start):
  file = write(tmp_path, MINIMAL.format(more))
  message = refusal(config=file)
  assert message.startswith(start)
  assert file in message


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('def get_config(: pass', 'SyntaxError: invalid syntax'),
    ('1 / 0', 'ZeroDivisionError'),
    ('import no_such_module', "No module named 'no_such_module'"),
    ('raise SystemExit(3)', 'SystemExit: 3'),
    ('x = 1', 'defines no get_config()'),
    ('get_config = 3', 'defines no get_config()'),
    ('get_config = lambda: None', 'must return a ConfigDict, not None'),
    ('def get_config(): raise KeyError("x")', "KeyError: 'x'"),
    ('def get_config():\n  c = {}\n  c.modle = 3', 'AttributeError'),
    ('def get_config(scale): return {}', "missing 1 required positional argument: 'scale'"),
    ('get_config = lambda: {3: 4}', 'unknown config key 3 in'),
  ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, says):
  file = write(tmp_path, text)
  message = refusal(config=file)
  assert says in message
  assert file in message


def test_a_file_that_takes_no_scale_is_refused_one(tmp_path):
  file = write(tmp_path, MINIMAL.format('').replace('scale=""', ''))
  assert load(file).training.batch_size == 2
  assert 'takes 0 positional arguments' in refusal(config=f'{file}:cpu')


@pytest.mark.parametrize(
  'path', ['nope.py', 'nope.py:cpu', '', ':', 'configs', 'configs:cpu', 'a\0b']
)
def test_a_missing_file_is_refused(path):
  message = refusal(config=path)
  assert message.startswith(f'no config file {path.partition(":")[0]!r}; give --config=configs/')


@pytest.mark.parametrize('file', CONFIGS)
def test_a_scale_that_a_config_has_not_is_refused(file):
  message = refusal(config=f'{file}:big')
  assert message.startswith(f"{file}: no scale 'big'; choose smoke")
  assert "no scale 'smoke:x'" in refusal(config=f'{file}:smoke:x')


KEYS = ['seed', *flat(configuration.as_json(load(SMOKE)))]
ANY_TEXT = st.text(max_size=20) | st.sampled_from(
  ['(', '1e', 'None', '[]', '{}', 'nan', '-', "b''"]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
LITERALS = (VALUES | st.lists(VALUES, max_size=3) | st.tuples(VALUES)).map(repr)
OVERRIDES = st.builds(
  '{}{}{}'.format,
  st.sampled_from(KEYS) | st.text('abcdelmno._', max_size=12) | ANY_TEXT,
  st.sampled_from(['=', '=', '=', '', '.x=', '==']),
  ANY_TEXT | LITERALS,
)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.lists(OVERRIDES, max_size=3))
def test_any_override_loads_or_is_refused_in_one_line(overrides):
  try:
    config = load(SMOKE, overrides)
  except ConfigError as error:
    assert len(str(error).splitlines()) == 1  # noqa: PT017 (either way is well)
  else:
    json.dumps(configuration.as_json(config), allow_nan=False)


def test_another_schedule_replaces_the_one_of_the_file():
  config = load(SMOKE, ['instruments.coherence.every=5'])
  assert (config.instruments.coherence.every, config.instruments.coherence.per_decade) == (5, None)
  config = load(SMOKE, ['evaluation.every=7'])
  assert (config.evaluation.every, config.evaluation.per_decade) == (7, None)


def test_none_unmounts_an_instrument():
  assert set(load(SMOKE, ['instruments.coherence=none']).instruments) == {'noise_scale'}
