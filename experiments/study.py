"""Runs a study again and writes what it gave into its README: `python experiments/study.py NAME [key=value ...]`.

NAME is a folder beside this file: a README.md, and sweeps as Hydra configs. Every config with an entry in the README,
`<!-- compare: TITLE = config, config -->`, is trained (jobs that are done are not repeated), the runs of the entry are
compared, and the lines up to `<!-- end -->` are replaced by the verdict, the table and the picture.
`key=value` goes to sweeps that begin. The sweeps lie in multirun/NAME/CONFIG. A job that failed is named, and left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from seglight.results.comparison import compare

HERE = Path(__file__).resolve().parent
ENTRY = re.compile(r"<!-- compare: (?P<title>[\w-]+) = (?P<configs>[\w, ]+) -->\n.*?<!-- end -->", re.DOTALL)
COLUMNS = ("params", "trainable_params", "gflops", "train_seconds", "peak_memory_mb")


def trained(study: Path, config: str, more: list[str]) -> Path:
    """The folder of a sweep, trained to its end."""
    folder = Path("multirun", study.name, config)
    command = ["-cd", str(study), "-cn", config, f"hydra.sweep.dir={folder}", *more]
    if any(folder.glob("*/config.yaml")):
        command = [f"resume_sweep={folder}"]
    subprocess.run([sys.executable, "-m", "seglight.train", *command])  # a job that failed is no reason to stop
    if not any(folder.glob("*/summary.json")):
        raise SystemExit(f"{config}: no run came out of it")
    return folder


def measured(study: Path, title: str, folders: list[Path]) -> str:
    """The verdict, a row a cell, and the picture of an entry; its compare.* files beside the README."""
    found = compare([str(folder) for folder in folders], out=Path("multirun", study.name, f"compare-{title}"))
    for kind in ("json", "csv", "png"):
        shutil.copyfile(f"multirun/{study.name}/compare-{title}/compare.{kind}", study / f"{title}.{kind}")
    lows, highs = found.estimate.interval()
    head = "| | cell | seeds | mIoU | 95 % | parameters | trained | GFLOPs | seconds | MB |\n"
    rows = [head, "|---|---|---:|---:|---|---:|---:|---:|---:|---:|\n"]
    for at in found.order:
        costs = [found.cell_cost(at, cost) for cost in COLUMNS]
        numbers = " | ".join("-" if v is None else f"{v:,.0f}" if v > 99 else f"{v:.1f}" for v in costs)
        score = f"{100 * found.estimate.value[at]:.1f} | {100 * lows[at]:.1f} to {100 * highs[at]:.1f}"
        mark = "*" if at in set(found.ranking[0]) else ""
        rows.append(f"| {mark} | {found.cells[at].name} | {len(found.cells[at].runs)} | {score} | {numbers} |\n")
    verdict = "".join(f"> {line}\n" for line in found.verdict)
    return f"{verdict}\n{''.join(rows)}\n![{title}]({title}.png)\n"


def main() -> None:
    studies = sorted(page.parent.name for page in HERE.glob("*/README.md") if ENTRY.search(page.read_text()))
    if len(sys.argv) < 2 or sys.argv[1] not in studies:
        raise SystemExit(f"the name of a study is needed: {', '.join(studies)}")
    study, more = HERE / sys.argv[1], sys.argv[2:]
    page = study / "README.md"
    done: dict[str, Path] = {}
    for match in ENTRY.finditer(page.read_text()):
        configs = [config.strip() for config in match["configs"].split(",")]
        for config in configs:
            done[config] = done.get(config) or trained(study, config, more)
        text = f"{match[0].splitlines()[0]}\n{measured(study, match['title'], [done[c] for c in configs])}<!-- end -->"
        page.write_text(page.read_text().replace(match[0], text))


if __name__ == "__main__":
    main()
