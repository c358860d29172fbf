"""hydra/launcher=ray: one GPU a job, on this machine's GPUs or a Ray cluster's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seglight.sweeps.job_launcher import JobLauncher, missing
from seglight.values import number, whole

log = logging.getLogger(__name__)


class RayJobs(JobLauncher):
    """Ray gives each job as many GPUs as it has ranks, its own alone (CUDA_VISIBLE_DEVICES), and `cpus` cores.

    init: arguments of ray.init. `address: auto` joins a running cluster, whose machines share the sweep's folder.
    """

    def __init__(self, init: dict[str, Any], cpus: float = 1) -> None:
        self.init = {name: value for name, value in init.items() if value is not None}
        self.cpus = cpus

    def check(self) -> None:
        number("hydra.launcher.cpus", self.cpus, above=True)
        for name, least in (("num_gpus", 0), ("num_cpus", 1)):
            if name in self.init:
                whole(f"hydra.launcher.init.{name}", self.init[name], least)
        try:
            import ray  # noqa: F401
        except ModuleNotFoundError:
            raise missing("hydra/launcher=ray", "ray") from None

    def run(self, paths: Sequence[Path]) -> None:
        import ray

        from seglight.runs.run import Run
        from seglight.sweeps.job_process import ended

        ray.init(**{"include_dashboard": False, "log_to_driver": False, "configure_logging": False, **self.init})
        try:
            there = ray.cluster_resources()  # type: ignore[no-untyped-call]
            train = ray.remote(run_job)
            jobs = {}
            for path in paths:
                gpus = gpus_of(Run(path).cfg.trainer) if there.get("GPU") else 0
                if "address" not in self.init and (gpus > there.get("GPU", 0) or self.cpus > there["CPU"]):
                    has = f"Ray has {there.get('GPU', 0):.0f} and {there['CPU']:.0f}"
                    log.info("%s", ended(path, f"it needs {gpus} GPUs and {self.cpus} cores, {has}"))
                    continue  # it would wait for ever
                options = {"num_gpus": gpus, "num_cpus": self.cpus, "max_retries": 0}
                jobs[train.options(**options).remote(str(path.absolute()))] = path
            waiting = list(jobs)
            try:
                while waiting:
                    done, waiting = ray.wait(waiting)
                    log.info("%s", outcome(ray, done[0], jobs[done[0]]))
            except BaseException:
                for job in waiting:
                    ray.cancel(job)  # KeyboardInterrupt in its worker, which stops the job
                ray.wait(waiting, num_returns=len(waiting), timeout=30)
                raise
        finally:
            ray.shutdown()


def run_job(path: str) -> str:
    """In Ray's worker."""
    from seglight.sweeps.job_process import JobProcess

    process = JobProcess(Path(path))
    try:
        return process.run()
    finally:
        process.stop()


def outcome(ray: Any, job: Any, path: Path) -> str:
    """How a job ended; a worker that died with its machine is told by Ray."""
    from seglight.sweeps.job_process import ended

    try:
        return str(ray.get(job))
    except ray.exceptions.RayError as error:
        return ended(path, str(error).splitlines()[0])


def gpus_of(trainer: Any) -> int:
    """One GPU a rank; `auto` is one, for a job shares the machine with others."""
    from seglight.ranks.devices import asked_for

    return 1 if trainer.devices in ("auto", -1) else asked_for(trainer)
