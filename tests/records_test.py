import json
import os
import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import records
from research.records import Records, read_metrics


def rows_of(workdir):
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


def write_steps(workdir, first, last):
  rng = np.random.default_rng(0)
  noise = rng.normal(size=(100, 3)).astype(np.float32)
  with Records(workdir, first) as record:
    for step in range(first, last):
      record.write(step, {'train/loss': noise[step], 'b': step % 3, 'a/x': noise[step, 0]})


def test_float32_values_round_trip_exactly(tmp_path):
  values = np.random.default_rng(0).normal(size=1000).astype(np.float32) ** 9
  with Records(tmp_path) as record:
    record.write(0, {'x': jnp.asarray(values), 'half': jnp.asarray(values, jnp.bfloat16)})
  table = read_metrics(tmp_path)
  assert np.array_equal(table['x'].to_numpy(np.float32), values)
  assert np.array_equal(table['x'], values.astype(np.float64))
  assert np.array_equal(table['half'], np.asarray(jnp.asarray(values, jnp.bfloat16), np.float64))


def test_resumed_record_is_byte_identical(tmp_path):
  straight, resumed = tmp_path / 'straight', tmp_path / 'resumed'
  for workdir in (straight, resumed):
    workdir.mkdir()
  write_steps(straight, 0, 30)
  write_steps(resumed, 0, 17)
  with (resumed / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 17, "train/lo')
  write_steps(resumed, 12, 25)
  write_steps(resumed, 25, 30)
  assert (resumed / 'metrics.jsonl').read_bytes() == (straight / 'metrics.jsonl').read_bytes()


def test_opening_drops_torn_lines_later_and_repeated_steps(tmp_path):
  lines = ['{"step": 0, "x": 1}', '{"step": 2, "x": 2}', '{"step": 2, "x": 3}', '{"st']
  (tmp_path / 'metrics.jsonl').write_text('\n'.join([*lines, '{"step": 7, "x": 1}', '{"step": 3']))
  with Records(tmp_path, first_step=7) as record:
    record.write(7, {'x': 5})
  expected = [{'step': 0, 'x': 1}, {'step': 2, 'x': 3}, {'step': 7, 'x': 5}]
  assert rows_of(tmp_path) == expected
  assert sorted(os.listdir(tmp_path)) == ['metrics.jsonl']


def test_opening_replaces_the_record_in_one_move(tmp_path):
  write_steps(tmp_path, 0, 5)
  before = (tmp_path / 'metrics.jsonl').read_text()
  with (tmp_path / 'metrics.jsonl').open() as reader:
    Records(tmp_path, first_step=2).__exit__()
    assert reader.read() == before
  assert len(rows_of(tmp_path)) == 2


def test_failed_opening_leaves_the_record_as_it_was(tmp_path, monkeypatch):
  write_steps(tmp_path, 0, 5)
  before = (tmp_path / 'metrics.jsonl').read_bytes()

  def fail(fd):
    raise OSError('disk full')

  monkeypatch.setattr(os, 'fsync', fail)
  with pytest.raises(OSError, match='disk full'):
    Records(tmp_path, first_step=2)
  assert (tmp_path / 'metrics.jsonl').read_bytes() == before


def test_nonfinite_values_are_null_and_named(tmp_path):
  with Records(tmp_path) as record:
    record.write(0, {'a': np.array([1.0, np.nan, np.inf]), 'b': np.float32(-np.inf), 'c': 1})
  assert rows_of(tmp_path) == [
    {'step': 0, 'a': [1.0, None, None], 'b': None, 'c': 1, 'nonfinite': ['a', 'b']}
  ]
  table = read_metrics(tmp_path)
  assert list(table.columns) == ['step', 'member', 'a', 'b', 'c']
  assert list(table['a'].isna()) == [False, True, True]
  assert table['b'].isna().all()
  assert list(table['c']) == [1, 1, 1]


@pytest.mark.parametrize(
  'metrics',
  [{'step': 1}, {'x': np.zeros((2, 2))}, {'x': np.zeros(2), 'y': np.zeros(3)}, {'nonfinite': 0}],
)
def test_what_does_not_fit_a_row_is_refused(tmp_path, metrics):
  with Records(tmp_path) as record:
    with pytest.raises(ValueError, match=r'each is a scalar or \[R\]'):
      record.write(0, metrics)
    record.write(0, {'x': 1.0})
  assert rows_of(tmp_path) == [{'step': 0, 'x': 1.0}]


def test_steps_increase(tmp_path):
  write_steps(tmp_path, 0, 5)
  with Records(tmp_path, first_step=5) as record, pytest.raises(ValueError, match='step 4 follows'):
    record.write(4, {'x': 0})


def test_reader_takes_a_torn_last_line_in_silence_and_warns_of_others(tmp_path, caplog):
  path = tmp_path / 'metrics.jsonl'
  path.write_text(
    '{"step": 10, "x": [1, 2]}\n{"step": 0, "y": 3}\n{"step": 10, "x": [4, NaN]}\n{"s'
  )
  table = read_metrics(tmp_path)
  assert not caplog.records
  assert list(zip(table['step'], table['member'], strict=True)) == [
    (0, 0),
    (0, 1),
    (10, 0),
    (10, 1),
  ]
  np.testing.assert_array_equal(table['x'], [np.nan, np.nan, 4, np.nan])
  np.testing.assert_array_equal(table['y'], [3, 3, np.nan, np.nan])
  path.write_bytes(b'{"step": 1, "x\0\0\0\n\0\0\0\0\n\xff\n[1]\n{"step": 2, "x": 1}\n')
  assert list(read_metrics(tmp_path)['step']) == [2]
  assert len(caplog.records) == 1
  assert 'skipped 4 torn lines, the first is line 1' in caplog.text


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ROWS = st.dictionaries(
  st.sampled_from(['step', 'member', 'nonfinite', 'x', 'a/y']) | st.text(max_size=3),
  SCALARS | st.lists(SCALARS, max_size=3) | st.sampled_from([10**400, 2**70, {'x': 1}]),
)
SMALL = st.fixed_dictionaries({'step': st.integers(0, 9), 'x': st.just([1, 2.5])})
ROW_LINES = (ROWS | SMALL).map(lambda row: json.dumps(row).encode())
LINES = ROW_LINES | st.binary(max_size=30) | ROW_LINES.map(lambda line: line[: len(line) // 2])
DEEP = b'[' * 100_000  # more than Python's stack holds


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.lists(LINES | st.sampled_from([DEEP, b'{"step": 1e400}']), max_size=8), st.integers(0, 9))
def test_any_bytes_are_a_record_of_what_is_whole_in_them(tmp_path_factory, lines, first):
  workdir = tmp_path_factory.mktemp('record')
  path = workdir / 'metrics.jsonl'
  path.write_bytes(b'\n'.join([b'{"step": 0, "x": [1, 2]}', *lines]))
  table = read_metrics(workdir)
  places = list(zip(table['step'], table['member'], strict=True))
  assert places == sorted(set(places))
  assert {(0, 0), (0, 1)} <= {*places}
  assert all(table[name].dtype == np.float64 for name in table.columns[2:])
  with Records(workdir, first) as record:
    record.write(10**6, {'x': [1.0, 2.0]})
  kept = table[table['step'] < first]
  again = read_metrics(workdir)
  assert [*again['step']] == [*kept['step'], 10**6, 10**6]
  np.testing.assert_array_equal(again['x'][:-2], kept['x'])


@pytest.mark.parametrize(
  'line',
  [
    '{"step": 1, "x": "1"}',
    '{"step": 1, "x": [1, 2, 3]}',
    '{"step": 1, "x": [1, 2], "y": [1]}',
    '{"step": 1, "x": 1e400}',
    '{"step": 1.5, "x": 1}',
    '{"step": true, "x": 1}',
    '{"step": -1, "x": 1}',
    '{"x": 1}',
    '1',
  ],
)
def test_a_line_that_no_writer_writes_is_skipped(tmp_path, caplog, line):
  (tmp_path / 'metrics.jsonl').write_text(f'{{"step": 0, "x": [4, 5]}}\n{line}\n{{"step": 2}}\n')
  assert [*read_metrics(tmp_path)['step']] == [0, 0, 2, 2]
  assert 'skipped 1 torn lines, the first is line 2' in caplog.text


def test_reader_of_an_empty_record(tmp_path):
  (tmp_path / 'metrics.jsonl').touch()
  assert list(read_metrics(tmp_path).columns) == ['step', 'member']
  with pytest.raises(FileNotFoundError):
    read_metrics(tmp_path / 'nothing')


def test_reader_is_fast(tmp_path):
  row = {name: 0.123456789 for name in 'abcdefgh'}
  lines = (json.dumps({'step': step, **row}) for step in range(20_000))
  (tmp_path / 'metrics.jsonl').write_text('\n'.join(lines))
  started = time.process_time()
  assert len(read_metrics(tmp_path)) == 20_000
  assert time.process_time() - started < 3  # 0.3 s on an idle core


def scalars(workdir):
  """What is in the event files of a view: each file is a list of length-prefixed records."""
  from tensorboardX.proto.event_pb2 import Event

  found = []
  for path in sorted((workdir / 'tensorboard').iterdir()):
    data = path.read_bytes()
    while data:
      size = int.from_bytes(data[:8], 'little')
      event, data = Event.FromString(data[12 : 12 + size]), data[16 + size :]
      found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
  return found


def test_tensorboard_is_a_view_of_the_record(tmp_path):
  with Records(tmp_path, tensorboard=True) as record:
    record.write(0, {'x': np.array([1.0, 3.0, np.nan])})
    record.write(1, {'x': 9.0})
  (tmp_path / 'tensorboard' / 'stale').write_bytes(b'')
  with Records(tmp_path, first_step=1, tensorboard=True) as record:
    record.write(1, {'x': np.array([4.0, 6.0, np.nan]), 'y': np.nan})
  assert not (tmp_path / 'tensorboard' / 'stale').exists()
  followed = scalars(tmp_path)
  assert followed == [(0, 'x', 2.0), (1, 'x', 5.0)]
  records.rebuild_tensorboard(tmp_path)
  assert scalars(tmp_path) == followed


def test_a_full_disk_is_named_with_its_free_bytes(tmp_path, monkeypatch):
  """The device that is always full stands for the disk."""
  record = Records(tmp_path)
  record._file.close()
  record._file = open('/dev/full', 'a', buffering=1)  # noqa: SIM115 (the record closes it)
  message = r'No space left on device \([0-9,]+ bytes free\).*metrics\.jsonl'
  with pytest.raises(OSError, match=message), record:
    record.write(0, {'x': 1})
