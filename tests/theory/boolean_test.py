"""Truth tables and their complexities, against definitions in loops over all inputs."""

import itertools

import numpy as np
import pytest

from research.theory import boolean


def random_tables(n, count=20, seed=0):
  return np.random.default_rng(seed).integers(0, 2, size=(count, 2**n), dtype=np.uint8)


def table_of(function, n):
  return np.array([function(*x) for x in itertools.product((0, 1), repeat=n)], np.uint8)[None]


def subsets(n):
  """In the order of the coefficients: as inputs are."""
  return [np.flatnonzero(x) for x in itertools.product((0, 1), repeat=n)]


def test_inputs_are_in_the_order_of_a_product():
  np.testing.assert_array_equal(boolean.inputs(4), [*itertools.product((0, 1), repeat=4)])


@pytest.mark.parametrize('n', [2, 5, 7])
def test_packed_words_tell_tables_apart(n):
  tables = random_tables(n, 40)
  tables[1] = tables[0]
  words = boolean.packed(tables)
  assert words.shape == (40, max(1, 2**n // 64))
  for a, b in itertools.product(range(10), repeat=2):
    assert (words[a] == words[b]).all() == (tables[a] == tables[b]).all()


@pytest.mark.parametrize('n', [1, 2, 4])
def test_coefficients_are_sums_over_inputs(n):
  tables, x = random_tables(n), boolean.inputs(n).astype(int)
  signs = (-1.0) ** tables
  expected = np.stack([(signs * (-1.0) ** x[:, s].sum(1)).mean(1) for s in subsets(n)], axis=1)
  found = boolean.walsh(tables)
  np.testing.assert_allclose(found, expected, atol=1e-12)
  np.testing.assert_allclose(np.square(found).sum(axis=1), 1)


def test_a_parity_has_one_coefficient():
  parity = table_of(lambda a, b, c, d: a ^ c ^ d, 4)
  expected = np.zeros(16)
  expected[0b1011] = 1
  np.testing.assert_array_equal(boolean.walsh(parity)[0], expected)
  assert boolean.algebraic_degree(parity) == 1
  assert boolean.average_sensitivity(parity) == 3
  assert boolean.fourier_entropy(parity) == 0


def test_known_degrees():
  for function, degree in (
    (lambda a, b, c: 1, 0),
    (lambda a, b, c: 1 - b, 1),
    (lambda a, b, c: a & b & c, 3),
    (lambda a, b, c: a & b, 2),
    (lambda a, b, c: int(a + b + c >= 2), 2),
    (lambda a, b, c: int(a == b == c), 2),
  ):
    assert boolean.algebraic_degree(table_of(function, 3)) == degree


def test_the_normal_form_of_that_degree_gives_the_function_back():
  """The form, by elimination over the two-element field, at all inputs."""
  n, tables = 4, random_tables(4)
  x = boolean.inputs(n)
  monomials = np.stack([x[:, s].all(axis=1) for s in subsets(n)], axis=1).astype(np.uint8)
  augmented = np.concatenate([monomials, tables.T], axis=1)
  for column in range(16):
    pivot = column + np.argmax(augmented[column:, column])
    augmented[[column, pivot]] = augmented[[pivot, column]]
    others = augmented[:, column].astype(bool)
    others[column] = False
    augmented[others] ^= augmented[column]
  form = augmented[:, 16:].T
  np.testing.assert_array_equal(form @ monomials.T % 2, tables)
  sizes = np.array([len(s) for s in subsets(n)])
  expected = [max(sizes[row == 1], default=0) for row in form]
  np.testing.assert_array_equal(boolean.algebraic_degree(tables), expected)


def test_invertible_linear_maps_keep_the_algebraic_degree():
  tables, x = random_tables(3, 50), boolean.inputs(3)
  moved = x @ np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1]], np.uint8) % 2
  rows = moved @ np.array([4, 2, 1])
  assert sorted(rows) == [*range(8)]
  before, after = (boolean.algebraic_degree(t) for t in (tables, tables[:, rows]))
  np.testing.assert_array_equal(before, after)
  assert len({*before}) > 1
  odd = tables.sum(axis=1) % 2 == 1
  np.testing.assert_array_equal(before == 3, odd)


def test_sensitivity_is_the_fourier_sum():
  tables = random_tables(5)
  sizes = boolean.inputs(5).sum(axis=1)
  expected = np.square(boolean.walsh(tables)) @ sizes.astype(float)
  np.testing.assert_allclose(boolean.average_sensitivity(tables), expected)


def test_a_bent_function_spreads_its_spectrum_evenly():
  bent = table_of(lambda a, b, c, d: (a & b) ^ (c & d), 4)
  np.testing.assert_allclose(boolean.fourier_entropy(bent), 4)


def kaspar_schuster(s):
  """The counter of their Fig. 1, by pointers."""
  n, words, k, longest, pointer, start = len(s), 1, 1, 1, 0, 1
  if n == 1:
    return 1
  while True:
    if s[pointer + k - 1] == s[start + k - 1]:
      k += 1
      if start + k > n:
        return words + 1
    else:
      longest = max(longest, k)
      pointer += 1
      if pointer == start:
        words += 1
        start += longest
        if start + 1 > n:
          return words
        pointer, longest = 0, 1
      k = 1


def test_words_are_those_of_kaspar_and_schuster():
  assert boolean.lempel_ziv_words('0001101001000101') == 6
  assert boolean.lempel_ziv_words('') == 0
  assert boolean.lempel_ziv_words('0' * 30) == 2
  for length in (1, 2, 3, 7):
    for bits in itertools.product('01', repeat=length):
      assert boolean.lempel_ziv_words(''.join(bits)) == kaspar_schuster(bits)
  for row in random_tables(6, 30):
    assert boolean.lempel_ziv_words(''.join(map(str, row))) == kaspar_schuster(row)


def test_complexity_is_in_bits_and_reads_both_ways():
  tables = random_tables(4, 40)
  tables[0], tables[1] = 0, 1
  found = boolean.lempel_ziv(tables)
  np.testing.assert_array_equal(found[:2], 4)
  words = [(kaspar_schuster(row) + kaspar_schuster(row[::-1])) / 2 for row in tables[2:]]
  np.testing.assert_allclose(found[2:], 4 * np.array(words))
  np.testing.assert_array_equal(boolean.lempel_ziv(tables[:, ::-1].copy()), found)
  np.testing.assert_array_equal(boolean.lempel_ziv(1 - tables), found)


@pytest.mark.parametrize('measure', [boolean.walsh, boolean.algebraic_degree, boolean.lempel_ziv])
def test_bad_tables_are_refused(measure):
  for tables in (np.zeros((2, 6), np.uint8), np.zeros(4, np.uint8), np.zeros((2, 4), bool)):
    with pytest.raises(ValueError, match='^tables must'):
      measure(tables)
  with pytest.raises(ValueError, match='^tables must hold 0 and 1'):
    measure(np.full((2, 4), 2, np.uint8))
  for n in (0, 21):
    with pytest.raises(ValueError, match='^n must'):
      boolean.inputs(n)
