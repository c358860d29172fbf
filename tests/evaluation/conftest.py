"""A command's config as its command line composes it, for evaluations in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seglight.cli import CommandLine
from seglight.config import compose
from seglight.evaluate import with_the_runs

Composed = Callable[..., Any]


@pytest.fixture
def composed() -> Composed:
    """`composed("run=DIR", ...)`: what `python -m seglight.evaluate` would be given."""

    def of(*arguments: str) -> Any:
        line = CommandLine(list(arguments))
        with_the_runs(line)
        return compose(*line.overrides, config_name="evaluate")

    return of
