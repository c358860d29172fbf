"""Trains a run: reads its config, builds data, network, task and callbacks, and fits."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from seglight.callbacks.data_wait import DataWait
from seglight.callbacks.freezing import Freezing
from seglight.callbacks.predictions import Predictions
from seglight.callbacks.progress import EpochLines, print_class_table, progress_bar
from seglight.callbacks.pruning import Pruning
from seglight.callbacks.same_buffers import SameBuffers
from seglight.callbacks.stop_after_step import StopAfterStep
from seglight.callbacks.summary import RunSummary
from seglight.callbacks.wandb import finish_wandb
from seglight.callbacks.wandb_evaluations import WandbEvaluations
from seglight.config import build
from seglight.data.datamodule import SegmentationData
from seglight.ranks.signals import Stopped
from seglight.runs.run import Run
from seglight.task import SegmentationTask
from seglight.training.features import FeatureData
from seglight.training.resources import exhaustion_explained
from seglight.training.trainer import build_trainer, quiet

log = logging.getLogger(__name__)


def fit(run: Run) -> None:
    """Trains, evaluates and writes everything a run directory holds."""
    with exhaustion_explained(run):
        train_and_evaluate(run)


def train_and_evaluate(run: Run) -> None:
    quiet()
    cfg = run.cfg
    if not isinstance(cfg.seed, int):
        raise ValueError(f"seed={cfg.seed}: a whole number is needed")
    for key in ("max_epochs", "max_steps"):
        if cfg.trainer[key] == 0:
            raise ValueError(f"trainer.{key}=0: nothing would be trained; a number from 1 is needed (-1: no limit)")
    L.seed_everything(cfg.seed, verbose=False)
    torch.set_float32_matmul_precision("high")
    data = build(cfg, "data")
    resumed = run.checkpoint_path("last") if run.checkpoint_path("last").is_file() else None
    task = build_task(cfg, data, net=run.untrained_net() if resumed else None)
    if cfg.init_from and not resumed:
        initialise(task.net, cfg)
    weighing: list[Any] = [part for part in task.loss.modules() if hasattr(part, "set_class_counts")]
    for loss in weighing:
        loss.set_class_counts(data.class_counts(data.train_split))
    task.net.to(memory_format=task.memory_format)
    if isinstance(data, SegmentationData) and data.features:
        data = FeatureData(data, task, run.path / "features")
    if cfg.compile:
        compile_net(task.net, "inductor" if cfg.compile is True else cfg.compile)
    summary, stopping = RunSummary(run), StopAfterStep(run)
    trial = Pruning(run, **cfg.trial) if cfg.get("trial") else None
    trainer = build_trainer(cfg, run, [*callbacks(cfg, summary), *([trial] if trial else []), stopping])
    try:
        trainer.fit(task, data, ckpt_path=resumed)
        if trainer.limit_val_batches == 0:
            trainer.save_checkpoint(run.checkpoint_path("best"))
        elif summary.evaluated != trainer.global_step:  # the run ended (max_steps) between two evaluations
            trainer.validate(task, data, verbose=False)
            for which in ("best", "last") if summary.best_step == trainer.global_step else ("last",):
                trainer.save_checkpoint(run.checkpoint_path(which))
        if trainer.is_global_zero:
            run.update_summary(status="pruned" if trial and trial.pruned else "completed", error=None)
            if summary.best:
                print_class_table(summary.table, summary.best)
    except SIGTERMException:
        raise Stopped(stopping.signal or signal.SIGTERM) from None
    finally:
        if isinstance(data, FeatureData):
            data.close()
        if "wandb" in cfg.logger:
            finish_wandb(run, sys.exception())


def callbacks(cfg: DictConfig, summary: RunSummary) -> list[Any]:
    """What happens around a run; `StopAfterStep` comes after them, for it saves what they made of a step."""
    folder = summary.run.path / "checkpoints"
    best = ModelCheckpoint(folder, filename="best", monitor="val/miou", mode="max", enable_version_counter=False)
    # of its own: with save_last, the one above would keep "last" only where "best" was
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    predictions = Predictions(summary, cfg.predictions) if cfg.predictions else None
    asked = [
        *progress_bar(cfg),
        predictions,
        WandbEvaluations(summary, predictions) if "wandb" in cfg.logger else None,
        build(cfg, "average") if cfg.average else None,
    ]
    always = [Freezing(), SameBuffers(), best, last, summary, DataWait(), EpochLines()]
    return always + [callback for callback in asked if callback]


def compile_net(net: Any, backend: str) -> None:
    """torch.compile, in place: the checkpoint's keys stay those of the network. Training has entries of its own."""
    if backend not in (known := torch.compiler.list_backends(exclude_tags=())):
        raise ValueError(f"compile={backend}: true, false or a backend of torch.compile ({', '.join(known)})")
    net.compile(backend=backend)
    for name in ("training_pairs", "pairs_of_maps", "decode"):
        if hasattr(net, name):
            setattr(net, name, torch.compile(getattr(net, name), backend=backend))


def build_task(cfg: DictConfig, data: Any, net: torch.nn.Module | None = None) -> SegmentationTask:
    """The task of a config, around a given network or the one it describes; `data` names the classes."""
    return SegmentationTask(
        net=net or build(cfg, "net"),
        loss=build(cfg, "loss"),
        recipe=build(cfg, "optim"),
        schedule=build(cfg, "schedule"),
        policy=build(cfg, "freeze"),
        num_classes=cfg.data.num_classes,
        classes=getattr(data, "classes", None),
        seed=cfg.seed,
        channels_last=cfg.channels_last,
    )


def initialise(net: torch.nn.Module, cfg: DictConfig) -> None:
    """Starts from another run's weights or a file of published ones (`init_from`, `init_source`)."""
    from pathlib import Path

    from seglight.models.initialise import init_from
    from seglight.runs.checkpoint import read_checkpoint
    from seglight.runs.run import find_run

    path = Path(cfg.init_from)
    state = find_run(path).weights() if path.is_dir() else read_checkpoint(path)
    if cfg.get("init_source"):
        from seglight.models import published

        published.load(net, state, cfg.init_source)
        log.info("init_from %s: every tensor of %s placed", path, cfg.init_source)
        return
    log.info("init_from %s: %s", path, init_from(net, state))
