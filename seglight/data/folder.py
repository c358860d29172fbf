"""Anyone's images and masks: two globs and a class table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.class_table import read_class_table
from seglight.data.datamodule import SegmentationData
from seglight.data.files import Key, filled, images_below, left_out, matches
from seglight.data.labels import Labels, TolerantLabels
from seglight.data.lists import chosen
from seglight.data.pair import Pair
from seglight.data.pixels import percentiles, pixels_of
from seglight.data.reader import FileReader, Reader
from seglight.data.splitting import first, ordered
from seglight.data.value_ranges import channels_of, deep_range, percentile_range
from seglight.values import number, whole

log = logging.getLogger(__name__)

ALL = "all"  # in `lists`: one list of the images that the seeded split is drawn from


class Folder(SegmentationData):
    """Pairs `images` with `masks`, two globs under `root`, by what their wildcards match.

    `images=photos/**/*.jpg masks=labels/**/*_mask.png` pairs photos/a/1.jpg with labels/a/1_mask.png. A glob that ends
    with `*` takes every extension. Splits are one of
    - `{split}` in both globs: folders named by split;
    - `lists`: a list file a split, of ids as `name` shows them, of image paths or of file names;
    - neither: `val_fraction` of the images (of those in `lists.all`), chosen by a hash of `split_seed` and the name, so
      that an image stays in its split when others are added. `group`, a regular expression, keeps images together whose
      names it finds the same text in. With no `masks` there are images only.
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
        mask_tolerance: int = 0,
        channels: int = 3,
        bands: Sequence[int] | None = None,
        value_range: Any = None,
        nodata: float | str | None = None,
        axes: str | None = None,
        exif: str = "apply",
        rgb: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        root = Path(options.get("root") or ".").expanduser()
        if not root.is_dir():
            raise FileNotFoundError(
                f"data.root={root}: no such folder; the one that your images and masks lie in is needed"
            )
        table = read_class_table(class_table, root)
        self.classes, self.palette = table.names, table.palette
        self.labels: Labels = table.labels
        super().__init__(**options)
        for key, glob in (("images", images), ("masks", images if masks is None else masks)):
            if not isinstance(glob, str) or "*" not in glob or Path(glob).is_absolute():
                raise ValueError(f"data.{key}={glob}: a glob below data.root with * where names differ is needed")
        if lists is not None and not isinstance(lists, Mapping):
            raise ValueError(f"data.lists={lists}: a list file a split is needed, {{train: train.txt, val: val.txt}}")
        self.images, self.masks, self.lists = images, masks, dict(lists or {})
        self.val_fraction = number("data.val_fraction", val_fraction, 0, 1, above=True, below=True)
        if whole("data.mask_tolerance", mask_tolerance, 0):
            self.labels = TolerantLabels(table.labels, mask_tolerance)
        given = {"channels": channels, "bands": bands, "value_range": value_range}
        self.pixels = pixels_of(given | {"nodata": nodata, "axes": axes, "exif": exif, "rgb": rgb})
        self.percentiles = percentiles(value_range)  # until the range has been found
        if self.lists and ALL not in self.lists:
            self.splits = tuple(self.lists)
        self._settling = False
        self._matched: dict[tuple[str, str | None], list[Pair]] = {}

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        if "{split}" in self.images:
            images, masks = (glob and glob.replace("{split}", split) for glob in (self.images, self.masks))
            return with_masks(self.matched(str(images), masks))
        pairs = self.matched(self.images, self.masks)
        if split in self.lists:
            return with_masks(chosen(pairs, Path(self.lists[split]).expanduser(), self.root))
        if self.lists and ALL not in self.lists:
            raise ValueError(f"data.split={split}; data.lists has {', '.join(self.lists)}")
        if ALL in self.lists:
            pairs = chosen(pairs, Path(self.lists[ALL]).expanduser(), self.root)
        if split not in ("train", "val", ALL):
            raise ValueError(f"data.split={split}; a seeded split has train and val")
        pairs = with_masks(pairs)
        if split == ALL:
            return pairs
        count = max(1, round(self.val_fraction * len(pairs))) if pairs else 0
        chosen_by = self.selection
        units = ordered(pairs, chosen_by.seed, chosen_by.group, self.classes_in(pairs, chosen_by.stratify))
        held_out = first(units, count)
        return [pair for pair in pairs if (pair.name in held_out) == (split == "val")]

    def refuse_unused(self) -> None:
        if "{split}" in self.images or {self.train_split, self.split} <= {ALL, *self.lists}:  # no seeded split
            super().refuse_unused()

    def pool(self) -> list[Pair]:
        given = "{split}" in self.images or self.train_split in self.lists
        return self.pairs(self.train_split if given else ALL)

    def matched(self, images: str, masks: str | None) -> list[Pair]:
        """The images of one glob with the masks of the other; a mask that is not there has the path it would have."""
        if (images, masks) not in self._matched:
            self._matched[images, masks] = self.match(images, masks)
        return self._matched[images, masks]

    def match(self, images: str, masks: str | None) -> list[Pair]:
        assert self.root is not None
        labels = matches(self.root, masks) if masks is not None else None
        found = matches(self.root, images, list(labels.paths.values()) if labels else [])
        hidden = [*found.hidden, *(labels.hidden if labels else [])]
        if hidden:
            log.info("skipped %d hidden files, e.g. %s", len(hidden), hidden[0])
        known = [*found.paths.values(), *(labels.paths.values() if labels else [])]
        if others := left_out(list(found.paths.values()), known):
            text = "%d image files beside them are left out, since data.images=%s does not match them, e.g. %s"
            log.warning(text, len(others), images, others[0].name)
        if not found.paths and (counts := images_below(self.root)):
            listed = ", ".join(f"{glob} ({count})" for glob, count in list(counts.items())[:5])
            raise FileNotFoundError(f"data.images={images}: no images under {self.root}; there are {listed}")
        if labels is None or masks is None:
            return [Pair(path, None, flat(key)) for key, path in found.paths.items()]
        if unused := [path for key, path in labels.paths.items() if key not in found.paths]:
            log.warning("%d masks have no image and are not used, e.g. %s", len(unused), unused[0])
        there = labels.paths
        return [
            Pair(path, there.get(key) or self.root / filled(masks, key), flat(key)) for key, path in found.paths.items()
        ]

    def reader(self, split: str) -> Reader:
        if self.percentiles is not None and not self._settling:
            self.settled()
        return FileReader(self.labels, self.pixels)

    def pictured(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        return self.pixels.pictured(image)

    def settled(self) -> dict[str, Any]:
        """How many bands the images have, and where `value_range` is percentiles, the values found."""
        self._settling = True  # masks may have to be read, to know which images are for training
        pairs = self.unchecked(self.train_split)
        self._settling = False
        if not pairs:
            return {}
        found: dict[str, Any] = {}
        if self.pixels.channels == 3 and (channels := channels_of(pairs[0], self.pixels)) != 3:
            self.pixels = replace(self.pixels, channels=channels)
            found["channels"] = channels
        if self.percentiles is not None:
            limits = percentile_range(pairs, self.pixels, self.percentiles)
            self.pixels, self.percentiles = replace(self.pixels, value_range=limits), None
            found["value_range"] = [list(pair) for pair in limits]
        elif self.pixels.value_range is None and (deep := deep_range(pairs, self.pixels)):
            self.pixels = replace(self.pixels, value_range=deep)
            found["value_range"] = list(deep[0])
        return found


def with_masks(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs; FileNotFoundError where one has no mask."""
    missing = [pair for pair in pairs if pair.mask is not None and not pair.mask.is_file()]
    if missing:
        more = f" ({len(missing)} of {len(pairs)} images have none)" if len(missing) > 1 else ""
        raise FileNotFoundError(f"{missing[0].mask}: no such file; it is the mask of {missing[0].image}{more}")
    return list(pairs)


def flat(key: Key) -> str:
    """A name without folders: a/b and 1 give a__b__1."""
    return "__".join(part for text in key for part in text.split("/") if part)
