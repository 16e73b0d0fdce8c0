r"""The tilt of a network's boundary between two classes, seen from the line between their means."""

import jax
import jax.numpy as jnp

from research import attacks
from research.instruments.instrument import Instrument, Network
from research.instruments.starvation import logit_differences
from research.types import Batch, Metrics, Params


def boundary_angle() -> Instrument:
  r"""The angle between a network's boundary and the nearest-centroid one, and what it costs.

  Of two classes with means :math:`\mu_0, \mu_1` on the sample, the classifier by the nearest mean has
  the normal :math:`c = \mu_1 - \mu_0`. A network's output is the difference of its logits,
  :math:`f = z_1 - z_0`; at an example, its boundary has to first order the normal
  :math:`n_i = \nabla_x f(x_i) / \|\nabla_x f(x_i)\|` and the distance
  :math:`y_i f(x_i) / \|\nabla_x f(x_i)\|`, with :math:`y_i = \pm 1`: negative on the wrong side. The
  adversarial strength compares distances of the classes to both boundaries,

  .. math::
    s = \frac{\frac12 \sum_y \mathrm{mean}_{i \in y}\, y_i \langle x_i - \bar\mu, c \rangle / \|c\|}
             {\frac12 \sum_y \mathrm{mean}_{i \in y}\, y_i f(x_i) / \|\nabla_x f(x_i)\|},
    \qquad \bar\mu = \tfrac12 (\mu_0 + \mu_1),

  whose numerator is :math:`\|c\| / 2`. A boundary that lies along the data has a strength far above 1:
  small perturbations fool the network, whatever its accuracy.

  Guarantees (each is a test): of a linear classifier :math:`s = 1 / \cos(\mathrm{angle})`, whatever
  its offset and the sizes of the classes, and both angles are alike; of the nearest-centroid
  classifier they are 0 and s is 1; where a centred linear classifier errs rarely, s agrees with the
  ratio of mean unsigned distances to 1 %; it does not matter which class is called 1, nor the order
  of the examples; f scaled by c > 0, and inputs moved or scaled together with the network, change
  nothing. Less regularized ridge regressions on correlated features have wider angles.

  Metrics: `boundary/angle`, in degrees in [0, 180], between c and the mean of the :math:`n_i`;
  `boundary/angle_of_examples`, the mean of the angles between c and each :math:`n_i`;
  `boundary/strength`, s, at least 1 for linear classifiers that tell the classes apart, and below 1
  for networks that flatten away from their boundary, which makes distances seem long; infinite or
  negative where a network does no better than chance. NaN where a class has no examples. A gradient
  of zero is at 90 degrees to everything.

  Cost: one gradient with respect to the inputs. Memory: that of a backward pass.

  Raises:
    ValueError: while tracing: there are not two logits.

  References: `Tanay & Griffin (2016) <https://arxiv.org/abs/1608.07690>`_, who define the strength of
    linear classifiers, and reduce it to the angle.
  """

  def measure(network: Network, params: Params, batch: Batch) -> Metrics:
    x, labels = batch['inputs'], batch['labels']

    differences = logit_differences(network.apply, 'instruments.boundary_angle')

    def outputs(x):
      f = differences(params, {'inputs': x})
      return jnp.sum(f), f

    gradients, f = jax.grad(outputs, has_aux=True)(x)
    normals = attacks.unit(gradients).reshape(len(x), -1)  # [m, d]
    distances = f / attacks.lengths(gradients).reshape(-1)  # [m], positive towards class 1
    flat = x.reshape(len(x), -1)
    centroids = _difference(flat, labels)  # [d]
    toward = attacks.unit(centroids[None])  # [1, d]
    metrics = {
      'angle': _angles(attacks.unit(jnp.mean(normals, axis=0)[None]), toward)[0],
      'angle_of_examples': jnp.mean(_angles(normals, toward)),
      'strength': jnp.linalg.norm(centroids) / _difference(distances[:, None], labels)[0],
    }
    return {f'boundary/{name}': value for name, value in metrics.items()}

  return Instrument(measure=measure, price=0.76)


def _difference(rows: jax.Array, labels: jax.Array) -> jax.Array:
  """The mean of the rows [m, d] of class 1, less that of class 0; NaN where a class is empty."""
  of_class = [jnp.mean(rows, axis=0, where=(labels == label)[:, None]) for label in (0, 1)]
  return of_class[1] - of_class[0]


def _angles(a: jax.Array, b: jax.Array) -> jax.Array:
  """Degrees between unit rows, exact also of small angles; 90 where a row is zero."""
  apart, along = (jnp.linalg.norm(rows, axis=-1) for rows in (a - b, a + b))
  return jnp.degrees(2 * jnp.arctan2(apart, along))
