"""The default launcher: one job after the other, in the sweep's own process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from hydra_plugins.seglight.job_launcher import JobLauncher


class InTurn(JobLauncher):
    """No job pays for a process and its imports."""

    def run(self, paths: Sequence[Path]) -> None:
        from seglight.job import logging_to, try_run
        from seglight.runs import Run

        for path in paths:
            run = Run(path)
            with logging_to(run):
                try_run(run)


def be_the_default() -> None:
    """Takes the place of Hydra's own `hydra/launcher=basic`, for this program alone."""
    Plugins.instance()  # makes Hydra store its own
    node = {"_target_": f"{InTurn.__module__}.{InTurn.__qualname__}"}
    ConfigStore.instance().store(group="hydra/launcher", name="basic", node=node, provider="seglight")
