"""How every `python -m seglight.<command>` starts: overrides read once, Hydra composes, errors are one message."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from seglight import mistakes
from seglight.config import check_kinds, conf_dir
from seglight.errors import one_message
from seglight.overrides import key_of, parsed, readable, value_of

SEVERAL = {"run": "run=[A,B] takes several", "runs": "runs=[A,B] takes several"}


class CommandLine:
    """What was typed: `overrides` as Hydra takes them and its own flags (`-m`, `-cn NAME`, `--cfg job`)."""

    def __init__(self, arguments: list[str]) -> None:
        parser = get_args_parser()
        parser.error = refuse  # type: ignore[method-assign,assignment]
        given = parser.parse_intermixed_args(arguments)
        self.sweeps: bool = given.multirun
        self.study: str | None = given.config_name
        self.flags = list(arguments)
        for override in given.overrides:
            self.flags.remove(override)
        may_sweep = self.sweeps or self.study is not None or "hydra.mode=MULTIRUN" in given.overrides
        self.overrides = [readable(override, may_sweep) for override in given.overrides]
        refuse_dropped(self.overrides)

    def value(self, key: str) -> str | None:
        """What was typed for a key; None where that is nothing, or null."""
        return value_of(self.overrides, key)


def refuse_dropped(overrides: list[str]) -> None:
    """ValueError where a key is given again that has several values or runs: Hydra would take the last ones alone."""
    seen: dict[str, str] = {}
    for text in overrides:
        key = key_of(text)
        first = seen.setdefault(key, text)
        if first is text:
            continue
        override = parsed(first)
        if key in SEVERAL or (override is not None and override.is_sweep_override()):
            raise ValueError(f"{first} and {text}: {key} is given twice; {SEVERAL.get(key, 'give all values at once')}")


def refuse(message: str) -> Any:
    """argparse's way out."""
    raise ValueError(f"{message}; expected key=value, and flags as --help lists them")


def run_command(
    config_name: str, function: Callable[[DictConfig], Any], prepare: Callable[[CommandLine], Any] | None = None
) -> None:
    """Composes `conf/<config_name>.yaml` with the command line's overrides and calls `function(cfg)`.

    prepare: looks at the command line, and may change it, before Hydra composes.
    """

    def command(cfg: DictConfig) -> Any:
        with one_message(cfg):
            check_kinds(cfg, config_name)
            return function(cfg)

    with one_message():
        line = CommandLine(sys.argv[1:])
        mistakes.refuse_groups(line.overrides, conf_dir())
        if prepare:
            prepare(line)
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors, instead of printing them and exiting
        sys.argv[1:] = [*line.overrides, *line.flags]  # where hydra.main reads them
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(command)()
    sys.stdout.flush()


def refuse_impossible(key: str, folder: Path) -> None:
    """ValueError where a folder to write to, the value of `key`, neither is there nor can be made."""
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path())
    if not there.is_dir():
        raise ValueError(f"{key}={folder}: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{key}={folder}: {there} cannot be written to")


def made(key: str, folder: Path) -> Path:
    """The folder, made where it is not there yet. ValueError names the key where it cannot be."""
    refuse_impossible(key, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{key}={folder} cannot be made: {error.strerror}") from None
    return folder
