"""Which errors are the user's to mend, and each one as one message."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue, OmegaConfBaseException

from seglight import mistakes
from seglight.config import conf_dir
from seglight.extras import lacking, needs

# What a wrong option, path, file or value raises. Anything else is a defect and keeps its traceback.
USER_ERRORS = (
    ValueError, OSError, ModuleNotFoundError, FloatingPointError, OmegaConfBaseException, HydraException,
    yaml.YAMLError,
)  # fmt: skip


def message(error: BaseException, cfg: DictConfig | None = None) -> str:
    """An error's text; the type too where the text alone would not say what happened."""
    if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
        return (mistakes.missing(cfg) if cfg is not None else None) or f"{error.full_key}=... is needed"
    if isinstance(error, HydraException):
        return mistakes.composition(error, conf_dir()).removeprefix("error: ")
    if isinstance(error, OmegaConfBaseException):
        return (
            f"{error.full_key}: {mistakes.first_line(str(error))}"
            if error.full_key
            else mistakes.first_line(str(error))
        )
    if isinstance(error, yaml.YAMLError):
        return f"a config cannot be read: {mistakes.flat(error)}"
    if isinstance(error, ModuleNotFoundError) and error.name and (package := lacking(error)):
        return needs("this command", package)
    text = str(error).strip()
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    plain = isinstance(error, ValueError | ModuleNotFoundError | FloatingPointError) or (
        isinstance(error, OSError) and error.errno is None
    )
    return text if text and plain else f"{type(error).__name__}: {text}"


@contextmanager
def one_message(cfg: DictConfig | None = None) -> Iterator[None]:
    """What the user can mend ends the program with one message, in train.log too where there is one."""
    try:
        yield
    except USER_ERRORS as error:
        text = f"error: {message(error, cfg)}"
        to_log_file(text)
        sys.exit(text)  # not through Hydra, which would print the overrides too


def to_log_file(text: str) -> None:
    """Into train.log, where there is one; the terminal gets it as the command exits."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(logging.makeLogRecord({"levelname": "ERROR", "levelno": logging.ERROR, "msg": text}))
