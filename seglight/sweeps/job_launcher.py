"""What seglight's launchers share: every job is a run directory from the start, and trains from it.

So a sweep knows the jobs that never began, and a job that dies, however hard, takes no other with it.
"""

from __future__ import annotations

import logging
import signal
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from seglight.extras import needs
from seglight.ranks.signals import handlers_put_back, stop

log = logging.getLogger(__name__)


class JobLauncher(Launcher):
    """A launcher says with `run(paths)` how the runs of those directories are trained; it returns when all ended."""

    config: DictConfig
    hydra_context: HydraContext

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from seglight.ranks.environment import started_by_others

        if started_by_others():
            text = "error: a sweep starts the ranks of its jobs itself (trainer=ddp trainer.devices=N): no torchrun"
            raise SystemExit(text)
        self.config, self.hydra_context = config, hydra_context
        try:
            self.check()
        except ValueError as error:
            raise SystemExit(f"error: {error}") from None

    def check(self) -> None:
        """ValueError for a setting that makes no sense, before any run directory is made."""

    @abstractmethod
    def run(self, paths: Sequence[Path]) -> None:
        """Trains the runs; each one's summary.json tells how it ended."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hydra asks for this: makes the run directories of a batch of jobs, and trains them."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        before = HydraConfig.instance().cfg
        try:
            paths = [self.plan(initial_job_idx + i, list(overrides)) for i, overrides in enumerate(job_overrides)]
        except (ValueError, OSError) as error:
            raise SystemExit(f"error: {error}") from error
        finally:
            HydraConfig.instance().cfg = before
        shared = set.intersection(*map(set, job_overrides)) if len(paths) > 1 else set()
        for path, overrides in zip(paths, job_overrides, strict=True):
            log.info("#%s : %s", path.name, " ".join(o for o in filter_overrides(overrides) if o not in shared))
        self.train(paths)
        return [job_return(path, overrides) for path, overrides in zip(paths, job_overrides, strict=True)]

    def plan(self, number: int, overrides: list[str]) -> Path:
        """Makes the run directory of a job that has yet to start."""
        from seglight.config import record_choices
        from seglight.runs.run import Run

        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = number
        HydraConfig.instance().set_config(cfg)  # interpolations may ask for it
        path = Path(cfg.hydra.sweep.dir) / str(cfg.hydra.sweep.subdir)
        choices = cfg.hydra.runtime.choices
        with open_dict(cfg):
            cfg.sweep = cfg.get("sweep") or Path(cfg.hydra.sweep.dir).resolve().name
            del cfg["hydra"]
        Run.create(path, record_choices(cfg, choices), filter_overrides(overrides))  # type: ignore[arg-type]
        return path

    def train(self, paths: Sequence[Path]) -> None:
        """`run(paths)`; stopped by Ctrl-C or SIGTERM, it says what has been done and what has not."""
        from seglight.sweeps.report import print_report
        from seglight.training.shared_features import offered

        folder = Path(self.config.hydra.sweep.dir)
        with handlers_put_back([signal.SIGTERM]):
            signal.signal(signal.SIGTERM, stop)
            try:
                with offered(folder):
                    self.run(paths)
            except (KeyboardInterrupt, SystemExit) as error:
                print_report(folder)
                raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else error.code) from None


def job_return(path: Path, overrides: Sequence[str]) -> JobReturn:
    """What Hydra's sweepers want of a job: val/miou, NaN where it has none."""
    from seglight.runs.run import Run
    from seglight.runs.status import DONE

    run = Run(path)
    result = JobReturn(overrides=list(overrides), cfg=run.cfg, working_dir=str(path), status=JobStatus.COMPLETED)
    done = run.summary["status"] in DONE  # a failed job's score is of whatever it got to
    result.return_value = float(run.summary.get("val/miou", "nan")) if done else float("nan")
    return result


def missing(option: str, package: str) -> SystemExit:
    """What to say where a launcher's or sweeper's package is not installed."""
    return SystemExit(f"error: {needs(option, package)}")
