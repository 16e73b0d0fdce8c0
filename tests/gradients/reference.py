"""The slow and obviously right implementation: all gradients, formed by `vmap(grad)` in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from research import trees
from research.gradients import cross_gram, gradient_statistics
from research.gradients.chunks import n_examples


def gradients_in_float64(losses, params, batch):
  """The losses [m] and, of each leaf, the gradients [m, p], of the same numbers in float64."""

  def loss(params, example):
    return losses(params, jax.tree.map(lambda x: x[None], example))[0]

  with jax.enable_x64(True):
    params, batch = in_double((params, batch))
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))(params, batch)
  leaves = trees.named_leaves(gradients).items()
  return np.asarray(values), {name: np.asarray(g).reshape(len(g), -1) for name, g in leaves}


def in_double(tree):
  """Its floating-point arrays in float64."""
  is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)  # noqa: E731
  return jax.tree.map(lambda x: np.asarray(x, np.float64) if is_float(x) else x, tree)


def relative_error(actual, expected, least=0.0):
  """The largest difference of two arrays, over the largest entry of the expected one, or `least`."""
  actual, expected = np.asarray(actual, np.float64), np.asarray(expected)
  assert actual.shape == expected.shape
  assert np.isfinite(expected).all()
  difference = np.abs(actual - expected).max(initial=0.0)
  return difference / (max(np.abs(expected).max(initial=0.0), least) or 1.0)


def errors(stats, values, gradients, direction=None, share=0.0):
  """The relative error of each statistic that was measured, `{statistic, or (statistic, leaf): it}`.

  Args:
    stats: the statistics.
    values: the losses [m], in float64.
    gradients: {leaf: [m, p]}, in float64.
    direction: what the products are with.
    share: what is smaller of a leaf than this share of the largest of all leaves is compared to the
      share, for programs in which the gradient of a leaf cancels.
  """
  flat = np.concatenate([*gradients.values()], axis=1)
  assert [*stats.sq_norms] == [*gradients]
  found = {
    'losses': relative_error(stats.losses, values, share),
    'total_sq_norms': relative_error(stats.total_sq_norms, np.sum(flat**2, axis=1)),
  }
  if stats.gram is not None:
    found['gram'] = relative_error(stats.gram, flat @ flat.T)
  if direction is not None:
    v = np.concatenate([np.ravel(x).astype(np.float64) for x in jax.tree.leaves(direction)])
    least = share * np.linalg.norm(flat, axis=1).max() * np.linalg.norm(v)
    found['products'] = relative_error(stats.products, flat @ v, least)
  of_leaves = {'mean_grad': (stats.mean_grad, lambda g: g.mean(0))}
  of_leaves['sq_norms'] = (stats.sq_norms, lambda g: np.sum(g**2, axis=1))
  if stats.second_moment is not None:
    of_leaves['second_moment'] = (stats.second_moment, lambda g: np.mean(g**2, axis=0))
  if stats.layer_grams is not None:
    of_leaves['layer_grams'] = (stats.layer_grams, lambda g: g @ g.T)
  for name, (tree, formula) in of_leaves.items():
    actual = tree if name in ('sq_norms', 'layer_grams') else trees.named_leaves(tree)
    expected = {leaf: formula(g) for leaf, g in gradients.items()}
    least = share * max(np.abs(x).max(initial=0.0) for x in expected.values())
    for leaf, x in expected.items():
      found[name, leaf] = relative_error(np.reshape(actual[leaf], x.shape), x, least)
  return found


def errors_of_all(losses, params, batch, share=0.0, double=False, **settings):
  """The relative errors of everything that is measured of a batch, by each way to measure it.

  With `gram` and the second moment, other formulas are at work than without. The inner products with
  another batch are those of the first four sevenths of the batch with the rest.

  Args:
    losses: the losses, of params and batch.
    params: in float32.
    batch: in float32.
    share: as of `errors`.
    double: whether to measure in float64, and not only to compare.
    settings: of the statistics.
  """
  m = 4 * n_examples(batch) // 7
  generator = np.random.default_rng(2)
  direction = jax.tree.map(lambda x: generator.normal(size=x.shape).astype(np.float32), params)

  @jax.jit
  def measure(params, batch, direction):
    one, other = (jax.tree.map(lambda x, s=s: x[s], batch) for s in (slice(m), slice(m, None)))
    norms = gradient_statistics(losses, **settings)(params, one)
    everything = gradient_statistics(losses, gram=True, second_moment=True, sketch=None, **settings)
    return (
      norms,
      everything(params, one, direction),
      cross_gram(losses, **settings)(params, one, other),
    )

  arguments = in_double((params, batch, direction)) if double else (params, batch, direction)
  with jax.enable_x64(double):
    norms, everything, cross = jax.device_get(measure(*arguments))
  values, gradients = gradients_in_float64(losses, params, batch)
  sample = {leaf: g[:m] for leaf, g in gradients.items()}
  alone = errors(norms, values[:m], sample, share=share)
  found = errors(everything, values[:m], sample, direction, share)
  inner = sum(g[:m] @ g[m:].T for g in gradients.values())
  largest = max(sum(np.sum(g**2, axis=1) for g in gradients.values()))
  found['cross_gram'] = relative_error(cross, inner, share * largest)
  return found | {('norms alone', name): error for name, error in alone.items()}
