#!/bin/bash
#SBATCH --job-name=genlab-noise-study
#SBATCH --array=0-1%8
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
#SBATCH --output=runs/Noise.study/logs/slurm-%A_%a.out
#SBATCH --partition=gpu
#SBATCH --account=me

case "$SLURM_ARRAY_TASK_ID" in
  0) id=0123456789ab run=(python -m research.main --config=configs/a.py:cpu --workdir=runs/Noise.study/noise=0.0 --config.seed=3) ;;
  1) id=ba9876543210 run=(python -m research.main --config=configs/a.py:cpu --workdir=runs/Noise.study/noise=0.5 '--config.model.widths=(64, 64)' '--config.task.name='"'"'it'"'"''"'"'s'"'"'') ;;
esac
logs=runs/Noise.study/logs
rm -f "$logs/$id.exit"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 "${run[@]}" >> "$logs/$id.log" 2>&1
code=$?
echo "$code" > "$logs/$id.exit"
# Two minutes before the time limit SLURM sends TERM: the run saves and ends with 143, while the job
# still counts as running. Then it asks for another turn. A preempted job gets one without asking.
# For one task of an array SLURM_JOB_ID is the id of the whole array, which is not meant here.
job="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
if [ "$code" = 143 ] && [ "$(squeue --noheader --job="$job" --format=%T)" = RUNNING ]; then
  scontrol requeue "$job"
fi
exit "$code"
