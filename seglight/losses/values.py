"""Checks of a loss's numbers, where they are declared: ValueError says key=value and what is needed."""

from __future__ import annotations

import math
from typing import Any


def number(key: str, value: Any, least: float = 0, most: float = math.inf, above: bool = False) -> None:
    """`value` must be a finite number from `least` (`above`: greater than it) to `most`."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not least <= value <= most or (above and value == least):
        span = f"{'above' if above else 'from'} {least:g}" + (f" and at most {most:g}" if most < math.inf else "")
        raise ValueError(f"{key}={value}: a number {span} is needed")
