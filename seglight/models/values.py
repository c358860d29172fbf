"""Checks of a network's settings, where they are declared: ValueError says key=value and what is needed."""

from __future__ import annotations

import math
from typing import Any


def whole(key: str, value: Any, least: int = 1) -> None:
    """`value` must be a whole number from `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{key}={value}: a whole number from {least} is needed")


def number(key: str, value: Any, least: float = 0, most: float = math.inf) -> None:
    """`value` must be a finite number from `least` to `most`."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not least <= value <= most:
        high = f" and at most {most:g}" if most < math.inf else ""
        raise ValueError(f"{key}={value}: a number from {least:g}{high} is needed")


def one_of(key: str, value: Any, *known: str) -> None:
    """`value` must be one of `known`."""
    if value not in known:
        raise ValueError(f"{key}={value}: one of {', '.join(known)} is needed")
