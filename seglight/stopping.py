"""SIGTERM and Ctrl-C end a process with the exit code that a shell expects of it, 128 plus the signal's number."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """The process was asked to end."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


@contextmanager
def handlers_put_back(numbers: Iterable[int]) -> Iterator[dict[int, Any]]:
    """Whatever becomes of these signals' handlers within, afterwards they are those of now, which it yields."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stops_at_once() -> Iterator[None]:
    """SIGTERM and Ctrl-C raise `Stopped` wherever the program is; while a run trains, `StopAfterStep` takes over.

    A launcher's own answer to a signal stays.
    """
    ours = [number for number in SIGNALS if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)]
    with handlers_put_back(ours):
        for number in ours:
            signal.signal(number, stop)
        yield


def stop(number: int, frame: Any) -> None:
    """The signal handler."""
    raise Stopped(number)
