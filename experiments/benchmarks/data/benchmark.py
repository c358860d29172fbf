"""How fast are images read and augmented? Everything in one process on one core, rounds interleaved, medians.

    SEGLIGHT_DATA=... python experiments/benchmarks/data/benchmark.py

Every row makes batches of 8 from the same VOC images with the same augmentation: scale 0.5 to 2, crop 480, mirror
image, normalise (seglight leaves that to the device, the network's first step); the rows with colour jitter change
brightness, contrast, saturation and hue of half of the images too. ROUNDS=3 measures fewer rounds than 9. Writes
results.json and results.md.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import albumentations
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch.utils.data import default_collate
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from seglight import compose
from seglight.config import build
from seglight.data.pair import Pair

HERE = Path(__file__).parent
CROP, BATCH, ROUNDS, IMAGES = 480, 8, int(os.environ.get("ROUNDS", "9")), 64
JITTER = v2.ColorJitter(0.3, 0.3, 0.3, 0.02)  # as conf/augment/standard.yaml
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Row = Callable[[int], Iterator[Any]]  # the batches of one round


def pillow(pair: Pair) -> tuple[Image.Image, Image.Image]:
    assert pair.mask is not None
    return Image.open(pair.image).convert("RGB"), Image.open(pair.mask)


def batched(sample: Callable[[Pair], Any], pairs: list[Pair], collate: Callable[[list[Any]], Any]) -> Row:
    def one_round(number: int) -> Iterator[Any]:
        random.seed(number)
        for start in range(0, len(pairs), BATCH):
            yield collate([sample(pair) for pair in pairs[start : start + BATCH]])

    return one_round


def torchvision_reference(pair: Pair, jitter: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """references/segmentation: RandomResize, RandomHorizontalFlip, RandomCrop, PILToTensor, ToDtype, Normalize."""
    image, mask = pillow(pair)
    short = int(min(image.size) * random.uniform(0.5, 2.0))
    image = functional.resize(image, [short], antialias=True)
    mask = functional.resize(mask, [short], interpolation=v2.InterpolationMode.NEAREST)
    if random.random() < 0.5:
        image, mask = functional.hflip(image), functional.hflip(mask)
    missing = [0, 0, max(0, CROP - image.width), max(0, CROP - image.height)]
    if max(missing):
        image, mask = functional.pad(image, missing, fill=0), functional.pad(mask, missing, fill=255)
    top, left = random.randint(0, image.height - CROP), random.randint(0, image.width - CROP)
    image, mask = functional.crop(image, top, left, CROP, CROP), functional.crop(mask, top, left, CROP, CROP)
    if jitter and random.random() < 0.5:
        image = JITTER(image)
    tensor = functional.to_dtype(functional.pil_to_tensor(image), torch.float32, scale=True)
    return functional.normalize(tensor, MEAN, STD), functional.pil_to_tensor(mask)[0].to(torch.int64)


USUAL = albumentations.Compose(
    [
        albumentations.RandomScale((-0.5, 1.0), p=1.0),
        albumentations.PadIfNeeded(CROP, CROP, border_mode=cv2.BORDER_CONSTANT, fill=0, fill_mask=255),
        albumentations.RandomCrop(CROP, CROP),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.Normalize(MEAN, STD),
        ToTensorV2(),
    ]
)


def albumentations_usual(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale, pad, crop, flip, normalise to float."""
    image, mask = pillow(pair)
    out = USUAL(image=np.asarray(image), mask=np.asarray(mask))
    return out["image"], out["mask"].long()


def decode_with_pillow(pair: Pair) -> tuple[Any, Any]:
    image, mask = pillow(pair)
    return np.asarray(image), np.asarray(mask)


def loader_row(data: Any, pairs: list[Pair]) -> Row:
    """seglight's own dataset and collation, as its loader calls them."""
    dataset = data.dataset(data.train_split, train=True)
    collate = data.train_dataloader().collate_fn
    wanted = {pair.name for pair in pairs}
    indices = [index for index, pair in enumerate(data.listed(data.train_split)) if pair.name in wanted]
    indices = indices or list(range(len(pairs)))  # chunks have no names until they are read

    def one_round(number: int) -> Iterator[Any]:
        for start in range(0, len(indices), BATCH):
            yield collate(dataset.__getitems__([(number, index) for index in indices[start : start + BATCH]]))

    return one_round


