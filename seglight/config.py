"""Where the configs are, composing them in Python as the command line does, and what they build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seglight import mistakes
from seglight.extras import lacking, needs
from seglight.overrides import readable

if TYPE_CHECKING:
    from torch import nn

AXES = ("model", "encoder", "decoder", "skips", "freeze", "data", "augment", "loss", "optim", "schedule")


def conf_dir() -> Path:
    """The folder of configs: inside an installed package, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / "conf" if (here / "conf").is_dir() else here.parent / "conf"


def compose(*overrides: str, config_name: str = "train") -> DictConfig:
    """The config that `python -m seglight.<config_name> OVERRIDES` composes; each override is an argument of its own.

    ValueError for an unknown option or key says what exists; TypeError for a list of overrides.
    """
    typed = [readable(override) for override in overrides]
    mistakes.refuse_groups(typed, conf_dir())
    try:
        with beside_hydras_own(), initialize_config_dir(str(conf_dir()), version_base="1.3"):
            cfg = hydra_compose(config_name, typed, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        several = next((text for text in overrides if re.search(r"=\S+ +[\w./+~@]+=", text)), None)
        hint = f"{several}: each override is an argument of its own; " if several else ""
        raise ValueError(hint + mistakes.composition(error, conf_dir())) from error
    with open_dict(cfg):
        choices = cfg.pop("hydra").runtime.choices
    record_choices(cfg, choices)
    check_kinds(cfg, config_name)
    return cfg


@contextmanager
def beside_hydras_own() -> Iterator[None]:
    """Hydra composes once a process; inside a command, which it composed, its state is put aside and back."""
    commands = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = commands


def record_choices(cfg: DictConfig, choices: Any) -> DictConfig:
    """Writes the option chosen on each axis into `cfg.axes`, so that a run can say what it was."""
    with open_dict(cfg):
        cfg.axes = {axis: choices[axis] for axis in (*AXES, "aux", "average", "inference", "tta") if axis in choices}
    return cfg


def check_kinds(cfg: DictConfig, config_name: str = "train") -> None:
    """ValueError where a key at the root of `conf/<config_name>.yaml` has another kind of value than its default."""
    defaults: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / f"{config_name}.yaml"), resolve=False)
    given: Any = OmegaConf.to_container(cfg, resolve=False)
    for key, default in defaults.items():
        if not isinstance(default, int):
            continue
        value = given.get(key, default)
        if isinstance(value, str) and "${" in value:
            value = OmegaConf.select(cfg, key)
        if isinstance(default, bool):
            if not isinstance(value, bool) and key != "compile":  # which may be a backend's name
                raise ValueError(f"{key}={value}: expected true or false")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{key}={value}: expected a whole number, 0 or more")


def resolve(cfg: DictConfig) -> DictConfig:
    """A copy without interpolations: what a run directory keeps. ValueError names every key without a value."""
    if text := mistakes.missing(cfg):
        raise ValueError(text)
    plain = OmegaConf.to_container(cfg, resolve=True)
    return OmegaConf.create(plain)  # type: ignore[return-value,arg-type]


def build_model(cfg: DictConfig) -> nn.Module:
    """The network that `cfg.net` describes: images [B, 3, H, W] uint8 RGB -> logits [B, K, H, W].

    With `freeze=lora` or `adapter` its encoder has adapters.
    """
    if not isinstance(cfg, DictConfig) or "net" not in cfg:
        raise TypeError('build_model takes a config from seglight.compose(...), such as compose("model=fcn8s")')
    net: nn.Module = build(cfg, "net")
    return build(cfg, "freeze").prepare(net) if cfg.get("freeze") else net  # type: ignore[no-any-return]


def build(cfg: DictConfig, key: str, **kwargs: Any) -> Any:
    """Instantiates `cfg.<key>`; what its target refuses is raised as one line with the config key."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(OmegaConf.select(cfg, key), **kwargs)
    except InstantiationException as error:
        if package := lacking(error):
            raise ModuleNotFoundError(needs(option_of(cfg, str(error)), package)) from None
        raise mistakes.instantiation(error, cfg, key) from None


def option_of(cfg: DictConfig, text: str) -> str:
    """The option that Hydra's error is about, from the key that it names: `net.encoder` is `encoder=timm`."""
    key = text.rpartition("full_key: ")[2].strip()
    axes = cfg.get("axes") or {}
    return next((f"{part}={axes[part]}" for part in key.split(".") if part in axes), key)


__all__ = ["AXES", "build", "build_model", "check_kinds", "compose", "conf_dir", "record_choices", "resolve"]
