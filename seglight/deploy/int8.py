"""int8 by ONNX Runtime's static quantisation: ranges of activations from calibration images."""

# Shapes: C bands, H W pixels

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Those that cost time and that ONNX Runtime has int8 kernels for. Transposed convolutions it has none for.
OPERATORS = ["Conv", "MatMul", "Gemm", "Add", "Concat", "MaxPool", "GlobalAveragePool", "Relu", "Clip"]


def quantise(source: Path, target: Path, images: Iterable[NDArray[Any]]) -> None:
    """Writes an int8 ONNX file of a float32 one. images: [C, H, W] as the network takes them.

    Weights have a scale for each output channel, activations one for each tensor, from the least to the greatest value
    that the images give.
    """
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.images = iter(images)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            image = next(self.images, None)
            return None if image is None else {"images": np.ascontiguousarray(image[None])}

    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it advises a preparation that needs sizes to be fixed
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            quantization.quantize_static(
                str(source), str(target), Reader(), op_types_to_quantize=OPERATORS, per_channel=True
            )
    finally:
        logging.root.setLevel(level)
