"""`python -m seglight.check data=...`: reads a whole data set and says what is wrong with it before a long run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seglight.cli import made, run_command

if TYPE_CHECKING:
    from seglight.data.checking import SplitReport
    from seglight.data.datamodule import SegmentationData

log = logging.getLogger(__name__)

LISTED = 20  # problems that are printed; the JSON has them all


def check(cfg: DictConfig) -> dict[str, Any]:
    """Writes OUT/check.json and OUT/samples.png and prints a table; ValueError lists what is wrong.

    Where a folder has no class table, OUT/classes.yaml proposes one instead.
    """
    from rich.console import Console

    from seglight.config import build
    from seglight.data.check_report import class_table, summarise
    from seglight.data.checking import duplicates, nearly_equal

    if lacks_table(cfg):
        return propose(cfg)
    data = build(cfg, "data")
    if not hasattr(data, "unchecked"):
        raise ValueError(f"data={type(data).__name__} is not one of seglight's data sets: check reads images and masks")
    data.settled()  # the bands and values of the images, which a run keeps in its config
    asked = [cfg.splits] if isinstance(cfg.splits, str) else cfg.splits
    splits = list(asked or dict.fromkeys((data.train_split, data.split)))
    out = made("out", Path(cfg.out))
    reports = read(data, splits)
    problems = [(report.split, problem) for report in reports for problem in report.problems]
    problems += [("duplicates", problem) for problem in duplicates(reports)]
    notes = look_at_classes(data, reports, problems)
    values = look_at_values(data, reports[0], notes)
    if pairs := nearly_equal(reports):
        shown = "; ".join(" and ".join(pair) for pair in pairs[: LISTED // 4])
        notes.append(f"{len(pairs)} pairs of images look alike and are in two splits: {shown}")
    summary = summarise(data, reports, problems) | values | {"notes": notes, "nearly_equal": pairs}
    Console().print(class_table(data, summary))
    (out / "check.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
    draw_samples(data, reports, cfg.samples, out / "samples.png")
    for note in notes:
        log.warning(note)
    log.info("wrote: %s", out)
    if problems:
        shown = "\n".join(f"  {split}: {problem}" for split, problem in problems[:LISTED])
        more = f"\n  ... and {len(problems) - LISTED} more, in {out / 'check.json'}" if len(problems) > LISTED else ""
        raise ValueError(f"data={data.name}: {len(problems)} problems\n{shown}{more}")
    return summary


def lacks_table(cfg: DictConfig) -> bool:
    """Whether a folder's class table is a file that is not there."""
    try:
        table, root = cfg.data.get("class_table"), cfg.data.get("root")
    except OmegaConfBaseException:  # root is not given: building it says so
        return False
    places = [Path(table).expanduser(), Path(root).expanduser() / table] if isinstance(table, str) and root else []
    return bool(places) and Path(root).expanduser().is_dir() and not any(place.is_file() for place in places)


def propose(cfg: DictConfig) -> dict[str, Any]:
    """Writes OUT/classes.yaml, a draft of what the masks store, and says how to go on."""
    from seglight.config import build
    from seglight.data.proposal import draft, look

    missing, drawn = cfg.data.class_table, OmegaConf.masked_copy(cfg, list(cfg))
    OmegaConf.update(drawn, "data.class_table", {"classes": ["any"]}, merge=False)
    OmegaConf.update(drawn, "data.num_classes", 1)
    data = build(drawn, "data")
    pairs = [pair for split in dict.fromkeys((data.train_split, data.split)) for pair in data.unchecked(split)]
    found = look(pairs, f"{data.name}: what masks store")
    text, count = draft(found)
    path = made("out", Path(cfg.out)) / "classes.yaml"
    if path.exists() and path.read_text() != text:
        raise ValueError(
            f"{path} is there and holds other classes: use it (data.class_table={path}), or choose out=FOLDER"
        )
    path.write_text(text)
    tolerance = f" data.mask_tolerance={found.spread}" if found.spread else ""
    log.warning("data.class_table=%s: no such file. What %d masks store, as a draft:\n%s", missing, found.masks, text)
    log.info("edit its names, then add data.class_table=%s data.num_classes=%d%s", path, count, tolerance)
    log.info("wrote: %s", path)
    return {"classes": count}


def read(data: SegmentationData, splits: list[str]) -> list[SplitReport]:
    """Every split read, each under a progress bar."""
    from seglight.data.checking import read_split
    from seglight.data.progress import progress_bar

    reports = []
    for split, pairs in {split: data.unchecked(split) for split in splits}.items():
        with progress_bar(f"{data.name} {split}", len(pairs)) as advance:
            reports.append(read_split(split, pairs, data.reader(split), advance))
    return reports


def look_at_classes(data: SegmentationData, reports: list[SplitReport], problems: list[tuple[str, str]]) -> list[str]:
    """Adds to the problems why nothing can be learned from a split; returns what else is to be said of classes."""
    from seglight.data.occurrence import fault, likely, remark

    notes = []
    for report in reports:
        found, where = report.occurrence(), f"split {report.split}"
        text = None if data.allow_single_class else fault(found, data.classes, where)
        matters = report.split == data.train_split or found.mostly_empty() or likely(found, data.classes)
        if text and not matters:
            notes.append(text)
        elif text:
            problems.append((report.split, text.removeprefix(f"{where}: ")))
        elif text := remark(found, data.classes, where):
            notes.append(text)
    return notes


def look_at_values(data: SegmentationData, report: SplitReport, notes: list[str]) -> dict[str, Any]:
    """Prints what images store that are not 8 bits of RGB, and notes what to say of it; for check.json too."""
    from dataclasses import asdict

    from seglight.data.value_ranges import hint, values_of

    pixels = getattr(data, "pixels", None)
    values = values_of([reading.pair for reading in report.good], pixels) if pixels is not None else None
    if pixels is None or values is None or (values.kind == "uint8" and len(values.histograms) == 3):
        return {}
    log.info("\n".join(values.lines(pixels.bands or range(1, len(values.histograms) + 1))))
    if text := hint(values, pixels):
        notes.append(text)
    return {"values": asdict(values)}


def draw_samples(data: SegmentationData, reports: list[SplitReport], count: int, path: Path) -> None:
    """A sheet of the first split's samples, evenly spread: augmented where an augmentation was chosen."""
    from seglight.data.dataset import SegmentationDataset
    from seglight.data.listing import spread
    from seglight.results.drawing import sheet

    report = reports[0]
    pairs = [reading.pair for reading in spread(report.good, count)]
    if not pairs:
        return
    pairs, reader = data.cut(pairs, data.reader(report.split), scored=False)
    samples = SegmentationDataset(spread(pairs, count), reader, data.augment, data.seed)
    drawn = [
        (one.name, data.pictured(one.image), one.mask)
        for one in map(samples.__getitem__, range(len(samples)))
        if one.image is not None and one.mask is not None
    ]
    seen = " as the network will see them" if data.augment is not None else ""
    sheet(drawn, data.palette, data.classes, f"{data.name}, {report.split}: samples{seen}").save(path)


if __name__ == "__main__":
    run_command("check", check)
