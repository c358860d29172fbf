"""One rank of an evaluation: `python -m seglight.evaluation.worker FOLDER`, which holds what was asked for."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from seglight.config import resolve
from seglight.errors import USER_ERRORS, message
from seglight.evaluation.scoring import score
from seglight.ranks.environment import rank
from seglight.ranks.launch import RanksFailed, launch
from seglight.ranks.signals import SECONDS_TO_STOP, end_with_parent, stop_in_time, stops_at_once
from seglight.runs.run import read_yaml

ASKED, FAILED = "asked.yaml", "error.txt"

log = logging.getLogger(__name__)


def score_in_ranks(cfg: DictConfig, ranks: int, folder: Path) -> None:
    """Starts so many processes of this module and waits for them; the first one that fails says why."""
    OmegaConf.save(resolve(cfg), folder / ASKED)
    try:
        launch(ranks, "seglight.evaluation.worker", folder)
    except RanksFailed as error:
        said = folder / FAILED
        raise RanksFailed(said.read_text() if said.is_file() else str(error)) from None


def main() -> None:
    """Takes part; rank 0 alone prints."""
    end_with_parent()
    stop_in_time(SECONDS_TO_STOP)
    folder = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO if rank() == 0 else logging.WARNING, format="%(message)s", stream=sys.stdout)
    try:
        with stops_at_once():
            score(read_yaml(folder / ASKED))
    except Exception as error:
        with contextlib.suppress(FileExistsError), (folder / FAILED).open("x") as file:  # the first one's words
            file.write(message(error))
        if not isinstance(error, USER_ERRORS):
            log.exception("rank %d", rank())
        sys.exit(1)


if __name__ == "__main__":
    main()
