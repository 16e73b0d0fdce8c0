set -eu
slice=genlab-noise-study
at=--zone=us-central2-b
logs='/mnt/noise study/logs'
gcloud() { command gcloud "$@" < /dev/null; }  # bash may read this script from stdin
state() {
  gcloud compute tpus queued-resources describe "$slice" "$at" --format='value(state.state)'
}
gcloud compute tpus queued-resources create "$slice" "$at" --node-id="$slice" \
  --accelerator-type=v5litepod-16 --runtime-version=v2-alpha-tpuv5-lite --spot
trap 'gcloud compute tpus queued-resources delete "$slice" "$at" --force --quiet' EXIT
while true; do
  state=$(state)
  case "$state" in
    ACTIVE) break ;;
    FAILED | SUSPENDING | SUSPENDED) echo "genlab: $slice is $state" >&2; exit 1 ;;
  esac
  sleep 30
done
on_all_hosts() {
  gcloud compute tpus tpu-vm ssh "$slice" "$at" --worker=all --command="$1"
}
on_all_hosts 'mkdir -p genlab'
gcloud compute tpus tpu-vm scp "$at" --worker=all --recurse \
  README.md LICENSE pyproject.toml constraints.txt research configs launch "$slice":genlab/
on_all_hosts 'cd genlab && python3 -m venv .venv && .venv/bin/pip install -q -e ".[tpu]" -c constraints.txt'
failed=0
run() {
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
}
run 0123456789ab '.venv/bin/python -m research.main --config=configs/a.py:cpu '"'"'--workdir=/mnt/noise study/noise=0.0'"'"' --data_dir=/mnt/sets --config.seed=3'
run ba9876543210 '.venv/bin/python -m research.main --config=configs/a.py:cpu '"'"'--workdir=/mnt/noise study/noise=0.5'"'"' --data_dir=/mnt/sets '"'"'--config.model.widths=(64, 64)'"'"' '"'"'--config.task.name='"'"'"'"'"'"'"'"'it'"'"'"'"'"'"'"'"''"'"'"'"'"'"'"'"'s'"'"'"'"'"'"'"'"''"'"''
exit "$failed"
