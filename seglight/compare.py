"""`python -m seglight.compare runs=[FOLDER,...] out=FOLDER`: which runs are best, how sure that is, and why."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from seglight.cli import made, run_command

log = logging.getLogger(__name__)


def compare(cfg: DictConfig) -> None:
    """Prints the verdict and the table; writes compare.csv, compare.json and index.html into `out`."""
    from seglight.results import comparison
    from seglight.results.terminal import print_comparison
    from seglight.values import whole

    whole("resamples", cfg.resamples, least=100)
    places = [cfg.runs] if isinstance(cfg.runs, str | int) else list(cfg.runs)
    evaluations = [cfg.scores] if isinstance(cfg.scores, str) else list(cfg.scores)
    found = comparison.compare(
        [str(place) for place in places], None, cfg.where, cfg.score, evaluations, cfg.resamples, cfg.seed
    )
    print_comparison(found)
    if cfg.out:
        found.write(made("out", Path(cfg.out)))
        log.info("wrote: %s", cfg.out)


if __name__ == "__main__":
    run_command("compare", compare)
