"""A run's network on a device: batches of images in, predictions out."""

# Shapes: B batch, K classes, H W pixels

from __future__ import annotations

import torch
from torch import Tensor

from seglight.colours import Colour
from seglight.deploy.prediction import Prediction
from seglight.inference import Inference
from seglight.runs.run import Run


class Network:
    """`network(images [B, 3, H, W])`: a Prediction an image; its probabilities only where they are wanted."""

    def __init__(
        self, run: Run, device: str = "auto", probabilities: bool = False, inference: Inference | None = None
    ) -> None:
        self.run, self.probabilities, self.inference = run, probabilities, inference
        self.device = chosen(device)
        run.net.to(self.device)

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return self.run.classes

    @property
    def palette(self) -> list[Colour]:
        """The colour of each class."""
        return self.run.palette

    def __call__(self, images: Tensor) -> list[Prediction]:
        return self.run.predict_batch(images.to(self.device), self.probabilities, self.inference)


def chosen(device: str) -> torch.device:
    """The device of `device=`; ValueError where this machine has no such one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={device}: this machine has no such device ({reason}); auto or cpu") from None
