"""composed.yaml: a run's config in which a value that is made from other keys still says so (`${data.crop_size}`)."""

from __future__ import annotations

import re

from omegaconf import DictConfig, OmegaConf

from seglight.runs.trust import leaves

REFERENCE = re.compile(r"\$\{(oc\.select:)?[\w.\-\[\], ]*\}")  # of another key; any other reads the machine


def portable(cfg: DictConfig, resolved: DictConfig) -> DictConfig:
    """A copy of `cfg` that refers to its own keys alone; what the machine says is filled in from `resolved`."""
    copy = cfg.copy()
    OmegaConf.set_struct(copy, None)  # type: ignore[arg-type]
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False)):
        if isinstance(value, str) and "${" in value and not is_reference(value):
            OmegaConf.update(copy, key, OmegaConf.select(resolved, key))
    return copy


def is_reference(text: str) -> bool:
    """Whether every `${...}` in it is the name of a key, or `oc.select` with one."""
    while (shorter := REFERENCE.sub("x", text)) != text:
        text = shorter
    return "${" not in text


def check_references(cfg: DictConfig, where: object) -> None:
    """ValueError where a config from elsewhere would be filled in from the reader's machine."""
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False)):
        if isinstance(value, str) and not is_reference(value):
            raise ValueError(f"{where}: {key}={value} would be filled in from this machine, not from the run")
