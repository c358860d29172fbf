"""A progress bar for work on many files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yields what is to be called after each file; silent in all ranks but the first."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) != "0") as bars:
        bar = bars.add_task(title, total=total)
        yield lambda: bars.advance(bar)
