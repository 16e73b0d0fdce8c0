"""Random small programs: whatever they compose, their statistics are those of `vmap(grad)`.

A program is a list of operations on a state [T, D] of one example. Each draws what it needs: sizes,
among them 1, and parameters, new ones or a kernel that the program has used before. All is measured
in float64, so that no program is badly conditioned, and any error is one of the formulas.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax
from reference import errors_of_all

ACTIVATIONS = {'gelu': jax.nn.gelu, 'tanh': jnp.tanh, 'relu': jax.nn.relu}
SIZES = st.sampled_from([1, 2, 3, 4])


class Operation(NamedTuple):
  """An entry of `OPERATIONS`, the numbers of its parameters, and settings."""

  name: str
  parameters: tuple[int, ...] = ()
  setting: Any = None


class Program(NamedTuple):
  operations: list[Operation]
  shapes: list[tuple[int, ...]]  # of the parameters
  n_examples: int  # of which 4/7 are a sample, and the rest another
  tokens: int | None  # T of the tokens that the first parameter embeds
  state: tuple[int, int]  # [T, D] of an example, if it has no tokens

  def loss(self, params, example):
    h = params[0][example] if self.tokens else example
    for name, numbers, setting in self.operations:
      h = OPERATIONS[name](h, [params[i] for i in numbers], setting)
    return jnp.sum(jnp.square(jnp.tanh(h) - 0.5)) + jnp.sum(jnp.square(h.mean(0)))

  def make(self):
    generator = np.random.default_rng(0)
    normal = lambda shape: generator.normal(size=shape).astype(np.float32)  # noqa: E731
    params = [jnp.asarray(normal(s) / np.sqrt(s[-2] if len(s) > 1 else 2)) for s in self.shapes]
    if self.tokens:
      rows = self.shapes[0][0]
      batch = generator.integers(0, rows, (self.n_examples, self.tokens)).astype(np.int32)
    else:
      batch = normal((self.n_examples, *self.state))
    return jax.vmap(self.loss, (None, 0)), params, jnp.asarray(batch)


def normalized(h, parameters, _):
  deviation = h - h.mean(-1, keepdims=True)
  return deviation / jnp.sqrt(jnp.square(deviation).mean(-1, keepdims=True) + 0.1)


def convolution(h, parameters, setting):
  stride, dilation = setting
  (kernel,) = parameters
  return lax.conv_general_dilated(
    h[None],
    kernel,
    (stride,),
    'SAME',
    rhs_dilation=(dilation,),
    dimension_numbers=('NHC', 'HIO', 'NHC'),
  )[0]


def layers(h, parameters, remat):
  def layer(h, p):
    kernel, bias = p
    return h + jnp.tanh(h @ kernel + bias[None]), None

  return lax.scan(jax.checkpoint(layer) if remat else layer, h, tuple(parameters))[0]


def recurrence(h, parameters, reverse):
  inputs, hidden = parameters

  def step(state, x):
    state = jnp.tanh(x @ inputs + state @ hidden)
    return state, state

  return lax.scan(step, jnp.zeros(hidden.shape[0], h.dtype), h, reverse=reverse)[1]


OPERATIONS = {
  'dense': lambda h, p, _: h @ p[0],
  'transposed': lambda h, p, _: h @ p[0].T,
  'scaled dense': lambda h, p, _: h @ (p[0] * 0.7),
  'remat': lambda h, p, _: jax.checkpoint(lambda h, w: jnp.tanh(h @ w))(h, p[0]),
  'jit': lambda h, p, _: jax.jit(lambda h, w: jnp.tanh(h @ w))(h, p[0]),
  'left': lambda h, p, _: p[0] @ h,
  'residual': lambda h, p, _: h + jnp.tanh(h @ p[0]),
  'bias': lambda h, p, _: h + p[0][None],
  'scale': lambda h, p, _: h * p[0][None],
  'norm': normalized,
  'activation': lambda h, _, name: ACTIVATIONS[name](h),
  'swap': lambda h, *_: h.T,
  'reshape': lambda h, _, shape: h.reshape(shape),
  'pool': lambda h, *_: h.mean(0, keepdims=True),
  'convolution': convolution,
  'layers': layers,
  'recurrence': recurrence,
}
NEW_KERNEL = ['dense', 'scaled dense', 'remat', 'jit']


@st.composite
def programs(draw):
  shapes: list[tuple[int, ...]] = []
  operations: list[Operation] = []
  T, D = draw(SIZES), draw(SIZES)
  start, tokens = (T, D), None

  def parameter(*shape):
    shapes.append(shape)
    return len(shapes) - 1

  if draw(st.booleans()):
    tokens = T
    parameter(draw(st.integers(1, 5)), D)
  for _ in range(draw(st.integers(2, 6))):
    name = draw(st.sampled_from([*OPERATIONS, 'again', 'again']))
    numbers, setting = (), None
    if name == 'again':
      kernels = [i for i, s in enumerate(shapes) if len(s) == 2]
      fits = [(i, 'dense') for i in kernels if shapes[i][0] == D]
      fits += [(i, 'transposed') for i in kernels if shapes[i][1] == D]
      fits += [(i, 'left') for i in kernels if shapes[i][1] == T]
      if not fits:
        continue
      i, name = draw(st.sampled_from(fits))
      numbers, shape = (i,), shapes[i]
      T, D = (shape[0], D) if name == 'left' else (T, shape[1 if name == 'dense' else 0])
    elif name in NEW_KERNEL:
      width = draw(SIZES)
      numbers, D = (parameter(D, width),), width
    elif name == 'transposed':
      width = draw(SIZES)
      numbers, D = (parameter(width, D),), width
    elif name == 'left':
      length = draw(SIZES)
      numbers, T = (parameter(length, T),), length
    elif name == 'residual':
      numbers = (parameter(D, D),)
    elif name in ('bias', 'scale'):
      numbers = (parameter(D),)
    elif name == 'activation':
      setting = draw(st.sampled_from(sorted(ACTIVATIONS)))
    elif name == 'swap':
      T, D = D, T
    elif name == 'reshape':
      divisor = draw(st.sampled_from([n for n in range(1, T * D + 1) if T * D % n == 0]))
      T, D = setting = (divisor, T * D // divisor)
    elif name == 'pool':
      T = 1
    elif name == 'convolution':
      stride, _ = setting = draw(st.sampled_from([(1, 1), (2, 1), (1, 2)]))
      width = draw(SIZES)
      numbers = (parameter(draw(st.integers(1, 3)), D, width),)
      T, D = -(-T // stride), width
    elif name == 'layers':
      depth, setting = draw(st.integers(1, 3)), draw(st.booleans())
      numbers = (parameter(depth, D, D), parameter(depth, D))
    elif name == 'recurrence':
      width, setting = draw(SIZES), draw(st.booleans())
      numbers, D = (parameter(D, width), parameter(width, width)), width
    operations.append(Operation(name, numbers, setting))
  if not shapes:
    operations.append(Operation('bias', (parameter(D),)))
  return Program(operations, shapes, draw(st.integers(2, 8)), tokens, start)


EVERY_PROGRAM = settings(
  derandomize=True,
  deadline=None,
  database=None,
  suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ANY_PROGRAM = given(program=programs(), chunk_size=st.sampled_from([None, 1, 2, 3, 5]))


def assert_agrees(program, chunk_size):
  found = errors_of_all(*program.make(), share=1e-2, double=True, chunk_size=chunk_size)
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-9} == {}


@settings(EVERY_PROGRAM, max_examples=4)
@ANY_PROGRAM
def test_agrees_with_gradients_of_one_example_each(program, chunk_size):
  assert_agrees(program, chunk_size)


@pytest.mark.slow
@settings(EVERY_PROGRAM, max_examples=64)
@ANY_PROGRAM
def test_agrees_with_gradients_of_one_example_each_in_many_programs(program, chunk_size):
  assert_agrees(program, chunk_size)
