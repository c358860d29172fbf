"""What decides a frozen encoder's maps of a split's images, as one hash: jobs of a sweep share what has the same."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from seglight.adapters.base import fingerprint as hash_of_tensors
from seglight.callbacks.summary import PACKAGES, device_name, git_commit
from seglight.data.datamodule import SegmentationData
from seglight.data.fingerprint import fingerprint as hash_of_files

# What may differ: how images are drawn and put together, and what an augmentation is made of, which has its own place.
NOT_IMAGES = (
    "augment", "crop_size", "scale", "rare_classes", "batch_size", "eval_batch_size", "num_workers", "seed",
    "draw_with_replacement", "allow_single_class", "cache", "cache_dir",
)  # fmt: skip


def feature_key(cfg: DictConfig, data: SegmentationData, task: Any, trainer: Any, train: bool) -> str:
    """Of the training split's augmented images, or of the evaluated ones."""
    net = task.net
    tensors = {name: x for name, x in net.encoder.state_dict().items() if not name.startswith("pyramid.")}
    decided = {
        "weights": hash_of_tensors(tensors),
        "encoder": plain(cfg.net.encoder),
        "extended to": [net.decoder.min_size, net.decoder.multiple],
        "files": hash_of_files(data.listed(data.train_split if train else data.split)),
        "data": {key: value for key, value in plain(cfg.data).items() if key not in NOT_IMAGES},
        "augment": plain(cfg.data).get("augment") if train else None,
        "computed": [
            str(trainer.precision), str(cfg.trainer.precision), cfg.trainer.deterministic, cfg.trainer.benchmark,
            str(task.memory_format), device_name(task.device), torch.get_num_threads(),
        ],
        "versions": [git_commit(), *(version(name) for name in (*PACKAGES, "timm"))],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(decided, sort_keys=True, default=str).encode()).hexdigest()[:16]


def plain(cfg: Any) -> Any:
    return OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else cfg
