"""Overlays of a fixed set of evaluated images in the run directory, so that runs compare picture by picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from seglight.runs import Run

GAP = 4  # pixels between the panels


class Predictions(L.Callback):
    """After each evaluation that is the best so far: image, ground truth and prediction side by side, `count` PNGs."""

    def __init__(self, run: Run, count: int) -> None:
        self.run = run
        self.count = count
        self.panels: dict[str, Image.Image] = {}
        self.best = -1.0

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        colours = getattr(trainer.datamodule, "palette", None) or default_palette(pl_module.metrics.num_classes)
        palette = np.asarray(colours)
        for image, mask, pred, name in zip(batch["image"], batch["mask"], outputs, batch["name"], strict=True):
            if len(self.panels) >= self.count:
                return
            picture = image.permute(1, 2, 0).to("cpu").numpy()
            panels = [picture, *(overlay(picture, m.cpu().numpy(), palette) for m in (mask, pred))]
            self.panels[name] = side_by_side(panels, ("image", "ground truth", "prediction"))

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        panels, self.panels = self.panels, {}
        if trainer.sanity_checking or not trainer.is_global_zero or pl_module.scores["val/miou"] < self.best:
            return
        self.best = pl_module.scores["val/miou"]
        folder = self.run.path / "predictions"
        folder.mkdir(exist_ok=True)
        for name, panel in panels.items():
            panel.save(folder / f"{Path(name).name}.png")


def overlay(
    image: NDArray[np.uint8], mask: NDArray[Any], palette: NDArray[Any], alpha: float = 0.55
) -> NDArray[np.uint8]:
    """The mask's colours over a uint8 image [H, W, 3]; ignored pixels (255) stay as they are."""
    colours = np.zeros((256, 3), np.float32)
    colours[: len(palette)] = palette
    blended = image * (1 - alpha) + colours[mask] * alpha
    blended[mask == 255] = image[mask == 255]
    pixels: NDArray[np.uint8] = blended.round().astype(np.uint8)
    return pixels


def default_palette(num_classes: int) -> list[tuple[int, int, int]]:
    """VOC's colour map: bit-interleaved, distinct for 256 classes."""

    def colour(label: int) -> tuple[int, int, int]:
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
        return rgb[0], rgb[1], rgb[2]

    return [colour(label) for label in range(num_classes)]


def side_by_side(panels: list[NDArray[np.uint8]], titles: tuple[str, ...]) -> Image.Image:
    """One picture of equally large panels, each under its title."""
    height, width = panels[0].shape[:2]
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + 14), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        sheet.paste(Image.fromarray(panel), (i * (width + GAP), 14))
        draw.text((i * (width + GAP) + 2, 1), title, fill="black")
    return sheet
