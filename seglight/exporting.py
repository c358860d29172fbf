"""What an export takes from its run: the facts in its metadata, images to calibrate int8 with, what int8 costs."""

# Shapes: C bands, K classes, H W pixels

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

import seglight
from seglight.deploy.about import About, colour
from seglight.deploy.int8 import quantise
from seglight.deploy.predictor import Predictor
from seglight.metrics import SegmentationMetrics

if TYPE_CHECKING:
    from seglight.runs.run import Run

log = logging.getLogger(__name__)


def facts(run: Run, output: str, precision: str) -> About:
    """The metadata of an export of this run."""
    summary, trained = run.summary, run.cfg.copy()
    OmegaConf.set_struct(trained, False)
    for key in ("root", "cache_dir"):  # of this machine
        trained.data.pop(key, None)
    encoder = getattr(run.net, "encoder", None)
    settings: Any = OmegaConf.to_container(run.cfg.data)
    return About(
        classes=list(run.classes),
        palette=[colour(c) for c in run.palette],
        bands=encoder.normalize.channels if encoder is not None else 3,
        value_range=settings.get("value_range"),
        output=output,
        precision=precision,
        name=f"{run.cfg.get('model_name', 'network')} on {run.cfg.data.name}",
        data=run.cfg.data.name,
        params=sum(p.numel() for p in run.net.parameters()),
        scores={k: v if v is not None and math.isfinite(v) else None for k, v in summary.items() if "/" in k},
        versions={"seglight": seglight.__version__, "torch": torch.__version__},
        config=OmegaConf.to_yaml(trained),
    )


def costs(run: Run, about: About) -> list[tuple[str, str]]:
    """What the network costs, as the card says it."""
    from seglight.models.anatomy import anatomy

    rows = [("parameters", f"{about.params:,}")]
    if hasattr(run.net, "encoder"):
        parts = anatomy(run.net, (512, 512))  # type: ignore[arg-type]
        gflops = sum(part.gflops for part in parts)
        rows.append(("GFLOPs of an image of 512 x 512 pixels (2 a multiply-add)", f"{gflops:.1f}"))
    summary = run.summary
    if summary.get("train_seconds"):
        rows.append(("training", f"{summary['train_seconds']:,.0f} s on {summary.get('device')}"))
    return rows


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
