"""`python -m seglight.compare runs=[FOLDER,...] out=FOLDER`: which runs are best, how sure that is, and why."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from seglight.cli import made, run_command

log = logging.getLogger(__name__)


def compare(cfg: DictConfig) -> None:
    """Prints the verdict and the table; writes compare.csv, compare.json, compare.png and index.html into `out`."""
    from seglight.results import comparison
    from seglight.results.loggers import log_to_tensorboard, log_to_wandb
    from seglight.results.terminal import print_comparison
    from seglight.values import whole

    whole("resamples", cfg.resamples, least=100)
    places = [cfg.runs] if isinstance(cfg.runs, str | int) else list(cfg.runs)
    evaluations = [cfg.scores] if isinstance(cfg.scores, str) else list(cfg.scores)
    found = comparison.compare(
        [str(place) for place in places], None, cfg.where, cfg.score, evaluations, cfg.resamples, cfg.seed
    )
    print_comparison(found)
    if not cfg.out:
        if cfg.logger:
            raise ValueError("out=null: a folder is needed for what logger= logs")
        return
    folder = found.write(made("out", Path(cfg.out)))
    if "wandb" in cfg.logger:
        log.info("Weights & Biases: %s", log_to_wandb(found, folder, cfg.logger.wandb))
    if "tensorboard" in cfg.logger:
        log_to_tensorboard(found, folder)
    log.info("wrote: %s", cfg.out)


if __name__ == "__main__":
    run_command("compare", compare)
