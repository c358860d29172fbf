"""Trains a run: reads its config, builds data, network, task, callbacks, loggers and trainer, and fits."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf, open_dict

from seglight.callbacks.data_wait import DataWait
from seglight.callbacks.freezing import Freezing
from seglight.callbacks.metrics_csv import MetricsCSV
from seglight.callbacks.predictions import Predictions
from seglight.callbacks.progress import EpochLines, print_class_table, progress_bar
from seglight.callbacks.pruning import Pruning
from seglight.callbacks.same_buffers import SameBuffers
from seglight.callbacks.stop_after_step import StopAfterStep
from seglight.callbacks.summary import RunSummary
from seglight.callbacks.wandb import finish_wandb
from seglight.callbacks.wandb_evaluations import WandbEvaluations
from seglight.checkpoint import AtomicCheckpointIO
from seglight.command import USER_ERRORS, message
from seglight.config import build
from seglight.exhausted import exhaustion_explained
from seglight.features import FeatureData
from seglight.launch import SECONDS_TO_STOP, local_ranks
from seglight.ranks import end_with_parent, environment, rank, stop_in_time
from seglight.runs import Run
from seglight.stopping import Stopped, stops_at_once
from seglight.task import SegmentationTask

log = logging.getLogger(__name__)

# Notes of Lightning's that are true of every run here and ask nothing of the user.
IGNORED_WARNINGS = (
    ".*treespec, LeafSpec.*",
    ".*exists and is not empty.*",
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*sync_dist=True.*",  # scores come from a confusion matrix that is already summed over ranks
    ".*in eval mode at the start of training.*",  # frozen parts are
    ".*`srun` command is available.*",  # and not always wanted
    ".*`broadcast_buffers` is deprecated.*",  # its successor is not in every torch from 2.6 on
)


def fit(run: Run) -> None:
    """Trains, evaluates and writes everything a run directory holds."""
    with exhaustion_explained(run):
        train_and_evaluate(run)


def train_and_evaluate(run: Run) -> None:
    quiet()
    cfg = run.cfg
    if not isinstance(cfg.seed, int):
        raise ValueError(f"seed={cfg.seed}: a whole number is needed")
    L.seed_everything(cfg.seed, verbose=False)
    torch.set_float32_matmul_precision("high")
    data = build(cfg, "data")
    resumed = run.checkpoint_path("last") if run.checkpoint_path("last").is_file() else None
    task = build_task(cfg, data, net=run.untrained_net() if resumed else None)
    loss: Any = task.loss
    if cfg.init_from and not resumed:
        initialise(task.net, cfg)
    if hasattr(loss, "set_class_counts"):
        loss.set_class_counts(data.class_counts(data.train_split))
    task.net.to(memory_format=task.memory_format)
    if getattr(data, "features", None):
        data = FeatureData(data, task, run.path / "features")
    if cfg.compile:
        compile_net(task.net, "inductor" if cfg.compile is True else cfg.compile)
    folder = run.path / "checkpoints"
    best = L.pytorch.callbacks.ModelCheckpoint(
        folder, filename="best", monitor="val/miou", mode="max", enable_version_counter=False
    )
    # of its own: with save_last, the one above would keep "last" only where "best" was
    last = L.pytorch.callbacks.ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    summary = RunSummary(run)
    callbacks = [Freezing(), SameBuffers(), best, last, summary, DataWait(), EpochLines(), *progress_bar(cfg)]
    predictions = Predictions(summary, cfg.predictions) if cfg.predictions else None
    if predictions:
        callbacks.append(predictions)
    if "wandb" in cfg.logger:
        callbacks.append(WandbEvaluations(summary, predictions))
    if cfg.average:
        callbacks.append(build(cfg, "average"))
    trial = Pruning(run, **cfg.trial) if cfg.get("trial") else None
    if trial:
        callbacks.append(trial)
    stopping = StopAfterStep(run)
    callbacks.append(stopping)  # saves what the callbacks above made of the step
    trainer = build_trainer(cfg, run, callbacks)
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


def build_trainer(cfg: DictConfig, run: Run | None, callbacks: list[Any]) -> L.Trainer:
    """The trainer of a config, with `precision=auto` decided and metrics.csv always among the loggers."""
    settings = cfg.trainer.copy()
    with open_dict(settings):
        settings.enable_progress_bar &= sys.stdout.isatty()  # Lightning would add one of its own
        if settings.precision == "auto":
            settings.precision = auto_precision(settings.accelerator)
        ranks = local_ranks(cfg.trainer) * cfg.trainer.num_nodes if run else 1
        several = ranks > 1
        if several and settings.strategy in ("auto", "ddp"):
            settings.strategy = {
                "_target_": "lightning.pytorch.strategies.DDPStrategy",
                "broadcast_buffers": False,  # SameBuffers does it, once an evaluation
                "gradient_as_bucket_view": True,
            }
        if several and settings.devices in ("auto", -1):
            settings.devices = ranks // settings.num_nodes
        if "FSDP" in str(settings.strategy) and not torch.cuda.is_available():
            raise ValueError("trainer=fsdp needs GPUs: torch shards over those alone; trainer=ddp trains on CPUs too")
        if not several:
            settings.devices = 1 if run is None else settings.devices
            settings.strategy = "auto" if settings.strategy == "ddp" else settings.strategy
        on_gpu = settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        settings.sync_batchnorm = bool(settings.sync_batchnorm and several and on_gpu)  # torch has it for GPUs alone
    loggers: list[Any] = []
    if run is not None:
        if several or settings.accumulate_grad_batches > 1:
            say_effective_batch(cfg.data.batch_size, ranks, settings.accumulate_grad_batches)
        loggers = [MetricsCSV(run.path, run.steps(), name="", version="")]
        loggers += [build(cfg, f"logger.{name}", save_dir=str(run.path)) for name in cfg.logger]
        for logger in loggers[1:]:
            logger.log_hyperparams({**cfg.axes, "cfg": OmegaConf.to_container(cfg)})
    trainer: L.Trainer = build(
        OmegaConf.create({"trainer": settings}),
        "trainer",
        callbacks=callbacks,
        logger=loggers or False,
        plugins=[AtomicCheckpointIO(), environment() if run else LightningEnvironment()],
        enable_checkpointing=run is not None,
        default_root_dir=str(run.path) if run else None,
    )
    return trainer


def say_effective_batch(batch: int, ranks: int, accumulate: int) -> None:
    """How many images an optimizer step sees, which is what a learning rate goes with."""
    if rank() == 0:
        images = batch * ranks * accumulate
        log.info("effective batch %d = %d images x %d ranks x %d batches a step", images, batch, ranks, accumulate)


def quiet() -> None:
    """Lightning's tips and notes of its own affairs stay out of the log; its warnings go into it."""
    logger = logging.getLogger("lightning.pytorch")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    for text in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message=text)


