"""What can be known to be wrong with a run's config before anything is built, read or written."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from seglight.config import build
from seglight.ranks.devices import local_ranks

PRECISIONS = (
    "auto", "32-true", "32", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", "64", "transformer-engine",
    "transformer-engine-float16",
)  # fmt: skip
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")


def validate(cfg: DictConfig) -> None:
    """ValueError names the first key whose value cannot be, with what is accepted."""
    whole(cfg, "seed", 0)
    whole(cfg, "predictions", 0)
    for key in ("channels_last", "trust"):
        if not isinstance(cfg.get(key, False), bool):
            raise ValueError(f"{key}={cfg[key]}: true or false is needed")
    backends = torch.compiler.list_backends(exclude_tags=()) if cfg.compile else []
    if cfg.compile not in (True, False, *backends):
        raise ValueError(f"compile={cfg.compile}: true, false or a backend of torch.compile ({', '.join(backends)})")
    validate_trainer(cfg.trainer)
    for group in ("optim", "schedule", "freeze", "loss"):
        build(cfg, group)


def validate_trainer(trainer: DictConfig) -> None:
    """The keys of `trainer` that everybody changes; Lightning checks the others."""
    for key, least in (("max_epochs", -1), ("max_steps", -1), ("accumulate_grad_batches", 1), ("num_nodes", 1)):
        whole(trainer, key, least, "trainer.")
    for key in ("log_every_n_steps", "check_val_every_n_epoch"):
        if trainer.get(key) is not None:
            whole(trainer, key, 1, "trainer.")
    for key in ("max_epochs", "max_steps"):
        if trainer[key] == 0:
            raise ValueError(f"trainer.{key}=0: nothing would be trained; a number from 1 is needed (-1: no limit)")
    if trainer.max_epochs == -1 and trainer.max_steps == -1 and trainer.get("max_time") is None:
        raise ValueError("trainer.max_epochs=-1: the run would never end; set trainer.max_steps or +trainer.max_time")
    for key in ("limit_train_batches", "limit_val_batches"):
        limit = trainer.get(key)
        if limit is None:
            continue
        batches = isinstance(limit, int) and not isinstance(limit, bool) and limit >= (key == "limit_train_batches")
        if not batches and not (isinstance(limit, float) and 0 < limit <= 1):
            raise ValueError(f"trainer.{key}={limit}: a number of batches, or a share of them above 0 and up to 1.0")
    clip = trainer.gradient_clip_val
    if clip is not None and (not isinstance(clip, int | float) or isinstance(clip, bool) or clip <= 0):
        raise ValueError(f"trainer.gradient_clip_val={clip}: null or a number above 0 is needed")
    if str(trainer.precision) not in PRECISIONS:
        raise ValueError(f"trainer.precision={trainer.precision}: one of {', '.join(PRECISIONS)} is needed")
    if trainer.accelerator not in ACCELERATORS:
        raise ValueError(f"trainer.accelerator={trainer.accelerator}: one of {', '.join(ACCELERATORS)} is needed")
    if trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(f"trainer.accelerator={trainer.accelerator}: torch sees no GPU here; cpu or auto trains")
    local_ranks(trainer)


def whole(cfg: DictConfig, key: str, least: int, prefix: str = "") -> None:
    """ValueError unless the key holds a whole number that is not below `least`."""
    value: Any = OmegaConf.select(cfg, key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{prefix}{key}={value}: a whole number from {least} is needed")
