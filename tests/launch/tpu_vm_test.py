"""TPU VMs: the script to the letter, and run by bash with a stand-in for gcloud."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest
import stubs

from launch import manifest, outcome, tpu_vm

GOLDEN = pathlib.Path(__file__).with_name('golden')

# Answers that the slice is ready, and runs on this machine what ssh would run on the hosts, but for
# the setup; its last ssh command may fail. Where there is a file `preempts`, that run has the slice
# preempted. It reads its stdin, whatever it is asked.
GCLOUD = """#!/bin/bash
echo "$*" >> "$STUB/gcloud.asked"
cat > /dev/null
case "$*" in
  *describe*) cat "$STUB/state" ;;
  *research.main*) if [ -e "$STUB/preempts" ]; then echo SUSPENDING > "$STUB/state"; exit 255; fi
    for arg; do command="$arg"; done; eval "${command#--command=cd genlab && }" ;;
esac
"""


def test_the_script_is_the_one_on_record():
  options = tpu_vm.Options(zone='us-central2-b', accelerator='v5litepod-16', data_dir='/mnt/sets')
  text = tpu_vm.text(pathlib.Path('/mnt/noise study'), stubs.RUNS, options)
  assert text == (GOLDEN / 'tpu_vm.sh').read_text(), f'if meant, it goes into golden:\n{text}'


def run(root, fake, *flags):
  required = '--zone=z', '--accelerator=v5litepod-16', f'--python={fake}'
  return f'--workdir={root}', '--backend=tpu_vm', *required, *flags


@pytest.fixture
def gcloud(tmp_path, monkeypatch):
  stubs.install(tmp_path / 'bin', monkeypatch, gcloud=GCLOUD)
  (tmp_path / 'bin' / 'state').write_text('ACTIVE')
  return tmp_path / 'bin' / 'gcloud.asked'


def states(root):
  return [it.state for it in outcome.outcomes(root, manifest.read(root), {})]


def test_a_dry_run_prints_the_script_and_asks_for_nothing(planned, fake, call, gcloud):
  code, out, _ = call('run', *run(planned, fake, '--dry-run', '--no-spot'))
  assert code == 0
  assert out.startswith('set -eu\nslice=genlab-sweep\n')
  assert '--spot' not in out
  assert not gcloud.exists()
  assert [path.name for path in planned.iterdir()] == [manifest.MANIFEST]


def test_the_runs_follow_one_another_and_the_slice_is_deleted(planned, fake, call, gcloud):
  crash = planned / 'label_noise=0.5.crash'
  crash.touch()
  assert call('run', *run(planned, fake))[0] == 1
  assert states(planned) == ['done', 'failed', 'done']
  asked = gcloud.read_text().splitlines()
  assert asked[0].startswith('compute tpus queued-resources create genlab-sweep --zone=z')
  assert asked[0].endswith('--spot')
  assert asked[-1] == 'compute tpus queued-resources delete genlab-sweep --zone=z --force --quiet'
  on_hosts = [line for line in asked if 'GENLAB_PROCESSES=auto' in line]
  assert len(on_hosts) == 3
  assert all('--worker=all' in line for line in on_hosts)
  crash.unlink()
  gcloud.unlink()
  assert call('retry', *run(planned, fake))[0] == 0
  assert gcloud.read_text().count('GENLAB_PROCESSES=auto') == 1
  assert states(planned) == ['done'] * 3


def test_runs_of_a_preempted_slice_stay_to_be_run(planned, fake, call, gcloud):
  preempts = gcloud.with_name('preempts')
  preempts.touch()
  command = [sys.executable, '-m', 'launch.sweep', 'run', *run(planned, fake)]
  process = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
  assert process.returncode == 1
  first = manifest.read(planned)[0].id
  said = f'genlab: genlab-sweep is SUSPENDING; {first} and what follows stay to be run'
  assert said in process.stderr
  assert states(planned) == ['stopped', 'missing', 'missing']
  asked = gcloud.read_text().splitlines()
  assert sum('research.main' in line for line in asked) == 1
  assert asked[-1] == 'compute tpus queued-resources delete genlab-sweep --zone=z --force --quiet'
  preempts.unlink()
  gcloud.with_name('state').write_text('ACTIVE')
  assert call('run', *run(planned, fake))[0] == 0
  assert states(planned) == ['done'] * 3


def test_a_signal_ends_the_runs_and_deletes_the_slice(planned, fake, gcloud):
  (planned / 'label_noise=0.0.wait').touch()
  command = [sys.executable, '-m', 'launch.sweep', 'run', *run(planned, fake)]
  process = subprocess.Popen(command)
  deadline = time.monotonic() + 60
  while not [*(planned / 'logs').glob('*.log')] and time.monotonic() < deadline:
    time.sleep(0.05)
  time.sleep(0.5)
  process.send_signal(signal.SIGINT)
  assert process.wait(timeout=30) == 130
  asked = gcloud.read_text().splitlines()
  assert asked[-1] == 'compute tpus queued-resources delete genlab-sweep --zone=z --force --quiet'
  assert 'done' not in states(planned)


def test_a_slice_that_never_comes_is_deleted_too(planned, fake, call, gcloud):
  gcloud.with_name('state').write_text('FAILED')
  assert call('run', *run(planned, fake))[0] == 1
  assert 'delete genlab-sweep' in gcloud.read_text().splitlines()[-1]
  assert states(planned) == ['missing'] * 3