def auto_precision(accelerator: str) -> str:
    """bf16-mixed where the device computes in bfloat16 natively, else 32-true: emulated it is many times slower."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16-mixed" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "32-true"


def initialise(net: torch.nn.Module, cfg: DictConfig) -> None:
    """Starts from another run's weights or a file of published ones (`init_from`, `init_source`)."""
    from pathlib import Path

    from seglight.checkpoint import read_checkpoint
    from seglight.models.initialise import init_from
    from seglight.runs import find_run

    path = Path(cfg.init_from)
    state = find_run(path).weights() if path.is_dir() else read_checkpoint(path)
    if cfg.get("init_source"):
        from seglight.models import published

        published.load(net, state, cfg.init_source)
        log.info("init_from %s: every tensor of %s placed", path, cfg.init_source)
        return
    log.info("init_from %s: %s", path, init_from(net, state))


def take_part(run: Run) -> None:
    """One rank of a run that another process made; rank 0 alone prints."""
    handlers: list[logging.Handler] = [logging.FileHandler(run.path / "train.log")]
    if rank() == 0:
        handlers.append(logging.StreamHandler(sys.stdout))
    logging.basicConfig(level=logging.INFO if rank() == 0 else logging.WARNING, format="%(message)s", handlers=handlers)
    try:
        with stops_at_once():
            fit(run)
    except Stopped:
        run.record_end("interrupted")
        raise
    except Exception as error:
        if run.summary["status"] != "failed":  # else another rank's error came first, and this one may be of its end
            run.record_end("failed", error=message(error))
        log.error("error: %s", message(error), exc_info=not isinstance(error, USER_ERRORS))
        sys.exit(1)


def main() -> None:
    """`python -m seglight.fit RUN`, started by `seglight.launch`."""
    end_with_parent()
    stop_in_time(SECONDS_TO_STOP)
    take_part(Run(sys.argv[1]))


if __name__ == "__main__":
    main()
