"""hydra/launcher=slurm: a job array of the cluster's, submitted by submitit."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException

from seglight.sweeps.job_launcher import JobLauncher, missing

log = logging.getLogger(__name__)

SHARED = ("timeout_min", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb")  # submitit's own names


class SlurmJobs(JobLauncher):
    """parameters: submitit's (its SLURM ones without their `slurm_`); null leaves one to the cluster's default.

    poll: seconds between two looks at the queue. max_num_timeout: how often a job that ran into its time limit goes on.
    """

    def __init__(self, poll: float = 10, max_num_timeout: int = 100, **parameters: Any) -> None:
        self.poll, self.max_num_timeout = poll, max_num_timeout
        given = {name: value for name, value in parameters.items() if value is not None}
        self.parameters = {name if name in SHARED else f"slurm_{name}": value for name, value in given.items()}

    def run(self, paths: Sequence[Path]) -> None:
        try:
            import submitit
        except ModuleNotFoundError:
            raise missing("hydra/launcher=slurm", "submitit") from None
        from omegaconf import OmegaConf

        from seglight.sweeps.job_process import ended

        folder = Path(self.config.hydra.sweep.dir).absolute() / "slurm"
        plain = {n: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for n, v in self.parameters.items()}
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=self.max_num_timeout)
            executor.update_parameters(name=self.config.hydra.job.name, stderr_to_stdout=True, **plain)
            jobs = executor.map_array(SlurmJob(), [str(path.absolute()) for path in paths])
        except (RuntimeError, submitit.core.utils.FailedJobError) as error:
            raise CompactHydraException(f"error: hydra/launcher=slurm: {error}") from error
        waiting = {job.job_id: path for job, path in zip(jobs, paths, strict=True)}
        log.info("submitted: %s; output in %s", ", ".join(waiting), folder)
        try:
            while waiting:
                queue = queued()
                for number in [number for number in waiting if queue is not None and number not in queue]:
                    text = f"SLURM ended job {number}: scancel, a limit or a lost node ({folder}/{number}_0_log.out)"
                    log.info("job %s: %s", number, ended(waiting.pop(number), text))
                if waiting:
                    time.sleep(self.poll)
        except BaseException:
            subprocess.run(["scancel", *waiting], check=False)
            log.info("cancelled: %s", ", ".join(waiting))
            raise


class SlurmJob:
    """What each task of a job runs: the run of a directory, from its last checkpoint where it has one."""

    def __call__(self, path: str) -> str:
        from seglight.sweeps.job_process import JobProcess

        self.process = JobProcess(Path(path))
        return self.process.run(stops_on_sigterm=True)

    def checkpoint(self, path: str) -> Any:
        """Preempted or at its time limit: submitit calls this, then puts the job into the queue again."""
        import submitit

        self.process.stop()
        return submitit.helpers.DelayedSubmission(SlurmJob(), path)


def queued() -> set[str] | None:
    """The jobs of this user that wait or run; None where SLURM does not answer just now."""
    answer = subprocess.run(["squeue", "--me", "--noheader", "--array", "--format=%i"], capture_output=True, text=True)
    return set(answer.stdout.split()) if answer.returncode == 0 else None
