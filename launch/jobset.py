"""Kubernetes: a JobSet for each run, of one pod or of several that join; Kueue may queue them."""

import dataclasses
import hashlib
import json
import os
import shlex
import textwrap
from pathlib import Path

from launch import engine, outcome
from launch.engine import REQUIRED, option
from launch.manifest import Run
from research.configuration import ConfigError

LABEL = 'app.kubernetes.io/name'

# The first pod keeps the log and the exit code of the run. A shell that waits in the background hands
# TERM on, so that the run saves. With the shell the pod ends, and all in it: tee must have written.
SCRIPT = """\
log={logs}/{id}.log
if [ "$JAX_PROCESS_ID" = 0 ]; then rm -f {logs}/{id}.exit; else log="$log.$JAX_PROCESS_ID"; fi
exec > >(tee -a "$log") 2>&1; tee=$!
{command} &
pid=$!
trap 'kill -TERM "$pid"' TERM
wait "$pid"; code=$?
while kill -0 "$pid" 2> /dev/null; do wait "$pid"; code=$?; done
exec >&- 2>&-; wait "$tee"
if [ "$JAX_PROCESS_ID" = 0 ]; then echo "$code" > {logs}/{id}.exit; fi
exit "$code"
"""

# A pod that is lost or preempted has all start again, from the last checkpoint; what would come again,
# a fault (1), a refusal (2) or an end by divergence (3), ends the JobSet.
TEMPLATE = """\
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    {label}: genlab
{queue}spec:
  failurePolicy:
    maxRestarts: {restarts}
    rules:
    - name: refused
      action: FailJobSet
      onJobFailureReasons: [PodFailurePolicy]
  network:
    enableDNSHostnames: true
  replicatedJobs:
  - name: run
    replicas: 1
    template:
      spec:
        parallelism: {nodes}
        completions: {nodes}
        completionMode: Indexed
        backoffLimit: 0
        podFailurePolicy:
          rules:
          - action: FailJob
            onExitCodes:
              containerName: run
              operator: In
              values: [1, 2, 3]
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 90
            containers:
            - name: run
              image: {image}
              command: [bash, -c]
              args:
              - |
{script}              env:
              - name: JAX_COORDINATOR_ADDRESS
                value: "{name}-run-0-0.{name}:8476"
              - name: JAX_NUM_PROCESSES
                value: "{nodes}"
              - name: JAX_PROCESS_ID
                valueFrom:
                  fieldRef:
                    fieldPath: metadata.annotations['batch.kubernetes.io/job-completion-index']
              resources:
                limits:
                  cpu: {cpus}
                  memory: {memory}
{gpus}              volumeMounts:
              - name: shared
                mountPath: {mount}
            volumes:
            - name: shared
              persistentVolumeClaim:
                claimName: {claim}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """What each run is given. The folder of the sweep must lie in the volume, at the same path here."""

  image: str = option(
    REQUIRED, 'a container image with genlab, the configs in its working directory'
  )
  claim: str = option(REQUIRED, 'the volume claim that holds the folder of the sweep')
  mount: str = option('/data', 'where that volume is, in the pods and on this machine')
  namespace: str = option('default', 'of Kubernetes')
  queue: str | None = option(None, 'a local queue of Kueue')
  nodes: int = option(1, 'pods of each run, one process each')
  gpus: int = option(1, 'GPUs of each pod')
  cpus: int = option(4, 'cores of each pod')
  memory: str = option('16Gi', 'of each pod')
  restarts: int = option(10, 'how often a run that lost a pod begins again, from its checkpoint')
  python: str = option('python', 'the interpreter that has genlab, in the image')
  data_dir: str | None = option(None, 'the TFDS folder, in the pods')

  def __post_init__(self):
    engine.at_least(1, nodes=self.nodes, cpus=self.cpus)
    engine.at_least(0, gpus=self.gpus, restarts=self.restarts)


def text(root: Path, runs: list[Run], options: Options) -> str:
  """A YAML document for each run.

  Raises:
    ConfigError: the pods would not see the folder of the sweep.
  """
  root = root.absolute()  # of this machine and of the pods
  if not root.is_relative_to(options.mount):
    raise ConfigError(
      f'{root} does not lie in the volume that pods have at {options.mount}: plan into a folder there,'
      ' or give --mount'
    )
  attempts = _attempts(outcome.submissions(root, 'jobset'))
  return '---\n'.join(_document(root, run, attempts.get(run.id, 0), options) for run in runs)


def _document(root: Path, run: Run, attempt: int, options: Options) -> str:
  logs = shlex.quote(str(root / outcome.LOGS))
  command = shlex.join(run.command(root, options.python, options.data_dir))
  script = SCRIPT.format(logs=logs, id=run.id, command=command)
  quoted = {
    name: json.dumps(getattr(options, name))
    for name in ('namespace', 'image', 'memory', 'mount', 'claim')
  }
  return TEMPLATE.format(
    **quoted,
    name=_name(_job(root, options), run.id, attempt),
    label=LABEL,
    queue=f'    kueue.x-k8s.io/queue-name: {json.dumps(options.queue)}\n' if options.queue else '',
    restarts=options.restarts,
    nodes=options.nodes,
    cpus=options.cpus,
    gpus=f'                  nvidia.com/gpu: {options.gpus}\n' if options.gpus else '',
    script=textwrap.indent(script, ' ' * 16),
  )


def submit(root: Path, runs: list[Run], options: Options) -> int:
  """Hands the documents to kubectl."""
  documents = text(root, runs, options)
  engine.check_here('kubectl')
  # Before kubectl has answered: of several documents it may make some and refuse one. What it made must
  # be known, and what it refused is not in the cluster and so as it was.
  outcome.note_submission(root, 'jobset', _job(root, options), runs)
  print(engine.ask(['kubectl', 'create', '--filename=-'], documents), end='')
  return 0


def held(submissions: list[dict]) -> dict[str, tuple[str, str]]:
  """The state and a note on each run that the cluster holds, by id; nothing without kubectl."""
  if not submissions or not engine.is_here('kubectl'):
    return {}
  unfinished = {}
  for namespace in sorted({it['job'].partition('/')[0] for it in submissions}):
    command = ['kubectl', 'get', 'jobsets', f'--namespace={namespace}']
    answer = engine.ask([*command, f'--selector={LABEL}=genlab', '--output=json'])
    for item in json.loads(answer)['items']:
      if not item.get('status', {}).get('terminalState'):
        waits = item['spec'].get('suspend', False)
        unfinished[item['metadata']['name']] = 'queued' if waits else 'running'
  attempts = _attempts(submissions)
  names = {  # of each run the last
    run: _name(it['job'], run, attempts[run] - 1) for it in submissions for run in it['runs']
  }
  return {
    run: (unfinished[name], f'JobSet {name}') for run, name in names.items() if name in unfinished
  }


def _attempts(submissions: list[dict]) -> dict[str, int]:
  """How often each run was submitted: a JobSet that has ended keeps its name."""
  counts = {}
  for run in (run for it in submissions for run in it['runs']):
    counts[run] = counts.get(run, 0) + 1
  return counts


def _job(root: Path, options: Options) -> str:
  """What is noted of a submission, `namespace/hash`: another sweep may have runs of the same ids."""
  text = f'{options.namespace}/{os.path.abspath(root)}'
  return f'{options.namespace}/{hashlib.sha256(text.encode()).hexdigest()[:8]}'


def _name(job: str, run: str, attempt: int) -> str:
  return f'genlab-{job.partition("/")[2]}-{run}-{attempt}'
