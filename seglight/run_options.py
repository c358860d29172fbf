"""`data=run` and `trainer=run`: what the run that `run=PATH` names was trained with, as options of Hydra's groups."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from seglight.cli import CommandLine
from seglight.overrides import given, paths_of
from seglight.runs.run import find_run


def offer_data(line: CommandLine) -> DictConfig:
    """Makes `data=run` an option; returns the config of the run, of several the first."""
    paths = paths_of(given(line.overrides, "run") or [])
    if not paths:
        raise ValueError("run=... is needed: the folder of a run")
    cfg = find_run(paths[0]).cfg
    ConfigStore.instance().store(name="run", node=cfg.data, group="data")
    return cfg


def offer_data_and_trainer(line: CommandLine) -> None:
    """Makes `trainer=run` one too: the run's trainer, in one process.

    Another trainer keeps the run's precision and accelerator, unless they are given: the scores depend on them.
    """
    cfg = offer_data(line)
    trainer = cfg.trainer.copy()
    trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "limit_val_batches": None})
    ConfigStore.instance().store(name="run", node=trainer, group="trainer")
    if line.value("trainer") not in (None, "run"):
        for key in ("precision", "accelerator"):
            if line.value(f"trainer.{key}") is None and cfg.trainer.get(key) is not None:
                line.overrides.append(f"trainer.{key}={cfg.trainer[key]}")
