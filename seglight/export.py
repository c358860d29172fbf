"""`python -m seglight.export run=DIR format=onnx|openvino|torch out=FILE`: a trained network as a file of its own."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from seglight.cli import made, run_command
from seglight.run_options import offer_data

if TYPE_CHECKING:
    from seglight.deploy.about import About
    from seglight.runs.run import Run

log = logging.getLogger(__name__)


def export(cfg: DictConfig) -> None:
    """Writes the file and its card once the file has been run and compared with PyTorch; says what int8 costs."""
    from seglight.deploy.card import card
    from seglight.deploy.tracing import ENDINGS
    from seglight.run_facts import costs, facts
    from seglight.runs.run import load_run

    check(cfg)
    run = load_run(cfg.run, cfg.checkpoint, cfg.trust)
    out = Path(cfg.out or run.path / "export" / f"{run.path.resolve().name}{ENDINGS[cfg.format]}")
    made("out", out.parent)
    about = facts(run, cfg.output, "int8" if cfg.int8 else "float32")
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:
        partial = Path(folder) / out.name
        try:
            written(run, about, cfg, partial)
        except ValueError as error:
            raise ValueError(f"{error}; nothing was written") from None
        sizes = {path.name: path.stat().st_size for path in Path(folder).glob(f"{out.stem}.*")}
        text = card(about, out, sum(sizes.values()), costs(run, about), cfg.licence)
        (partial.parent / f"{out.name}.md").write_text(text)
        for name in (*sorted(sizes), f"{out.name}.md"):  # a .bin is there before its .xml
            os.replace(partial.parent / name, out.parent / name)
    if cfg.push_to_hub:
        from seglight.deploy.hub import push

        files = [out.parent / name for name in sorted(sizes)]
        log.info("pushed: %s", push(cfg.push_to_hub, files, out.parent / f"{out.name}.md", cfg.private))
    log.info("wrote: %s", out)


def check(cfg: DictConfig) -> None:
    """ValueError where a key has a value that it cannot have."""
    from seglight.deploy.tracing import ENDINGS
    from seglight.values import one_of, whole

    one_of("format", cfg.format, ENDINGS)
    one_of("output", cfg.output, ("logits", "classes"))
    whole("calibration", cfg.calibration)
    if cfg.score_images is not None:
        whole("score_images", cfg.score_images)
    pairs: Any = OmegaConf.to_container(cfg.sizes) if OmegaConf.is_list(cfg.sizes) else []
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"sizes={cfg.sizes}: expected pairs of height and width, such as [[64,96],[97,129]]")
    for side in (side for pair in pairs for side in pair):
        whole("sizes", side)
    if cfg.int8 and cfg.format == "torch":
        raise ValueError("int8=true: TorchScript has no int8 that runs everywhere; use format=onnx or format=openvino")
    if cfg.out and Path(cfg.out).suffix != ENDINGS[cfg.format]:
        raise ValueError(f"out={cfg.out}: format={cfg.format} is a file that ends in {ENDINGS[cfg.format]}")


def written(run: Run, about: About, cfg: DictConfig, path: Path) -> None:
    """Writes the file, runs it, and completes its metadata with what that gave."""
    from seglight.config import build
    from seglight.deploy import tracing
    from seglight.deploy.card import cost
    from seglight.deploy.checks import differences
    from seglight.deploy.runtimes import open_runtime
    from seglight.int8_cost import compared, quantised

    log.info("tracing the network")
    folder = path.parent / "parts"
    folder.mkdir()
    graph = folder / "float32.onnx"
    source = tracing.traced_for(cfg.format, run.net, graph, about)

    def write() -> None:
        tracing.WRITERS[cfg.format](source, path, about)

    if cfg.int8:
        source = folder / "int8.onnx"
        data = build(cfg, "data")
        quantised(graph, source, data, cfg.calibration)
    write()
    about.differences = differences(open_runtime(path), run.net, about, [tuple(size) for size in cfg.sizes])
    largest = max(about.differences.values())
    what = "PyTorch's logits" if about.output == "logits" else "PyTorch (share of pixels)"
    log.info(f"ran at {', '.join(about.differences)} pixels: largest difference from {what} {largest:.2g}")
    if cfg.int8:
        plain = folder / "described.onnx"
        tracing.describe_onnx(graph, plain, replace(about, precision="float32"))
        about.int8 = compared(plain, path, data, cfg.score_images)
        log.info(
            f"int8 on {about.int8['split']}, {about.int8['images']} images: mIoU {about.int8['int8']:.4f}, "
            f"float32 {about.int8['float32']:.4f} ({cost(about)})"
        )
    write()


if __name__ == "__main__":
    run_command("export", export, offer_data)
