"""A transformer on the patches of an image: encoder, or causal decoder."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.model import Model, check_positive, from_linen


class Attention(nn.Module):
  r"""`softmax(q k^T / sqrt(d)) v` for each head of d dimensions, heads side by side, projected."""

  heads: int
  causal: bool

  @nn.compact
  def __call__(self, x):
    B, T, width = x.shape
    qkv = nn.Dense(3 * width)(x).reshape(B, T, 3, self.heads, width // self.heads)
    q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]  # [B, T, heads, d]
    scores = jnp.einsum('bqhd,bkhd->bhqk', q, k) / q.shape[-1] ** 0.5
    if self.causal:
      scores = jnp.where(jnp.tril(jnp.ones((1, 1, T, T), bool)), scores, -jnp.inf)
    attended = jnp.einsum('bhqk,bkhd->bqhd', jax.nn.softmax(scores), v)
    return nn.Dense(width)(attended.reshape(B, T, width))


class Block(nn.Module):
  """`x + attention(norm(x))`, then `x + mlp(norm(x))`."""

  heads: int
  causal: bool

  @nn.compact
  def __call__(self, x):
    width = x.shape[-1]
    x += Attention(self.heads, self.causal)(nn.LayerNorm()(x))
    hidden = jax.nn.gelu(nn.Dense(4 * width)(nn.LayerNorm()(x)))
    return x + nn.Dense(width)(hidden)


class ViT(nn.Module):
  n_classes: int
  patch: int
  width: int
  depth: int
  heads: int
  causal: bool

  @nn.compact
  def __call__(self, x):
    x = nn.Dense(self.width)(split_into_patches(x, self.patch))
    positions = self.param('positions', nn.initializers.normal(0.02), x.shape[1:])
    x += positions[None]
    for _ in range(self.depth):
      x = Block(self.heads, self.causal)(x)
    x = nn.LayerNorm()(x)  # [B, T, width]
    return nn.Dense(self.n_classes)(x[:, -1] if self.causal else jnp.mean(x, axis=1))


def split_into_patches(x: jax.Array, patch: int) -> jax.Array:
  """[B, H, W, C] -> [B, T, patch * patch * C], row by row: T = H W / patch^2.

  Raises:
    ValueError: patch does not divide H and W.
  """
  B, H, W, C = x.shape
  if H % patch or W % patch:
    raise ValueError(f'patch must divide the image: {patch} does not divide {H}x{W}')
  x = x.reshape(B, H // patch, patch, W // patch, patch, C).swapaxes(2, 3)
  return x.reshape(B, -1, patch * patch * C)


def vit(
  n_classes: int,
  *,
  patch: int = 4,
  width: int = 64,
  depth: int = 4,
  heads: int = 4,
  causal: bool = False,
) -> Model:
  """A transformer of `depth` pre-LayerNorm blocks on the patches of inputs [B, H, W, C].

  Patches, read row by row, are embedded linearly, and learned positions added. Each block is
  attention with `heads` heads and a gelu MLP with 4 * `width` hidden units. As an encoder, every
  token attends to all, and the class is read off the mean token; as a decoder (`causal`), a
  token attends to itself and those before it, and the class is read off the last one, which alone
  has seen the whole image. All kernels start LeCun-normal (variance 1 / fan_in), positions normal
  with standard deviation 0.02, biases at zero, scales at one. `init` wants images that `patch`
  divides, and the number of positions is then fixed.

  References: `Dosovitskiy et al. (2021) <https://arxiv.org/abs/2010.11929>`_.

  Raises:
    ValueError: a number is not positive; heads does not divide width; at `init`: patch does not
      divide the image.
  """
  check_positive(n_classes=n_classes, patch=patch, width=width, depth=depth, heads=heads)
  if width % heads:
    raise ValueError(f'heads must divide width: {heads} does not divide {width}')
  return from_linen(ViT(n_classes, patch, width, depth, heads, causal))
