"""What an exported file and its card say of the run that it is made of: classes, scores, config, costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf

import seglight
from seglight.data.pixels import settings_of
from seglight.deploy.about import About, colour

if TYPE_CHECKING:
    from seglight.runs.run import Run


def facts(run: Run, output: str, precision: str) -> About:
    """The metadata of an export of this run."""
    summary, trained = run.summary, run.cfg.copy()
    OmegaConf.set_struct(trained, False)
    for key in ("root", "cache_dir"):  # of this machine
        trained.data.pop(key, None)
    encoder = getattr(run.net, "encoder", None)
    settings: Any = OmegaConf.to_container(run.cfg.data)
    return About(
        classes=list(run.classes),
        palette=[colour(c) for c in run.palette],
        bands=encoder.normalize.channels if encoder is not None else 3,
        value_range=settings.get("value_range"),
        nodata=settings_of(run.pixels).get("nodata"),
        output=output,
        precision=precision,
        name=f"{run.cfg.get('model_name', 'network')} on {run.cfg.data.name}",
        data=run.cfg.data.name,
        params=sum(p.numel() for p in run.net.parameters()),
        scores={k: v if v is not None and math.isfinite(v) else None for k, v in summary.items() if "/" in k},
        versions={"seglight": seglight.__version__, "torch": torch.__version__},
        config=OmegaConf.to_yaml(trained),
    )


def costs(run: Run, about: About) -> list[tuple[str, str]]:
    """What the network costs, as the card says it."""
    from seglight.models.anatomy import gflops

    rows = [("parameters", f"{about.params:,}")]
    if hasattr(run.net, "encoder"):
        flops = gflops(run.net, (512, 512))  # type: ignore[arg-type]
        rows.append(("GFLOPs of an image of 512 x 512 pixels (2 a multiply-add)", f"{flops:.1f}"))
    summary = run.summary
    if summary.get("train_seconds"):
        rows.append(("training", f"{summary['train_seconds']:,.0f} s on {summary.get('device')}"))
    return rows
