import jax.numpy as jnp
import pytest

from research import trees

PARAMS = {
  'Block_0': {'Conv_1': {'kernel': jnp.ones((2, 3)), 'bias': jnp.ones(3)}},
  'positions': jnp.ones(5),
}


def test_leaves_are_named_by_their_path():
  named = trees.named_leaves(PARAMS)
  assert {name: leaf.shape for name, leaf in named.items()} == {
    'Block_0/Conv_1/bias': (3,),
    'Block_0/Conv_1/kernel': (2, 3),
    'positions': (5,),
  }


def test_leaves_of_sequences_are_named_too():
  assert list(trees.named_leaves([1, (2, {'a': 3})])) == ['0', '1/0', '1/1/a']


@pytest.mark.parametrize(
  ('name', 'layer'),
  [('Dense_0/kernel', 'Dense_0'), ('a/b/c', 'a/b'), ('positions', 'positions')],
)
def test_a_leaf_belongs_to_its_layer(name, layer):
  assert trees.layer_of(name) == layer


def test_layers_add_their_leaves_and_keep_their_order():
  leaves = {'b/kernel': 1.0, 'a/kernel': 10.0, 'b/bias': 2.0, 'top': 5.0}
  assert list(trees.sum_by_layer(leaves).items()) == [('b', 3.0), ('a', 10.0), ('top', 5.0)]


def test_parameters_are_counted():
  assert trees.n_parameters(PARAMS) == 6 + 3 + 5
  assert trees.n_parameters({}) == 0
