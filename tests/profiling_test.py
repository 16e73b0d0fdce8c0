"""Traces of single steps, and of nothing else."""

import jax.numpy as jnp
import pytest

from research import configuration, loop, profiling
from research.profiling import Trace


@pytest.fixture
def calls(monkeypatch):
  seen = []
  monkeypatch.setattr(profiling.jax.profiler, 'start_trace', lambda *a, **k: seen.append('start'))
  monkeypatch.setattr(profiling.jax.profiler, 'stop_trace', lambda: seen.append('stop'))
  return seen


@pytest.mark.parametrize(
  ('steps', 'expected'),
  [
    (range(2, 4), [0, 0, 1, 1, 2, 2]),
    (range(0, 1), [1, 2, 2, 2, 2, 2]),
    (range(4, 99), [0, 0, 0, 0, 1, 1]),
    (None, [0, 0, 0, 0, 0, 0]),
  ],
)
def test_whole_steps_are_traced_once(steps, expected, calls, tmp_path):
  found = []
  with Trace(tmp_path, steps) as trace:
    for step in range(6):
      trace.at(step, jnp.zeros(2))
      found.append(len(calls))
  assert found == expected
  assert calls == ['start', 'stop'][: 2 if steps else 0]  # left running, it ends with the run


def test_a_resumed_run_may_be_beyond_the_steps(calls, tmp_path):
  with Trace(tmp_path, range(2, 4)) as trace:
    trace.at(7, jnp.zeros(2))
  assert calls == []


@pytest.mark.parametrize(('text', 'steps'), [('3:5', range(3, 5)), ('4', range(2, 6))])
def test_steps_by_their_ends_or_their_number(text, steps):
  assert profiling.steps(text) == steps


@pytest.mark.parametrize('text', ['', '0', '5:5', '7:2', ':4', '4:', 'ten', '-3', '1:2:3'])
def test_other_texts_are_refused(text):
  with pytest.raises(ValueError, match='must be'):
    profiling.steps(text)


@pytest.mark.slow
def test_a_run_leaves_a_trace_and_its_record_does_not_change(tmp_path):
  config = configuration.load('configs/coherence/digits.py:smoke', [])
  loop.train_and_evaluate(config, tmp_path / 'plain')
  loop.train_and_evaluate(config, tmp_path / 'traced', profile=range(3, 5), costs=True)
  plain, traced = (tmp_path / name / 'metrics.jsonl' for name in ('plain', 'traced'))
  assert plain.read_bytes() == traced.read_bytes()
  assert [*(tmp_path / 'traced' / 'profile').rglob('*.json.gz')]
