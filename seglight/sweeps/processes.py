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

log = logging.getLogger(__name__)


class Processes(JobLauncher):
    """n_jobs: how many at a time; -1 is one a core, -2 one less, and so on."""

    def __init__(self, n_jobs: int = -1) -> None:
        cores = available_cores()
        self.jobs = n_jobs if n_jobs > 0 else max(cores + 1 + n_jobs, 1)
        self.threads = max(cores // self.jobs, 1)  # more would take turns on the cores

    def run(self, paths: Sequence[Path]) -> None:
        from seglight.sweeps.job_process import JobProcess

        at_once = min(self.jobs, len(paths))
        env = {"OMP_NUM_THREADS": str(self.threads), JOBS: str(at_once)}
        started = [JobProcess(path, env) for path in paths]
        pool = ThreadPoolExecutor(self.jobs)
        try:
            for outcome in pool.map(JobProcess.run, started):
                log.info("%s", outcome)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.stop()
            pool.shutdown()
