"""`python -m seglight.predict run=PATH source=... out=FOLDER`: the classes of images, videos, rasters, as files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from seglight.cli import made, run_command

if TYPE_CHECKING:
    from seglight.sources.listing import Item

log = logging.getLogger(__name__)


def predict(cfg: DictConfig) -> None:
    """Writes every input's results to `out`. ValueError at the end where some inputs could not be predicted."""
    from seglight.config import build
    from seglight.data.pixels import Pixels
    from seglight.data.progress import progress_bar
    from seglight.errors import message
    from seglight.objects.numbering import Numbering
    from seglight.runs.run import load_run
    from seglight.sources.images import predictions
    from seglight.sources.listing import items
    from seglight.sources.network import Network
    from seglight.sources.outputs import Outputs
    from seglight.sources.raster import Windows, predict_raster
    from seglight.sources.video import predict_video
    from seglight.values import one_of, whole

    batch_size = whole("batch_size", cfg.batch_size)
    safe = one_of("palette", cfg.palette, ("own", "safe")) == "safe"
    windows = Windows(cfg.window, cfg.margin, cfg.bands, cfg.value_range)
    run = load_run(cfg.run, cfg.checkpoint, cfg.trust)
    out = Path(cfg.out).expanduser()
    network = Network(run, cfg.device, cfg.probabilities or cfg.instances, build(cfg, "tta"))
    numbering = Numbering(**cfg.objects) if cfg.instances else None
    if numbering is not None:
        numbering.indices(run.classes, run.things)
    outputs = Outputs(out, cfg.overlay, cfg.side_by_side, cfg.probabilities, safe, numbering, run.things)
    found = items(cfg.source, out, outputs.endings, deep=run.pixels != Pixels())
    if cfg.value_range is not None or cfg.bands is not None:
        found = [as_raster(item) for item in found]
    videos = [item.path for item in found if item.kind in ("video", "camera")]
    if videos and not (cfg.overlay or cfg.frames):
        raise ValueError(f"overlay=false: nothing is left to write of {videos[0]}; frames=true writes its classes")
    made("out", out)
    failed: list[Item] = []
    images = [item for item in found if item.kind == "image"]
    if len(images) < len(found) and (cfg.instances or cfg.probabilities):
        log.warning("objects and probabilities are written of images only, not of videos and rasters")

    def fail(item: Item, error: Exception) -> None:
        log.error("not predicted: %s", message(error))
        failed.append(item)

    with progress_bar("images", len(images)) if images else nullcontext(int) as advance:
        for item, prediction in predictions(images, network, batch_size, fail):
            try:
                outputs.write(prediction, item.name)
            except ValueError as error:
                fail(item, ValueError(f"{item.path}: {error}"))
            advance()
    for item in (item for item in found if item.kind != "image"):
        try:
            if item.kind == "raster":
                predict_raster(item, network, outputs, windows)
            else:
                predict_video(item, network, outputs, batch_size, cfg.frames)
        except (ValueError, FileNotFoundError) as error:
            fail(item, error)
    if len(failed) < len(found):
        log.info("wrote: %s", out)
    if failed:
        raise ValueError(f"{len(failed)} of {len(found)} inputs could not be predicted: {failed[0].path}{more(failed)}")


def as_raster(item: Item) -> Item:
    """An image as what `value_range` and `bands` are for. ValueError where it can be none."""
    if item.kind == "image" and item.frame is None and Path(item.path).suffix.lower() in (".tif", ".tiff"):
        return replace(item, kind="raster")
    if item.kind != "raster":
        raise ValueError(f"{item.path}: value_range and bands are of TIFFs of one page and rasters; leave them out")
    return item


def more(failed: Sequence[object]) -> str:
    """That there are others."""
    return f" and {len(failed) - 1} more" if len(failed) > 1 else ""


if __name__ == "__main__":
    run_command("predict", predict)
