"""`python -m seglight.evaluate run=PATH`: a run's scores again, from its checkpoint, on any split or data set."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from seglight.cli import run_command
from seglight.run_options import offer_data_and_trainer


def evaluate(cfg: DictConfig) -> None:
    """Writes RUN/evaluate/<data>_<split>/ and RUN/scores/<data>_<split>.npz: see docs/evaluate.md."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from seglight.evaluation.scoring import score
    from seglight.evaluation.worker import score_in_ranks
    from seglight.ranks.devices import local_ranks
    from seglight.ranks.environment import rank, started_by_others
    from seglight.training.validate import validate_trainer

    validate_trainer(cfg.trainer)
    ranks = local_ranks(cfg.trainer)
    if ranks == 1 or started_by_others():
        if rank() > 0:
            logging.getLogger().setLevel(logging.WARNING)
        score(cfg)
        return
    with TemporaryDirectory(prefix="seglight-") as folder:
        score_in_ranks(cfg, ranks, Path(folder))


if __name__ == "__main__":
    run_command("evaluate", evaluate, offer_data_and_trainer)
