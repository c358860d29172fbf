"""`python -m seglight.convert source=... format=coco|labelme out=FOLDER`: objects' outlines as masks to train on."""

# Shapes: H W pixels

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf

from seglight.background import BACKGROUND, background_of, is_background
from seglight.cli import made, run_command

if TYPE_CHECKING:
    from seglight.data.annotated import Annotated

log = logging.getLogger(__name__)

ALL = "all"  # the list of a source that is no split


def convert(cfg: DictConfig) -> Path:
    """Writes `out`, whole or not at all: images, palette masks, classes.yaml, a list a split; says how to train."""
    from importlib.util import find_spec

    from seglight.extras import needs
    from seglight.values import one_of

    one_of("format", cfg.format, ("coco", "labelme"))
    ignores = one_of("background", cfg.background, ("class", "ignore")) == "ignore"
    one_of("link", cfg.link, (False, True))
    out = Path(cfg.out).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"out={cfg.out}: it is there already; a new folder is needed")
    if find_spec("pycocotools") is None:
        raise ModuleNotFoundError(needs("convert", "pycocotools", "convert"))
    names, splits = read(cfg)
    classes = class_names(cfg.classes, names, [one for split in splits.values() for one in split], ignores)
    refuse_doubles([one for split in splits.values() for one in split])
    made("out", out.parent)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        write(partial, splits, classes, ignores, cfg.link)
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("train with: python -m seglight.train data=folder %s", shlex.join(keys(out, len(classes), list(splits))))
    log.info("wrote: %s", out)
    return out


def keys(out: Path, count: int, splits: Sequence[str]) -> list[str]:
    """What `data=folder` needs to know of the folder."""
    found = [f"data.root={out}", f"data.num_classes={count}"]
    if ALL in splits:
        return found
    found.append(f"data.lists={{{', '.join(f'{split}: {split}.txt' for split in splits)}}}")
    train = "train" if "train" in splits else splits[0]
    held_out = "val" if "val" in splits else next((split for split in splits if split != train), train)
    used = {"train_split": train, "split": held_out}
    return found + [f"data.{key}={split}" for key, split in used.items() if split not in ("train", "val")]


def read(cfg: DictConfig) -> tuple[list[str], dict[str, list[Annotated]]]:
    """The classes of all sources, and the images of each split."""
    from seglight.data.coco import read_coco
    from seglight.data.labelme import read_labelme

    given = OmegaConf.to_container(cfg.source) if OmegaConf.is_config(cfg.source) else {ALL: cfg.source}
    if not isinstance(given, Mapping):
        raise ValueError(f"source={cfg.source}: a path is needed, or a path a split: {{train: a.json, val: b.json}}")
    names: dict[str, None] = {}
    splits: dict[str, list[Annotated]] = {}
    images = None if cfg.images is None else Path(cfg.images).expanduser()
    for split, source in given.items():
        path = Path(str(source)).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"source={source}: no such file or folder")
        if cfg.format == "coco" and path.is_dir():
            raise ValueError(f"source={source}: a folder; COCO's JSON file is needed")
        own, splits[str(split)] = (read_coco if cfg.format == "coco" else read_labelme)(path, images)
        names |= dict.fromkeys(own)
        if not splits[str(split)]:
            raise ValueError(f"source={source}: it has no images")
    return list(names), splits


def class_names(given: Any, found: Sequence[str], images: Sequence[Annotated], ignores: bool) -> list[str]:
    """The classes in the order of their indices; ValueError where an object is of another, or there are too many."""
    from seglight.values import shortened

    if given is None:
        own = [name for name in found if not is_background(name)]
        names = own if ignores else [next(filter(is_background, found), BACKGROUND), *own]
    else:
        names = [str(name) for name in given]
    for outline in (outline for one in images for outline in one.outlines):
        if outline.label is None or outline.label in names:
            continue
        if not (is_background(outline.label) and (ignores or background_of(names) is not None)):
            raise ValueError(f"{outline.where}: the class {outline.label}; classes has {shortened(names)}")
    if len(names) > 254 or len(set(names)) < len(names) or not names:
        raise ValueError(f"{len(names)} classes ({shortened(names)}); 1 to 254 of different names are needed")
    return names


def refuse_doubles(images: Sequence[Annotated]) -> None:
    """ValueError where two images would be written under one name."""
    first: dict[str, Annotated] = {}
    for one in images:
        other = first.setdefault(one.name.lower(), one)
        if other is not one:
            raise ValueError(f"{one.image}: the same name as {other.image}; each image once, under its own name")


def write(
    folder: Path, splits: Mapping[str, Sequence[Annotated]], classes: list[str], ignores: bool, link: bool
) -> None:
    """Everything that `data=folder` reads."""
    from seglight.colours import palette_image, voc_colours
    from seglight.data.annotated import painted
    from seglight.data.prediction import prediction_file
    from seglight.data.progress import progress_bar
    from seglight.data.workers import own_cores
    from seglight.ignore import IGNORE_INDEX

    palette, background = voc_colours(len(classes)), background_of(classes)
    unlabelled = IGNORE_INDEX if ignores else background or 0
    labels = {outline.label for images in splits.values() for one in images for outline in one.outlines}
    written = [label for label in labels if label is not None and is_background(label)]
    indices = dict.fromkeys(written, unlabelled if background is None else background)
    indices |= {name: index for index, name in enumerate(classes)}

    def one(image: Annotated) -> list[str]:
        """Its files; which of its objects have no pixel in it."""
        bring(image, folder / "images" / f"{image.name}{image.suffix}", link)
        mask, outside = painted(image, indices, unlabelled)
        palette_image(mask, palette).save(prediction_file(folder / "masks", image.name))
        return outside

    folder.mkdir()
    total, empty = sum(map(len, splits.values())), list[str]()
    with progress_bar("masks", total) as advance, ThreadPoolExecutor(own_cores()) as pool:
        for outside in pool.map(one, (image for split in splits.values() for image in split)):
            empty += outside
            advance()
    if empty:
        log.warning("%d objects have no pixel inside their image and are left out, e.g. %s", len(empty), empty[0])
    rows = [{"name": name, "id": index, "colour": list(palette[index])} for index, name in enumerate(classes)]
    (folder / "classes.yaml").write_text(yaml.safe_dump({"classes": rows}, sort_keys=False, default_flow_style=None))
    for split, images in splits.items():
        (folder / f"{split}.txt").write_text("".join(f"images/{one.name}{one.suffix}\n" for one in images))


def bring(image: Annotated, place: Path, link: bool) -> None:
    """The image's file at a place: a link, a copy, or what the annotation holds. ValueError where its size differs."""
    from seglight.data.decode import is_turned
    from seglight.data.labelme import embedded_image
    from seglight.data.pixels import Pixels

    place.parent.mkdir(parents=True, exist_ok=True)
    if image.embedded:
        place.write_bytes(embedded_image(image.image))
    elif not link:
        shutil.copyfile(image.image, place)
    else:
        try:
            place.symlink_to(image.image.resolve())
        except OSError:  # some systems have no links
            shutil.copyfile(image.image, place)
    size = Pixels().form(place)[:2]
    if image.size not in (size, size[::-1] if is_turned(place) else size):
        expected, found = f"{image.size[1]} x {image.size[0]}", f"{size[1]} x {size[0]}"
        raise ValueError(f"{image.image}: {found} pixels; its annotations are of {expected}")


if __name__ == "__main__":
    run_command("convert", convert)
