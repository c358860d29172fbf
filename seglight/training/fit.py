"""Trains a run, read from top to bottom: validate, data, network, task, trainer, fit, finish."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig
from torch import nn

from seglight.callbacks.advice import Advice
from seglight.callbacks.best import Best
from seglight.callbacks.checkpoints import Checkpoints
from seglight.callbacks.curves import Curves
from seglight.callbacks.data_wait import DataWait
from seglight.callbacks.early_stopping import EarlyStopping
from seglight.callbacks.freezing import Freezing
from seglight.callbacks.image_scores import CountImages
from seglight.callbacks.last_evaluation import LastEvaluation
from seglight.callbacks.learning import Learning
from seglight.callbacks.predictions import Predictions
from seglight.callbacks.progress import EpochLines, print_class_table, terminal_bar
from seglight.callbacks.pruning import Pruning
from seglight.callbacks.same_buffers import SameBuffers
from seglight.callbacks.stop_after_step import StopAfterStep
from seglight.callbacks.summary import RunSummary
from seglight.callbacks.time_limit import TimeLimit
from seglight.callbacks.wandb import finish_wandb
from seglight.callbacks.wandb_evaluations import WandbEvaluations
from seglight.config import build
from seglight.data.datamodule import SegmentationData
from seglight.models.initialise import init_from
from seglight.ranks.signals import Stopped
from seglight.results.image_scores import scores_file
from seglight.runs.base import base
from seglight.runs.checkpoint import read_checkpoint
from seglight.runs.run import Run, load_run
from seglight.task import SegmentationTask
from seglight.training.features import FeatureData
from seglight.training.float8 import in_float8
from seglight.training.resources import exhaustion_explained
from seglight.training.shared_features import offered_to
from seglight.training.trainer import build_trainer, quiet
from seglight.training.validate import validate

log = logging.getLogger(__name__)


def fit(run: Run) -> None:
    """Trains, evaluates and writes everything a run directory holds."""
    with exhaustion_explained(run), wandb_finished(run):
        cfg = run.cfg
        validate(cfg)
        prepare_process(cfg)
        data = build(cfg, "data")
        net = build_net(run)
        task = build_task(cfg, data, net)
        task.base = base(cfg, net)
        prepare_task(task, data, cfg)
        best = Best()
        trainer = build_trainer(cfg, run, callbacks(run, best, data))
        with kept_features(data, task, run) as data:
            train(trainer, task, data, run)
            finish(trainer, task, data, best)


def prepare_process(cfg: DictConfig) -> None:
    """What holds for the whole process: quiet, seeded, fast."""
    quiet()
    L.seed_everything(cfg.seed, verbose=False)
    torch.set_float32_matmul_precision("high")


def build_net(run: Run) -> nn.Module:
    """The network of a run: its weights come with the last checkpoint, or from where the config says."""
    if last_checkpoint(run):
        return run.untrained_net("last")
    net: nn.Module = build(run.cfg, "net")
    if run.cfg.init_from:
        initialise(net, run.cfg)
    return build(run.cfg, "freeze").prepare(net)  # type: ignore[no-any-return]


def last_checkpoint(run: Run) -> Path | None:
    """The checkpoint that the run goes on from, if it has one."""
    path = run.checkpoint_path("last")
    return path if path.is_file() else None


def initialise(net: nn.Module, cfg: DictConfig) -> None:
    """Starts from another run's weights or a file of published ones (`init_from`, `init_source`)."""
    path = Path(cfg.init_from)
    state = load_run(path, trust=cfg.get("trust", False)).net.state_dict() if path.is_dir() else read_checkpoint(path)
    if cfg.get("init_source"):
        from seglight.models import published

        published.load(net, state, cfg.init_source)
        log.info("init_from %s: every tensor of %s placed", path, cfg.init_source)
        return
    log.info("init_from %s: %s", path, init_from(net, state, partial=bool(cfg.get("init_partial"))))


