"""hydra/launcher=slurm: a job array of the cluster's, submitted by submitit."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seglight.sweeps.job_launcher import JobLauncher, missing
from seglight.values import number, whole

log = logging.getLogger(__name__)

SHARED = ("timeout_min", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb")  # submitit's own names
LEAST = {  # the smallest whole numbers that make sense
    "timeout_min": 1, "nodes": 1, "tasks_per_node": 1, "cpus_per_task": 1, "gpus_per_node": 0,
    "slurm_array_parallelism": 1, "slurm_signal_delay_s": 0,
}  # fmt: skip
SECONDS_TO_LIST = 60  # after which a job that squeue never listed is taken for ended


class SlurmJobs(JobLauncher):
    """parameters: submitit's (its SLURM ones without their `slurm_`); null leaves one to the cluster's default.

    poll: seconds between two looks at the queue. max_num_timeout: how often a job that ran into its time limit goes on.
    """

    def __init__(self, poll: float = 10, max_num_timeout: int = 100, **parameters: Any) -> None:
        self.poll, self.max_num_timeout = poll, max_num_timeout
        given = {name: value for name, value in parameters.items() if value is not None}
        self.parameters = {name if name in SHARED else f"slurm_{name}": value for name, value in given.items()}

    def check(self) -> None:
        number("hydra.launcher.poll", self.poll, above=True)
        number("hydra.launcher.mem_gb", self.parameters.get("mem_gb", 1), above=True)
        whole("hydra.launcher.max_num_timeout", self.max_num_timeout, 0)
        for name, least in LEAST.items():
            if name in self.parameters:
                whole(f"hydra.launcher.{name.removeprefix('slurm_')}", self.parameters[name], least)
        try:
            import submitit
        except ModuleNotFoundError:
            raise missing("hydra/launcher=slurm", "submitit") from None
        if submitit.SlurmExecutor.affinity() < 0:
            raise SystemExit("error: hydra/launcher=slurm: there is no SLURM here (no srun on the PATH)")

    def run(self, paths: Sequence[Path]) -> None:
        import submitit
        from omegaconf import OmegaConf

        folder = Path(self.config.hydra.sweep.dir).absolute() / "slurm"
        plain = {n: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for n, v in self.parameters.items()}
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=self.max_num_timeout)
            executor.update_parameters(name=self.config.hydra.job.name, stderr_to_stdout=True, **plain)
            jobs = executor.map_array(SlurmJob(), [str(path.absolute()) for path in paths])
        except (RuntimeError, NameError, submitit.core.utils.FailedJobError) as error:
            raise SystemExit(f"error: hydra/launcher=slurm: {error}") from error
        waiting = {job.job_id: path for job, path in zip(jobs, paths, strict=True)}
        log.info("submitted: %s; output in %s", ", ".join(waiting), folder)
        try:
            self.wait(waiting, folder)
        except BaseException:
            subprocess.run(["scancel", *waiting], check=False)
            log.info("cancelled: %s", ", ".join(waiting))
            raise

    def wait(self, waiting: dict[str, Path], folder: Path) -> None:
        """Returns when none of the jobs is in the queue any more; takes each out of `waiting` as it ends.

        squeue may not list a job yet that was just submitted: one that it never listed has ended where its run says
        so, or after SECONDS_TO_LIST.
        """
        from seglight.runs.run import Run
        from seglight.sweeps.job_process import ended

        listed: set[str] = set()
        deadline = time.monotonic() + SECONDS_TO_LIST
        while waiting:
            queue = queued()
            listed |= queue or set()
            for job in [job for job in waiting if queue is not None and job not in queue]:
                says_so = Run(waiting[job]).summary["status"] not in ("waiting", "running")
                if says_so or job in listed or time.monotonic() > deadline:
                    text = f"SLURM ended job {job}: scancel, a limit or a lost node ({folder}/{job}_0_log.out)"
                    log.info("job %s: %s", job, ended(waiting.pop(job), text))
            if waiting:
                time.sleep(self.poll)


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
