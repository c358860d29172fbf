"""One job of a sweep: here, or in a process of its own (`python -m seglight.sweeps.job_process RUN`)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from seglight.errors import USER_ERRORS, message
from seglight.ranks.environment import rank
from seglight.ranks.forking import become, forking
from seglight.ranks.signals import SECONDS_TO_STOP
from seglight.runs import status
from seglight.runs.lock import HeldByAnotherError
from seglight.runs.run import Run
from seglight.training.job import train_run

log = logging.getLogger(__name__)

LOG = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def try_run(run: Run) -> float:
    """`train_run` in a sweep: a failure is logged and NaN, so that the next job starts."""
    try:
        return train_run(run)
    except HeldByAnotherError as error:
        log.warning("left alone: %s", error)
        return float("nan")
    except Exception as error:
        log.error("error: %s", message(error), exc_info=not isinstance(error, USER_ERRORS))
        log.info("run: %s (failed)", run.path)
        return float("nan")


@contextmanager
def logging_to(run: Run) -> Iterator[None]:
    """What is logged goes to the terminal and into the run's train.log."""
    root, file = logging.getLogger(), logging.FileHandler(run.path / "train.log")
    file.setFormatter(logging.Formatter("[%(asctime)s][%(levelname)s] %(message)s"))
    before, level = root.handlers[:], root.level
    root.handlers = [logging.StreamHandler(sys.stdout), file]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers = before
        root.setLevel(level)
        file.close()


class JobProcess:
    """The run of a directory, trained by a process of its own; what it writes goes into train.log.

    It is forked from a process that has imported what training needs, so that a sweep pays for that once.
    """

    lock = threading.Lock()  # multiprocessing looks after its other children while it starts one

    def __init__(self, path: Path, env: dict[str, str] | None = None) -> None:
        self.path, self.env = path, {**(env or {}), **os.environ}
        self.process: ForkServerProcess | None = None
        self.stopped = False

    def run(self, stops_on_sigterm: bool = False) -> str:
        """Returns when it has ended, with a line that says how."""
        with self.lock, forking() as context:
            if self.stopped:
                return f"{self.path.name}: not started"
            process = context.Process(target=become_job, args=(self.path.absolute(), self.env))
            process.start()
            self.process = process
        if stops_on_sigterm:
            signal.signal(signal.SIGTERM, lambda number, frame: self.stop(wait=False))
        if self.stopped:
            self.stop(wait=False)
        wait([process.sentinel])  # holds no lock: a signal handler may ask too
        with self.lock:
            process.join()
            self.process = None
        code = process.exitcode or 0
        process.close()
        return ended(self.path, f"its process was killed by signal {-code}" if code < 0 else f"exit code {code}")

    def stop(self, wait: bool = True) -> None:
        """Tells it to save and end; kills it where it does not."""
        self.stopped = True
        process = self.process
        with suppress(ValueError):  # its thread has seen it end, and closed it
            if process is None or has_ended(process):
                return
            process.terminate()
            if wait and not has_ended(process, SECONDS_TO_STOP + 3):
                process.kill()
                has_ended(process, None)


def has_ended(process: ForkServerProcess, seconds: float | None = 0.0) -> bool:
    """Whether it has after so many seconds, at most."""
    return bool(wait([process.sentinel], seconds))


def become_job(path: Path, env: dict[str, str]) -> None:
    """Makes this process, just forked, one that `python -m seglight.sweeps.job_process RUN` would be."""
    os.setsid()  # a terminal's Ctrl-C is for the launcher
    become("seglight.sweeps.job_process", str(path), env)
    files = ((os.devnull, os.O_RDONLY), (os.devnull, os.O_WRONLY), (str(path / "train.log"), LOG))
    for number, (file, flags) in enumerate(files):
        os.dup2(os.open(file, flags), number)
    main()


def ended(path: Path, death: str) -> str:
    """A line on how a job ended; one that could not say so itself is recorded as failed by `death`.

    A run that another process trains is left alone: this job was refused it.
    """
    run = Run(path)
    if rank() == 0:
        try:
            status.died(run, death)
        except HeldByAnotherError:
            return f"{path.name}: left alone: another process trains it"
    summary = run.summary
    score = summary.get("val/miou")
    scored = f"val/miou {score:.4f}" if score is not None and score == score else summary.get("error") or ""
    return f"{path.name}: {summary['status']}  {scored}"


def main() -> None:
    """One job of a sweep in a process of its own, or one rank of it where srun started several."""
    from seglight.ranks.signals import end_with_parent
    from seglight.training.worker import take_part

    end_with_parent()
    run = Run(sys.argv[1])
    if rank() > 0:
        take_part(run)
        return
    with logging_to(run):
        try_run(run)
    sys.exit(run.summary["status"] not in status.DONE)


if __name__ == "__main__":
    main()
