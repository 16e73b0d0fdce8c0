"""The models of `benchmarks.per_example_models`, once more, as everyone would write them in PyTorch."""

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]


def convolution(n_in, n_out, size=3, stride=1, bias=False):
  return nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=bias)


class Mean(nn.Module):
  """The global average of images."""

  def forward(self, x):
    return x.mean((2, 3))


def mlp():
  layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
  return nn.Sequential(nn.Flatten(), *layers)


def cnn():
  layers = []
  for n_in, n_out, stride in ((1, 32, 1), (32, 64, 2), (64, 64, 2)):
    layers += [convolution(n_in, n_out, stride=stride, bias=True), nn.ReLU()]
  return nn.Sequential(*layers, Mean(), nn.Linear(64, 10))


class WideBlock(nn.Module):
  def __init__(self, n_in, n_out, stride):
    super().__init__()
    self.norms = nn.ModuleList([nn.GroupNorm(8, n_in), nn.GroupNorm(8, n_out)])
    self.first = convolution(n_in, n_out, stride=stride)
    self.second = convolution(n_out, n_out)
    self.shortcut = convolution(n_in, n_out, 1, stride) if n_in != n_out else None

  def forward(self, x):
    h = torch.relu(self.norms[0](x))
    x = x if self.shortcut is None else self.shortcut(h)
    return x + self.second(torch.relu(self.norms[1](self.first(h))))


def wrn():
  blocks, n_in = [], 16
  for n_out, stride in ((32, 1), (64, 2), (128, 2)):
    blocks += [WideBlock(n_in, n_out, stride), WideBlock(n_out, n_out, 1)]
    n_in = n_out
  head = [nn.GroupNorm(8, n_in), nn.ReLU(), Mean(), nn.Linear(n_in, 10)]
  return nn.Sequential(convolution(3, 16), *blocks, *head)


class Bottleneck(nn.Module):
  def __init__(self, n_in, channels, stride):
    super().__init__()
    n_out = 4 * channels
    self.branch = nn.Sequential(
      *(convolution(n_in, channels, 1), nn.GroupNorm(32, channels), nn.ReLU()),
      *(convolution(channels, channels, 3, stride), nn.GroupNorm(32, channels), nn.ReLU()),
      *(convolution(channels, n_out, 1), nn.GroupNorm(32, n_out)),
    )
    shortcut = (convolution(n_in, n_out, 1, stride), nn.GroupNorm(32, n_out))
    self.shortcut = nn.Sequential(*(shortcut if n_in != n_out else ()))

  def forward(self, x):
    return torch.relu(self.shortcut(x) + self.branch(x))


def resnet50():
  layers = [convolution(3, 64, 7, 2), nn.GroupNorm(32, 64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
  n_in = 64
  for stage, blocks in enumerate((3, 4, 6, 3)):
    for block in range(blocks):
      channels = 64 * 2**stage
      layers.append(Bottleneck(n_in, channels, 2 if stage and not block else 1))
      n_in = 4 * channels
  return nn.Sequential(*layers, Mean(), nn.Linear(n_in, 1000))


class TransformerBlock(nn.Module):
  def __init__(self, d, heads):
    super().__init__()
    self.heads, self.fused = heads, True
    self.norms = nn.ModuleList([nn.LayerNorm(d), nn.LayerNorm(d)])
    self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))
    self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

  def forward(self, x):
    h = self.norms[0](x)
    projected = (self.q(h), self.k(h), self.v(h))
    q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in projected)
    attended = self.attend(q, k, v)
    x = x + self.out(attended.transpose(1, 2).flatten(2))
    return x + self.down(F.gelu(self.up(self.norms[1](x)), approximate='tanh'))

  def attend(self, q, k, v):
    if not self.fused:
      T, scores = q.shape[-2], q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
      later = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
      return scores.masked_fill(later, -torch.inf).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Transformer(nn.Module):
  def __init__(self, layers, d, heads, vocabulary, T):
    super().__init__()
    self.tokens, self.positions = nn.Embedding(vocabulary, d), nn.Embedding(T, d)
    self.blocks = nn.Sequential(*(TransformerBlock(d, heads) for _ in range(layers)))
    self.norm, self.logits = nn.LayerNorm(d), nn.Linear(d, vocabulary, bias=False)

  def forward(self, tokens):
    places = torch.arange(tokens.shape[1], device=tokens.device).repeat(len(tokens), 1)
    return self.logits(self.norm(self.blocks(self.tokens(tokens) + self.positions(places))))


MODELS = {
  'mlp': mlp,
  'cnn': cnn,
  'wrn': wrn,
  'transformer': lambda: Transformer(4, 128, 4, 1024, 64),
  'resnet50': resnet50,
  'transformer100m': lambda: Transformer(12, 768, 12, 8192, 512),
}
