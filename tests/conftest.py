"""Eight simulated devices, strict shapes, and no file of the user's touched."""

import os

os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=8'
)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')


@pytest.fixture(autouse=True)
def _no_user_cache(tmp_path_factory, monkeypatch):
  """Decoded datasets and compiled programs are cached in one folder of this test session."""
  cache = tmp_path_factory.getbasetemp() / 'cache'
  monkeypatch.setenv('GENLAB_CACHE', str(cache))
