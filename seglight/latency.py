"""`python -m seglight.latency run=DIR sizes=[512,1024]`: how fast a run's network is, in PyTorch and exported."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from seglight.cli import made, run_command

WORDS, FORMATS = ("eager", "channels_last", "bf16", "compiled"), ("onnx", "openvino", "torch")

log = logging.getLogger(__name__)


def latency(cfg: DictConfig) -> None:
    """Measures every variant; prints a table and writes RUN/latency and the run's `latency_ms`."""
    import torch

    from seglight.data.progress import progress_bar
    from seglight.run_facts import facts
    from seglight.runs.run import load_run
    from seglight.sources.network import chosen
    from seglight.speed import files
    from seglight.speed.report import print_table, write
    from seglight.speed.rounds import Measured, measure
    from seglight.speed.worker import Failed, Job
    from seglight.values import whole

    sizes = sides(cfg.sizes)
    batch, rounds = whole("batch_size", cfg.batch_size), whole("rounds", cfg.rounds)
    threads = None if cfg.threads is None else whole("threads", cfg.threads)
    variants = checked(cfg.variants)
    device = str(chosen(cfg.device))
    run = load_run(cfg.run, cfg.checkpoint, cfg.trust)
    about = facts(run, "classes", "float32")
    own = [name for name in variants if name not in FORMATS]
    with tempfile.TemporaryDirectory() as folder:
        if cfg.files is not None:
            typed = [cfg.files] if isinstance(cfg.files, str) else list(cfg.files)
            exported: dict[str, Any] = files.named(typed, run.classes)
        else:
            exported = files.made(run, about, [name for name in variants if name in FORMATS], Path(folder))
        failed = {name: file for name, file in exported.items() if isinstance(file, Failed)}
        jobs = [
            Job(
                name, str(run.path), device, about.bands, about.value_range is not None, exported.get(name), threads,
                cfg.checkpoint, cfg.trust,
            )
            for name in [*own, *exported] if name not in failed
        ]  # fmt: skip
        log.info("%d variants in turn, %d rounds at each size", len(jobs), rounds)
        if any("compiled" in name for name in own):
            log.info("compiling comes first: minutes at each size where the machine is busy")
        with progress_bar("turns", len(jobs) * len(sizes) * rounds) as advance:
            found = measure(jobs, sizes, batch, rounds, advance)
    found += [Measured(name, "", *size, batch, no.reason) for size in sizes for name, no in failed.items()]
    if all(m.reason is not None for m in found):
        raise ValueError(f"nothing could be measured: {found[0].variant}: {found[0].reason}")
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    how = f"{where}, threads={'as each takes them' if threads is None else threads}, batch_size={batch}"
    title = f"{run.path.resolve().name}: {about.name}, {how}"
    print_table(found, title)
    circumstances = {
        "title": title, "device": where, "threads": threads, "batch_size": batch, "rounds": rounds,
        "versions": about.versions,
    }  # fmt: skip
    target = made("run", run.path / "latency")
    write(found, circumstances, target)
    first = next((m for m in found if m.variant == "eager" and (m.height, m.width) == sizes[0]), None)
    if first is not None and first.reason is None:
        run.update_summary(
            latency_ms=round(first.ms(50) / batch, 3),
            latency_at=f"{sizes[0][0]} x {sizes[0][1]}, {how}",
        )
    log.info("wrote: %s", target)


def sides(given: Any) -> list[tuple[int, int]]:
    """Heights and widths. ValueError where they are none."""
    from seglight.values import whole

    listed: Any = OmegaConf.to_container(given) if OmegaConf.is_list(given) else [given]
    pairs = [size if isinstance(size, list) else [size, size] for size in listed]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"sizes={given}: sides of squares are needed, [512,1024], or heights and widths, [[480,640]]")
    found = [(whole("sizes", height), whole("sizes", width)) for height, width in pairs]
    return list(dict.fromkeys(found))


def checked(given: Any) -> list[str]:
    """The variants' names. ValueError for one that there is not."""
    from seglight.values import one_of

    names = list(dict.fromkeys([given] if isinstance(given, str) else given))
    if not names:
        raise ValueError("variants=[]: at least one is needed")
    for name in names:
        if name not in FORMATS:
            for word in str(name).split("+"):
                one_of("variants", word, (*WORDS, *FORMATS))
                if word in FORMATS:
                    raise ValueError(f"variants={name}: {word} cannot be joined with others")
    return names


if __name__ == "__main__":
    run_command("latency", latency)
