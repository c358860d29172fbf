"""Lightning's Trainer for a config: strategy, precision, loggers, and quiet."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from seglight.config import build
from seglight.ranks.devices import local_ranks
from seglight.ranks.environment import environment, rank
from seglight.runs.checkpoint import AtomicCheckpointIO
from seglight.runs.run import Run
from seglight.training.metrics_csv import MetricsCSV

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


def build_trainer(cfg: DictConfig, run: Run | None, callbacks: list[Any]) -> L.Trainer:
    """The trainer of a run; without one, it only evaluates."""
    ranks = local_ranks(cfg.trainer) * cfg.trainer.num_nodes
    settings = trainer_settings(cfg.trainer, ranks)
    if run and (ranks > 1 or settings.accumulate_grad_batches > 1):
        say_effective_batch(cfg.data.batch_size, ranks, settings.accumulate_grad_batches)
    trainer: L.Trainer = build(
        OmegaConf.create({"trainer": settings}),
        "trainer",
        callbacks=callbacks,
        logger=loggers(cfg, run) if run else False,
        plugins=[AtomicCheckpointIO(), environment()],
        enable_checkpointing=run is not None,
        default_root_dir=str(run.path) if run else None,
    )
    return trainer


def trainer_settings(trainer: DictConfig, ranks: int) -> DictConfig:
    """The config's `trainer` for so many ranks, with what it leaves open decided."""
    settings = trainer.copy()
    several = ranks > 1
    on_gpu = settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    with open_dict(settings):
        for ours in ("max_time", "early_stopping"):  # callbacks of their own
            settings.pop(ours, None)
        settings.enable_progress_bar &= sys.stdout.isatty()  # Lightning would add one of its own
        if settings.precision == "auto":
            settings.precision = auto_precision(settings.accelerator)
        elif settings.precision == "float8":
            settings.precision = "bf16-mixed"  # of all but the layers that seglight.training.float8 replaces
        if several and settings.strategy in ("auto", "ddp"):
            settings.strategy = {
                "_target_": "lightning.pytorch.strategies.DDPStrategy",
                "broadcast_buffers": False,  # SameBuffers does it, once an evaluation
                "gradient_as_bucket_view": True,
            }
        elif settings.strategy == "ddp":
            settings.strategy = "auto"
        if several and settings.devices in ("auto", -1):
            settings.devices = ranks // settings.num_nodes
        if "FSDP" in str(settings.strategy) and not torch.cuda.is_available():
            raise ValueError("trainer=fsdp needs GPUs: torch shards over those alone; trainer=ddp trains on CPUs too")
        settings.sync_batchnorm = bool(settings.sync_batchnorm and several and on_gpu)  # torch has it for GPUs alone
    return settings  # type: ignore[no-any-return]


def loggers(cfg: DictConfig, run: Run) -> list[Any]:
    """metrics.csv, and what `logger` asks for besides."""
    others = [build(cfg, f"logger.{name}", save_dir=str(run.path)) for name in cfg.logger]
    for logger in others:
        logger.log_hyperparams({**cfg.axes, "cfg": OmegaConf.to_container(cfg)})
    return [MetricsCSV(run.path, run.steps(), name="", version=""), *others]


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
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)  # which rank met which
    logging.captureWarnings(True)
    for text in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message=text)


def auto_precision(accelerator: str) -> str:
    """bf16-mixed where the device multiplies matrices in bfloat16 (Tensor Cores, AMX), else 32-true.

    AVX-512's bfloat16 alone does not pay: convolutions took 1.3 to 5 times as long as in float32 on a Xeon without AMX.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16-mixed" if capabilities.get("amx_bf16") else "32-true"
