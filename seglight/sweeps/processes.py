"""hydra/launcher=joblib: several jobs at a time on this machine, each in a process of its own.

The option and `n_jobs` are those of Hydra's joblib plugin, which gives the whole sweep up when one of its workers dies.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seglight.data.workers import JOBS, available_cores
from seglight.sweeps.job_launcher import JobLauncher
from seglight.values import whole

log = logging.getLogger(__name__)


class Processes(JobLauncher):
    """n_jobs: how many at a time; -1 is one a core, -2 one less, and so on."""

    def __init__(self, n_jobs: int = -1) -> None:
        self.n_jobs = n_jobs

    def check(self) -> None:
        if not isinstance(self.n_jobs, int) or self.n_jobs >= 0:
            whole("hydra.launcher.n_jobs", self.n_jobs, 1, note=", or -1 (one job a core), -2 (one fewer) ...,")

    def run(self, paths: Sequence[Path]) -> None:
        from seglight.sweeps.job_process import JobProcess

        cores = available_cores()
        jobs = self.n_jobs if self.n_jobs > 0 else max(cores + 1 + self.n_jobs, 1)
        threads = max(cores // jobs, 1)  # more would take turns on the cores
        env = {"OMP_NUM_THREADS": str(threads), JOBS: str(min(jobs, len(paths)))}
        started = [JobProcess(path, env) for path in paths]
        pool = ThreadPoolExecutor(jobs)
        try:
            for outcome in pool.map(JobProcess.run, started):
                log.info("%s", outcome)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.stop()
            pool.shutdown()
