"""A comparison where its runs are logged: a run of Weights & Biases with table and files, or text in TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seglight.results.comparison import Comparison
from seglight.results.records import rows


def log_to_wandb(comparison: Comparison, folder: Path, settings: Mapping[str, Any]) -> str:
    """A W&B run of type `compare`: the verdict, the table, and the files in `folder` as an artifact; returns its name.

    settings: `logger.wandb`'s project, entity, group, tags and mode.
    """
    import wandb

    mode: Any = settings.get("mode", "auto")
    mode = mode_where_logged_in() if mode == "auto" else mode
    given = {key: settings[key] for key in ("project", "entity", "group", "tags") if settings.get(key)}
    with wandb.init(mode=mode, job_type="compare", dir=str(folder), **given) as run:
        table = rows(comparison)
        columns = list(table[0])
        run.log(
            {
                "comparison": wandb.Table(
                    columns=list[str | int](columns), data=[[row[c] for c in columns] for row in table]
                )
            }
        )
        run.summary.update({"verdict": "\n".join(comparison.verdict), "best": comparison.best})
        artifact = wandb.Artifact(f"compare-{run.id}", "comparison")
        for name in ("compare.csv", "compare.json", "compare.png", "index.html"):
            artifact.add_file(str(folder / name))
        run.log_artifact(artifact)
        return str(run.name or run.id)


def mode_where_logged_in() -> str:
    """WANDB_MODE where it is set, online where an API key is known (looked for, not sent), else offline."""
    import wandb

    if "WANDB_MODE" in os.environ:
        return os.environ["WANDB_MODE"]
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def log_to_tensorboard(comparison: Comparison, folder: Path) -> None:
    """The verdict and the cells as text, and each cell's score."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]
        verdict = "\n".join(f"- {sentence}" for sentence in comparison.verdict)
        writer.add_text("compare/verdict", verdict)  # type: ignore[no-untyped-call]
        lows, highs = comparison.estimate.interval()
        lines = ["| cell | score | low | high |", "|---|---|---|---|"]
        for at in comparison.order:
            value = comparison.estimate.value[at]
            lines.append(f"| {comparison.cells[at].name} | {value:.4f} | {lows[at]:.4f} | {highs[at]:.4f} |")
        writer.add_text("compare/cells", "\n".join(lines))  # type: ignore[no-untyped-call]
