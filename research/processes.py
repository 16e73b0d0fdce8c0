"""One run in several processes: they find each other before JAX looks for devices.

There are several where SLURM started more than one task of a step, where JAX_NUM_PROCESSES is more
than 1 (with JAX_COORDINATOR_ADDRESS and JAX_PROCESS_ID), or where GENLAB_PROCESSES=auto asks JAX to
look, on a TPU slice. A single process joins nothing, and needs no network.
"""

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from research.configuration import ConfigError

SLURM = ('SLURM_JOB_ID', 'SLURM_STEP_NODELIST', 'SLURM_NTASKS', 'SLURM_PROCID', 'SLURM_LOCALID')
PEER_MISSING = 75  # exit code: the same may succeed later


def join(environment: Mapping[str, str] = os.environ) -> None:
  """Joins the processes of this run, if there are several.

  Waits GENLAB_JOIN_SECONDS (300) for all of them, and then ends the process with exit code 75 and one
  line: what JAX does of a missing peer is to abort with the stack of its C++.

  Raises:
    ConfigError: the variables that say who is who are incomplete, or no numbers.
  """
  peers = _peers(environment)
  if peers is None:
    return
  import jax

  seconds = _number(environment, 'GENLAB_JOIN_SECONDS', '300')
  watch = threading.Timer(seconds, _give_up, [_said(environment), seconds])
  watch.daemon = True
  watch.start()
  try:
    jax.distributed.initialize(
      **peers,
      initialization_timeout=2 * seconds + 60,
      heartbeat_timeout_seconds=_number(environment, 'GENLAB_HEARTBEAT_SECONDS', '100'),
    )
  finally:
    watch.cancel()


def _peers(environment: Mapping[str, str]) -> dict[str, Any] | None:
  """The arguments of `jax.distributed.initialize`, or None for a single process."""
  if 'JAX_NUM_PROCESSES' in environment:
    count, index = (_number(environment, name) for name in ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'))
    if not 0 <= index < count:
      raise ConfigError(
        f'JAX_PROCESS_ID={index} must be from 0 to JAX_NUM_PROCESSES={count} less 1'
      )
    if count == 1:
      return None
    if not environment.get('JAX_COORDINATOR_ADDRESS'):
      raise ConfigError('JAX_NUM_PROCESSES needs JAX_COORDINATOR_ADDRESS=HOST:PORT, of process 0')
    return {
      'coordinator_address': environment['JAX_COORDINATOR_ADDRESS'],
      'num_processes': count,
      'process_id': index,
      'cluster_detection_method': 'deactivate',
    }
  if environment.get('GENLAB_PROCESSES') == 'auto':
    return {}
  if all(name in environment for name in SLURM) and _number(environment, 'SLURM_NTASKS') > 1:
    return {'cluster_detection_method': 'slurm'}
  return None


def _number(environment: Mapping[str, str], name: str, default: str = '') -> int:
  text = environment.get(name, default)
  if not text.isdecimal():
    raise ConfigError(f'{name}={text!r} in the environment must be a number')
  return int(text)


def _said(environment: Mapping[str, str]) -> str:
  """Who this process is, as its environment says."""
  for count, index in (('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'), ('SLURM_NTASKS', 'SLURM_PROCID')):
    if count in environment and index in environment:
      return f'process {environment[index]} of {environment[count]}'
  return 'a process'


def _give_up(who: str, seconds: int) -> None:
  """Ends the process from a thread: the main one waits inside JAX."""
  print(
    f'genlab: {who} has waited {seconds} s for the others: one of them has not started, or cannot reach'
    ' process 0; see their logs, or give them longer with GENLAB_JOIN_SECONDS',
    file=sys.stderr,
    flush=True,
  )
  os._exit(PEER_MISSING)
