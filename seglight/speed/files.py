"""The exported files that are measured: those that were named, or ones made for it in a folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seglight.deploy.about import About
from seglight.deploy.checks import differences
from seglight.deploy.runtimes import open_runtime
from seglight.deploy.tracing import write_format
from seglight.errors import USER_ERRORS
from seglight.speed.worker import Failed, reason

if TYPE_CHECKING:
    from seglight.runs.run import Run

log = logging.getLogger(__name__)


def named(paths: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The files by their names. ValueError for one that is no export of a network with these classes."""
    for path in paths:
        about = About.read(open_runtime(path).text, path)
        if about.classes != list(classes):
            raise ValueError(f"files={path}: it has other classes than the run ({', '.join(about.classes)})")
    if len({Path(path).name for path in paths}) < len(paths):
        raise ValueError(f"files=[{', '.join(paths)}]: files of different names are needed")
    return {Path(path).name: path for path in paths}


def made(run: Run, about: About, formats: Sequence[str], folder: Path) -> dict[str, str | Failed]:
    """A file of each format that gives classes, compared with PyTorch; or why it cannot be made."""
    found: dict[str, str | Failed] = {}
    for name in formats:
        log.info("exporting: %s", name)
        try:
            path = write_format(name, run.net, folder, about)
            differences(open_runtime(path), run.net, about, [(64, 96)])
            found[name] = str(path)
        except USER_ERRORS as error:
            found[name] = Failed(reason(error))
    return found
