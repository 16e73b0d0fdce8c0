"""`python -m benchmarks.per_example_gradients`: what per-example statistics cost.

For each model: the plain training step in JAX, the engine's exact norms and Gram matrix, and the
peers that are installed (`pip install .[bench]`), interleaved in one process; medians. What is timed
is checked first: norms and mean gradients agree with `vmap(grad)`. Two tables in Markdown.
"""

import argparse
import contextlib
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')  # PyTorch needs the GPU too

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.per_example_models import GPU, TABLE, Problem
from benchmarks.timing import medians
from research.gradients import gradient_statistics

try:
  from benchmarks import torch_peers
except ImportError:
  torch_peers = None
try:
  import jax_privacy  # pyright: ignore[reportMissingImports]
except ImportError:
  jax_privacy = None

PLAIN, NORMS, GRAM = 'JAX plain step', '**engine, norms**', '**engine, norms and Gram**'
VMAP, VMAP_GRAM = 'JAX `vmap(grad)`, norms', 'JAX `vmap(grad)`, norms and Gram'
TORCH_PLAIN = torch_peers.PLAIN if torch_peers else 'PyTorch'
MB = 1e6


def sq_norms_of(gradients):
  return jax.tree.map(lambda g: jnp.sum(jnp.square(g.reshape(len(g), -1)), axis=1), gradients)


def by_vmap(losses, *, gram=False, batch_sum: Callable = lambda g: jnp.mean(g, axis=0)):
  """The obvious way: every gradient is written down."""

  def statistics(params, batch):
    def loss(params, example):
      return losses(params, jax.tree.map(lambda x: x[None], example))[0]

    gradients = jax.vmap(jax.grad(loss), in_axes=(None, 0))(params, batch)
    found = {'mean_grad': jax.tree.map(batch_sum, gradients), 'sq_norms': sq_norms_of(gradients)}
    if gram:
      rows = [g.reshape(len(g), -1) for g in jax.tree.leaves(gradients)]
      found['gram'] = sum(g @ g.T for g in rows)
    return found

  return statistics


def mean_as_product(g):
  return (jnp.ones(len(g)) @ g.reshape(len(g), -1)).reshape(g.shape[1:]) / len(g)


def by_jax_privacy(losses, m: int, microbatch: int | None):
  def mean_loss(params, batch):
    return losses(params, batch).mean()

  return jax_privacy.clipped_grad(  # pyright: ignore[reportOptionalMemberAccess]
    mean_loss,
    l2_clip_norm=jnp.inf,
    normalize_by=m,
    return_grad_norms=True,
    microbatch_size=microbatch,
  )


def jax_versions(losses, m: int) -> dict[str, Any]:
  """Functions of params and batch, or why there is none."""

  def mean_loss(params, batch):
    return losses(params, batch).mean()

  found: dict[str, Any] = {
    PLAIN: jax.value_and_grad(mean_loss),
    NORMS: gradient_statistics(losses),
    GRAM: gradient_statistics(losses, gram=True),
    VMAP: by_vmap(losses),
    'the same, means as products': by_vmap(losses, batch_sum=mean_as_product),
    VMAP_GRAM: by_vmap(losses, gram=True, batch_sum=mean_as_product),
  }
  for microbatch in (32, None):
    title = f'jax-privacy, microbatch {microbatch}'
    missing = 'jax_privacy is not installed'
    found[title] = by_jax_privacy(losses, m, microbatch) if jax_privacy else missing
  return found


