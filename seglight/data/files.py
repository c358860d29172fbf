"""The files that a glob matches, by what its wildcards stand for, as people's folders have them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"))
ARRAYS = frozenset((".npy", ".npz", ".mat"))
CLUTTER = ("thumbs.db", "desktop.ini")  # what Windows leaves in folders
WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?)")

Key = tuple[str, ...]  # what each wildcard stands for


@dataclass
class Matches:
    """`paths`: the matched files by key. `hidden`: files that a file manager left there (._x.jpg), skipped."""

    paths: dict[Key, Path] = field(default_factory=dict)
    hidden: list[Path] = field(default_factory=list)


def matches(root: Path, glob: str, leave_out: Sequence[Path] = ()) -> Matches:
    """The files below `root` that a glob matches; its extension matches whatever its case.

    `**/` stands for any folders, or none. A glob that ends with a wildcard matches images with any extension, which
    is no part of the key. leave_out: files that are something else. ValueError where two files have one key.
    """
    opened = glob.removesuffix(".*") if glob.endswith((".*", "*")) else None
    pattern = regex(glob) if opened is None else regex(opened) + r"(?:\.[^./]+)"
    skipped, found = frozenset(leave_out), Matches()
    try:
        paths = sorted(root.glob(any_case(glob) if opened is None else f"{opened}.*"))
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{glob}: no glob below {root} ({error})") from None
    shows_hidden = any(part.startswith(".") for part in glob.split("/"))
    for path in paths:
        relative = os.path.relpath(path, root).replace(os.sep, "/")
        match = re.fullmatch(pattern, relative, re.IGNORECASE)
        if match is None or path in skipped or not path.is_file():
            continue
        if not shows_hidden and is_hidden(relative):
            found.hidden.append(path)
            continue
        if opened is not None and path.suffix.lower() not in IMAGES | ARRAYS:
            continue
        other = found.paths.setdefault(key_of(glob, match.groups()), path)
        if other != path:
            raise ValueError(f"{path}: {glob} matches it by the same name as {other}; one file expected")
    return found


def regex(glob: str) -> str:
    """A glob as a regular expression, a group for each wildcard."""
    meaning = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    return "".join(meaning.get(part, re.escape(part)) for part in WILDCARD.split(glob))


def any_case(glob: str) -> str:
    """The glob with its extension in small and capital letters."""
    stem, dot, suffix = glob.rpartition(".")
    if not dot or not suffix.isalnum():
        return glob
    return f"{stem}." + "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suffix)


def key_of(glob: str, groups: Key) -> Key:
    """What the wildcards stand for; folders that are not there are no part of it."""
    return tuple(text for sign, text in zip(WILDCARD.findall(glob), groups, strict=True) if text or sign != "**/")


def filled(glob: str, key: Key) -> str:
    """The glob with its wildcards replaced: the path that a file would have."""
    parts = list(key)

    def part(match: re.Match[str]) -> str:
        if match[0] == "**/" and not (parts and parts[0].endswith("/")):
            return ""
        return parts.pop(0) if parts else "*"

    return WILDCARD.sub(part, glob.removesuffix(".*")) + (".*" if glob.endswith("*") else "")


def is_hidden(relative: str) -> bool:
    """Whether a path is one that file managers hide: ._x.jpg, .DS_Store, Thumbs.db."""
    return any(part.startswith(".") for part in relative.split("/")) or relative.rpartition("/")[2].lower() in CLUTTER


def left_out(matched: Sequence[Path], known: Sequence[Path]) -> list[Path]:
    """Images in the folders of the matched files that are not among the `known` ones."""
    taken, found = set(known), []
    for folder in sorted({path.parent for path in matched}):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in IMAGES and not is_hidden(path.name) and path not in taken:
                found.append(path)
    return found


def images_below(root: Path, limit: int = 20_000) -> dict[str, int]:
    """How many images there are below a folder, by glob: {"images/sub/*.jpg": 12}."""
    counts: dict[str, int] = {}
    seen = 0
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            suffix = Path(name).suffix
            if suffix.lower() in IMAGES and not is_hidden(name):
                glob = f"*{suffix}" if relative == "." else f"{relative}/*{suffix}"
                counts[glob] = counts.get(glob, 0) + 1
        seen += len(names)
        if seen > limit:
            break
    return counts