def build_task(cfg: DictConfig, data: Any, net: nn.Module) -> SegmentationTask:
    """The task of a config around a network; `data` names the classes."""
    return SegmentationTask(
        net=net,
        loss=build(cfg, "loss"),
        recipe=build(cfg, "optim"),
        schedule=build(cfg, "schedule"),
        policy=build(cfg, "freeze"),
        num_classes=cfg.data.num_classes,
        classes=getattr(data, "classes", None),
        seed=cfg.seed,
        channels_last=cfg.channels_last,
    )


def prepare_task(task: SegmentationTask, data: Any, cfg: DictConfig) -> None:
    """Class counts for a loss that weighs by them, the memory format, torch.compile."""
    for loss in task.loss.modules():
        if hasattr(loss, "set_class_counts"):
            loss.set_class_counts(data.class_counts(data.train_split))  # type: ignore[operator]
    if cfg.trainer.precision == "float8":
        in_float8(task.net)
    task.net.to(memory_format=task.memory_format)
    if cfg.compile:
        compile_net(task.net, "inductor" if cfg.compile is True else cfg.compile)


def compile_net(net: Any, backend: str) -> None:
    """torch.compile, in place: the checkpoint's keys stay those of the network. Training has entries of its own."""
    net.compile(backend=backend)
    for name in ("training_pairs", "pairs_of_maps", "decode"):
        if hasattr(net, name):
            setattr(net, name, torch.compile(getattr(net, name), backend=backend))


def callbacks(run: Run, best: Best, data: Any) -> list[Any]:
    """What happens around a run, in this order; `best` is first, for the others ask it."""
    cfg = run.cfg
    learning = Learning()
    predictions = Predictions(run, best, cfg.predictions) if cfg.predictions else None
    return [
        best,
        Freezing(),
        SameBuffers(),
        *([TimeLimit(cfg.trainer.max_time)] if cfg.trainer.get("max_time") is not None else []),
        *([EarlyStopping(best, patience)] if (patience := cfg.trainer.get("early_stopping")) else []),
        LastEvaluation(),
        RunSummary(run, best),
        CountImages(scores_file(run.path, data.name, data.split), data, best, cfg.get("boundary_width")),
        learning,
        Advice(),
        DataWait(),
        EpochLines(learning),
        *terminal_bar(cfg),
        *([predictions] if predictions else []),
        *([WandbEvaluations(best, predictions)] if "wandb" in cfg.logger else []),
        *([build(cfg, "average")] if cfg.average else []),
        *([Pruning(run, **cfg.trial)] if cfg.get("trial") else []),
        StopAfterStep(run),  # saves what the others made of a step
        Curves(run),
        Checkpoints(run, best),
    ]


@contextmanager
def kept_features(data: Any, task: SegmentationTask, run: Run) -> Iterator[Any]:
    """With `data.cache=features` the data gives a frozen encoder's maps too, kept until the run ends, or its sweep."""
    if not (isinstance(data, SegmentationData) and data.features):
        yield data
        return
    kept = FeatureData(data, task, run.path / "features", offered_to(run))
    try:
        yield kept
    finally:
        kept.close()


def train(trainer: L.Trainer, task: SegmentationTask, data: Any, run: Run) -> None:
    """From the last checkpoint, where there is one. Stopped where a signal ended it."""
    try:
        trainer.fit(task, data, ckpt_path=last_checkpoint(run))
    except SIGTERMException:
        stopping = next(c for c in trainer.callbacks if isinstance(c, StopAfterStep))  # type: ignore[attr-defined]
        raise Stopped(stopping.signal or signal.SIGTERM) from None


def finish(trainer: L.Trainer, task: SegmentationTask, data: Any, best: Best) -> None:
    """Evaluates where the run was stopped in its very last evaluation, and prints the classes."""
    if trainer.limit_val_batches != 0 and best.evaluated != trainer.global_step:
        trainer.validate(task, data, verbose=False)
    if trainer.is_global_zero and best.scores:
        print_class_table(best.table, best.scores)


@contextmanager
def wandb_finished(run: Run) -> Iterator[None]:
    """W&B's run ends with this one, and with its exit code."""
    try:
        yield
    finally:
        if "wandb" in run.cfg.logger:
            finish_wandb(run, sys.exception())
