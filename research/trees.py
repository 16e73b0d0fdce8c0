"""Trees of parameters and of settings, whose leaves have readable names."""

from typing import Any

import jax


def named_leaves(tree: Any) -> dict[str, Any]:
  """The leaves of a tree by their path, `{'Dense_0/kernel': array, ...}`, in the tree's order."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in leaves}


def with_leaf(tree: Any, name: str, leaf: Any) -> Any:
  """The tree with another leaf in the place of the one with this name, as `named_leaves` has it."""
  leaves = named_leaves(tree)
  if name not in leaves:
    raise ValueError(f'no leaf {name!r} among {", ".join(leaves)}')
  return jax.tree.unflatten(jax.tree.structure(tree), list((leaves | {name: leaf}).values()))


def layer_of(name: str) -> str:
  """The layer that a leaf belongs to: `'Dense_0/kernel'` belongs to `'Dense_0'`."""
  return name.rpartition('/')[0] or name


def sum_by_layer(leaves: dict[str, jax.Array]) -> dict[str, jax.Array]:
  """Adds the values of the leaves of one layer (its kernel and its bias), keeping their order."""
  sums: dict[str, jax.Array] = {}
  for name, value in leaves.items():
    layer = layer_of(name)
    sums[layer] = sums[layer] + value if layer in sums else value
  return sums


def n_parameters(tree: Any) -> int:
  """The number of parameters P of a tree."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def flat(config: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  """The settings of a nested config by their dotted keys, `{'task.label_noise': 0.5, ...}`."""
  items: dict[str, Any] = {}
  for key, value in config.items():
    if isinstance(value, dict) and value:
      items |= flat(value, f'{prefix}{key}.')
    else:
      items[f'{prefix}{key}'] = value
  return items
