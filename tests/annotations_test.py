"""Values and annotations: what fits, in which form."""

from typing import Literal

import pytest

from research.annotations import fitted, literal, nearest, shown, wanted


@pytest.mark.parametrize(
  ('text', 'value'),
  [
    ('3', 3),
    ('-3', -3),
    ('1e-3', 1e-3),
    ('1_000', 1000),
    ('(64,64)', (64, 64)),
    ('64,64', (64, 64)),
    ('()', ()),
    ('[1]', [1]),
    ('None', None),
    ('none', None),
    ('True', True),
    ('false', False),
    ('mlp', 'mlp'),
    ('"mlp"', 'mlp'),
    ('"3"', '3'),
    ('train[:100]', 'train[:100]'),
    ('name/config', 'name/config'),
    ('', ''),
    ('f(1)', 'f(1)'),
    ('(' * 300, '(' * 300),
  ],
)
def test_texts_are_read_as_python_literals_or_strings(text, value):
  assert literal(text) == value
  assert type(literal(text)) is type(value)


def test_what_is_nested_too_deeply_is_a_string():
  text = '-' * 100_000 + '1'
  assert literal(text) == text


@pytest.mark.parametrize(
  ('value', 'annotation', 'form'),
  [
    (3, int, 3),
    (3, float, 3.0),
    (2.5, float, 2.5),
    ('x', str, 'x'),
    (True, bool, True),
    (None, int | None, None),
    (3, float | None, 3.0),
    (3, int | None, 3),
    ([1, 2], tuple[int, ...], (1, 2)),
    ((1, 0.5), tuple[float, ...], (1.0, 0.5)),
    ((), tuple[int, ...], ()),
    ([[1], []], tuple[tuple[int, ...], ...], ((1,), ())),
    ('sgd', Literal['sgd', 'adam'], 'sgd'),
    (1, Literal[1, 2] | None, 1),
  ],
)
def test_values_take_the_form_of_their_annotation(value, annotation, form):
  assert repr(fitted(value, annotation)) == repr(form)


@pytest.mark.parametrize(
  ('value', 'annotation'),
  [
    (True, int),
    (True, float),
    (1, bool),
    (1.0, int),
    ('1', int),
    (float('nan'), float),
    (float('inf'), float | None),
    (10**400, float),
    (None, int),
    (5, tuple[int, ...]),
    ('ab', tuple[str, ...]),
    ((1, 'a'), tuple[int, ...]),
    ((1, True), tuple[int, ...]),
    ('rmsprop', Literal['sgd', 'adam']),
    (True, Literal[1]),
    ([1], Literal['sgd']),
    ({}, str),
    (b'x', str),
  ],
)
def test_what_does_not_fit_is_refused(value, annotation):
  with pytest.raises(TypeError):
    fitted(value, annotation)


def test_annotations_that_are_not_provided_for_are_refused():
  for annotation in (list[int], dict, tuple[int, int]):
    with pytest.raises(TypeError, match='^not '):
      fitted([1, 2], annotation)


@pytest.mark.parametrize(
  ('annotation', 'words'),
  [
    (int, 'int'),
    (float | None, 'float or None'),
    (tuple[int, ...], 'a tuple of int'),
    (tuple[float, ...] | None, 'a tuple of float or None'),
    (Literal['sgd', 'adam'], "one of 'sgd', 'adam'"),
  ],
)
def test_annotations_in_words(annotation, words):
  assert wanted(annotation) == words


def test_a_near_miss_is_named():
  assert wanted(Literal['sgd', 'adam'], 'adm') == "one of 'sgd', 'adam' (did you mean 'adam'?)"
  assert wanted(Literal['sgd', 'adam'], [3]) == "one of 'sgd', 'adam'"


@pytest.mark.parametrize(
  ('word', 'name'),
  [('widht', 'widths'), ('lr', 'learning_rate'), ('wd', 'weight_decay'), ('xyz', None), ('', None)],
)
def test_the_nearest_name_is_misspelt_or_abbreviated(word, name):
  assert nearest(word, ['widths', 'learning_rate', 'weight_decay', 'b1']) == name


def test_values_are_shown_at_readable_length():
  assert shown('a\nb') == r"'a\nb'"
  assert len(shown('x' * 1000)) == 80
