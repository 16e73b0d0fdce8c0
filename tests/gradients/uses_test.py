"""Every statistic of parameters that meet the data in products, convolutions and look-ups."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from reference import errors_of_all
from small_losses import M, convolve, integers, use

from research.gradients.groups import Wanted, forms_gradients
from research.gradients.plan import make_plan


def conv(x, kernel, n=2, **settings):
  """A convolution alone, in n dimensions."""
  space = 'HWD'[:n]
  layout = (f'N{space}C', f'{space}IO', f'N{space}C')
  settings = {'layout': layout, 'strides': (1,) * n} | settings
  return use(lambda p, x: convolve(x, p['kernel'], **settings), x, kernel=kernel)


def conv_in_scan(shared):
  def function(p, x):
    def step(h, kernel):
      return jnp.tanh(convolve(h, p['kernel'] if shared else kernel)), None

    return lax.scan(step, x, None if shared else p['kernel'], length=2)[0]

  return use(function, (4, 4, 2), kernel=(3, 3, 2, 2) if shared else (2, 3, 3, 2, 2))


def several_crops():
  """Each example is a small batch of images."""
  layout = ('NCHW', 'OIHW', 'NCHW')
  function = lambda p, x: lax.conv_general_dilated(  # noqa: E731
    x, p['kernel'], (1, 1), 'SAME', dimension_numbers=layout
  )
  return use(function, (2, 2, 4, 4), kernel=(3, 2, 3, 3))


CONVOLUTIONS = {
  'depthwise': lambda: conv((5, 5, 3), (3, 3, 1, 6), feature_group_count=3),
  'grouped': lambda: conv((5, 5, 4), (3, 2, 2, 6), feature_group_count=2),
  'strided': lambda: conv((6, 5, 2), (3, 3, 2, 4), strides=(2, 3)),
  'dilated': lambda: conv((6, 6, 2), (3, 2, 2, 4), rhs_dilation=(2, 3)),
  'transposed': lambda: conv(
    (3, 4, 2), (3, 3, 2, 4), lhs_dilation=(2, 3), padding=[(2, 1), (2, 2)]
  ),
  'cropped': lambda: conv((5, 5, 2), (3, 3, 2, 4), padding=[(-1, 0), (1, -1)]),
  'all at once': lambda: conv(
    (7, 6, 4),
    (3, 2, 2, 4),
    strides=(2, 1),
    rhs_dilation=(1, 2),
    lhs_dilation=(2, 1),
    padding=[(2, 0), (1, 3)],
    feature_group_count=2,
  ),
  'one pixel': lambda: conv((3, 3, 4), (3, 3, 4, 5), padding='VALID'),
  'two pixels': lambda: conv((4, 3, 6), (3, 3, 6, 8), padding='VALID'),
  'window of one': lambda: conv((3, 3, 4), (1, 1, 4, 5)),
  '1-D': lambda: conv((6, 3), (3, 3, 4), n=1),
  '3-D': lambda: conv((3, 4, 3, 2), (2, 2, 2, 2, 3), n=3),
  'NCHW': lambda: conv((2, 5, 5), (3, 2, 3, 3), layout=('NCHW', 'OIHW', 'NCHW')),
  'several crops': several_crops,
  'stacked kernels in a scan': lambda: conv_in_scan(shared=False),
  'the same kernel in a scan': lambda: conv_in_scan(shared=True),
}

SHARING = {
  'named, cast and scaled': lambda: use(
    lambda p, x: x @ (checkpoint_name(p['kernel'].astype(jnp.float32), 'kernel') / 3),
    (5,),
    kernel=(5, 2),
  ),
  'at two places': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel']) @ p['kernel'], (5,), kernel=(5, 5)
  ),
  'at two places with positions': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel']) @ p['kernel'], (2, 5), kernel=(5, 5)
  ),
  'at three, once transposed': lambda: use(
    lambda p, x: jnp.tanh(jnp.tanh(x @ p['kernel']) @ p['kernel'].T) @ p['kernel'],
    (3, 4),
    kernel=(4, 6),
  ),
  'transposed, in a remat': lambda: use(
    jax.checkpoint(lambda p, x: jnp.tanh(p['kernel'] @ x) @ (p['kernel'] * 0.5)),
    (4,),
    kernel=(6, 4),
  ),
  'two disjoint slices': lambda: use(
    lambda p, x: jnp.tanh(x @ p['kernel'][:, :3]) @ p['kernel'][:, 3:].T, (3, 4), kernel=(4, 6)
  ),
  'halves by split': lambda: use(
    lambda p, x: jnp.multiply(*[x @ half for half in jnp.split(p['kernel'], 2, 1)]),
    (3, 4),
    kernel=(4, 6),
  ),
  'a slice of which the rest is not used': lambda: use(
    lambda p, x: x @ p['kernel'][1:3, ::2], (3, 2), kernel=(4, 6)
  ),
  'kernel of a product and of a convolution': lambda: use(
    lambda p, x: convolve(x, p['kernel']) @ p['kernel'][0, 0], (3, 3, 2), kernel=(1, 1, 2, 2)
  ),
  'scan and outside': lambda: use(
    lambda p, x: (
      lax.scan(lambda h, _: (jnp.tanh(h @ p['kernel']), None), x, None, 3)[0] @ p['kernel']
    ),
    (4,),
    kernel=(4, 4),
  ),
}


def attend(p, x):
  """Parameters as the queries: on the left of the product."""
  weights = jax.nn.softmax(jnp.einsum('qd,td->qt', p['queries'], x))
  return jnp.einsum('qt,td,qde->qe', weights, x, p['heads'])


EINSUMS = {
  'batch axes': lambda: use(
    lambda p, x: jnp.einsum('td,edf->etf', x, p['kernel']), (3, 4), kernel=(2, 4, 5)
  ),
  'batch axes of both': lambda: use(
    lambda p, x: jnp.einsum('etd,edf->tfe', x, p['kernel']), (2, 3, 4), kernel=(2, 4, 5)
  ),
  'two batch axes, many of rows': lambda: use(
    lambda p, x: jnp.einsum('abtd,bdac->btca', x, p['kernel']), (2, 3, 2, 4), kernel=(3, 4, 2, 5)
  ),
  'on the left': lambda: use(lambda p, x: p['kernel'] @ x, (4, 3), kernel=(5, 4)),
  'queries': lambda: use(attend, (4, 3), queries=(2, 3), heads=(2, 3, 4)),
  'two contracted axes': lambda: use(
    lambda p, x: jnp.einsum('abcd,tdb->tac', p['kernel'], x), (3, 5, 3), kernel=(2, 3, 4, 5)
  ),
  'an outer product': lambda: use(
    lambda p, x: jnp.einsum('t,c->tc', x, p['kernel']), (3,), kernel=(4,)
  ),
  'axes of length one': lambda: use(
    lambda p, x: jnp.einsum('td,edf->etf', x, p['kernel']), (1, 4), kernel=(1, 4, 1)
  ),
}


def embed(mode, *shape, table=(7, 4), low=0, high=7):
  indices = integers(low, high, M, *shape)
  return use(lambda p, i: p['table'].at[i].get(mode=mode), indices, table=table)


EMBEDDINGS = {
  'an index': lambda: embed('clip'),
  'repeated indices': lambda: use(lambda p, i: p['table'][i], integers(0, 3, M, 6), table=(7, 4)),
  'clip, out of range': lambda: embed('clip', 9, low=-12, high=10),
  'fill, out of range': lambda: use(
    lambda p, i: p['table'].at[i].get(mode='fill', fill_value=0),
    integers(0, 10, M, 9),
    table=(7, 4),
  ),
  'promised': lambda: embed('promise_in_bounds', 5),
  'an image of indices': lambda: embed('clip', 3, 2),
  'rows that are matrices': lambda: embed('clip', 5, table=(7, 2, 3)),
  'a table of one row': lambda: embed('clip', 5, table=(1, 4)),
  'a transposed table': lambda: use(
    lambda p, i: p['table'].T[i], integers(0, 4, M, 5), table=(7, 4)
  ),
  'two look-ups and a product': lambda: use(
    lambda p, i: (p['table'][i[:3]] + p['table'][i[3:]]) @ p['table'].T,
    integers(0, 7, M, 6),
    table=(7, 4),
  ),
  'look-ups in a scan': lambda: use(
    lambda p, i: lax.scan(
      lambda h, i: (jnp.tanh(h + p['table'][i]), None), jnp.zeros_like(p['table'][0]), i
    )[0],
    integers(0, 7, M, 5),
    table=(7, 4),
  ),
}
USES = CONVOLUTIONS | SHARING | EINSUMS | EMBEDDINGS


@pytest.mark.parametrize('name', USES)
def test_agrees_with_float64(name):
  found = errors_of_all(*USES[name]())
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}


@pytest.mark.parametrize('name', CONVOLUTIONS)
def test_convolutions_in_loops_agree_with_float64(name):
  """There, on a CPU, they are products of patches and kernels."""
  found = errors_of_all(*USES[name](), chunk_size=2)
  assert {statistic: error for statistic, error in found.items() if not error <= 1e-5} == {}


@pytest.mark.parametrize('name', USES)
def test_nothing_is_copied(name):
  assert make_plan(*USES[name]()).program.copied == {}


def test_the_uses_take_every_way():
  """Norms of each kind of site are found by factors for some uses, and for others by forming."""
  ways = set()
  for make in USES.values():
    for group in make_plan(*make()).groups:
      formed = forms_gradients(group, Wanted())
      ways |= {(term.site.kind, formed) for term in group.terms}
  kinds = {kind for kind, _ in ways}
  assert len(kinds) == 3
  assert ways == {(kind, formed) for kind in kinds for formed in (True, False)}
