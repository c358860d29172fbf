"""What can be known to be wrong with a run's config before anything is built, read or written."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from seglight.callbacks.time_limit import duration
from seglight.config import build
from seglight.ranks.devices import local_ranks
from seglight.training.float8 import refuse_elsewhere
from seglight.values import number, one_of, whole

PRECISIONS = (
    "auto", "32-true", "32", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", "64", "transformer-engine",
    "transformer-engine-float16", "float8",
)  # fmt: skip
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")


def validate(cfg: DictConfig) -> None:
    """ValueError names the first key whose value cannot be, with what is accepted."""
    if cfg.compile is not False:
        one_of("compile", cfg.compile, (True, False, *torch.compiler.list_backends(exclude_tags=())))
    validate_trainer(cfg.trainer)
    for group in ("optim", "schedule", "freeze", "loss"):
        build(cfg, group)
    if cfg.get("boundary_width") is not None:
        number("boundary_width", cfg.boundary_width, 0, 1)
    decay = OmegaConf.select(cfg, "average.decay")
    if decay is not None:
        number("average.decay", decay, 0, 1)


def validate_weights(cfg: DictConfig) -> None:
    """ValueError where `encoder.weights` names neither a source nor a file that is there."""
    weights = OmegaConf.select(cfg, "encoder.weights")
    if weights is not None and weights != "imagenet" and not Path(str(weights)).is_file():
        raise ValueError(f"encoder.weights={weights}: no such file; imagenet, null or the path of weights is needed")


def validate_trainer(trainer: DictConfig) -> None:
    """The keys of `trainer` that people change; Lightning checks the others."""
    for key, least in (("max_epochs", -1), ("max_steps", -1), ("accumulate_grad_batches", 1), ("num_nodes", 1)):
        whole(f"trainer.{key}", trainer[key], least)
    for key in ("log_every_n_steps", "check_val_every_n_epoch", "early_stopping"):
        if trainer.get(key) is not None:
            whole(f"trainer.{key}", trainer[key], 1)
    for key in ("max_epochs", "max_steps"):
        if trainer[key] == 0:
            raise ValueError(f"trainer.{key}=0: nothing would be trained; a number from 1 is needed (-1: no limit)")
    if trainer.max_epochs == -1 and trainer.max_steps == -1 and trainer.get("max_time") is None:
        raise ValueError("trainer.max_epochs=-1: the run would never end; set trainer.max_steps or trainer.max_time")
    if trainer.get("max_time") is not None:
        duration(trainer.max_time)
    for key in ("limit_train_batches", "limit_val_batches"):
        limit = trainer.get(key)
        if isinstance(limit, float):
            number(f"trainer.{key}", limit, 0, 1, above=True)
        elif limit is not None:
            whole(
                f"trainer.{key}", limit, int(key == "limit_train_batches"), "batches", " (or a share of them up to 1.0)"
            )
    if trainer.gradient_clip_val is not None:
        number("trainer.gradient_clip_val", trainer.gradient_clip_val, above=True)
    one_of("trainer.precision", str(trainer.precision), PRECISIONS)
    one_of("trainer.accelerator", trainer.accelerator, ACCELERATORS)
    if trainer.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(f"trainer.accelerator={trainer.accelerator}: torch sees no GPU here; cpu or auto trains")
    if trainer.precision == "float8":
        refuse_elsewhere(trainer)
    local_ranks(trainer)
