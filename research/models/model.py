"""What a model is: three pure functions over plain trees."""

from collections.abc import Callable, Collection
from typing import NamedTuple

import flax.linen as nn
import jax

from research import trees
from research.types import Params


class Model(NamedTuple):
  """A network as pure functions; how it was written is nobody's business.

  `x` holds inputs [B, ...], float32; only its shape matters to `init`. Parameters are a tree of
  float32 arrays, in plain dicts, so that `trees.named_leaves` gives them readable names.
  """

  init: Callable[[jax.Array, jax.Array], Params]  # (key, x) -> params
  apply: Callable[[Params, jax.Array], jax.Array]  # (params, x) -> logits [B, C]
  capture: Callable[[Params, jax.Array], dict[str, jax.Array]]  # -> {layer: its output [B, ...]}
  per_example: bool = True  # False if the output of one example depends on others of its batch
  # What each of K networks in one says of its training examples, or how they are disturbed:
  # (params, x, keys uint32 [B, 2]) -> logits [K, B, C]; None: what `apply` says, K = 1.
  train_apply: Callable[[Params, jax.Array, jax.Array], jax.Array] | None = None


def from_linen(module: nn.Module, *, per_example: bool = True, dropout: bool = False) -> Model:
  """The model that a linen module is, if parameters are all of its state.

  With `dropout`, the module is called with `deterministic=False` in training, and draws from the
  stream 'dropout': of each example its own, so that its gradient is a matter of that example alone.

  `capture` names the output of a layer by its path, like the layer's parameters: 'Block_0/Conv_1'
  (if a layer is used again, 'Block_0/Conv_1:1'). Entries are sorted by name, as jit would sort them
  anyway; the output of the whole module is the last, 'logits'.

  `init` is compiled, even when its caller is not: all but the initializers is dropped as dead code,
  so it costs no forward pass. What is left to compile is a generator for each leaf; over many keys
  `jax.lax.map` compiles faster than `jax.vmap`.

  Raises:
    ValueError: at `init`: the module has other collections than 'params' (running statistics, say).
  """

  @jax.jit
  def init(key, x):
    variables = module.init(key, x)
    if others := variables.keys() - {'params'}:
      raise ValueError(f'module must have no collection but params, not {", ".join(others)}')
    return variables['params']

  def apply(params, x):
    logits = module.apply({'params': params}, x)
    assert isinstance(logits, jax.Array)
    return logits

  def capture(params, x):
    variables = {'params': params}
    logits, state = module.apply(
      variables, x, capture_intermediates=True, mutable=['intermediates']
    )
    activations = {}
    for name, output in trees.named_leaves(state['intermediates']).items():
      layer, _, use = name.rpartition('/__call__/')  # 'Block_0/Conv_1', '0'; '' for the module
      if layer:
        activations[layer if use == '0' else f'{layer}:{use}'] = output
    return activations | {'logits': logits}

  def train_apply(params, x, keys):
    def of_one(x, key):
      streams = {'dropout': jax.random.wrap_key_data(key)}
      return module.apply({'params': params}, x[None], deterministic=False, rngs=streams)[0]

    return jax.vmap(of_one)(x, keys)[None]

  return Model(init, apply, capture, per_example, train_apply if dropout else None)


def check_positive(**arguments: int | Collection[int]) -> None:
  """Raises ValueError, naming the argument, unless all of its numbers are positive."""
  for name, value in arguments.items():
    numbers = value if isinstance(value, Collection) else (value,)
    if any(number < 1 for number in numbers):
      raise ValueError(f'{name} must be positive, not {value}')


def check_choice(choices: Collection[str], **arguments: str) -> None:
  """Raises ValueError, naming the argument, unless its value is one of the choices."""
  for name, value in arguments.items():
    if value not in choices:
      raise ValueError(f'{name} must be one of {", ".join(choices)}, not {value}')
