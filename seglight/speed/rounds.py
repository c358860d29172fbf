"""Starts a process for every variant and measures them in turn, so that a drift of the machine hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np

from seglight.speed.worker import Failed, Job, work


@dataclass
class Measured:
    """A variant at a size. begin: seconds of the first call; turns: of the timed ones; peak: bytes.

    reason: why there are no numbers.
    """

    variant: str
    device: str
    height: int
    width: int
    batch: int
    reason: str | None
    begin: float = 0.0
    turns: list[float] = field(default_factory=list)
    peak: int | None = None

    def ms(self, percent: float) -> float:
        """Milliseconds of a call that so many percent of the calls do not exceed."""
        return 1000 * float(np.percentile(self.turns, percent))

    def row(self) -> dict[str, Any]:
        """As the files have it; images a second at the median."""
        numbers = {
            "p50_ms": round(self.ms(50), 3),
            "p95_ms": round(self.ms(95), 3),
            "images_per_second": round(1000 * self.batch / self.ms(50), 3),
            "peak_memory_mb": None if self.peak is None else round(self.peak / 1e6, 1),
            "first_call_ms": round(1000 * self.begin, 3),
        } if self.reason is None else {"reason": self.reason}  # fmt: skip
        place = {"variant": self.variant, "device": self.device, "height": self.height, "width": self.width}
        return {**place, "batch_size": self.batch, **numbers}


class Process:
    """A variant's process, asked one thing at a time."""

    def __init__(self, job: Job) -> None:
        context = get_context("spawn")
        self.job = job
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def answer(self) -> Any:
        """What the process says next: what it was asked for, or that this failed."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            why = "killed; most likely the memory was full" if code == -9 else f"exit code {code}"
            return Failed(f"its process ended ({why})")

    def ask(self, measured: Measured, name: str, *arguments: Any) -> None:
        """Keeps the answer, or why there is none; asks nothing more once something has failed."""
        if measured.reason is not None:
            return
        with suppress(OSError):  # it has ended, which its answer says
            self.connection.send((name, arguments))
        answer = self.answer()
        if isinstance(answer, Failed):
            measured.reason = answer.reason
        elif name == "turns":
            measured.turns += answer
        else:
            setattr(measured, name, answer)

    def close(self) -> None:
        """Ends the process."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def measure(
    jobs: Sequence[Job], sizes: Sequence[tuple[int, int]], batch: int, rounds: int, advance: Callable[[], None]
) -> list[Measured]:
    """Every variant at every size, images `batch` at a time. advance: called after each variant's turn."""
    found: list[Measured] = []
    processes: list[Process] = []
    try:
        for job in jobs:
            processes.append(Process(job))
        opened = [process.answer() for process in processes]
        for height, width in sizes:
            pairs = []
            for process, device in zip(processes, opened, strict=True):
                place, reason = ("", device.reason) if isinstance(device, Failed) else (device, None)
                pairs.append((process, Measured(process.job.variant, place, height, width, batch, reason)))
            for process, measured in pairs:
                process.ask(measured, "begin", batch, height, width)
            for number in range(rounds):
                start = number % len(pairs)  # another variant is the first one each time
                for process, measured in pairs[start:] + pairs[:start]:
                    process.ask(measured, "turns")
                    advance()
            for process, measured in pairs:
                process.ask(measured, "peak")
                found.append(measured)
    finally:
        for process in processes:
            process.close()
    return found
