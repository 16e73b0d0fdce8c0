"""Sweeps on engines that exist: a manifest of runs for a worker pool, SLURM, TPU VMs or Kubernetes.

Every backend starts the same command, `python -m research.main --config=... --workdir=...`, which
resumes what is there and does nothing where all is done. So a manifest needs no server and no
database: what became of a run is in its directory, in its log, and in the exit code beside it.
"""