def check(losses, params, batch):
  """Whether the engine's numbers are those of `vmap(grad)`, and in float32 near enough.

  In float64, all of them, of 32 examples. In float32, the mean gradient, and the norms of 7 of 8
  examples: where the input of a relu is zero but for rounding, the gradient of an example differs
  from program to program (of the WideResNet, 4 or 5 of 64 do, of any two programs).

  Raises:
    AssertionError: they are not.
  """

  def as_float64(x):
    return x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x

  n, engine = 32, gradient_statistics(losses, gram=True)
  with jax.default_matmul_precision('highest'):
    single = jax.jit(gradient_statistics(losses))(params, batch)
    mean_grad = jax.jit(jax.grad(lambda *args: losses(*args).mean()))(params, batch)
    with jax.enable_x64(True):
      few = jax.tree.map(lambda x: x[:n], batch)
      arguments = jax.tree.map(as_float64, (params, few))
      stats = jax.jit(engine)(*arguments)
      expected = jax.jit(by_vmap(losses, gram=True))(*arguments)

  scale = float(stats.total_sq_norms.max())
  norms = jax.tree.leaves(expected['sq_norms'])

  def agree(found, expected, rtol, atol):
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
      np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)

  agree(list(stats.sq_norms.values()), norms, 1e-6, 1e-9 * scale)
  agree(stats.mean_grad, expected['mean_grad'], 1e-6, 1e-6 * math.sqrt(scale))
  agree(stats.gram, expected['gram'], 1e-6, 1e-6 * scale)
  agree(single.mean_grad, mean_grad, 1e-4, 1e-4 * math.sqrt(scale))
  for x, y in zip(single.sq_norms.values(), norms, strict=True):
    assert np.isclose(x[:n], y, rtol=1e-4, atol=1e-6 * scale).mean() >= 7 / 8, (x[:n], y)


def calls_of(name: str, problem: Problem) -> tuple[dict[str, Any], dict[str, int]]:
  """What is timed: a call for each title, or why there is none; and bytes of temporary memory."""
  params, batch, losses = problem.make()
  check(losses, params, batch)
  calls, memory = {}, {}
  for title, function in jax_versions(losses, problem.batch_size).items():
    if isinstance(function, str):
      calls[title] = function
      continue
    compiled = jax.jit(lambda *args, f=function: f(*args)).lower(params, batch).compile()
    memory[title] = getattr(compiled.memory_analysis(), 'temp_size_in_bytes', 0)
    calls[title] = lambda compiled=compiled: jax.block_until_ready(compiled(params, batch))
  n_params = sum(x.size for x in jax.tree.leaves(params))
  if torch_peers is None:
    return {**calls, 'PyTorch': 'torch is not installed'}, memory
  if jax.default_backend() == 'gpu' and not torch_peers.torch.cuda.is_available():
    return {**calls, 'PyTorch': 'torch sees no GPU'}, memory
  return calls | torch_peers.torch_peers(name, jax.tree.map(np.asarray, batch), n_params), memory


def measure(name: str, problem: Problem, rounds: int, patience: float) -> dict[str, Any]:
  calls, memory = calls_of(name, problem)
  missing = {title: why for title, why in calls.items() if isinstance(why, str)}
  there = {title: call for title, call in calls.items() if title not in missing}
  ms, disturbed = medians(there, rounds, patience)
  return {
    'ways': list(calls),
    'ms': ms,
    'missing': missing,
    'temporary_bytes': memory,
    'disturbed': disturbed,
  }


def ratios(ms: dict[str, float], title: str) -> tuple[float, float]:
  """The time over the plain JAX step's, and over the plain step of its own framework."""
  of_torch = torch_peers is not None and title in torch_peers.PEERS
  return ms[title] / ms[PLAIN], ms[title] / ms[TORCH_PLAIN if of_torch else PLAIN]


def digits(value: float) -> str:
  return f'{value:.0f}' if value >= 100 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def row(*cells) -> str:
  return '| ' + ' | '.join(str(cell) for cell in cells) + ' |'


def table_of_times(problems: dict[str, Problem], found: dict[str, Any]) -> list[str]:
  """A row for each way, a column for each model."""
  heads = [f'{problems[name].title} (batch {problems[name].batch_size})' for name in found]
  lines = [row('ms (over JAX plain / over own plain)', *heads), row('---', *['---:'] * len(heads))]
  for title in dict.fromkeys(title for result in found.values() for title in result['ways']):
    cells = []
    for result in found.values():
      if title in result['missing']:
        cells.append(f'missing: {result["missing"][title]}')
        continue
      to_jax, to_own = ratios(result['ms'], title)
      cells.append(f'{digits(result["ms"][title])} ({digits(to_jax)} / {digits(to_own)})')
    lines.append(row(title, *cells))
  return lines


