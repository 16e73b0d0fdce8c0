"""Every statistic of parameters with other uses, and which leaves are copied for them."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from reference import errors_of_all
from small_losses import M, convolve, draw, integers, use

from research.gradients.plan import make_plan


@jax.custom_vjp
def linear(x, kernel):
  return x @ kernel


linear.defvjp(
  lambda x, kernel: (x @ kernel, (x, kernel)),
  lambda kept, d: (d @ kept[1].T, 2.0 * jnp.outer(kept[0], d)),  # twice the truth, on purpose
)


@jax.custom_jvp
def scaled(x, gain):
  return x * gain


scaled.defjvp(  # three times the truth, on purpose
  lambda at, along: (scaled(*at), along[0] * at[1] + 3.0 * at[0] * along[1])
)


def standardize_weights(p, x):
  axes = (0, 1, 2)
  kernel = p['kernel'] - p['kernel'].mean(axes, keepdims=True)
  kernel = kernel / (p['kernel'].std(axes, keepdims=True) + 1e-3) * p['gain'][None, None, None]
  return convolve(x, kernel)


def branch():
  """A true `cond` on the data: examples one after another."""
  shapes = {'one': (4, 3), 'other': (4, 3), 'out': (3, 2)}

  def loss(p, x):
    h = lax.cond(x[0] > 0, lambda: jnp.tanh(x @ p['one']), lambda: x @ p['other'])
    return jnp.sum(jnp.square(h @ p['out']))

  return lambda p, x: lax.map(lambda x: loss(p, x), x), draw(**shapes), draw(1, x=(M, 4))['x']


def repeat_until(p, x):
  """A `while` on the data, which gradients do not enter."""
  kernel = lax.stop_gradient(p['kernel'])
  steady = lax.while_loop(lambda h: jnp.sum(h**2) > 0.1, lambda h: 0.5 * jnp.tanh(h @ kernel), x)
  return (x + lax.stop_gradient(steady)) @ p['kernel']


COPIED = {  # name: () -> (losses, params, batch), and which leaves are copied
  'L2 penalty': (
    lambda: use(
      lambda p, x: jnp.append(x @ p['kernel'] + p['bias'], jnp.sum(p['kernel'] ** 2)),
      (4,),
      kernel=(4, 3),
      bias=(3,),
    ),
    'kernel|bias',
  ),
  'weight standardization': (
    lambda: use(standardize_weights, (4, 4, 2), kernel=(3, 3, 2, 3), gain=(3,)),
    'kernel|gain',
  ),
  'slope, gain and power': (
    lambda: use(
      lambda p, x: (
        jnp.where(x > 0, x, p['slope'] * x) * jnp.exp(p['gain']) + jnp.abs(x) ** p['power']
      ),
      (5,),
      slope=(5,),
      gain=(),
      power=(),
    ),
    '.*',
  ),
  'cond': (branch, 'one|other'),
  'select': (
    lambda: use(
      lambda p, x: jnp.where(x[:3] > 0, x @ p['one'], x @ p['other']),
      (4,),
      one=(4, 3),
      other=(4, 3),
    ),
    'none',
  ),
  'while': (lambda: use(repeat_until, (4,), kernel=(4, 4)), 'none'),
  'custom_vjp': (
    lambda: use(lambda p, x: linear(x, p['kernel']) @ p['out'], (4,), kernel=(4, 3), out=(3, 2)),
    'kernel',
  ),
  'custom_jvp': (
    lambda: use(lambda p, x: scaled(x, p['gain']) @ p['out'], (4,), gain=(4,), out=(4, 2)),
    'gain',
  ),
  'stop_gradient of a teacher': (
    lambda: use(
      lambda p, x: (
        x @ p['kernel'] - lax.stop_gradient(jnp.tanh(x @ p['teacher']) @ p['kernel'].T)[:3]
      ),
      (4,),
      kernel=(4, 3),
      teacher=(4, 3),
    ),
    'none',
  ),
  'unused': (lambda: use(lambda p, x: x @ p['kernel'], (4,), kernel=(4, 3), unused=(2, 2)), 'none'),
  'only the shape is used': (
    lambda: use(lambda p, x: x @ p['kernel'] + jnp.zeros_like(p['a']), (4,), kernel=(4, 3), a=(3,)),
    'none',
  ),
  'fft': (
    lambda: use(
      lambda p, x: jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(p['filter']), n=6) @ p['out'],
      (6,),
      filter=(6,),
      out=(6, 2),
    ),
    'filter',
  ),
  'complex': (
    lambda: use(
      lambda p, x: jnp.abs((x + 1j * x[::-1]) @ (p['real'] + 1j * p['imaginary'])),
      (4,),
      real=(4, 3),
      imaginary=(4, 3),
    ),
    '.*',
  ),
  'solve': (
    lambda: use(
      lambda p, x: jnp.linalg.solve(p['matrix'] + 3 * jnp.eye(4), x) @ p['out'],
      (4,),
      matrix=(4, 4),
      out=(4, 2),
    ),
    'matrix',
  ),
  'broadcast and concatenate': (
    lambda: use(
      lambda p, x: jnp.concatenate([p['token'], x]) @ p['kernel'],
      (3, 4),
      token=(1, 4),
      kernel=(4, 3),
    ),
    'token',
  ),
}
WHOLLY = {  # the only leaf is copied
  'overlapping slices': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel'][:, :4]) @ p['kernel'][:, 2:].T, (3, 4), kernel=(4, 6)
  ),
  'whole and slice': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel'])[:, :4] @ p['kernel'][:, 1:4], (3, 4), kernel=(4, 6)
  ),
  'reversed': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel']) @ p['kernel'][::-1], (3, 4), kernel=(4, 4)
  ),
  'tables in a scan': lambda: use(
    lambda p, i: lax.scan(
      lambda h, t: (jnp.tanh(h + t[i]), None), jnp.zeros((5, 4), p['table'].dtype), p['table']
    )[0],
    integers(0, 7, M, 5),
    table=(2, 7, 4),
  ),
  'single entries': lambda: use(lambda p, i: p['table'][i, i], integers(0, 4, M, 5), table=(7, 4)),
  'a column of each': lambda: use(
    lambda p, i: p['table'][:, i], integers(0, 4, M, 5), table=(7, 4)
  ),
}
USES = COPIED | {name: (make, '.*') for name, make in WHOLLY.items()}


@pytest.mark.parametrize('name', USES)
def test_agrees_with_float64(name):
  (losses, params, batch), copied = USES[name][0](), USES[name][1]
  found = errors_of_all(losses, params, batch)
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}
  plan = make_plan(losses, params, batch)
  expected = [leaf for leaf in plan.names if re.fullmatch(copied, leaf)]
  assert [plan.names[i] for i in sorted(plan.program.copied)] == expected
