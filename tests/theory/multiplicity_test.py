"""Ambiguity and discrepancy, against loops over models and examples."""

import numpy as np
import pytest

from research.theory import multiplicity

R, M, C = 7, 11, 3


def draw(seed=0, n_classes=C):
  rng = np.random.default_rng(seed)
  return rng.dirichlet(np.ones(n_classes), size=(R, M)), rng.uniform(size=R)


def by_loops(probabilities, losses, epsilon, threshold):
  best = int(np.argmin(losses))
  table = []
  for r in range(R):
    if losses[r] <= losses[best] + epsilon:
      row = []
      for i in range(M):
        gaps = [abs(probabilities[r, i, c] - probabilities[best, i, c]) for c in range(C)]
        row.append(max(gaps) >= threshold)
      table.append(row)
  ambiguity = sum(any(row[i] for row in table) for i in range(M)) / M
  return ambiguity, max(sum(row) / M for row in table)


@pytest.mark.parametrize('epsilon', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('threshold', [0.45, 0.6])
def test_measures_are_those_of_loops(epsilon, threshold):
  probabilities, losses = draw()
  expected = by_loops(probabilities, losses, epsilon, threshold)
  arguments = probabilities, losses, epsilon, threshold
  found = multiplicity.ambiguity(*arguments), multiplicity.discrepancy(*arguments)
  assert found == pytest.approx(expected)
  assert found[0] >= found[1]
  if epsilon:
    assert 0 < found[1] < found[0]


def test_classes_conflict_or_do_not():
  """Three models of four examples: one errs on the first, one on the second and third."""
  labels = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]])
  probabilities, losses = np.eye(2)[labels], np.array([0.1, 0.2, 0.3])
  for threshold in (1.0, 0.3):
    assert multiplicity.ambiguity(probabilities, losses, 0.2, threshold) == 3 / 4
    assert multiplicity.discrepancy(probabilities, losses, 0.2, threshold) == 2 / 4
    assert multiplicity.ambiguity(probabilities, losses, 0.1, threshold) == 1 / 4
    assert multiplicity.ambiguity(probabilities, losses, 0.0, threshold) == 0


def test_measures_move_the_way_they_must():
  probabilities, losses = draw(1)
  for measure in (multiplicity.ambiguity, multiplicity.discrepancy):
    wider = [measure(probabilities, losses, e, 0.3) for e in (0, 0.2, 0.5, 1)]
    farther = [measure(probabilities, losses, 1, t) for t in (0.1, 0.3, 0.6, 1)]
    more = [
      measure(probabilities[order], losses[order], 1, 0.3)
      for order in (np.argsort(losses)[:k] for k in (1, 3, 5, 7))
    ]
    for values in (wider, farther[::-1], more):
      assert values == sorted(values)
      assert values[0] < values[-1]


def test_the_order_of_models_examples_and_classes_does_not_matter():
  probabilities, losses = draw(2)
  rng = np.random.default_rng(0)
  models, examples, classes = (rng.permutation(k) for k in (R, M, C))
  moved = probabilities[models][:, examples][:, :, classes]
  for measure in (multiplicity.ambiguity, multiplicity.discrepancy):
    expected = measure(probabilities, losses, 0.5, 0.4)
    assert measure(moved, losses[models], 0.5, 0.4) == expected
    assert expected > 0


def test_rounding_does_not_hide_a_difference_that_is_reached():
  probabilities = np.array([[[0.1, 0.9]], [[0.3, 0.7]]])
  assert multiplicity.ambiguity(probabilities, np.array([0.0, 0.1]), 1, 0.2) == 1


@pytest.mark.parametrize(
  ('name', 'change'),
  [
    ('epsilon', {'epsilon': -1}),
    ('epsilon', {'epsilon': np.nan}),
    ('threshold', {'threshold': 0.0}),
    ('threshold', {'threshold': 1.5}),
    ('losses', {'losses': np.zeros((R, 1))}),
    ('losses', {'losses': np.full(R, np.nan)}),
    ('probabilities', {'probabilities': np.zeros((R, M))}),
    ('probabilities', {'probabilities': np.ones((R - 1, M, 1))}),
    ('probabilities', {'probabilities': np.ones((R, M, 2))}),
  ],
)
def test_bad_arguments_are_named(name, change):
  probabilities, losses = draw()
  arguments = {'probabilities': probabilities, 'losses': losses, 'epsilon': 0.1, 'threshold': 0.5}
  with pytest.raises(ValueError, match=f'^{name} must'):
    multiplicity.ambiguity(**{**arguments, **change})
