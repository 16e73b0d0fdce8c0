"""JobSets: the YAML to the letter and against a strict schema, and the script of a pod run by bash."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import jsonschema
import pytest
import stubs
import yaml

from launch import jobset, manifest, outcome
from research.configuration import ConfigError

GOLDEN = pathlib.Path(__file__).with_name('golden')
ROOT = pathlib.Path('/data/noise study')
NODES = {'nodes': 2, 'gpus': 8, 'queue': 'research', 'data_dir': '/data/sets'}

TEXT, COUNT = {'type': 'string', 'minLength': 1}, {'type': 'integer', 'minimum': 0}
NAME = {'type': 'string', 'pattern': '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'}
LABEL = {'type': 'string', 'pattern': r'^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'}


def only(optional=(), **properties):
  """An object that has these properties and no others; all required but those named."""
  required = [name for name in properties if name not in optional]
  return {
    'type': 'object',
    'properties': properties,
    'required': required,
    'additionalProperties': False,
  }


def some(item, least=1):
  return {'type': 'array', 'items': item, 'minItems': least}


FIELD = only(fieldRef=only(fieldPath=TEXT))
VARIABLE = only(optional=('value', 'valueFrom'), name=TEXT, value=TEXT, valueFrom=FIELD)
LIMITS = only(
  optional=('nvidia.com/gpu',),
  cpu=COUNT,
  memory={'type': 'string', 'pattern': '^[0-9]+[KMGT]i$'},
  **{'nvidia.com/gpu': COUNT},
)
CONTAINER = only(
  name=NAME,
  image=TEXT,
  command=some(TEXT),
  args=some(TEXT),
  env=some(VARIABLE),
  resources=only(limits=LIMITS),
  volumeMounts=some(only(name=NAME, mountPath={'type': 'string', 'pattern': '^/'})),
)
CODES = only(
  containerName=NAME, operator={'enum': ['In', 'NotIn']}, values=some({'type': 'integer'})
)
POD = only(
  restartPolicy={'enum': ['Never']},
  terminationGracePeriodSeconds=COUNT,
  containers=some(CONTAINER),
  volumes=some(only(name=NAME, persistentVolumeClaim=only(claimName=TEXT))),
)
JOB = only(
  parallelism=COUNT,
  completions=COUNT,
  completionMode={'enum': ['Indexed']},
  backoffLimit=COUNT,
  podFailurePolicy=only(rules=some(only(action={'enum': ['FailJob']}, onExitCodes=CODES))),
  template=only(spec=POD),
)
RULE = only(
  name=NAME,
  action={'enum': ['FailJobSet', 'RestartJobSet', 'RestartJobSetAndIgnoreMaxRestarts']},
  onJobFailureReasons=some({'enum': ['BackoffLimitExceeded', 'PodFailurePolicy']}),
)
SCHEMA = only(
  apiVersion={'const': 'jobset.x-k8s.io/v1alpha2'},
  kind={'const': 'JobSet'},
  metadata=only(
    name=NAME,
    namespace=NAME,
    labels={'type': 'object', 'additionalProperties': LABEL, 'minProperties': 1},
  ),
  spec=only(
    failurePolicy=only(maxRestarts=COUNT, rules=some(RULE)),
    network=only(enableDNSHostnames={'type': 'boolean'}),
    replicatedJobs=some(only(name=NAME, replicas=COUNT, template=only(spec=JOB))),
  ),
)


def text(**options):
  required = {'image': 'genlab:1', 'claim': 'shared'}
  return jobset.text(ROOT, stubs.RUNS, jobset.Options(**required, **options))


@pytest.mark.parametrize(('name', 'options'), [('jobset.yaml', {}), ('jobset_nodes.yaml', NODES)])
def test_the_yaml_is_the_one_on_record(name, options):
  written = text(**options)
  assert written == (GOLDEN / name).read_text(), f'if meant, it goes into golden:\n{written}'


@pytest.mark.parametrize('options', [{}, NODES, {'gpus': 0, 'namespace': 'lab', 'mount': '/'}])
def test_the_yaml_fits_the_schema(options):
  documents = [*yaml.safe_load_all(text(**options))]
  assert len(documents) == 2
  for document in documents:
    jsonschema.validate(document, SCHEMA)
    # A pod's name is its JobSet's and -run-0-0-xxxxx, and must be no longer than a DNS label.
    assert len(document['metadata']['name']) <= 63 - len('-run-0-0-xxxxx')


@pytest.mark.parametrize(
  ('old', 'new'),
  [
    ('parallelism:', 'paralelism:'),
    ('restartPolicy: Never', 'restartPolicy: Always'),
    ('cpu: 4', 'cpu: four'),
    ('          claimName: "shared"', '          name: "shared"'),
    ('backoffLimit: 0\n', '\n'),
    ('name: genlab-', 'name: Genlab-'),
  ],
)
def test_the_schema_sees_what_is_wrong(old, new):
  assert old in text()
  document = next(yaml.safe_load_all(text().replace(old, new)))
  with pytest.raises(jsonschema.ValidationError):
    jsonschema.validate(document, SCHEMA)


def test_pods_of_one_run_know_each_other():
  document = next(yaml.safe_load_all(text(**NODES)))
  job = document['spec']['replicatedJobs'][0]['template']['spec']
  env = {it['name']: it.get('value') for it in job['template']['spec']['containers'][0]['env']}
  assert job['parallelism'] == job['completions'] == int(env['JAX_NUM_PROCESSES']) == 2
  name = document['metadata']['name']
  assert env['JAX_COORDINATOR_ADDRESS'] == f'{name}-run-0-0.{name}:8476'
  assert document['metadata']['labels']['kueue.x-k8s.io/queue-name'] == 'research'


def test_a_folder_that_pods_do_not_have_is_refused():
  with pytest.raises(ConfigError, match='/data/noise study does not lie in the volume .* /mnt'):
    text(mount='/mnt')


def test_sweeps_of_the_same_runs_have_jobsets_of_different_names():
  def names(root, namespace='lab'):
    options = jobset.Options(image='genlab:1', claim='shared', namespace=namespace)
    documents = yaml.safe_load_all(jobset.text(pathlib.Path(root), stubs.RUNS, options))
    return {it['metadata']['name'] for it in documents}

  assert names('/data/a') == names('/data/b/../a')
  others = names('/data/b'), names('/data/sub/a'), names('/data/a', 'default')
  assert len(names('/data/a').union(*others)) == 8


def pod(root, run, fake, index, stdout=subprocess.PIPE):
  options = jobset.Options(image='i', claim='c', mount='/', python=str(fake), nodes=2)
  document = next(yaml.safe_load_all(jobset.text(root, [run], options)))
  container = document['spec']['replicatedJobs'][0]['template']['spec']['template']['spec']
  (container,) = container['containers']
  return subprocess.Popen(
    [*container['command'], *container['args']],
    stdout=stdout,
    text=True,
    env=os.environ | {'JAX_PROCESS_ID': str(index)},
  )


@pytest.mark.parametrize(('crash', 'code', 'state'), [(False, 0, 'done'), (True, 7, 'failed')])
def test_the_script_of_a_pod_keeps_log_and_exit_code(crash, code, state, planned, fake):
  run = manifest.read(planned)[0]
  (planned / 'logs').mkdir()
  if crash:
    (planned / f'{run.workdir}.crash').touch()
  for index in (0, 1):
    process = pod(planned, run, fake, index)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert out.startswith(f'start {planned}')
  assert outcome.exit_file(planned, run).read_text() == f'{code}\n'
  assert (planned / 'logs' / f'{run.id}.log').read_text().startswith('start')
  assert (planned / 'logs' / f'{run.id}.log.1').exists()
  assert outcome.outcomes(planned, [run], {})[0].state == state


def test_a_pod_ends_with_its_log_written(planned, fake, tmp_path, monkeypatch):
  late = f'#!/bin/bash\nsleep 1\nexec {shutil.which("tee")} "$@"\n'
  stubs.install(tmp_path / 'bin', monkeypatch, tee=late)
  run = manifest.read(planned)[0]
  (planned / 'logs').mkdir()
  (planned / f'{run.workdir}.crash').touch()
  process = pod(planned, run, fake, 0, subprocess.DEVNULL)
  while process.poll() is None:
    if outcome.exit_file(planned, run).exists():
      assert outcome.log(planned, run).read_text().endswith('out of luck\n')
    time.sleep(0.02)
  assert process.returncode == 7
  assert outcome.log(planned, run).read_text().endswith('out of luck\n')


def test_a_pod_that_is_terminated_lets_the_run_save(planned, fake):
  run = manifest.read(planned)[0]
  (planned / 'logs').mkdir()
  (planned / f'{run.workdir}.wait').touch()
  process = pod(planned, run, fake, 0)
  log = outcome.log(planned, run)
  deadline = time.monotonic() + 30
  while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
    time.sleep(0.02)
  time.sleep(0.3)  # the trap of the stand-in is set
  process.send_signal(signal.SIGTERM)
  out, _ = process.communicate(timeout=30)
  assert process.returncode == 143
  assert out.endswith('saved\n')
  assert outcome.outcomes(planned, [run], {})[0].state == 'stopped'


# Notes what it is given, and answers with the JobSets that the test wrote.
KUBECTL = """#!/bin/bash
case "$1" in
  create) cat >> "$STUB/created" ;;
  get) echo "$*" >> "$STUB/asked"; cat "$STUB/jobsets" ;;
