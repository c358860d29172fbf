"""The default launcher: one job after the other, in the sweep's own process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seglight.sweeps.job_launcher import JobLauncher


class InTurn(JobLauncher):
    """No job pays for a process and its imports."""

    def run(self, paths: Sequence[Path]) -> None:
        from seglight.runs.run import Run
        from seglight.sweeps.job_process import logging_to, try_run

        for path in paths:
            run = Run(path)
            with logging_to(run):
                try_run(run)
