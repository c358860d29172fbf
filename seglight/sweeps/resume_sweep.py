"""hydra/sweeper=resume, which `resume_sweep=DIR` stands for: the jobs of a sweep that are not done yet."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from seglight.overrides import key_of

log = logging.getLogger(__name__)


class ResumeSweep(Sweeper):
    """Failed, interrupted and never started jobs go on in their folders, from their checkpoints where they have one.

    changes: overrides for each of them.
    """

    def __init__(self, changes: list[str]) -> None:
        self.changes = list(changes)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        plugins = Plugins.instance()
        self.launcher: Any = plugins.instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from seglight.runs.resume import plan
        from seglight.runs.run import Run, sweep_runs
        from seglight.runs.status import DONE
        from seglight.sweeps.rungs import FILE, Rungs
        from seglight.training.validate import validate

        if not hasattr(self.launcher, "train"):
            raise SystemExit("error: resume_sweep needs one of seglight's own launchers")
        overrides = self.changes
        assert self.config is not None
        folder, paths, left = Path(self.config.resume_sweep), [], 0
        runs = sweep_runs(folder)
        if not runs:
            raise SystemExit(f"error: resume_sweep={folder}: no runs are there")
        rungs = Rungs.of(folder)
        if rungs and any(key_of(text) == "trainer.max_epochs" for text in overrides):
            raise ValueError(f"trainer.max_epochs: {folder / FILE} says how many epochs each of its jobs gets")
        waiting = [run for run in runs if run.summary["status"] not in DONE]
        if overrides:  # all can change, before one does
            for run in waiting:
                plan(run.path, overrides, validate)
        for run in waiting:
            try:
                Run.resume(run.path, overrides, validate)
                paths.append(run.path)
            except ValueError as error:  # another process trains it
                log.warning("left alone: %s", error)
                left += 1
        done = len(runs) - len(paths) - left
        log.info("%d of %d jobs are done, %d start, %d are left alone", done, len(runs), len(paths), left)
        self.launcher.train(paths)
        if rungs:
            rungs.go_on(self.launcher)
