"""`python -m seglight.evaluate run=PATH`: a run's scores again, from its checkpoint, on any split or data set."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from seglight.cli import CommandLine, run_command


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


def with_the_runs(line: CommandLine) -> None:
    """Offers what `run=PATH` was trained with as options: `data=run` and `trainer=run`, evaluate.yaml's defaults.

    Another trainer keeps the run's precision and accelerator, unless they are given: the scores depend on them.
    """
    from hydra.core.config_store import ConfigStore

    from seglight.overrides import given, paths_of
    from seglight.runs.run import find_run

    paths = paths_of(given(line.overrides, "run") or [])
    if not paths:
        raise ValueError("run=... is needed: the folder of a run")
    cfg = find_run(paths[0]).cfg
    store = ConfigStore.instance()
    store.store(name="run", node=cfg.data, group="data")
    trainer = cfg.trainer.copy()
    trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "limit_val_batches": None})
    store.store(name="run", node=trainer, group="trainer")
    if line.value("trainer") not in (None, "run"):
        for key in ("precision", "accelerator"):
            if line.value(f"trainer.{key}") is None and cfg.trainer.get(key) is not None:
                line.overrides.append(f"trainer.{key}={cfg.trainer[key]}")


if __name__ == "__main__":
    run_command("evaluate", evaluate, with_the_runs)
