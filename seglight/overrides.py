"""A command line's overrides, read with Hydra's own parser. What its grammar refuses is a plain string."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

# Keys whose value is a path: `resume=2024` and `data.root=[x]` name folders, `run=~/x` one in the home folder.
PATHS = frozenset({
    "run", "resume", "resume_sweep", "init_from", "out", "picture", "grid", "root", "chunks", "encoder.weights",
    "data.root", "data.cache_dir", "data.class_table", "hydra.run.dir", "hydra.sweep.dir",
})  # fmt: skip


def readable(argument: str, sweeps: bool = False) -> str:
    """The override as Hydra takes it: `key=value`, with the value quoted where Hydra would refuse or misread it.

    sweeps: `key=a,b` are two values. ValueError where it is no `key=value`.
    """
    if not isinstance(argument, str):
        raise TypeError(f"{argument!r}: each override is a string of its own, 'key=value'")
    key, found, text = argument.partition("=")
    name = key.lstrip("+~")
    if not found and argument.startswith("~"):
        return argument
    if not found or not name or parsed(f"{key}=x") is None:
        raise ValueError(f"{argument}: expected key=value")
    override = parsed(argument)
    if override is not None and override.value() is None and not override.is_sweep_override():
        return argument  # null
    if name in PATHS:
        if not text.strip():
            raise ValueError(f"{argument} is empty: expected a path")
        if text.startswith("~") and not exists(text):
            text = str(Path(text).expanduser())
            argument, override = f"{key}={text}", parsed(f"{key}={text}")
    if override is not None and is_meant(override, name, text, sweeps):
        if override.is_sweep_override() and not sweeps:
            raise ValueError(
                f"{argument}: several values need -m; a list is {key}=[{text}], a text {key}={quoted(text)}"
            )
        return argument
    if override is None and sweeps and "," in text and not exists(text) and not name.startswith("hydra."):
        parts = [part.strip() for part in text.split(",")]
        if all(parts):
            return f"{key}=" + ",".join(part if parsed(f"{key}={part}") else quoted(part) for part in parts)
    return f"{key}={quoted(text)}"


def is_meant(override: Override, name: str, text: str, sweeps: bool) -> bool:
    """Whether Hydra's reading of a value is what the user means, and not a path that looks like a list or a number."""
    path = name in PATHS
    if override.is_sweep_override():
        if exists(text) or (path and name.startswith("hydra.")):
            return False
        return sweeps or not (path or "/" in text)
    value: Any = override.value()
    if name == "run" and isinstance(value, list) and not exists(text):
        return True  # several runs
    if isinstance(value, list | dict):
        table = name == "data.class_table" and isinstance(value, dict)  # a file, or the table itself
        return (table or not path) and not exists(text)
    if path:
        return value == text or (isinstance(value, str) and not exists(text) and any(mark in text for mark in "'\"\\"))
    return True


def parsed(argument: str) -> Override | None:
    """Hydra's reading of an override; None where its grammar refuses it."""
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def quoted(text: str) -> str:
    """The text as a quoted string of Hydra's grammar."""
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def exists(text: str) -> bool:
    """Whether a file or folder has this name."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # longer than a name may be
        return False


def key_of(override: str) -> str:
    """The key that an override is of, without `+` or `~`."""
    found = parsed(override)
    return override.partition("=")[0].strip().lstrip("+~") if found is None else str(found.key_or_group)


def is_hydras(override: str) -> bool:
    """Whether an override is of Hydra's own settings, some of which name code to import (`hydra.searchpath`)."""
    key = override.partition("=")[0].strip().lstrip("+~ ")
    return any(re.split("[./]", part)[0] == "hydra" for part in re.split("[@:]", key))  # group@package


def is_trusted(overrides: Sequence[str]) -> bool:
    """What the last override of `trust` says. ValueError where it is not true or false."""
    value = value_of(overrides, "trust")
    if value not in (None, "True", "False"):
        raise ValueError(f"trust={value}: expected true or false")
    return value == "True"


def value_of(overrides: Sequence[str], key: str) -> str | None:
    """What the last override of `key` gives it, as a string; None where there is none, or null."""
    value = given(overrides, key)
    return None if value is None else str(value)


def given(overrides: Sequence[str], key: str) -> Any:
    """The same as Hydra reads it: a list stays one."""
    found = [override for override in map(parsed, overrides) if override and override.key_or_group == key]
    return found[-1].value() if found else None


def paths_of(value: Any) -> list[str]:
    """One path or several, from `run=A` or `run=[A,B]`, where Hydra's grammar does not take A for a string too."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]") and not exists(value):
        value = [part.strip() for part in value[1:-1].split(",")]
    paths = [value] if isinstance(value, str) else [str(one) for one in value]
    return [path if exists(path) else str(Path(path).expanduser()) for path in paths]
