"""The models of `benchmarks.per_example_gradients`, as everyone would write them in Flax Linen."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


class MLP(nn.Module):
  widths: tuple[int, ...] = (512, 512)

  @nn.compact
  def __call__(self, x):
    x = x.reshape(x.shape[0], -1)
    for width in self.widths:
      x = nn.relu(nn.Dense(width)(x))
    return nn.Dense(10)(x)


class CNN(nn.Module):
  layers: tuple[tuple[int, int], ...] = ((32, 1), (64, 2), (64, 2))  # channels and stride

  @nn.compact
  def __call__(self, x):
    for width, stride in self.layers:
      x = nn.relu(nn.Conv(width, (3, 3), strides=stride)(x))
    return nn.Dense(10)(x.mean((1, 2)))


class WideBlock(nn.Module):
  channels: int
  stride: int

  @nn.compact
  def __call__(self, x):
    conv = partial(nn.Conv, self.channels, use_bias=False)
    h = nn.relu(nn.GroupNorm(num_groups=8)(x))
    if x.shape[-1] != self.channels:
      x = conv(kernel_size=(1, 1), strides=self.stride)(h)
    h = conv(kernel_size=(3, 3), strides=self.stride)(h)
    return x + conv(kernel_size=(3, 3))(nn.relu(nn.GroupNorm(num_groups=8)(h)))


class WideResNet(nn.Module):
  """WideResNet-16-2: three stages of two blocks."""

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(16, (3, 3), use_bias=False)(x)
    for channels, stride in ((32, 1), (64, 2), (128, 2)):
      x = WideBlock(channels, stride)(x)
      x = WideBlock(channels, 1)(x)
    x = nn.relu(nn.GroupNorm(num_groups=8)(x))
    return nn.Dense(10)(x.mean((1, 2)))


class Bottleneck(nn.Module):
  channels: int
  stride: int

  @nn.compact
  def __call__(self, x):
    conv, norm = partial(nn.Conv, use_bias=False), partial(nn.GroupNorm, num_groups=32)
    h = nn.relu(norm()(conv(self.channels, (1, 1))(x)))
    h = nn.relu(norm()(conv(self.channels, (3, 3), strides=self.stride)(h)))
    h = norm()(conv(4 * self.channels, (1, 1))(h))
    if x.shape != h.shape:
      x = norm()(conv(4 * self.channels, (1, 1), strides=self.stride)(x))
    return nn.relu(x + h)


class ResNet50(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.Conv(64, (7, 7), strides=2, use_bias=False)(x)
    x = nn.relu(nn.GroupNorm(num_groups=32)(x))
    x = nn.max_pool(x, (3, 3), strides=(2, 2), padding='SAME')
    for stage, blocks in enumerate((3, 4, 6, 3)):
      for block in range(blocks):
        x = Bottleneck(64 * 2**stage, 2 if stage and not block else 1)(x)
    return nn.Dense(1000)(x.mean((1, 2)))


class TransformerBlock(nn.Module):
  heads: int

  @nn.compact
  def __call__(self, x):
    d, mask = x.shape[-1], nn.make_causal_mask(x[..., 0])
    x += nn.MultiHeadDotProductAttention(num_heads=self.heads)(nn.LayerNorm()(x), mask=mask)
    return x + nn.Dense(d)(nn.gelu(nn.Dense(4 * d)(nn.LayerNorm()(x))))


class Transformer(nn.Module):
  """A decoder, with learned positions and an output layer of its own."""

  layers: int
  d: int
  heads: int
  vocabulary: int

  @nn.compact
  def __call__(self, tokens):
    T = tokens.shape[1]
    x = nn.Embed(self.vocabulary, self.d)(tokens) + nn.Embed(T, self.d)(jnp.arange(T))
    for _ in range(self.layers):
      x = TransformerBlock(self.heads)(x)
    return nn.Dense(self.vocabulary, use_bias=False)(nn.LayerNorm()(x))


@dataclasses.dataclass(frozen=True)
class Problem:
  """A model, a batch, and what the engine is to reach, as ratios to the plain step."""

  title: str
  model: nn.Module
  batch_size: int
  shape: tuple[int, ...]  # of one input; one number: that many tokens
  n_classes: int
  norms: float | None = None
  gram: float | None = None
  memory: str = ''

  def make(self) -> tuple[Any, dict[str, jax.Array], Callable]:
    """Parameters, a batch of noise, and the losses function `(params, batch) -> [B]`."""
    generator = np.random.default_rng(0)
    if len(self.shape) == 1:
      size = (self.batch_size, self.shape[0] + 1)
      tokens = (generator.zipf(1.3, size) % self.n_classes).astype(np.int32)
      batch = {'inputs': tokens[:, :-1], 'labels': tokens[:, 1:]}
    else:
      inputs = generator.standard_normal((self.batch_size, *self.shape), dtype=np.float32)
      labels = generator.integers(0, self.n_classes, self.batch_size, dtype=np.int32)
      batch = {'inputs': inputs, 'labels': labels}
    batch = jax.tree.map(jnp.asarray, batch)
    params = jax.jit(self.model.init)(jax.random.key(0), batch['inputs'][:1])

    def losses(params, batch):
      logits: Any = self.model.apply(params, batch['inputs'])
      values = optax.softmax_cross_entropy_with_integer_labels(logits, batch['labels'])
      return values.reshape(values.shape[0], -1).mean(1)

    return params, batch, losses


TABLE = {
  'mlp': Problem('MLP 784-512-512-10', MLP(), 256, (28, 28, 1), 10, 1.10, 1.35, '2 MB more'),
  'cnn': Problem('CNN 32-64-64, 28x28', CNN(), 256, (28, 28, 1), 10, 0.85, 1.15, '1.05 x'),
  'wrn': Problem(
    'WideResNet-16-2, GroupNorm, 32x32', WideResNet(), 64, (32, 32, 3), 10, 1.00, 1.45, '1.10 x'
  ),
  'transformer': Problem(
    'transformer, 4 layers, d=128, T=64',
    Transformer(4, 128, 4, 1024),
    64,
    (64,),
    1024,
    1.03,
    1.45,
    '1.05 x',
  ),
}
GPU = {
  'resnet50': Problem('ResNet-50, GroupNorm, 224x224', ResNet50(), 64, (224, 224, 3), 1000),
  'transformer100m': Problem(
    'transformer, 12 layers, d=768, T=512', Transformer(12, 768, 12, 8192), 16, (512,), 8192
  ),
}
