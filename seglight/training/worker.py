"""One rank of a job: `python -m seglight.training.worker RUN` trains a run together with the other ranks."""

from __future__ import annotations

import logging
import sys

from seglight.errors import USER_ERRORS, message
from seglight.ranks.environment import rank
from seglight.ranks.signals import SECONDS_TO_STOP, end_with_parent, stop_in_time, stops_at_once
from seglight.runs import status
from seglight.runs.run import Run
from seglight.training.fit import fit

log = logging.getLogger(__name__)


def take_part(run: Run) -> None:
    """One rank of a run that another process made; rank 0 alone prints."""
    handlers: list[logging.Handler] = [logging.FileHandler(run.path / "train.log")]
    if rank() == 0:
        handlers.append(logging.StreamHandler(sys.stdout))
    logging.basicConfig(level=logging.INFO if rank() == 0 else logging.WARNING, format="%(message)s", handlers=handlers)
    try:
        with status.ending(run), stops_at_once():
            fit(run)
    except Exception as error:
        log.error("error: %s", message(error), exc_info=not isinstance(error, USER_ERRORS))
        sys.exit(1)


def main() -> None:
    """`python -m seglight.training.worker RUN`, started by `seglight.ranks.launch`."""
    end_with_parent()
    stop_in_time(SECONDS_TO_STOP)
    take_part(Run(sys.argv[1]))


if __name__ == "__main__":
    main()
