"""The Weights & Biases logger: one run a job, offline unless logged in."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import WandbLogger


def logger(save_dir: str, project: str, mode: str = "auto", **settings: Any) -> WandbLogger:
    """A logger that writes into `save_dir`; mode auto is online where an API key is known, else offline."""
    import wandb

    if mode == "auto":
        mode = "online" if wandb.api.api_key else "offline"
    return WandbLogger(save_dir=save_dir, project=project, mode=mode, **settings)
