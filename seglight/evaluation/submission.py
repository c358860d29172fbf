"""`submission=true`: predictions as the data set's own server takes them, and the archive to upload."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def saver(data: Any) -> Callable[..., Any]:
    """What writes one mask for the server. ValueError where seglight knows no server of this data set."""
    save: Callable[..., Any] | None = getattr(data, "save_submission", None)
    if save is None:
        raise ValueError(
            f"submission=true: data={data.name} has no server that seglight writes files for (voc and cityscapes do); "
            "save_predictions=true writes class indices as PNGs"
        )
    return save


def pack(folder: Path, data: Any) -> None:
    """Packs what was written into one archive beside it."""
    name, kind = data.submission
    packed = Path(shutil.make_archive(str(folder / f".{name}.partial"), kind, folder, name))
    archive = folder / f"{name}{packed.name.removeprefix(f'.{name}.partial')}"
    os.replace(packed, archive)
    log.info("to upload: %s", archive)
