"""PAC-Bayes measures: against divergences that SciPy minimizes, and symmetries of ReLU networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from small_networks import MODEL, X, scaled_up, trained

from research.measures import MEASURES, Trained, examples
from research.measures.pac_bayes import EPSILON, noises, pac_bayes
from research.measures.perturbation import Search

SEARCH = Search(depth=9, draws=4)


def pure(start, end, x, labels, key):
  it = Trained(MODEL, start, end, x, labels, key)
  return pac_bayes(it, SEARCH), noises(it, SEARCH)


compiled = jax.jit(pure)


def measured(*args):
  return jax.tree.map(float, compiled(*args))


def flat(tree):
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)]).astype(np.float64)


def half_divergence(mean, variance, centre):
  """Half of KL(N(mean, diag variance) || N(centre, lambda^2 I)), least over lambda."""

  def half(log_lambda):
    prior = np.exp(2 * log_lambda)
    terms = np.log(prior / variance) + (variance + (mean - centre) ** 2) / prior - 1
    return np.sum(terms) / 4

  return optimize.minimize_scalar(half, bounds=(-8, 4), method='bounded').fun


def test_bounds_are_half_the_divergence_from_the_best_prior():
  it = trained()
  found, (plain, aware) = measured(*it[1:])
  w, start, m = flat(it.final), flat(it.initial), 40
  assert 0.01 < plain < 1.9
  assert 0.01 < aware < 1.9
  noise = EPSILON**2 + float(aware) ** 2 * w**2
  expected = {
    'init': np.sum((w - start) ** 2) / (4 * plain**2) + np.log(m / plain) + 10,
    'orig': np.sum(w**2) / (4 * plain**2) + np.log(m / plain) + 10,
    'flatness': 1 / plain**2,
    'mag_init': half_divergence(w, noise, start) + np.log(m / aware) + 10,
    'mag_orig': half_divergence(w, noise, 0.0) + np.log(m / aware) + 10,
    'mag_flatness': 1 / aware**2,
  }
  for name, mu in expected.items():
    assert found[f'pac_bayes/{name}'] == pytest.approx(np.sqrt(mu / m), rel=1e-5), name


def test_the_published_form_is_a_sum_over_parameters():
  it = trained(1)
  found, (_, aware) = measured(*it[1:])
  w, moved, s = flat(it.final), flat(it.final) - flat(it.initial), float(aware)
  for name, reference in (('mag_init_published', moved), ('mag_orig_published', w)):
    over = EPSILON**2 + (s**2 + 1) * sum(reference**2) / len(w)
    total = sum(np.log(over / (EPSILON**2 + s**2 * d**2)) for d in moved)
    expected = np.sqrt((total / 4 + np.log(40 / s) + 10) / 40)
    assert found[f'pac_bayes/{name}'] == pytest.approx(expected, rel=1e-5)
    assert found[f'pac_bayes/{name}'] != pytest.approx(found[f'pac_bayes/{name[:8]}'], rel=1e-3)


def test_the_order_of_the_examples_does_not_matter_and_the_key_decides():
  found, _ = measured(*trained()[1:])
  moved, _ = measured(*trained(order=np.random.default_rng(0).permutation(40))[1:])
  again, _ = measured(*trained()[1:])
  other, _ = measured(*trained()._replace(key=jax.random.key(99))[1:])
  for name, value in found.items():
    assert moved[name] == pytest.approx(value, rel=1e-6)
    assert again[name] == value
  assert any(other[name] != found[name] for name in found)


@pytest.mark.parametrize('chunk', [7, 20])
def test_how_many_examples_are_looked_at_at_once_does_not_matter(monkeypatch, chunk):
  it = trained()
  found, _ = measured(*it[1:])
  monkeypatch.setattr(examples, 'CHUNK', chunk)
  in_chunks, _ = jax.jit(lambda *args: pure(*args))(*it[1:])
  for name, value in found.items():
    assert in_chunks[name] == pytest.approx(value, rel=1e-5)


def test_networks_together_are_networks_one_by_one():
  networks = [trained(seed) for seed in range(3)]
  stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *(it[1:] for it in networks))
  together, _ = jax.jit(jax.vmap(pure, in_axes=(0, 0, None, 0, 0)))(*stacked[:2], X, *stacked[3:])
  for r, it in enumerate(networks):
    for name, value in measured(*it[1:])[0].items():
      assert float(together[name][r]) == pytest.approx(value, rel=1e-5)


def test_scaling_a_relu_layer_and_the_next_is_seen_by_plain_noise_alone():
  it = trained(2)
  found, _ = measured(*it[1:])
  moved, _ = measured(*it._replace(final=scaled_up(it.final))[1:])
  aware = 'pac_bayes/mag_flatness'
  assert moved[aware] == pytest.approx(found[aware], rel=0.03)
  assert moved['pac_bayes/flatness'] > 1.5 * found['pac_bayes/flatness']


def test_what_has_diverged_is_nan_and_bad_arguments_are_named():
  it = trained()
  final = jax.tree.map(lambda x: x.at[0].set(jnp.nan), it.final)
  found, _ = measured(*it._replace(final=final)[1:])
  assert all(np.isnan(x) for x in found.values())
  with pytest.raises(ValueError, match='^drop must'):
    pac_bayes(it, Search(drop=2.0))
  with pytest.raises(ValueError, match='^labels must'):
    pac_bayes(it._replace(inputs=X[:0]))
  assert MEASURES['pac_bayes'] is pac_bayes
