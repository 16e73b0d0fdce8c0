import jax
import jax.numpy as jnp
import pytest

from research import trees
from research.models import bottleneck_resnet


def shapes(n_classes=1000, size=224, **kwargs):
  """Of the parameters, and of what the layers give for one image."""
  model = bottleneck_resnet(n_classes, **kwargs)
  x = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
  params = jax.eval_shape(model.init, jax.random.key(0), x)
  return params, jax.eval_shape(model.capture, params, x)


@pytest.mark.parametrize('norm', ['group', 'layer', 'batch'])
def test_resnet_50_has_as_many_parameters_as_are_known_of_it(norm):
  # ResNet-50 of torchvision, 25,557,032, has the same convolutions and output layer; its norms, each
  # behind a convolution, have 2 * 26,560 parameters, ours, each in front of one, 2 * 22,720.
  params, _ = shapes(norm=norm)
  assert trees.n_parameters(params) == 25_557_032 - 2 * 26_560 + 2 * 22_720


@pytest.mark.parametrize(
  ('stages', 'millions'), [((3, 4, 23, 3), 44.5), ((3, 8, 36, 3), 60.2)]
)  # torchvision's, 44.55 and 60.19, less their norms' difference
def test_deeper_ones_too(stages, millions):
  params, _ = shapes(stages=stages)
  assert abs(trees.n_parameters(params) / 1e6 - millions) < 0.1


def test_resolution_halves_and_channels_double():
  _, activations = shapes()
  starts = [0, 3, 7, 13]
  assert [activations[f'Bottleneck_{i}'].shape[1:] for i in starts] == [
    (56, 56, 256),
    (28, 28, 512),
    (14, 14, 1024),
    (7, 7, 2048),
  ]
  assert 'Bottleneck_16' not in activations


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'stages': ()}, r'stages must name at least one stage, not \(\)'),
    ({'stages': (1, 0)}, r'stages must be positive, not \(1, 0\)'),
    ({'width': 48}, 'groups must divide width=48, not be 32'),
    ({'width': 0}, 'width must be positive, not 0'),
    ({'norm': 'none'}, 'norm must be one of group, layer, batch, not none'),
    ({'convolution': 'fft'}, 'convolution must be one of auto, lax, patches, not fft'),
  ],
)
def test_what_makes_no_network_is_refused(arguments, message):
  with pytest.raises(ValueError, match=rf'^{message}$'):
    bottleneck_resnet(10, **arguments)
