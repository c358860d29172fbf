"""summary.json: what a run was, what it cost and how it scored."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
import torch

import seglight
from seglight.callbacks.best import Best
from seglight.callbacks.resumable import Resumable
from seglight.data.fingerprint import fingerprints
from seglight.models.anatomy import gflops
from seglight.models.encoder_decoder import EncoderDecoder
from seglight.peak_memory import peak_memory, reset_peak_memory
from seglight.runs.run import Run

PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "torchmetrics", "albumentations", "numpy")


class RunSummary(Resumable):
    """Writes the scores of the best epoch and the costs, at each evaluation and at the end."""

    kept = ("images", "seconds")

    def __init__(self, run: Run, best: Best) -> None:
        self.run, self.best = run, best
        self.images = 0
        self.seconds = 0.0
        self.started: float | None = None  # when the time not yet counted began

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        reset_peak_memory()
        if trainer.is_global_zero:
            found = facts(pl_module, trainer)
            if self.run.cfg.trainer.precision == "float8":  # to Lightning it is bf16-mixed
                found["precision"] = "float8"
            self.run.update_summary(**found)

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.started = time.perf_counter()

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.started is None:
            self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.images += len(batch["image"]) * trainer.world_size
        now = time.perf_counter()
        self.seconds += now - (now if self.started is None else self.started)
        self.started = now

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.started = None  # an evaluation within an epoch, and what is saved after it, is no training

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        self.write(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.write(trainer)
        if trainer.is_global_zero and isinstance(pl_module.net, EncoderDecoder):
            self.run.update_summary(gflops=round(gflops(pl_module.net, (512, 512)), 3))

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        if trainer.is_global_zero:
            self.run.note(**self.values(trainer))

    def write(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            self.run.update_summary(**self.values(trainer))

    def values(self, trainer: L.Trainer) -> dict[str, Any]:
        """What has been seen so far."""
        return {
            **self.best.scores,
            **({"best_epoch": self.best.epoch} if self.best.scores else {}),
            "train_seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 3) if self.seconds else 0.0,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "peak_memory_mb": round(peak_memory(trainer.strategy.root_device.type == "cuda") / 1e6, 1),
        }


def facts(task: Any, trainer: L.Trainer) -> dict[str, Any]:
    """What does not change while a run trains."""
    data = getattr(trainer, "datamodule", None)
    return {
        "params": sum(p.numel() for p in task.net.parameters()),
        "trainable_params": sum(p.numel() for p in task.net.parameters() if p.requires_grad),
        "classes": list(task.metrics.classes),
        "palette": [list(map(int, colour)) for colour in getattr(data, "palette", None) or ()],
        "data_hash": fingerprints(trainer.datamodule),  # type: ignore[attr-defined]
        "freeze": task.policy.name,
        "seed": task.seed,
        "device": device_name(trainer.strategy.root_device),
        "devices": trainer.world_size,
        "host": platform.node(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "precision": str(trainer.precision),
        "versions": {
            "seglight": seglight.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "git_commit": git_commit(),
    }


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def git_commit() -> str | None:
    """The commit of seglight's checkout, with `-dirty` where it was changed; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
