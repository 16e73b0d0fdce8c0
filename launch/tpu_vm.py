"""TPU VMs of Google Cloud: one slice for the sweep, its runs one after another, each on all hosts."""

import dataclasses
import os
import shlex
import signal
import subprocess
from pathlib import Path

from launch import engine, outcome
from launch.engine import REQUIRED, option
from launch.manifest import Run

TEMPLATE = """\
set -eu
slice={slice}
at=--zone={zone}
logs={logs}
gcloud() {{ command gcloud "$@" < /dev/null; }}  # bash may read this script from stdin
state() {{
  gcloud compute tpus queued-resources describe "$slice" "$at" --format='value(state.state)'
}}
gcloud compute tpus queued-resources create "$slice" "$at" --node-id="$slice" \\
  --accelerator-type={accelerator} --runtime-version={runtime}{spot}
trap 'gcloud compute tpus queued-resources delete "$slice" "$at" --force --quiet' EXIT
while true; do
  state=$(state)
  case "$state" in
    ACTIVE) break ;;
    FAILED | SUSPENDING | SUSPENDED) echo "genlab: $slice is $state" >&2; exit 1 ;;
  esac
  sleep 30
done
on_all_hosts() {{
  gcloud compute tpus tpu-vm ssh "$slice" "$at" --worker=all --command="$1"
}}
on_all_hosts 'mkdir -p genlab'
gcloud compute tpus tpu-vm scp "$at" --worker=all --recurse \\
  README.md LICENSE pyproject.toml constraints.txt research configs launch "$slice":genlab/
on_all_hosts {setup}
failed=0
run() {{
  rm -f "$logs/$1.exit"
  code=0
  on_all_hosts "cd genlab && GENLAB_PROCESSES=auto $2" >> "$logs/$1.log" 2>&1 || code=$?
  if [ "$code" != 0 ]; then
    state=$(state) || state='out of reach'
    if [ "$state" != ACTIVE ]; then  # preempted: this is no failure of the run
      echo "genlab: $slice is $state; $1 and what follows stay to be run" >&2
      exit 1
    fi
  fi
  echo "$code" > "$logs/$1.exit"
  [ "$code" = 0 ] || failed=1
}}
{runs}
exit "$failed"
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """The slice, which is deleted at the end, whatever the end.

  The folder of the sweep must be storage that this machine and all hosts have at the same path.
  """

  zone: str = option(REQUIRED, 'such as us-central2-b')
  accelerator: str = option(REQUIRED, 'such as v5litepod-16; one with several hosts runs on all')
  runtime: str = option('v2-alpha-tpuv5-lite', 'the software version of the VMs')
  spot: bool = option(True, 'a slice that may be preempted, at a lower price')
  setup: str = option(
    'cd genlab && python3 -m venv .venv && .venv/bin/pip install -q -e ".[tpu]" -c constraints.txt',
    'a command for every host, before the runs',
  )
  python: str = option('.venv/bin/python', 'the interpreter that has genlab, on the hosts')
  data_dir: str | None = option(None, 'the TFDS folder, on the hosts')


def text(root: Path, runs: list[Run], options: Options) -> str:
  """A script for bash on this machine, a pure function."""
  root = root.absolute()  # of this machine and of the hosts
  commands = [shlex.join(run.command(root, options.python, options.data_dir)) for run in runs]
  return TEMPLATE.format(
    slice=f'genlab-{engine.slug(root)}',
    zone=shlex.quote(options.zone),
    logs=shlex.quote(str(root / outcome.LOGS)),
    accelerator=shlex.quote(options.accelerator),
    runtime=shlex.quote(options.runtime),
    spot=' --spot' if options.spot else '',
    setup=shlex.quote(options.setup),
    runs='\n'.join(
      f'run {run.id} {shlex.quote(command)}' for run, command in zip(runs, commands, strict=True)
    ),
  )


def submit(root: Path, runs: list[Run], options: Options) -> int:
  """Runs the script in the foreground, until all runs have ended.

  SIGINT and SIGTERM end it, but not before it has deleted the slice.

  Returns:
    0 if every run ended well, 1 if not, 130 or 143 if stopped.
  """
  engine.check_here('gcloud')
  script, signals = text(root, runs, options), []
  process = subprocess.Popen(
    ['bash', '-s'], stdin=subprocess.PIPE, text=True, start_new_session=True
  )

  def stop(number, _):
    if not signals:
      os.killpg(process.pid, signal.SIGTERM)
    signals.append(number)

  previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    process.communicate(script)
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)
  return 128 + signals[0] if signals else process.returncode
