"""SIGTERM and Ctrl-C end a process with the exit code that a shell expects of it, 128 plus the signal's number."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """The process was asked to end."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


@contextmanager
def stops_at_once() -> Iterator[None]:
    """SIGTERM and Ctrl-C raise `Stopped` wherever the program is; while a run trains, `StopAfterStep` takes over.

    A launcher's own answer to a signal stays.
    """
    own = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number in SIGNALS if own[number] in (signal.SIG_DFL, signal.default_int_handler)]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, own[number])


def stop(number: int, frame: Any) -> None:
    """The signal handler."""
    raise Stopped(number)
