"""What another person's run directory may have built: what seglight's own configs name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from seglight.config import conf_dir


def check_targets(cfg: DictConfig, path: Path) -> None:
    """ValueError where a run's config names a target that seglight's configs do not, or reads its reader's environment.

    Hydra imports and calls every `_target_`, and resolves `${oc.env:NAME}`; a run's own config is stored resolved.
    """
    advice = "only for a run whose maker you trust: trust=true, in Python load_run(..., trust=True)"
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False)):
        if key.rsplit(".", 1)[-1] == "_target_" and value not in known_targets():
            raise ValueError(f"{path}: {key}={value} does not appear in seglight's configs; {advice}")
        if isinstance(value, str) and "${" in value:
            raise ValueError(f"{path}: {key}={value} would be filled in from this machine; {advice}")


@cache
def known_targets() -> frozenset[str]:
    """Every `_target_` in seglight's configs, but those of Hydra's own group."""
    files = (p for p in conf_dir().rglob("*.yaml") if p.relative_to(conf_dir()).parts[0] != "hydra")
    found = (leaf for file in files for leaf in leaves(yaml.safe_load(file.read_text())))
    return frozenset(value for key, value in found if key.rsplit(".", 1)[-1] == "_target_" and value != "???")


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every (dotted key, value) of nested containers; a `_target_` that is a container itself counts as a value."""
    if key.rsplit(".", 1)[-1] == "_target_" and isinstance(node, dict | list):
        yield key, str(node)
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from leaves(value, f"{key}[{number}]")
    else:
        yield key, node
