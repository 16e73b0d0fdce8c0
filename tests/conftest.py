"""Eight simulated devices, strict shapes, quick compilation, and no file of the user's touched."""

import os
import pathlib

os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=8'
)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Compiling is most of what the tests do: the results stay right to rounding, only slower.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
pytest.register_assert_rewrite('calculated')


def pytest_collection_modifyitems(items):
  """Marks as slow the tests that `slow.txt` lists: one of each kind that takes long stays quick."""
  lines = (pathlib.Path(__file__).parent / 'slow.txt').read_text().splitlines()
  listed = {line for line in lines if not line.startswith('#')}
  for item in items:
    if item.nodeid in listed or item.nodeid.partition('[')[0] in listed:
      item.add_marker(pytest.mark.slow)


@pytest.fixture(scope='session')
def session_folder(tmp_path_factory):
  """One folder for all worker processes of this session."""
  base = tmp_path_factory.getbasetemp()
  return base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base


@pytest.fixture(scope='session', autouse=True)
def _programs_compiled_once(session_folder):
  jax.config.update('jax_compilation_cache_dir', str(session_folder / 'programs'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', 0)


@pytest.fixture(autouse=True)
def _no_user_cache(session_folder, monkeypatch):
  """Decoded datasets, and the compiled programs of subprocesses, are kept for this session alone."""
  monkeypatch.setenv('GENLAB_CACHE', str(session_folder / 'cache'))
