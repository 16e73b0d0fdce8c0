r"""Functions of n bits as truth tables, and how complex they are.

A table f is 0 or 1 for each of the :math:`N = 2^n` inputs: uint8 [..., N]. Entry i is the value at the
input whose coordinates are the binary digits of i, the first the most significant. As a string, a table
is read from entry 0 on.
"""

import numpy as np


def inputs(n: int) -> np.ndarray:
  """All inputs in the order of a table: uint8 [2^n, n].

  Raises:
    ValueError: n is not in [1, 20].
  """
  if not 1 <= n <= 20:
    raise ValueError(f'n must lie in [1, 20], not {n}')
  return (np.arange(2**n)[:, None] >> np.arange(n - 1, -1, -1)[None] & 1).astype(np.uint8)


def packed(tables: np.ndarray) -> np.ndarray:
  """Tables [F, N] as 64-bit words [F, ceil(N / 64)]: equal words, equal tables.

  Raises:
    ValueError: as in `walsh`.
  """
  _check(tables)
  octets = np.packbits(tables, axis=1)
  octets = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
  return octets.view(np.uint64)


def walsh(tables: np.ndarray) -> np.ndarray:
  r"""Fourier coefficients of tables [F, N], float64 [F, N].

  .. math:: \hat f(S) = 2^{-n} \sum_x (-1)^{f(x)} \prod_{j \in S} (-1)^{x_j}

  S is written as the input whose coordinates in S are 1. By Parseval the squares add up to 1.

  Guarantees (each is a test): it is the sum over all inputs; of a parity it is 1 at its own S and 0
  elsewhere.

  Cost: n N additions for each function.

  Raises:
    ValueError: tables are not [F, 2^n] with entries 0 and 1.
  """
  _check(tables)
  found = 1.0 - 2.0 * tables
  for low, high in _halves(found):
    low[:], high[:] = low + high, low - high
  return found / tables.shape[1]


def algebraic_degree(tables: np.ndarray) -> np.ndarray:
  r"""Degree of each function as a polynomial over the field of two elements: int [F], from 0 to n.

  That is its algebraic normal form, :math:`f(x) = \bigoplus_S a_S \prod_{j \in S} x_j`, of which the
  largest S with :math:`a_S = 1` counts. A constant has degree 0, a parity 1, a conjunction of all
  bits n. Half of all functions have degree n: those with an odd number of ones.

  Guarantees (each is a test): the form gives the function back, by evaluation at all inputs;
  invertible linear maps of the inputs do not change it.

  Raises:
    ValueError: as in `walsh`.
  """
  _check(tables)
  form = tables.copy()
  for low, high in _halves(form):
    high ^= low
  sizes = inputs(_n(tables)).sum(axis=1, dtype=np.int64)
  return np.max(form * sizes[None], axis=1)


def average_sensitivity(tables: np.ndarray) -> np.ndarray:
  r"""At how many of its n neighbours the function differs, on average over inputs: float64 [F].

  .. math:: E_x \big|\{j : f(x) \ne f(x \oplus e_j)\}\big| = \sum_S |S| \hat f(S)^2

  Also known as total influence. A constant has 0, a parity of all bits n, a random function n / 2.

  Guarantees (each is a test): it is the Fourier sum on the right.

  Raises:
    ValueError: as in `walsh`.
  """
  _check(tables)
  n = _n(tables)
  rows = np.arange(2**n)
  changes = [np.mean(tables != tables[:, rows ^ (1 << j)], axis=1) for j in range(n)]
  return np.sum(changes, axis=0)


def fourier_entropy(tables: np.ndarray) -> np.ndarray:
  r"""Entropy of the squared Fourier coefficients, :math:`-\sum_S \hat f^2 \log_2 \hat f^2`: bits [F].

  Guarantees (each is a test): a parity has 0; a bent function, with all coefficients alike, n.

  Raises:
    ValueError: as in `walsh`.
  """
  p = np.square(walsh(tables))
  return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=1)


def lempel_ziv_words(text: str) -> int:
  """Into how many words Lempel and Ziv (1976) parse a text.

  A word is the shortest continuation that did not begin earlier: '0001101001000101' is
  0.001.10.100.1000.101, six words. Copies may overlap with themselves; the last word need not be new.

  Guarantees (each is a test): it is what Kaspar and Schuster's counter finds.

  Cost: at most len(text) searches.

  References: `Lempel and Ziv (1976) <https://doi.org/10.1109/TIT.1976.1055501>`_; the example is of
    `Kaspar and Schuster (1987) <https://doi.org/10.1103/PhysRevA.36.842>`_.
  """
  n_words, start, end = 0, 0, 1
  while start < len(text):
    while end <= len(text) and text[start:end] in text[: end - 1]:
      end += 1
    n_words, start, end = n_words + 1, end, end + 1
  return n_words


def lempel_ziv(tables: np.ndarray) -> np.ndarray:
  r"""Lempel-Ziv complexity of tables [F, N], in bits: float64 [F].

  .. math:: K(f) = \tfrac12 \log_2 N \big(w(f_1 \ldots f_N) + w(f_N \ldots f_1)\big)

  with w of `lempel_ziv_words`; of the two constants it is :math:`\log_2 N`.

  Guarantees (each is a test): neither reading backwards nor exchanging 0 and 1 changes it.

  Cost: about 20 microseconds for each function of six bits.

  Raises:
    ValueError: as in `walsh`.

  References: `Dingle, Camargo and Louis (2018) <https://doi.org/10.1038/s41467-018-03101-6>`_ and
    `Valle-Perez et al. (2019) <https://arxiv.org/abs/1805.08522>`_.
  """
  _check(tables)
  found = np.empty(len(tables))
  for i, row in enumerate(np.asarray(tables, np.uint8)):
    text = (row + ord('0')).tobytes().decode()
    constant = len(set(text)) == 1
    found[i] = 1 if constant else (lempel_ziv_words(text) + lempel_ziv_words(text[::-1])) / 2
  return found * _n(tables)


def _halves(tables: np.ndarray):
  """For each bit, views of the entries where it is 0 and where it is 1."""
  for j in range(_n(tables)):
    pairs = tables.reshape(len(tables), -1, 2, 1 << j)
    yield pairs[:, :, 0], pairs[:, :, 1]


def _n(tables: np.ndarray) -> int:
  return int(tables.shape[1]).bit_length() - 1


def _check(tables: np.ndarray) -> None:
  size = tables.shape[1] if np.ndim(tables) == 2 else 0
  if size < 2 or size & (size - 1):
    raise ValueError(f'tables must be [F, 2^n], not {list(np.shape(tables))}')
  if tables.dtype != np.uint8 or (tables.size and tables.max() > 1):
    raise ValueError('tables must hold 0 and 1 as uint8; cast what is boolean')
