"""What `resume=RUN key=value` changes in a stored config: the key, and every value that was derived from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seglight.config import compose, conf_dir, resolve

NETWORK = ("model_name", "encoder", "decoder", "skips", "aux", "net", "data.num_classes", "init_from", "init_source")


def change(cfg: DictConfig, typed: Sequence[str], overrides: Sequence[str], where: str) -> None:
    """Applies `overrides` to the resolved config of a run that was started with `typed`, in place.

    A resolved config no longer knows that augment's crop is data.crop_size: the difference between what the command
    line composes without and with the overrides does. ValueError for a group, a key of the network, an unknown key.
    """
    if not overrides:
        return
    keys = set()
    for override in overrides:
        key, found, _ = override.lstrip("+").partition("=")
        if not found or override.startswith("~"):
            raise ValueError(f"{where} {override}: key=value is expected")
        if any(key == part or key.startswith(f"{part}.") for part in NETWORK):
            raise ValueError(f"{where} {override}: a resumed run keeps its network; init_from= starts another with it")
        if (conf_dir() / key).is_dir() or OmegaConf.is_dict(OmegaConf.select(cfg, key)) or "@" in key:
            raise ValueError(f"{where} {override}: a resumed run keeps its {key}; only keys in it change")
        if key in ("seed", "data.seed"):
            raise ValueError(f"{where} {override}: a resumed run keeps its seed, which its order of images comes from")
        keys.add(key)
    try:
        before, after = (resolve(compose(*typed, *new)) for new in ((), overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(f"{where} {' '.join(overrides)}: {str(error).strip().splitlines()[0]}") from error
    old = dict(values(OmegaConf.to_container(before)))
    for key, value in values(OmegaConf.to_container(after)):
        if key in keys or key not in old or old[key] != value:
            OmegaConf.update(cfg, key, value, force_add=True)


def values(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every (key, value) of nested dictionaries; lists are entered where they hold dictionaries."""
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from values(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for number, item in enumerate(node):
            yield from values(item, f"{key}[{number}]")
    else:
        yield key, node
