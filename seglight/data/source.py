"""Where a data set comes from: its archives, checksums, licence, and what to do by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """A file to fetch and where its content goes, under the folder of all data sets.

    `prefix` is the part of the archive that is wanted; it is taken off. `checksum` is "md5:..." or "sha256:...", None
    where none is published. Without `url` the file needs a login: its user puts it into the downloads folder.
    """

    name: str
    url: str | None
    into: str
    checksum: str | None = None
    prefix: str = ""


@dataclass(frozen=True)
class Source:
    """A data set's home page, its terms and its archives; `by_hand` says what to do where nothing can be fetched."""

    home: str
    licence: str
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
