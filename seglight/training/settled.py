"""What is found before a run begins (by its images, by the memory there is) and kept in its config."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from seglight.config import resolve
from seglight.runs.resume import composed_of
from seglight.runs.run import Run, read_yaml


def interpolated(run: Run) -> DictConfig | None:
    """The run's config with its interpolations; None where config.yaml knows none, as one edited by hand."""
    file = run.path / "composed.yaml"
    return composed_of(run, read_yaml(file)) if file.is_file() else None


def keep(run: Run, found: dict[str, Any]) -> None:
    """Writes found values of `data`, and every value that is made from them, into the run's config."""
    composed = interpolated(run)
    cfg = run.cfg.copy() if composed is None else composed
    OmegaConf.set_struct(cfg, None)  # type: ignore[arg-type]
    cfg.data.update(found)
    if composed is not None:
        run.write_yaml("composed.yaml", composed)
    run.cfg = resolve(cfg)
    run.write_yaml("config.yaml", run.cfg)
