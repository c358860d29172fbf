"""Which class is the background: the one of that name, however it is written (`Background`, `_background_`)."""

from __future__ import annotations

from collections.abc import Sequence

BACKGROUND = "background"


def is_background(name: str) -> bool:
    return name.strip("_ ").lower() == BACKGROUND


def background_of(classes: Sequence[str]) -> int | None:
    """The index of the class that is the background, None where there is none; of several the first."""
    return next((index for index, name in enumerate(classes) if is_background(name)), None)
