"""Images whose objects are outlines instead of a mask, and the mask that is painted of them."""

# Shapes: H W pixels

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.ignore import IGNORE_INDEX

FARTHEST = 100_000  # pixels that an outline may lead out of a small image: pycocotools walks along all of it


@dataclass(frozen=True)
class Outline:
    """One object: its class, None where its pixels are to be ignored, and its pixels in COCO's form.

    segmentation: polygons [[x, y, x, y, ...], ...], or a run-length code {size: [H, W], counts}. where: for errors.
    """

    label: str | None
    segmentation: Any
    where: str


@dataclass(frozen=True)
class Annotated:
    """An image (H, W) and its objects. name: its path, without extension, below the folder of images.

    embedded: the image is inside the JSON file `image`.
    """

    image: Path
    name: str
    size: tuple[int, int]
    outlines: Sequence[Outline]
    suffix: str
    embedded: bool = False


def painted(one: Annotated, indices: Mapping[str, int], unlabelled: int) -> NDArray[np.uint8]:
    """The class of each pixel [H, W]: smaller objects lie on larger ones, all of them on what is ignored.

    Of two of one size the later lies on top. `unlabelled` is what belongs to no object.
    """
    from pycocotools import mask as coco

    found = [(run_lengths(outline, one.size), outline.label) for outline in one.outlines]
    # ignored ones first, then by falling area
    order = sorted(found, key=lambda item: (item[1] is not None, -int(coco.area(item[0]))))
    mask = np.full(one.size, unlabelled, np.uint8)
    for code, label in order:
        mask[coco.decode(code) > 0] = IGNORE_INDEX if label is None else indices[label]
    return mask


def run_lengths(outline: Outline, size: tuple[int, int]) -> Any:
    """The object's pixels as pycocotools takes them. ValueError says where it is no such object."""
    from pycocotools import mask as coco

    segmentation = outline.segmentation
    try:
        if isinstance(segmentation, list):
            polygons = [[float(value) for value in polygon] for polygon in segmentation]
            if any(len(polygon) % 2 or not np.isfinite(polygon).all() for polygon in polygons):
                raise ValueError("a polygon is [x, y, x, y, ...]")
            far = max((np.abs(polygon).max() for polygon in polygons if polygon), default=0)
            if far > max(FARTHEST, 10 * max(size)):
                raise ValueError(f"a point at {far:g}, and the image has {size[1]} x {size[0]} pixels")
            polygons = [polygon for polygon in polygons if len(polygon) >= 6]  # fewer points enclose nothing
            return coco.merge(coco.frPyObjects(polygons or [[0.0] * 6], *size))
        counts, stored = segmentation["counts"], tuple(segmentation["size"])
        if stored != size:
            raise ValueError(f"its code is of {stored[1]} x {stored[0]} pixels, the image of {size[1]} x {size[0]}")
        if not isinstance(counts, list):
            code = {"size": list(size), "counts": counts.encode() if isinstance(counts, str) else counts}
            coco.decode(code)
            return code
        if any(count != int(count) for count in counts):
            raise ValueError("its counts are no whole numbers")
        if min(counts, default=0) < 0 or sum(counts) != size[0] * size[1]:
            raise ValueError(f"its counts add up to {sum(counts):,}, the image has {size[0] * size[1]:,} pixels")
        return coco.frPyObjects(segmentation, *size)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{outline.where}: no polygon nor run-length code ({reason})") from None


def encoded(mask: NDArray[Any]) -> Any:
    """The run-length code of where a mask [H, W] is not 0."""
    from pycocotools import mask as coco

    return coco.encode(np.asfortranarray(mask != 0, np.uint8))


def read_json(path: Path) -> Any:
    """What a JSON file holds. ValueError names a file that is none."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error})") from None


def size_of(height: Any, width: Any, where: str) -> tuple[int, int]:
    """(H, W) as an annotation has them; ValueError where these are no numbers of pixels."""
    try:
        size = int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        size = 0, 0
    if min(size) < 1:
        raise ValueError(f"{where}: its size is {width} x {height}; whole numbers from 1 are needed")
    return size


def file_name(text: Any, what: str, where: str) -> str:
    """The path of an image as an annotation has it; ValueError where it is none."""
    if not isinstance(text, str) or not PurePosixPath(text.replace("\\", "/")).name:
        raise ValueError(f"{where}: its {what} is {text!r}, which names no file")
    return text


def relative(text: str) -> PurePosixPath:
    """A path as an annotation has it, from the folder of images; of one that leads out of it the file's name."""
    path = PurePosixPath(text.replace("\\", "/"))
    inside = not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]
    return path if inside else PurePosixPath(path.name)


def found(text: str, folder: Path) -> Path | None:
    """The file that an annotation means: from `folder`, or of that name in it."""
    places = (folder / text.replace("\\", "/"), folder / relative(text), folder / relative(text).name)
    return next((place for place in places if place.is_file()), None)