def normalised(row: Row) -> Row:
    """The same batches, normalised on this core as well: what a GPU does for nothing."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))

    def one_round(number: int) -> Iterator[Any]:
        for batch in row(number):
            yield batch["image"].float().sub_(mean).div_(std)  # in place, as torchvision's

    return one_round


def measure(rows: dict[str, Row], images: int) -> dict[str, dict[str, float]]:
    """Images a second of each row: the median over interleaved rounds, in wall time and in CPU time."""
    wall: dict[str, list[float]] = {name: [] for name in rows}
    cpu: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(ROUNDS + 1):
        for name, row in rows.items():
            start, busy = time.perf_counter(), time.process_time()
            for _ in row(number):
                pass
            if number:  # the first round warms the page cache
                wall[name].append(images / (time.perf_counter() - start))
                cpu[name].append(images / (time.process_time() - busy))
    return {
        name: {"per_second": statistics.median(wall[name]), "per_cpu_second": statistics.median(cpu[name])}
        for name in rows
    }


def voc_options(root: Path, scratch: Path) -> tuple[str, ...]:
    return (
        "data=voc", f"data.root={root / 'VOCdevkit' / 'VOC2012'}", f"data.crop_size={CROP}", "data.num_workers=0",
        f"data.batch_size={BATCH}", f"data.cache_dir={scratch / 'cache'}",
    )  # fmt: skip


def jitter_rows(root: Path, scratch: Path) -> tuple[dict[str, Row], int]:
    """Those with colour jitter: augment=standard."""
    data = build(compose(*voc_options(root, scratch), "augment=standard"), "data")
    pairs = data.listed("train")[:: len(data.listed("train")) // IMAGES][:IMAGES]
    rows = {
        "torchvision reference": batched(partial(torchvision_reference, jitter=True), pairs, default_collate),
        "seglight": loader_row(data, pairs),
        "seglight, normalised here too": normalised(loader_row(data, pairs)),
    }
    return rows, len(pairs)


def voc_rows(root: Path, scratch: Path) -> tuple[dict[str, Row], int]:
    from seglight.data.chunks import write_chunks

    options = (
        *voc_options(root, scratch),
        f"data.augment=[{{_target_: seglight.data.scale_crop.RandomScaleCrop, size: {CROP}, scale: [0.5, 2.0]}},"
        "{_target_: albumentations.HorizontalFlip, p: 0.5}]",
    )
    data = build(compose(*options), "data")
    pairs = data.listed("train")[:: len(data.listed("train")) // IMAGES][:IMAGES]
    reader = data.reader("train")
    write_chunks(data, ["train"], scratch / "chunks")
    streamed = build(
        compose(
            "data=streaming", f"data.chunks={scratch / 'chunks'}", "data.split=train", "data.num_classes=21",
            *(option for option in options[2:] if "cache" not in option),
        ),
        "data",
    )  # fmt: skip
    rows = {
        "decode only, Pillow": batched(decode_with_pillow, pairs, len),
        "decode only, seglight": batched(reader, pairs, len),
        "torchvision reference": batched(torchvision_reference, pairs, default_collate),
        "albumentations, usual order": batched(albumentations_usual, pairs, default_collate),
        "seglight": loader_row(data, pairs),
        "seglight, normalised here too": normalised(loader_row(data, pairs)),
        "seglight, data.cache=disk": loader_row(build(compose(*options, "data.cache=disk"), "data"), pairs),
        "seglight, data.cache=ram": loader_row(build(compose(*options, "data.cache=ram"), "data"), pairs),
        "seglight, data=streaming (litdata)": loader_row(streamed, pairs),
    }
    return rows, len(pairs)


def cityscapes_rows(root: Path, scratch: Path) -> tuple[dict[str, Row], int]:
    options = (
        "data=cityscapes", f"data.root={root / 'cityscapes'}", "data.split=train", "data.num_workers=0",
        "augment=light", f"data.batch_size={BATCH}", f"data.cache_dir={scratch / 'cache'}",
    )  # fmt: skip
    made = {kind: build(compose(*options, f"data.cache={kind}"), "data") for kind in ("none", "disk", "ram")}
    pairs = made["none"].listed("train")
    names = {"none": "seglight", "disk": "seglight, data.cache=disk", "ram": "seglight, data.cache=ram"}
    return {names[kind]: loader_row(data, pairs) for kind, data in made.items()}, len(pairs)


def table(title: str, results: dict[str, dict[str, float]], against: dict[str, str]) -> str:
    """A Markdown table; each column of `against` divides by that row."""
    lines = [
        f"### {title}",
        "",
        "| | images/s | images/CPU s | " + " | ".join(f"x {label}" for label in against) + " |",
        "|---|---:|---:|" + "---:|" * len(against),
    ]
    for name, result in results.items():
        ratios = [result["per_cpu_second"] / results[base]["per_cpu_second"] for base in against.values()]
        cells = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| {name} | {result['per_second']:.0f} | {result['per_cpu_second']:.0f} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    root = Path(os.environ["SEGLIGHT_DATA"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        voc = measure(*voc_rows(root, scratch))
        jitter = measure(*jitter_rows(root, scratch))
        cityscapes = measure(*cityscapes_rows(root, scratch))
    text = (
        table(
            f"VOC, scale 0.5-2, crop {CROP}, flip, normalise",
            voc,
            {"torchvision": "torchvision reference", "decode only": "decode only, seglight"},
        )
        + "\n"
        + table(
            f"VOC, scale 0.5-2, crop {CROP}, flip, colour jitter, normalise",
            jitter,
            {"torchvision": "torchvision reference"},
        )
        + "\n"
        + table(
            "Cityscapes 2048 x 1024 PNGs, scale 0.8-1.25, crop 512 x 1024, flip", cityscapes, {"uncached": "seglight"}
        )
        + f"\nOne core, medians of {ROUNDS} interleaved rounds of {IMAGES} images; ratios of images per CPU second. "
        "Where other processes share the core, images/s is lower. "
        f"torch {torch.__version__}, OpenCV {cv2.__version__}.\n"
    )
    (HERE / "results.md").write_text(text)
    (HERE / "results.json").write_text(
        json.dumps({"voc": voc, "jitter": jitter, "cityscapes": cityscapes}, indent=2) + "\n"
    )
    print(text)


if __name__ == "__main__":
    main()
