"""COCO's annotations: one JSON file with images, categories, and objects as polygons or run-length codes."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from seglight.data.annotated import Annotated, Outline, file_name, found, read_json, relative, size_of
from seglight.values import shortened

log = logging.getLogger(__name__)

PARTS = {"images": ("id", "file_name", "width", "height"), "categories": ("id", "name"), "annotations": ("image_id",)}


def read_coco(path: Path, images: Path | None = None) -> tuple[list[str], list[Annotated]]:
    """The classes in the order of their ids, and the images. images: their folder; the file's own, or one beside it.

    ValueError or FileNotFoundError says in one line what is wrong, with the id.
    """
    content = read_json(path)
    refuse_others(content, path)
    categories = sorted(content["categories"], key=lambda row: (isinstance(row["id"], str), row["id"]))
    names: dict[Any, str] = {}
    for row in categories:
        if names.setdefault(row["id"], str(row["name"])) != str(row["name"]):
            raise ValueError(
                f"{path}: the categories {names[row['id']]} and {row['name']} have the same id, {row['id']}"
            )
    outlines: dict[Any, list[Outline]] = {}
    for row in content["images"]:
        if row["id"] in outlines:
            raise ValueError(f"{path}: two images have the same id, {row['id']}")
        outlines[row["id"]] = []
    boxes = []
    for row in content["annotations"]:
        where = f"{path}: annotation {row.get('id')} of image {row['image_id']}"
        if row["image_id"] not in outlines:
            raise ValueError(f"{where}: the file has no such image{other_kind(row['image_id'], outlines)}")
        category = row.get("category_id")
        if not is_id(category) or category not in names:
            known, hint = shortened(map(str, names)), other_kind(category, names)
            raise ValueError(f"{where}: its category is {category}; the file has the categories {known}{hint}")
        if not row.get("segmentation"):
            boxes.append(row.get("id"))
            continue
        label = None if row.get("iscrowd") else names[row["category_id"]]
        outlines[row["image_id"]].append(Outline(label, row["segmentation"], where))
    if boxes:
        text = f"{path}: {len(boxes)} of {len(content['annotations'])} annotations have no segmentation"
        if len(boxes) == len(content["annotations"]):
            raise ValueError(f"{text}: boxes do not say which pixels an object has")
        log.warning("%s and are left out, e.g. %s", text, boxes[0])
    folders = [images] if images is not None else beside(path)
    return list(dict.fromkeys(names.values())), located(content["images"], outlines, folders, path)


def refuse_others(content: Any, path: Path) -> None:
    """ValueError where it is no such file."""
    if isinstance(content, Mapping) and "shapes" in content:
        raise ValueError(f"{path}: a file of labelme; format=labelme reads it")
    for part, keys in PARTS.items():
        rows = content.get(part) if isinstance(content, Mapping) else None
        if not isinstance(rows, list):
            raise ValueError(f"{path}: no list of {part}; expected COCO's images, categories and annotations")
        for row in rows:
            if not isinstance(row, Mapping) or any(key not in row for key in keys):
                raise ValueError(f"{path}: {str(row)[:80]} in {part}; expected {', '.join(keys)}")
            if not is_id(row[keys[0]]):
                raise ValueError(f"{path}: {part}: the {keys[0]} {row[keys[0]]}; a number or a text is needed")


def is_id(value: Any) -> bool:
    return isinstance(value, int | float | str)


def other_kind(wanted: Any, ids: Collection[Any]) -> str:
    """What to say where an id is a text in one place and a number in another."""
    same = next((one for one in ids if str(one) == str(wanted)), None)
    return "" if same is None else f" (the id is {json.dumps(wanted)} here and {json.dumps(same)} there)"


def beside(path: Path) -> list[Path]:
    """Where images usually are: with the file, or in a folder beside its own that is named as the file says."""
    above = path.parent.parent
    split = path.stem.rpartition("_")[2]
    return [path.parent, path.parent / "images", above / split, above / "images" / split, above / "images", above]


def located(rows: list[Any], outlines: dict[Any, list[Outline]], folders: list[Path], path: Path) -> list[Annotated]:
    """Every image with its file. FileNotFoundError names the first that is not there, and counts the others."""
    there, missing = [], []
    for row in rows:
        where = f"{path}: image {row['id']}"
        text, size = file_name(row["file_name"], "file_name", where), size_of(row["height"], row["width"], where)
        file = next((file for folder in folders if (file := found(text, folder))), None)
        if file is None:
            missing.append(text)
            continue
        name = relative(text)
        there.append(Annotated(file, str(name.with_suffix("")), size, outlines[row["id"]], name.suffix))
    if missing:
        raise FileNotFoundError(
            f"{folders[0] / missing[0]}: no such image ({path} lists it; {len(missing)} of {len(rows)} missing); "
            "images=FOLDER says where they are"
        )
    return there
