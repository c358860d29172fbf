"""One job: trains the run of a directory to its end, in this process or in as many ranks as it asks for."""

from __future__ import annotations

import logging
from shlex import quote

from seglight.ranks.devices import local_ranks
from seglight.ranks.environment import started_by_others
from seglight.ranks.launch import RanksFailed, launch
from seglight.ranks.signals import stops_at_once
from seglight.runs import status
from seglight.runs.run import Run
from seglight.training.images import settle as settle_images

log = logging.getLogger(__name__)


def train_run(run: Run) -> float:
    """Trains it to its end, which summary.json then tells; returns val/miou. A second process on it is refused."""
    try:
        with run.locked(), status.job(run), stops_at_once():
            settle_images(run)
            if run.cfg.data.get("batch_size") == "auto":
                from seglight.training.batch_size import settle

                settle(run)
            train_in_ranks(run)
    except Exception:
        raise
    except BaseException:
        log.info("run: %s (interrupted; %s continues it)", run.path, quote(f"resume={run.path}"))
        raise
    log.info("run: %s", run.path)
    return float(run.summary.get("val/miou", "nan"))


def train_in_ranks(run: Run) -> None:
    """Here where this process is the only rank, or one of those that torchrun or srun started; else in N processes."""
    ranks = local_ranks(run.cfg.trainer)
    if ranks == 1 or started_by_others():
        from seglight.training.fit import fit

        fit(run)
        return
    try:
        launch(ranks, "seglight.training.worker", run.path)
    except RanksFailed as error:
        if error.killed:
            status.killed(run, str(error))
            raise
        raise RanksFailed(run.summary.get("error") or str(error)) from None  # a rank's own words, where it had time
