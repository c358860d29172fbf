"""The files that `source=` stands for, and the name under which each one's results are written."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from seglight.data.bands import ARRAYS, RASTERS
from seglight.data.decode import is_tiff
from seglight.data.files import IMAGES
from seglight.data.listing import read_ids

VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv"}
LISTS = {".txt", ".lst"}
GEOGRAPHIC = (33550, 33922, 34264, 34735)  # the tags that make a TIFF a GeoTIFF (OGC 19-008r4, annex B)
LARGE = 4096 * 4096  # pixels; what is larger is predicted by windows
WILDCARDS = "*?["


@dataclass(frozen=True)
class Item:
    """One input: `kind` is image, video, raster or camera; `name` is that of its results, folders included."""

    path: Path
    name: str
    kind: str = "image"
    frame: int | None = None  # of a TIFF stack, whose pages are images of their own


def items(source: Any, out: Path, endings: Sequence[str] = (".png",), deep: bool = False) -> list[Item]:
    """What a source holds, in a fixed order. `source`: a file, folder, glob, list file, camera number, or several.

    endings: of the files that are written for each, after its name. deep: for a network of other images than 8-bit RGB,
    to which a TIFF's pages are bands of one image, and arrays (.npy, .npz) are images.
    Hidden files are left out, and what lies in `out`. FileNotFoundError and ValueError say why there is nothing, or
    which results would overwrite a file.
    """
    if isinstance(source, int) or (isinstance(source, str) and source.isdigit() and not Path(source).exists()):
        return [Item(Path(f"/dev/video{source}"), f"camera{source}", "camera")]
    texts = [source] if isinstance(source, str | Path) else list(source)
    found: dict[Path, Path] = {}  # file: the folder that its name starts from
    known = {*IMAGES, *VIDEOS, *RASTERS, *(ARRAYS if deep else ())}
    for text in texts:
        found |= dict.fromkeys(*files(Path(text).expanduser(), out, known))
    if not found:
        raise FileNotFoundError(f"source={shown(source)}: no images or videos there; {expected()}")
    listed = [page for path, base in found.items() for page in pages(path, base, deep)]
    named = apart(listed)
    refuse_overwriting(named, out, endings)
    return named


def files(path: Path, out: Path, known: Collection[str]) -> tuple[list[Path], Path]:
    """The files of one source, and the folder that their names start from."""
    if path.is_dir():
        if path.resolve() == out.resolve():
            raise ValueError(f"out={out} is the source too; choose another folder for what is written")
        return list(usable(path.rglob("*"), path, out, known)), path
    if path.is_file():
        if path.suffix.lower() in LISTS:
            return in_list(path)
        if path.suffix.lower() not in known:
            raise ValueError(f"source={path}: {path.suffix or 'a file without suffix'} is no image; {expected()}")
        return [path], path.parent
    if any(sign in str(path) for sign in WILDCARDS):
        fixed = [part for part in path.parts if not any(sign in part for sign in WILDCARDS)]
        start = Path(*path.parts[: next(i for i, part in enumerate(path.parts) if part not in fixed)])
        return list(usable((Path(p) for p in glob.iglob(str(path), recursive=True)), start, out, known)), start
    raise FileNotFoundError(f"source={path}: no such file or folder; {expected()}")


def usable(paths: Iterable[Path], start: Path, out: Path, known: Collection[str]) -> Iterable[Path]:
    """Files of a known kind, sorted; none that is hidden (._x.jpg, .DS_Store) or was written by an earlier call."""
    written = out.resolve()
    for path in sorted(paths):
        hidden = any(part.startswith(".") for part in path.relative_to(start).parts)
        if (
            path.suffix.lower() in known
            and not hidden
            and path.is_file()
            and not path.resolve().is_relative_to(written)
        ):
            yield path


def in_list(path: Path) -> tuple[list[Path], Path]:
    """The files that a list names, one a line: from the list's folder, else from the working directory."""
    listed = [Path(line).expanduser() for line in read_ids(path)]
    there = [path.parent / entry if (path.parent / entry).exists() else entry for entry in listed]
    plain = [Path(os.path.abspath(entry)) for entry in there]  # a name with .. would lead out of `out`
    return plain, Path(os.path.commonpath([file.parent for file in plain]))


def pages(path: Path, base: Path, deep: bool = False) -> list[Item]:
    """The items of one file: more than one where it is a TIFF of several pages; one where those are bands (deep)."""
    name = path.absolute().relative_to(base.absolute()).as_posix()
    suffix = path.suffix.lower()
    if suffix in VIDEOS:
        return [Item(path, name, "video")]
    if suffix in RASTERS:
        return [Item(path, name, "raster")]
    if deep and suffix in ARRAYS:
        return [Item(path, name)]
    try:
        with Image.open(path) as image:
            tags = getattr(image, "tag_v2", ())
            if image.width * image.height > LARGE or any(tag in tags for tag in GEOGRAPHIC):
                return [Item(path, name, "raster")]
            count = int(getattr(image, "n_frames", 1)) if suffix in (".tif", ".tiff") and not deep else 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # reading it says what is wrong
        return [Item(path, name, "raster" if is_tiff(path) and not (deep and is_small(path)) else "image")]
    if count == 1:
        return [Item(path, name)]
    digits = len(str(count - 1))
    stem = name.removesuffix(path.suffix)
    return [Item(path, f"{stem}_{page:0{digits}d}{path.suffix}", frame=page) for page in range(count)]


def is_small(path: Path) -> bool:
    """Whether a TIFF that Pillow does not open is neither large nor georeferenced."""
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            return page.imagelength * page.imagewidth <= LARGE and not any(tag in page.tags for tag in GEOGRAPHIC)  # type: ignore[union-attr]
    except Exception:  # reading it says what is wrong
        return False


def apart(listed: Sequence[Item]) -> list[Item]:
    """The items under the names of their results: without suffix, or with it where two would be the same file."""
    stems = [item.name.removesuffix(item.path.suffix) for item in listed]
    uses = Counter(stem.lower() for stem in stems)
    names = [stem if uses[stem.lower()] == 1 else item.name for stem, item in zip(stems, listed, strict=True)]
    first: dict[str, Item] = {}
    for name, item in zip(names, listed, strict=True):
        other = first.setdefault(name.lower(), item)
        if other is not item:
            raise ValueError(f"{other.path} and {item.path} would both be written as {name}.png: predict them apart")
    return [Item(item.path, name, item.kind, item.frame) for item, name in zip(listed, names, strict=True)]


def refuse_overwriting(named: Sequence[Item], out: Path, endings: Sequence[str]) -> None:
    """ValueError where a result would take the place of an input, or of another result."""
    inputs, written = {item.path.resolve() for item in named}, dict[Path, Item]()
    for item in named:
        for ending in endings:
            target = (out / f"{item.name}{ending}").resolve()
            if target in inputs:
                raise ValueError(f"out={out}: {item.name}{ending} is an input there; choose another folder")
            other = written.setdefault(target, item)
            if other is not item:
                raise ValueError(f"{other.path} and {item.path} would both write {target.name}: predict them apart")


def expected() -> str:
    """What a source may be."""
    return "an image, video, raster, folder, glob, list file (.txt) or camera number is needed"


def shown(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"[{','.join(map(str, source))}]"
