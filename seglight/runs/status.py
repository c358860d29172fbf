"""The status of a run, set here alone: waiting, running, then completed, pruned, failed or interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seglight.errors import message
from seglight.runs.run import Run

DONE = ("completed", "pruned")  # nothing is left to do
ENDED = (*DONE, "failed", "interrupted")


@contextmanager
def job(run: Run) -> Iterator[None]:
    """Around a job: its run is running, then completed, unless it ended in another way."""
    run.update_summary(status="running", error=None)
    with ending(run):
        yield
    end(run, "completed")


@contextmanager
def ending(run: Run) -> Iterator[None]:
    """Around each rank's part of a job: an error makes the run failed, a signal interrupted."""
    try:
        yield
    except Exception as error:
        end(run, "failed", message(error))
        raise
    except BaseException:
        end(run, "interrupted")
        raise


def end(run: Run, status: str, error: str | None = None) -> None:
    """Records how a run ended. The first word counts: a rank that fails stops the others, which then fail too."""
    run.note(ENDED, status=status, error=error)


def killed(run: Run, death: str) -> None:
    """Records that a rank was killed. The other ranks' errors follow from that, so this replaces them."""
    run.note(status="failed", error=death)


def died(run: Run, death: str) -> None:
    """Records that a job's process is gone, where it could not say so; HeldByAnotherError where another trains it."""
    with run.locked():  # which a process that trains it holds
        end(run, "failed", death)
