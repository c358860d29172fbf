"""Downloads a file: resumed where it broke off, checked by its checksum, with an error that says what to do by hand."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

BLOCK = 1 << 20
ATTEMPTS = 3  # a connection that breaks off is taken up again, as long as it brings more
TIMEOUT = 30.0

Progress = Callable[[int, int | None], None]  # bytes that are there, bytes in all


def download(url: str, path: Path, checksum: str | None, progress: Progress = lambda have, total: None) -> Path:
    """Fetches `url` to `path`, unless it lies there already with the right checksum.

    What was fetched before a break lies in `<path>.part` and is not fetched again. OSError where the server cannot be
    reached, ValueError where the checksum is wrong.
    """
    if path.exists():
        verify(path, checksum)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            fetch_rest(url, part, progress)
            break
        except urllib.error.HTTPError as error:
            raise OSError(unreachable(url, path, checksum, f"HTTP {error.code} {error.reason}")) from None
        except (OSError, http.client.HTTPException) as error:
            have = part.stat().st_size if part.exists() else 0
            if attempt == ATTEMPTS or have == before:
                reason = getattr(error, "reason", None) or error
                raise OSError(unreachable(url, path, checksum, f"{reason}", have)) from None
    try:
        verify(part, checksum)
    except ValueError:
        part.unlink()  # resuming a wrong file would keep it wrong
        raise
    os.replace(part, path)
    validator(part).unlink(missing_ok=True)
    return path


def fetch_rest(url: str, part: Path, progress: Progress) -> None:
    """Appends what `part` lacks; starts anew where the server cannot resume, or its file has changed."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "seglight"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if validator(part).exists():
            request.add_header("If-Range", validator(part).read_text())
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return  # everything was there
        part.unlink()
        raise OSError("the file there is another one by now") from None
    with response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if mark and not mark.startswith("W/"):
            validator(part).write_text(mark)
        with part.open("ab" if have else "wb") as file:
            progress(have, total)
            while block := response.read(BLOCK):
                file.write(block)
                have += len(block)
                progress(have, total)
    if total is not None and have < total:
        raise OSError(f"the connection broke off at {have:,} of {total:,} bytes")


def validator(part: Path) -> Path:
    """Where the server's name for this version of the file is kept."""
    return part.with_name(part.name + ".version")


def verify(path: Path, checksum: str | None) -> None:
    """ValueError unless the file has the checksum "algorithm:hex"."""
    if checksum is None:
        return
    algorithm, _, expected = checksum.partition(":")
    found = digest(path, algorithm)
    if found != expected:
        raise ValueError(
            f"{path}: {algorithm} {found}; expected {expected}. The file is damaged or another version: remove it and "
            "run the command again"
        )


def digest(path: Path, algorithm: str = "sha256") -> str:
    """A file's checksum in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def unreachable(url: str, path: Path, checksum: str | None, reason: str, have: int = 0) -> str:
    """What went wrong, and what to do by hand."""
    kept = f" {have:,} bytes are kept: run the command again to go on." if have else ""
    proof = f" ({checksum})" if checksum else ""
    return (
        f"{url} could not be fetched: {reason}.{kept} Without a network: download it elsewhere{proof}, put it at "
        f"{path}, and run the command again; or give mirror=URL, an address that has {path.name}"
    )