def table_of_targets(problems: dict[str, Problem], found: dict[str, Any]) -> list[str]:
  """A row for each model: what was to be reached, and how far ahead the engine is."""
  heads = ('model', 'norms', 'norms and Gram', 'memory, norms', 'memory, Gram', 'fastest peer')
  lines = [row(*heads), row(*['---'] * len(heads))]
  for name, result in found.items():
    problem, ms, memory = problems[name], result['ms'], result['temporary_bytes']

    def ratio(title, target, ms=ms):
      value = f'{ms[title] / ms[PLAIN]:.2f}'
      return f'{value} (target {target:.2f})' if target else value

    def temporary(title, target, memory=memory):
      more, times = (memory[title] - memory[PLAIN]) / MB, memory[title] / memory[PLAIN]
      return f'{times:.2f} x, {more:+.1f} MB' + (f' (target {target})' if target else '')

    plain = (PLAIN, TORCH_PLAIN)
    peers = {title: t for title, t in ms.items() if title not in (*plain, NORMS, GRAM)}
    fastest = min(peers, key=lambda title: peers[title])
    lead = peers[fastest] / ms[NORMS]
    lines.append(
      row(
        f'{problem.title} ({problem.batch_size})',
        ratio(NORMS, problem.norms),
        ratio(GRAM, problem.gram),
        temporary(NORMS, problem.memory),
        temporary(GRAM, ''),
        f'{fastest}: {digits(peers[fastest])} ms, {lead:.2f} x the norms',
      )
    )
  return lines


def device() -> str:
  cores, kind = len(os.sched_getaffinity(0)), jax.devices()[0].device_kind
  with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
    names = [line.split(':')[1].strip() for line in file if line.startswith('model name')]
    kind = names[0] if kind == 'cpu' and names else kind
  return f'{kind}, {cores} CPU cores'


def environment() -> str:
  return (
    f'{device()}; Python {sys.version.split()[0]}, jax {jax.__version__},'
    f' jax-privacy {getattr(jax_privacy, "__version__", "missing")},'
    f' {torch_peers.environment() if torch_peers else "torch missing"};'
    f' GLIBC_TUNABLES={os.environ.get("GLIBC_TUNABLES", "")}'
  )


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--models', help='some of them, with commas between')
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--patience', type=float, default=120, help='seconds for a calm machine')
  parser.add_argument('--scale', choices=('table', 'gpu'), default='table')
  parser.add_argument('--json', help='a file for the numbers')
  args = parser.parse_args()
  if args.scale == 'gpu' and jax.default_backend() != 'gpu':
    print('--scale gpu measures models for a GPU, and JAX sees none here', file=sys.stderr)
    sys.exit(2)
  problems = TABLE if args.scale == 'table' else GPU
  names = args.models.split(',') if args.models else list(problems)
  if unknown := sorted({*names} - {*problems}):
    parser.error(f'--models must be among {", ".join(problems)}, not {", ".join(unknown)}')
  found, load = {}, os.getloadavg()[0]
  for name in names:
    found[name] = measure(name, problems[name], args.rounds, args.patience)
    print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    if args.json:
      with open(args.json, 'w') as file:
        json.dump({'environment': environment(), 'models': found}, file, indent=2)
  disturbed = ', '.join(f'{100 * result["disturbed"]:.0f} %' for result in found.values())
  print(f'{environment()}; medians of {args.rounds} rounds; load {load:.1f} before and')
  print(
    f'{os.getloadavg()[0]:.1f} after; timings that other processes disturbed: {disturbed}',
    end='\n\n',
  )
  print(*table_of_times(problems, found), '', *table_of_targets(problems, found), sep='\n')


if __name__ == '__main__':
  main()
