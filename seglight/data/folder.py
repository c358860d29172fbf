"""Anyone's images and masks: two globs and a class table."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seglight.data.class_table import read_class_table
from seglight.data.datamodule import SegmentationData
from seglight.data.listing import read_ids
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader
from seglight.values import number, whole

log = logging.getLogger(__name__)


class Folder(SegmentationData):
    """Pairs `images` with `masks`, two globs under `root`, by what their wildcards match.

    `images=photos/**/*.jpg masks=labels/**/*_mask.png` pairs photos/a/1.jpg with labels/a/1_mask.png. Splits are one of
    - `{split}` in both globs: folders named by split;
    - `lists`: a list file a split, of ids as `name` shows them, of image paths or of file names;
    - neither: `val_fraction` of the images, chosen by a hash of `split_seed` and the name, so that an image stays in
      its split when others are added. With no `masks` there are images only.
    """

    layout = "images and masks that data.images and data.masks match"

    def __init__(
        self,
        *,
        images: str,
        masks: str | None,
        class_table: str | Path | Mapping[str, Any],
        lists: Mapping[str, str] | None = None,
        val_fraction: float = 0.2,
        split_seed: int = 0,
        **options: Any,
    ) -> None:
        root = Path(options.get("root") or ".").expanduser()
        if not root.is_dir():
            raise FileNotFoundError(
                f"data.root={root}: no such folder; the one that your images and masks lie in is needed"
            )
        table = read_class_table(class_table, root)
        self.classes, self.palette, self.labels = table.names, table.palette, table.labels
        super().__init__(**options)
        for key, glob in (("images", images), ("masks", images if masks is None else masks)):
            if not isinstance(glob, str) or "*" not in glob or Path(glob).is_absolute():
                raise ValueError(f"data.{key}={glob}: a glob below data.root with * where names differ is needed")
        if lists is not None and not isinstance(lists, Mapping):
            raise ValueError(f"data.lists={lists}: a list file a split is needed, {{train: train.txt, val: val.txt}}")
        self.images, self.masks, self.lists = images, masks, lists
        self.val_fraction = number("data.val_fraction", val_fraction, 0, 1, above=True, below=True)
        self.split_seed = whole("data.split_seed", split_seed, 0)
        if lists:
            self.splits = tuple(lists)

    def pairs(self, split: str) -> list[Pair]:
        if "{split}" in self.images:
            images, masks = (glob and glob.replace("{split}", split) for glob in (self.images, self.masks))
            return self.matched(str(images), masks)
        pairs = self.matched(self.images, self.masks)
        if self.lists:
            if split not in self.lists:
                raise ValueError(f"data.split={split}; data.lists has {', '.join(self.lists)}")
            return chosen(pairs, Path(self.lists[split]).expanduser(), self.root)
        if split not in ("train", "val"):
            raise ValueError(f"data.split={split}; a seeded split has train and val")
        ranked = sorted(pairs, key=lambda pair: hashlib.sha256(f"{self.split_seed}/{pair.name}".encode()).digest())
        count = max(1, round(self.val_fraction * len(pairs))) if pairs else 0
        held_out = {pair.name for pair in ranked[:count]}
        return [pair for pair in pairs if (pair.name in held_out) == (split == "val")]

    def matched(self, images: str, masks: str | None) -> list[Pair]:
        """The images of one glob with the masks of the other."""
        assert self.root is not None
        found = wildcard_matches(self.root, images)
        if masks is None:
            return [Pair(path, None, flat(key)) for key, path in found.items()]
        labels = wildcard_matches(self.root, masks)
        pairs = []
        for key, path in found.items():
            if key not in labels:
                raise FileNotFoundError(f"{self.root / filled(masks, key)}: no such file; it is the mask of {path}")
            pairs.append(Pair(path, labels[key], flat(key)))
        unused = [path for key, path in labels.items() if key not in found]
        if unused:
            log.warning("%d masks have no image and are not used, e.g. %s", len(unused), unused[0])
        return pairs

    def reader(self, split: str) -> Reader:
        return FileReader(self.labels)


def wildcard_matches(root: Path, glob: str) -> dict[tuple[str, ...], Path]:
    """The files that a glob matches, by what its wildcards stand for; `**/` stands for any folders, or none."""
    pattern = "".join(
        {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}.get(part, re.escape(part))
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    )
    found: dict[tuple[str, ...], Path] = {}
    try:
        paths = sorted(root.glob(glob))
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{glob}: no glob below {root} ({error})") from None
    for path in paths:
        match = re.fullmatch(pattern, os.path.relpath(path, root).replace(os.sep, "/"))
        if match is None or not path.is_file():
            continue
        if match.groups() in found:
            raise ValueError(
                f"{path}: {glob} matches it by the same name as {found[match.groups()]}; one file expected"
            )
        found[match.groups()] = path
    return found


def filled(glob: str, key: tuple[str, ...]) -> str:
    """The glob with its wildcards replaced: the path that a file would have."""
    parts = iter(key)
    return re.sub(r"\*\*/|\*\*|\*|\?", lambda _: next(parts, ""), glob)


def flat(key: tuple[str, ...]) -> str:
    """A name without folders: a/b and 1 give a__b__1."""
    return "__".join(part for text in key for part in text.split("/") if part)


def chosen(pairs: list[Pair], path: Path, root: Path | None) -> list[Pair]:
    """The pairs that a list file names, in its order."""
    path = path if path.is_absolute() or path.exists() or root is None else root / path
    known: dict[str, Pair] = {}
    for pair in pairs:
        relative = pair.image.relative_to(root).as_posix() if root is not None else pair.image.as_posix()
        known |= {pair.image.name: pair, pair.image.stem: pair, relative: pair, pair.name: pair}
    names = read_ids(path)
    missing = [name for name in names if name not in known]
    if missing:
        raise FileNotFoundError(
            f"{path}: no image for {missing[0]} ({len(missing)} of {len(names)} ids); data.images matches "
            f"{len(pairs)} files, e.g. {pairs[0].name if pairs else 'none'}"
        )
    return [known[name] for name in names]
