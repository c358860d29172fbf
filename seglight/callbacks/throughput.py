"""What an evaluation costs: seconds, images per second, memory."""

from __future__ import annotations

import time
from typing import Any

import lightning as L

from seglight.peak_memory import peak_memory, reset_peak_memory


class Throughput(L.Callback):
    """Measures from the first batch asked for to the last one scored, reading and decoding included."""

    def __init__(self) -> None:
        self.started = self.seconds = 0.0

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        reset_peak_memory()
        self.started = time.perf_counter()

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.seconds = time.perf_counter() - self.started

    def costs(self, trainer: L.Trainer, images: int) -> dict[str, float]:
        """Of so many images over all ranks; the memory is rank 0's."""
        return {
            "images": images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images / self.seconds, 3),
            "peak_memory_mb": round(peak_memory(trainer.strategy.root_device.type == "cuda") / 1e6, 1),
        }
