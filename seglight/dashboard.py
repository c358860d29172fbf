"""`python -m seglight.dashboard`: makes the page in Weights & Biases that compares runs, or writes it to `out`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from seglight.cli import made, run_command

log = logging.getLogger(__name__)


def dashboard(cfg: DictConfig) -> None:
    """Saves the page to W&B and says its address, or writes its specification to the file `out`."""
    from seglight.config import AXES, build
    from seglight.results.wandb_page import workspace

    axes = [cfg.group_by] if isinstance(cfg.group_by, str) else list(cfg.group_by or [])
    unknown = sorted(set(axes) - set(AXES))
    if unknown:
        raise ValueError(f"group_by={unknown}: expected axes, which are {', '.join(AXES)}")
    entity = cfg.entity or ("" if cfg.out else own_entity())
    page = workspace(entity, cfg.project, cfg.name, list(build(cfg, "data").classes), axes, cfg.sweep)
    if cfg.out:
        path = Path(cfg.out)
        if path.is_dir():
            raise ValueError(f"out={cfg.out}: it is a folder; the name of a file is needed")
        made("out", path.parent)
        path.write_text(page._to_model().model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n")
        log.info("wrote: %s", path)
    else:
        with answered():
            page.save()
        log.info("wrote: %s", page.url)


def own_entity() -> str:
    """Where W&B keeps one's own projects."""
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise ValueError("not logged in to Weights & Biases: `wandb login`, or out=FILE writes the dashboard as JSON")
    with answered():
        return str(wandb.Api().default_entity)


@contextmanager
def answered() -> Iterator[None]:
    """What W&B's client raises within is one message; it has many types for an answer that is no or none."""
    try:
        yield
    except Exception as error:
        text = f"Weights & Biases: {error}\nout=FILE writes the dashboard as JSON without it"
        raise ConnectionError(text) from error


if __name__ == "__main__":
    run_command("dashboard", dashboard)