esac
"""


def test_what_kubectl_gets_is_what_a_dry_run_prints(planned, call, tmp_path, monkeypatch):
  stubs.install(tmp_path / 'bin', monkeypatch, kubectl=KUBECTL)
  flags = f'--workdir={planned}', '--backend=jobset', '--image=i', '--claim=c', '--mount=/'
  code, out, _ = call('run', *flags, '--dry-run')
  assert code == 0
  assert [path.name for path in planned.iterdir()] == [manifest.MANIFEST]
  assert call('run', *flags, '--namespace=default')[0] == 0
  assert (tmp_path / 'bin' / 'created').read_text() == out

  runs = manifest.read(planned)
  names = [it['metadata']['name'] for it in yaml.safe_load_all(out)]
  items = [
    {'metadata': {'name': name}, 'spec': {}, 'status': {'terminalState': ended}}
    for name, ended in zip(names, ('Failed', '', ''), strict=True)
  ]
  items[2]['spec'] = {'suspend': True}
  (tmp_path / 'bin' / 'jobsets').write_text(json.dumps({'items': items}))
  outcome.exit_file(planned, runs[0]).write_text('1\n')
  lines = call('status', f'--workdir={planned}')[1].splitlines()
  assert lines[0] == f'{planned}: 3 runs, 1 running, 1 queued, 1 failed'
  assert (
    '--namespace=default --selector=app.kubernetes.io/name=genlab'
    in (tmp_path / 'bin' / 'asked').read_text()
  )
  assert call('run', *flags)[1] == 'nothing to run: 3 runs, 1 running, 1 queued, 1 failed\n'
  code, out, _ = call('retry', *flags, '--dry-run')
  retried = [it['metadata']['name'] for it in yaml.safe_load_all(out)]
  assert retried == [names[0].removesuffix('0') + '1']


def test_the_jobsets_of_another_folder_are_not_those_of_this_one(
  planned, config, call, tmp_path, monkeypatch
):
  stubs.install(tmp_path / 'bin', monkeypatch, kubectl=KUBECTL)
  other = planned.with_name('other')
  assert call('plan', f'--config={config}', f'--workdir={other}')[0] == 0
  flags = '--backend=jobset', '--image=i', '--claim=c', '--mount=/'
  for root in (planned, other):
    assert call('run', f'--workdir={root}', *flags)[0] == 0
  created = (tmp_path / 'bin' / 'created').read_text().split('apiVersion:')[1:]
  documents = [yaml.safe_load('apiVersion:' + it.removesuffix('---\n')) for it in created]
  items = [{'metadata': it['metadata'], 'spec': {}} for it in documents[:3]]  # those of `planned`
  (tmp_path / 'bin' / 'jobsets').write_text(json.dumps({'items': items}))
  assert '3 runs, 3 running' in call('status', f'--workdir={planned}')[1]
  assert '3 runs, 3 missing' in call('status', f'--workdir={other}')[1]


def test_what_was_made_before_one_was_refused_is_known(planned, call, tmp_path, monkeypatch):
  refuses = KUBECTL.replace('"$STUB/created" ;;', '"$STUB/created"; exit 1 ;;')
  stubs.install(tmp_path / 'bin', monkeypatch, kubectl=refuses)
  flags = f'--workdir={planned}', '--backend=jobset', '--image=i', '--claim=c', '--mount=/'
  assert call('run', *flags)[0] == 2
  made = next(yaml.safe_load_all((tmp_path / 'bin' / 'created').read_text()))
  items = [{'metadata': made['metadata'], 'spec': {}}]
  (tmp_path / 'bin' / 'jobsets').write_text(json.dumps({'items': items}))
  assert '3 runs, 1 running, 2 missing' in call('status', f'--workdir={planned}')[1]
