"""PyTorch's ways to the norms of per-example gradients, for `benchmarks.per_example_gradients`.

Each peer is a call that returns what a training step with norms needs: the norms of each parameter's
gradients, [m] each, and the gradients of the mean loss. A peer that is not there is the reason why.
"""

import copy
import warnings
from importlib import metadata
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]

from benchmarks.torch_models import MODELS, TransformerBlock


def loss_of(logits, labels):
  return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def norms_of(gradients):
  return [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]


def plain_step(model, x, y):
  def call():
    model.zero_grad()
    loss_of(model(x), y).backward()
    return [], [p.grad for p in model.parameters()]

  return call


def by_vmap(model, x, y):
  for module in model.modules():
    if isinstance(module, TransformerBlock):
      module.fused = False  # vmap knows no rule for it, and takes examples one by one
  params = dict(model.named_parameters())

  def loss(params, one_x, one_y):
    return loss_of(torch.func.functional_call(model, params, (one_x[None],)), one_y[None])

  per_example = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

  def call():
    gradients = per_example({k: p.detach() for k, p in params.items()}, x, y).values()
    return norms_of(gradients), [g.mean(0) for g in gradients]

  return call


def by_hooks(model, x, y):
  from opacus import grad_sample  # pyright: ignore[reportMissingImports]

  model = grad_sample.GradSampleModule(model)

  def call():
    model.zero_grad(set_to_none=True)
    loss_of(model(x), y).backward()  # fills p.grad as well
    found = norms_of([p.grad_sample for p in model.parameters()])
    means = [p.grad for p in model.parameters()]
    for p in model.parameters():
      p.grad_sample = None
    return found, means

  return call


def by_expanded_weights(model, x, y):
  from opacus import grad_sample  # pyright: ignore[reportMissingImports]

  model = grad_sample.GradSampleModuleExpandedWeights(model)

  def call():
    model.zero_grad(set_to_none=True)
    loss_of(model(x), y).backward()  # fills no p.grad
    gradients = [p.grad_sample for p in model.parameters()]
    for p in model.parameters():
      p.grad_sample = None
    return norms_of(gradients), [g.mean(0) for g in gradients]

  return call


def by_ghost_norms(model, x, y):
  from opacus import grad_sample  # pyright: ignore[reportMissingImports]

  model = grad_sample.GradSampleModuleFastGradientClipping(model)

  def call():
    model.zero_grad(set_to_none=True)
    loss_of(model(x), y).backward()
    parameters = list(model.parameters())
    return [p._norm_sample for p in parameters], [p.grad for p in parameters]

  return call


def by_batch_l2(model, x, y):
  from backpack import backpack, extend  # pyright: ignore[reportMissingImports]
  from backpack.extensions import BatchL2Grad  # pyright: ignore[reportMissingImports]

  model = extend(model)

  def call():
    model.zero_grad()
    with backpack(BatchL2Grad()):
      loss_of(model(x), y).backward()
    parameters = list(model.parameters())
    if lacking := {without_rule(m) for m in model.modules()} - {''}:
      raise NotImplementedError(f'no rule for {", ".join(sorted(lacking))}')
    found = [len(x) * p.batch_l2.sqrt() for p in parameters]  # of gradients over m
    return found, [p.grad for p in parameters]

  def without_rule(module):
    lacks = any(not hasattr(p, 'batch_l2') for p in module.parameters(recurse=False))
    return type(module).__name__ if lacks else ''

  return call


PLAIN = 'PyTorch plain step'
REFERENCE = 'torch.func `vmap(grad)`'
PEERS = {
  PLAIN: plain_step,
  REFERENCE: by_vmap,
  'Opacus hooks, grad samples': by_hooks,
  'Opacus expanded weights': by_expanded_weights,
  'Opacus ghost norms, one pass': by_ghost_norms,
  'BackPACK BatchL2': by_batch_l2,
}


def torch_peers(name: str, batch: dict[str, np.ndarray], n_params: int) -> dict[str, Any]:
  """The calls of all peers for a model and batch, or why there is none.

  Raises:
    AssertionError: the model is not of the size of the JAX model, or a peer's numbers are wrong.
  """
  warnings.filterwarnings('ignore', message='Full backward hook|Extension saving to')
  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  torch.manual_seed(0)
  model = MODELS[name]().to(device)
  assert sum(p.numel() for p in model.parameters()) == n_params
  x, y = batch['inputs'], torch.tensor(batch['labels'], device=device).long()
  x = torch.tensor(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x, device=device)
  # Opacus 1.6 and expanded weights are silently wrong on images with the strides of channels-last.
  x = x.clone(memory_format=torch.contiguous_format)
  x = x if x.is_floating_point() else x.long()
  found: dict[str, Any] = {}
  reference: Any = None
  for title, make in PEERS.items():
    try:
      call = make(copy.deepcopy(model), x, y)
      numbers = call()
    except ImportError as error:
      found[title] = f'{error.name} is not installed'
    except (NotImplementedError, RuntimeError) as error:
      found[title] = str(error).splitlines()[0]
    else:
      reference = numbers if title == REFERENCE else reference
      check(title, numbers, reference)
      found[title] = synchronized(call) if device == 'cuda' else call
  return found


def check(title, numbers, reference):
  """Whether norms and means are those of `vmap(grad)`."""
  if title == PLAIN:
    return
  for i in range(2):
    assert len(numbers[i]) == len(reference[i]), title
    scale = max(float(value.abs().max()) for value in reference[i])
    for value, expected in zip(numbers[i], reference[i], strict=True):
      torch.testing.assert_close(
        value, expected, rtol=1e-3, atol=1e-4 * scale, msg=f'{title}: {{}}'.format
      )


def synchronized(call):
  def waiting():
    result = call()
    torch.cuda.synchronize()
    return result

  return waiting


def environment() -> str:
  found = [f'torch {torch.__version__}, {torch.get_num_threads()} threads']
  for package in ('opacus', 'backpack-for-pytorch'):
    try:
      found.append(f'{package} {metadata.version(package)}')
    except metadata.PackageNotFoundError:
      found.append(f'{package} missing')
  return ', '.join(found)
