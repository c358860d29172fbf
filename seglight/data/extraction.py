"""Unpacks tar and zip archives; nothing is written outside the target folder, and no link leads out of it."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

Progress = Callable[[int], None]  # files written


def extract(archive: Path, into: Path, prefix: str = "", progress: Progress = lambda count: None) -> int:
    """Writes the members under `prefix`, which is taken off, to `into`; returns the number of files."""
    into.mkdir(parents=True, exist_ok=True)
    if zipfile.is_zipfile(archive):
        return extract_zip(archive, into.resolve(), prefix, progress)
    if tarfile.is_tarfile(archive):
        return extract_tar(archive, into.resolve(), prefix, progress)
    raise ValueError(f"{archive}: neither a tar nor a zip archive, {archive.stat().st_size:,} bytes; expected one")


def extract_zip(archive: Path, into: Path, prefix: str, progress: Progress) -> int:
    """A zip; a link in it would be written as a file that holds its target."""
    count = 0
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            target = inside(archive, member.filename, into, prefix)
            if target is None or member.is_dir():
                continue
            with file.open(member) as content:
                write(content, target)
            count += 1
            progress(count)
    return count


def extract_tar(archive: Path, into: Path, prefix: str, progress: Progress) -> int:
    """A tar, compressed or not, in one pass."""
    count = 0
    with tarfile.open(archive) as file:
        for member in file:
            target = inside(archive, member.name, into, prefix)
            if target is None or member.isdir():
                continue
            if not member.isreg():
                kind = f"a link to {member.linkname}" if member.issym() or member.islnk() else "a special file"
                raise ValueError(f"{archive}: {member.name} is {kind}; expected files and folders alone")
            content = file.extractfile(member)
            assert content is not None
            write(content, target)
            count += 1
            progress(count)
    return count


def inside(archive: Path, name: str, into: Path, prefix: str) -> Path | None:
    """Where a member goes; None where it is not wanted; ValueError where it would leave `into`."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0:1]:
        raise ValueError(f"{archive}: {name} leads out of {into}; expected a path inside it")
    relative = path.as_posix()
    if not relative.startswith(prefix) or relative == prefix.rstrip("/"):
        return None
    target = into / relative[len(prefix) :]
    if not Path(os.path.realpath(target.parent)).is_relative_to(into):  # a link that lies in the folder already
        raise ValueError(f"{archive}: {name} leads out of {into} through a link; expected a path inside it")
    return target


def write(content: IO[bytes], target: Path) -> None:
    """Writes a member; a file that breaks off is not left under its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        shutil.copyfileobj(content, file)
    os.replace(part, target)
