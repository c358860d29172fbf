"""`python -m seglight.fetch data=...`: downloads a data set, checks it and unpacks it where seglight looks for it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from seglight.cli import made, refuse_impossible, run_command

if TYPE_CHECKING:
    from seglight.data.source import Archive, Source

log = logging.getLogger(__name__)


def fetch(cfg: DictConfig) -> Path:
    """Leaves the data set under `cfg.root`; ValueError or OSError says what to do by hand where it cannot."""
    if cfg.format not in ("files", "litdata"):
        raise ValueError(f"format={cfg.format}; expected files or litdata")
    if cfg.format == "litdata" and "://" in cfg.chunks:
        raise ValueError(f"chunks={cfg.chunks}; expected a folder: copy it to the object store afterwards")
    root = Path(cfg.root).expanduser()
    refuse_impossible("root", root)
    data = data_under(root, cfg)
    if "value_range" in cfg.data:
        data.settled()  # how many bands the images have, which values
    source = getattr(data, "source", None)
    where, wrote = Path(data.root or root), False
    wrong = what_is_wrong(data)
    if wrong is None:
        log.info("data=%s is there: %s", data.name, data.root or "drawn from a seed, no files")
    elif source is None:
        raise ValueError(
            f"{wrong}\ndata={data.name} is not downloaded from anywhere: its files belong under {data.root}"
        )
    else:
        if not where.expanduser().absolute().is_relative_to(root.absolute()):
            raise ValueError(
                f"{wrong}\ndata.root={data.root}: a download goes under root={root}; leave data.root out, or give root"
            )
        if isinstance(wrong, ValueError):
            log.warning("what is there cannot be used: %s", wrong)
        log.info("data=%s\n  from     %s\n  licence  %s", data.name, source.home, source.licence)
        get(data.name, source, root, cfg)
        data.prepare()  # the layout is what it should be
        wrote = True
    if cfg.format == "litdata":
        from seglight.data.chunks import write_chunks

        new = not Path(cfg.chunks).exists()
        where, wrote = made("chunks", Path(cfg.chunks)), True
        asked = [cfg.splits] if isinstance(cfg.splits, str) else cfg.splits
        try:
            write_chunks(data, list(asked or dict.fromkeys((data.train_split, data.split))), where)
        except Exception:
            if new:
                where.rmdir()
            raise
    if wrote:
        log.info("wrote: %s", where)
    return where


def data_under(root: Path, cfg: DictConfig) -> Any:
    """The data module with its folder under `root`, which data configs take from SEGLIGHT_DATA."""
    from seglight.config import build

    before = os.environ.get("SEGLIGHT_DATA")
    os.environ["SEGLIGHT_DATA"] = str(root)
    try:
        return build(cfg, "data")
    finally:
        os.environ.pop("SEGLIGHT_DATA")
        if before is not None:
            os.environ["SEGLIGHT_DATA"] = before


def what_is_wrong(data: Any) -> OSError | ValueError | None:
    """Why the splits that a run would use cannot be listed; None where they can."""
    try:
        data.prepare()
    except (OSError, ValueError) as error:
        return error
    return None


def get(name: str, source: Source, root: Path, cfg: DictConfig) -> None:
    """Downloads and unpacks every archive; what needs a login is taken from the downloads folder."""
    from seglight.data.extraction import extract

    downloads = root / "downloads"
    archives = [archive_at(archive, cfg.mirror) for archive in source.archives]
    missing = [a for a in archives if a.url is None and not (downloads / a.name).exists()]
    if missing or not archives:
        wanted = "".join(f"\n  {downloads / archive.name}" for archive in missing)
        raise ValueError(
            f"data={name} cannot be fetched without you.\n{source.by_hand}"
            + (f"\nPut here, and run the command again:{wanted}" if wanted else "")
        )
    for archive in archives:
        path = downloaded(archive, downloads / archive.name)
        log.info("unpacking %s to %s", path.name, root / archive.into)
        count = extract(path, root / archive.into, archive.prefix)
        if count == 0:
            raise ValueError(f"{path}: holds nothing under {archive.prefix!r}; expected the files of data={name}")
        if not cfg.keep_archives and archive.url is not None:
            path.unlink()


def archive_at(archive: Archive, mirror: str | None) -> Archive:
    """The archive at another address that has it under its name."""
    from dataclasses import replace

    return archive if mirror is None else replace(archive, url=f"{mirror.rstrip('/')}/{archive.name}")


def downloaded(archive: Archive, path: Path) -> Path:
    """The archive on disk, its checksum checked."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from seglight.data.download import digest, download, verify

    if archive.url is None:
        verify(path, archive.checksum)
        return path
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns) as bars:
        bar = bars.add_task(archive.name, total=None)
        download(archive.url, path, archive.checksum, lambda have, total: bars.update(bar, completed=have, total=total))
    if archive.checksum is None:
        log.info("no checksum is published for %s; this one has sha256 %s", archive.name, digest(path))
    return path


if __name__ == "__main__":
    run_command("fetch", fetch)
