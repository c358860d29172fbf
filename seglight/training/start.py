"""What happens before a run or a sweep has a folder: its values are checked, and the folder is made its own."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, flag_override

from seglight.config import build, check_kinds, resolve
from seglight.errors import one_message
from seglight.overrides import quoted


class Start(Callback):
    """Hydra calls it as soon as the config is composed."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        HydraConfig.instance().set_config(config)  # which Hydra does a moment later
        with one_message(config):  # it exits; of an exception Hydra would only warn
            if not config.get("resume"):
                check(config)
            own_folder(config, "run")

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        with one_message(config):  # it exits; of an exception Hydra would only warn
            own_folder(config, "sweep")


def check(config: DictConfig) -> None:
    """ValueError for a value that cannot be, so that no folder of a failed run is left. Jobs of a sweep record it."""
    from seglight.training.validate import validate, validate_weights

    cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    cfg = resolve(cfg)
    check_kinds(cfg)
    validate(cfg)
    validate_weights(cfg)
    build(cfg, "data")


def own_folder(config: DictConfig, kind: str) -> None:
    """Makes the folder that is named by the time; one that another process has just made gets a number at its end."""
    text = OmegaConf.to_container(config.hydra[kind], resolve=False)["dir"]  # type: ignore[index,call-overload]
    if "${now:" not in text:
        return  # it was chosen
    wanted = str(config.hydra[kind].dir)
    for number in count():
        path = f"{wanted}-{number}" if number else wanted
        try:
            Path(path).mkdir(parents=True)
        except FileExistsError:
            continue
        break
    with flag_override(config.hydra, ["readonly", "struct"], [False, False]):
        config.hydra[kind].dir = path
        config.hydra.overrides.hydra.append(f"hydra.{kind}.dir={quoted(path)}")  # jobs are composed anew from these
