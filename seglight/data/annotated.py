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


def painted(one: Annotated, indices: Mapping[str, int], unlabelled: int) -> tuple[NDArray[np.uint8], list[str]]:
    """The class of each pixel [H, W]: smaller objects lie on larger ones, all of them on what is ignored.

    Of two of one size the later lies on top. `unlabelled` is what belongs to no object. Then: which objects have no
    pixel in the image.
    """
    from pycocotools import mask as coco

    codes = [run_lengths(outline, one.size) for outline in one.outlines]
    areas = [int(coco.area(code)) for code in codes]
    # ignored ones first, then by falling area
    found = sorted(zip(one.outlines, codes, areas, strict=True), key=lambda item: (item[0].label is not None, -item[2]))
    mask = np.full(one.size, unlabelled, np.uint8)
    for outline, code, _ in found:
        mask[coco.decode(code) > 0] = IGNORE_INDEX if outline.label is None else indices[outline.label]
    return mask, [outline.where for outline, area in zip(one.outlines, areas, strict=True) if area == 0]


def run_lengths(outline: Outline, size: tuple[int, int]) -> Any:
    """The object's pixels as pycocotools takes them. ValueError says where it is no such object."""
    segmentation = outline.segmentation
    try:
        if isinstance(segmentation, list):
            return of_polygons(segmentation, size)
        if isinstance(segmentation, Mapping):
            return of_code(segmentation, size)
        raise ValueError("it is a list of polygons, or a run-length code")
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{outline.where}: its segmentation cannot be read: {reason}") from None


def of_polygons(given: Sequence[Any], size: tuple[int, int]) -> Any:
    """Polygons [[x, y, x, y, ...], ...]."""
    from pycocotools import mask as coco

    if not all(isinstance(polygon, list) for polygon in given):
        raise ValueError("polygons are a list of lists, [[x, y, x, y, ...]]")
    polygons = [[float(value) for value in polygon] for polygon in given]
    if any(len(polygon) % 2 or not np.isfinite(polygon).all() for polygon in polygons):
        raise ValueError("a polygon is [x, y, x, y, ...]")
    far = max((np.abs(polygon).max() for polygon in polygons if polygon), default=0)
    if far > max(FARTHEST, 10 * max(size)):
        raise ValueError(f"a point at {far:g}, and the image has {size[1]} x {size[0]} pixels")
    polygons = [polygon for polygon in polygons if len(polygon) >= 6]  # fewer points enclose nothing
    return coco.merge(coco.frPyObjects(polygons or [[0.0] * 6], *size))


def of_code(given: Mapping[str, Any], size: tuple[int, int]) -> Any:
    """A run-length code, as numbers or as text. pycocotools would read foreign memory of a code that is too short."""
    from pycocotools import mask as coco

    counts, stored = given["counts"], tuple(given["size"])
    if stored != size:
        raise ValueError(f"its code is of {stored[1]} x {stored[0]} pixels, the image of {size[1]} x {size[0]}")
    runs = runs_of(counts) if isinstance(counts, str | bytes) else counts
    if any(count != int(count) for count in runs):
        raise ValueError("its counts are no whole numbers")
    if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
        raise ValueError(f"its counts add up to {sum(runs):,}, the image has {size[0] * size[1]:,} pixels")
    return coco.frPyObjects({"size": list(size), "counts": list(map(int, runs))}, *size)


def runs_of(text: str | bytes) -> list[int]:
    """The runs that COCO's compressed code means: five bits a letter, the lowest first, from the third but one run on
    as the difference from the one before the last (`rleFrString` in maskApi.c)."""
    runs: list[int] = []
    value = bits = 0
    for letter in text.encode() if isinstance(text, str) else text:
        five = letter - 48
        if not 0 <= five < 64:
            raise ValueError(f"{chr(letter)!r} is no letter of a run-length code")
        value |= (five & 31) << bits
        bits += 5
        if not five & 32:
            value -= (1 << bits) if five & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = bits = 0
    if bits:
        raise ValueError("its code breaks off")
    return runs


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
