"""Networks: from a config section's keys to three pure functions, and nothing of how it was done.

A `Model` is `init(key, x) -> params`, `apply(params, x) -> logits [B, C]` and
`capture(params, x) -> {layer: output}`. Ours are written in linen, which is imported in this folder
and nowhere else. Anything that can state the three functions is a model:

- raw JAX: write them down.
- NNX: `init` returns `nnx.to_pure_dict(nnx.state(make(key)))`, plain dicts; `apply` is
  `nnx.merge(graphdef, params)(x)`, with the graphdef of `nnx.eval_shape(lambda: make(any_key))`.
- Equinox: `eqx.partition` a module into params and a static rest that depends on no key, and
  `eqx.combine` them in `apply`, under a vmap over examples.

A model that couples the examples of a batch says `per_example=False`.
"""

from research.models.bottleneck_resnet import bottleneck_resnet
from research.models.cnn import cnn
from research.models.compositions import ensemble as make_ensemble
from research.models.compositions import single_logit as make_single_logit
from research.models.mlp import mlp
from research.models.model import Model
from research.models.resnet import resnet
from research.models.vit import vit

MODELS = {
  'mlp': mlp,
  'cnn': cnn,
  'resnet': resnet,
  'bottleneck_resnet': bottleneck_resnet,
  'vit': vit,
}


def make_model(
  n_classes: int, *, name: str, single_logit: bool = False, ensemble: int = 1, **kwargs
) -> Model:
  """The model called `name`; the other keys are the keyword arguments of its function.

  Args:
    n_classes: C, outputs.
    name: which model.
    single_logit: whether to tell two classes apart by one output (`compositions.single_logit`).
    ensemble: how many such networks, each trained by itself, make one by the mean of their logits.

  Raises:
    ValueError: no model is called `name`, or an argument is out of range.
    TypeError: an argument is unknown.
  """
  if name not in MODELS:
    raise ValueError(f'name must be one of {", ".join(MODELS)}, not {name}')
  if single_logit and n_classes != 2:
    raise ValueError(f'single_logit is for two classes; the task has {n_classes}')
  if ensemble < 1:
    raise ValueError(f'ensemble must be at least 1, not {ensemble}')
  model = MODELS[name](1 if single_logit else n_classes, **kwargs)
  model = make_single_logit(model) if single_logit else model
  return make_ensemble(model, ensemble) if ensemble > 1 else model
