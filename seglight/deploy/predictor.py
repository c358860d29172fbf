"""`seglight.Predictor("model.onnx").predict(image)`: an exported network with numpy, Pillow and ONNX Runtime alone."""

# Shapes: C bands, K classes, H W pixels

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.deploy.about import About
from seglight.deploy.images import Pixels, pixels_of
from seglight.deploy.prediction import Prediction
from seglight.deploy.runtimes import open_runtime
from seglight.values import whole


class Predictor:
    """Reads a file that `python -m seglight.export` has written: .onnx, .xml (OpenVINO) or .pt (TorchScript).

    tile: larger images are cut into windows of so many pixels a side, which overlap by `overlap` pixels (a quarter
    where not given); each pixel is taken from the window in whose inside it lies. None: every image as a whole. Where
    tile - overlap is a multiple of the network's stride, windows give what the whole image does, but near their edges.
    threads: of the runtime, 0 for its own choice. ValueError where the file is no export of seglight's.
    """

    def __init__(self, path: str | Path, tile: int | None = None, overlap: int | None = None, threads: int = 0) -> None:
        if tile is not None:
            whole("tile", tile)
        if overlap is not None:
            whole("overlap", overlap, 0)
        whole("threads", threads, 0)
        self.path = Path(path)
        self.runtime = open_runtime(path, threads)
        self.about = About.read(self.runtime.text, self.path)
        wanted = (tile or 0) // 4 if overlap is None else overlap
        self.tile, self.overlap = tile, 0 if tile is None else wanted
        if tile is not None and not 0 <= self.overlap < tile:
            raise ValueError(f"tile={tile}, overlap={self.overlap}: an overlap from 0 and below the tile is needed")

    @property
    def classes(self) -> list[str]:
        """Their names."""
        return self.about.classes

    @property
    def palette(self) -> list[tuple[int, int, int]]:
        """Their colours."""
        return self.about.palette

    def predict(self, image: Any, probabilities: bool = True) -> Prediction:
        """The classes of an image: a path, Pillow's image, or an array [H, W, C] or [C, H, W].

        Pixels without data are 255 in the mask (docs/own_images.md).

        probabilities: keep them too, K numbers a pixel; a file that gives classes alone (output=classes) has none.
        """
        probabilities = probabilities and self.about.output == "logits"
        pixels, invalid = pixels_of(image, self.about.bands, self.about.value_range, self.about.nodata)
        height, width = pixels.shape[:2]
        mask = np.empty((height, width), np.uint8)
        kept = np.empty((len(self.classes), height, width), np.float32) if probabilities else None
        for window, inside, target in windows(height, width, self.tile or max(height, width), self.overlap):
            values = self.run(pixels[window])[(..., *inside)]
            mask[target] = values if self.about.output == "classes" else values.argmax(0)
            if kept is not None:
                kept[(slice(None), *target)] = softmax(values)
        return Prediction(mask, shown(pixels), self.classes, self.palette, kept).without(invalid)

    def run(self, pixels: Pixels) -> NDArray[Any]:
        """What the file gives for one image [H, W, C]: logits [K, H, W] or classes [H, W]."""
        return self.runtime(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None])[0]  # type: ignore[no-any-return]


Window = tuple[slice, slice]


def windows(height: int, width: int, tile: int, overlap: int) -> Iterator[tuple[Window, Window, Window]]:
    """Windows that cover an image: where each lies, the inside of it that is kept, and where that goes."""
    for rows, kept_rows, to_rows in spans(height, tile, overlap):
        for columns, kept_columns, to_columns in spans(width, tile, overlap):
            yield (rows, columns), (kept_rows, kept_columns), (to_rows, to_columns)


def spans(size: int, tile: int, overlap: int) -> Iterator[tuple[slice, slice, slice]]:
    """The same along one side: windows begin at multiples of tile - overlap, the last one ends where the image does."""
    starts = range(0, max(size - overlap, 1), tile - overlap)
    for number, start in enumerate(starts):
        stop = min(start + tile, size)
        first = (starts[number - 1] + tile + start) // 2 if number else 0  # halfway into the overlap
        last = (stop + starts[number + 1]) // 2 if number + 1 < len(starts) else size
        yield slice(start, stop), slice(first - start, last - start), slice(first, last)


def shown(pixels: Pixels) -> NDArray[np.uint8]:
    """RGB uint8 [H, W, 3]: the first three bands, or the first one in grey."""
    bands = [0, 1, 2] if pixels.shape[2] >= 3 else [0, 0, 0]
    return np.ascontiguousarray(pixels[..., bands].round().astype(np.uint8))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [K, H, W] of logits."""
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)  # type: ignore[no-any-return]
