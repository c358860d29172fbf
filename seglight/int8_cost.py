"""int8 of a run's network: ranges of activations from its training images, and the score that int8 costs."""

# Shapes: C bands, K classes, H W pixels

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seglight.deploy.int8 import quantise
from seglight.deploy.predictor import Predictor
from seglight.metrics import SegmentationMetrics

log = logging.getLogger(__name__)


def samples(data: Any, split: str, count: int | None) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Images [C, H, W] and masks [H, W] of a split, not augmented: all of them, or `count` spread over it."""
    if hasattr(data, "dataset"):
        dataset = data.dataset(split)
        wanted = min(count or len(dataset), len(dataset))
        read = (dataset[i * len(dataset) // wanted] for i in range(wanted))
        yield from ((sample.image.transpose(2, 0, 1), sample.mask) for sample in read if sample.image is not None)
    else:  # another project's data module
        batches = data.eval_dataloader(split)
        pairs = (pair for batch in batches for pair in zip(batch["image"], batch["mask"], strict=True))
        yield from ((np.asarray(image), np.asarray(mask)) for image, mask in islice(pairs, count))


def quantised(source: Path, target: Path, data: Any, count: int) -> None:
    """An int8 graph, its ranges from `count` training images."""
    data.setup("fit")
    log.info("int8: ranges from at most %s images of data=%s, split %s", count, data.name, data.train_split)
    quantise(source, target, (image for image, _ in samples(data, data.train_split, count)))


def compared(float32: Path, int8: Path, data: Any, count: int | None) -> dict[str, Any]:
    """mIoU of both files on the same images of the split that the data evaluates. ValueError for other classes."""
    files = {"float32": Predictor(float32), "int8": Predictor(int8)}
    if data.num_classes != len(files["int8"].classes):
        raise ValueError(f"data={data.name} has {data.num_classes} classes, the run {len(files['int8'].classes)}")
    data.setup("validate")
    log.info("int8: scores of both files on data=%s, split %s", data.name, data.split)
    counted = {name: SegmentationMetrics(data.num_classes) for name in files}
    images = 0
    for image, mask in samples(data, data.split, count):
        images += 1
        for name, predictor in files.items():
            found = predictor.predict(image.transpose(1, 2, 0), probabilities=False).mask
            counted[name].update(torch.from_numpy(found)[None], torch.from_numpy(mask)[None])
    return {
        "split": f"{data.name} {data.split}",
        "images": images,
        **{name: metrics.scores()["miou"] for name, metrics in counted.items()},
    }
