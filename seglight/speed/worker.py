"""The process of one variant: it opens the network once, then answers what it is asked until nobody asks any more."""

# Shapes: B batch, C bands, H W pixels

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.peak_memory import peak_memory, reset_peak_memory

TIMED = 2  # calls of a turn, after one that brings the network back into the caches


@dataclass(frozen=True)
class Job:
    """What a process measures: an exported `file`, or the run's network in PyTorch as the words of `variant` say.

    deep: images are float32, not uint8. device: `cpu` or `cuda`; an exported file takes what its runtime has there.
    """

    variant: str
    run: str
    device: str
    bands: int = 3
    deep: bool = False
    file: str | None = None
    threads: int | None = None
    checkpoint: str = "best"
    trust: bool = False


@dataclass(frozen=True)
class Failed:
    """An answer: why there is none."""

    reason: str


class Exported:
    """An exported file in its runtime; torch is not imported for it."""

    def __init__(self, job: Job) -> None:
        from seglight.deploy.runtimes import open_runtime

        self.runtime = open_runtime(str(job.file), job.threads or 0)
        self.device = self.runtime.device

    def given(self, images: NDArray[Any]) -> Any:
        """The images as the network takes them."""
        return images

    def __call__(self, images: Any) -> None:
        self.runtime(images)


class PyTorch:
    """A run's network: images in memory in, classes in memory out."""

    def __init__(self, job: Job) -> None:
        import torch

        from seglight.deploy.tracing import Answering
        from seglight.runs.run import load_run

        self.torch, words = torch, job.variant.split("+")
        if job.threads:
            torch.set_num_threads(job.threads)
        self.device = job.device
        net = Answering(load_run(job.run, job.checkpoint, job.trust).net, "classes").to(job.device)
        self.format = torch.channels_last if "channels_last" in words else torch.contiguous_format
        self.net = net.to(memory_format=self.format)  # type: ignore[call-overload]
        if "compiled" in words:
            self.net.compile(dynamic=False)
        kind = torch.device(job.device).type
        self.precision = torch.autocast(kind, torch.bfloat16, enabled="bf16" in words)

    def given(self, images: NDArray[Any]) -> Any:
        """The images as the network takes them."""
        return self.torch.from_numpy(images).contiguous(memory_format=self.format)

    def __call__(self, images: Any) -> None:
        with self.torch.inference_mode(), self.precision:
            self.net(images.to(self.device)).cpu()


class Bench:
    """What a process is asked for, each a method. Times are seconds."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.network = Exported(job) if job.file else PyTorch(job)
        self.images: Any = None

    def device(self) -> str:
        """Where the network is."""
        return self.network.device

    def begin(self, batch: int, height: int, width: int) -> float:
        """Draws images of a size and makes the first call: what compiles or plans does so now."""
        shape = (batch, self.job.bands, height, width)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self.images = self.network.given(images.astype(np.float32) if self.job.deep else images)
        seconds = self.once()
        reset_peak_memory()
        return seconds

    def turns(self) -> list[float]:
        """One call, then those that are timed."""
        self.once()
        return [self.once() for _ in range(TIMED)]

    def once(self) -> float:
        start = time.perf_counter()
        self.network(self.images)
        return time.perf_counter() - start

    def peak(self) -> int | None:
        """Bytes at the peak of the turns: of the GPU for PyTorch there, of the process on a CPU, else not known."""
        if self.network.device == "cpu":
            return peak_memory()
        return peak_memory(on_gpu=True) if isinstance(self.network, PyTorch) else None


def work(job: Job, connection: Any) -> None:
    """Opens the network, says so, and answers until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, whose end ends this
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no more processes
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns of a machine without a GPU
    if job.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # which ONNX Runtime would take
    bench: Any = None

    def answer(name: str, arguments: tuple[Any, ...]) -> Any:
        nonlocal bench
        try:
            bench = bench or Bench(job)
            return getattr(bench, name)(*arguments)
        except Exception as error:
            return Failed(reason(error))

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(answer("device", ()))
        while True:
            connection.send(answer(*connection.recv()))


def reason(error: BaseException) -> str:
    """An error in one line."""
    from seglight.deploy.runtimes import one_line
    from seglight.errors import message

    kinds, cause = set(), error
    while cause is not None:
        kinds.add(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if "InvalidCxxCompiler" in kinds:
        return "torch.compile finds no C++ compiler; g++ is one"
    return one_line(ValueError(message(error)))
