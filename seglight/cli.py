"""How every `python -m seglight.<command>` starts: Hydra composes, the function runs, errors are one message."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from seglight.config import conf_dir
from seglight.extras import lacking, needs

# What a wrong option, path, file or value raises. Anything else is a defect and keeps its traceback.
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, FloatingPointError, OmegaConfBaseException)


def run_command(config_name: str, function: Callable[[DictConfig], Any]) -> None:
    """Composes `conf/<config_name>.yaml` with the command line's overrides and calls `function(cfg)`."""

    def command(cfg: DictConfig) -> Any:
        try:
            return function(cfg)
        except USER_ERRORS as error:
            to_log_file(f"error: {message(error)}")
            sys.exit(f"error: {message(error)}")  # not through Hydra, which would print the overrides too

    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=config_name)(command)()
    sys.stdout.flush()


def to_log_file(text: str) -> None:
    """Into train.log, where there is one; the terminal gets it as the command exits."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(logging.makeLogRecord({"levelname": "ERROR", "levelno": logging.ERROR, "msg": text}))


def message(error: BaseException) -> str:
    """An error's text; the type too where the text alone would not say what happened."""
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}=... is needed"
    if isinstance(error, ModuleNotFoundError) and error.name and (package := lacking(error)):
        return needs("this command", package)
    text = str(error).strip()
    plain = isinstance(error, ValueError | ModuleNotFoundError | FloatingPointError) or (
        isinstance(error, OSError) and error.errno is None
    )
    return text if text and plain else f"{type(error).__name__}: {text}"
