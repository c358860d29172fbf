"""Seconds that each launcher adds to a job: sweeps of 1 and of 4 jobs, one at a time; prints a table.

python measure.py [LAUNCHER ...]        slurm needs a cluster, ray its package
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import mean

from seglight.runs.run import sweep_runs

ONE_AT_A_TIME = {
    "basic": [],
    "basic, 2 ranks a job": ["trainer=ddp", "trainer.devices=2"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"],
    "ray": ["hydra/launcher=ray", "hydra.launcher.init.num_cpus=1"],
    "slurm": ["hydra/launcher=slurm", "hydra.launcher.array_parallelism=1", "hydra.launcher.poll=0.2"],
}
JOB = (
    "data=shapes", "data.train_images=8", "data.val_images=4", "data.size=64", "data.crop_size=64", "data.batch_size=4",
    "data.num_workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu", "encoder.weights=null",
)  # fmt: skip


def sweep(arguments: list[str], jobs: int) -> tuple[float, float]:
    """Wall time of the sweep, and the mean of its jobs' `train_seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = "seed=" + ",".join(map(str, range(1, jobs + 1)))
        command = [sys.executable, "-m", "seglight.train", "-m", *JOB, seeds, *arguments, f"hydra.sweep.dir={folder}"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        wall = time.perf_counter() - start
        return wall, mean(run.summary["train_seconds"] for run in sweep_runs(folder))


def main() -> None:
    print(
        "| launcher | sweep of 1 job, s | sweep of 4 jobs, s | each further job, s | of it training, s | overhead, s |"
    )
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ONE_AT_A_TIME:
        one, _ = sweep(ONE_AT_A_TIME[name], 1)
        four, training = sweep(ONE_AT_A_TIME[name], 4)
        further = (four - one) / 3
        seconds = (one, four, further, training, further - training)
        print(f"| {name} |", " | ".join(f"{value:.1f}" for value in seconds), "|", flush=True)


if __name__ == "__main__":
    main()
