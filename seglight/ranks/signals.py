"""What happens on SIGTERM and Ctrl-C: a process ends with code 128 plus the signal's number.

While a run trains, `seglight.callbacks.stop_after_step` lets it finish its step and save first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SECONDS_TO_STOP = 25  # for a process to save and leave; then it is killed


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


def end_with_parent() -> None:
    """No orphans: this process is killed as soon as the one that asked for it is gone. A thread watches that.

    The process that it was forked from lives as long as the last one that it has forked.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def stop_in_time(seconds: float) -> None:
    """Told to stop, this process is gone after so many seconds, also where it waits for a rank that is dead.

    A thread sees to it: Python's own handlers wait for the call that waits.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(read, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
