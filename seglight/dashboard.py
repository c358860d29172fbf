"""`python -m seglight.dashboard`: makes the page in Weights & Biases that compares runs, or writes it to `out`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from seglight.command import run_command

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Section, Workspace

log = logging.getLogger(__name__)

SCORES = ("miou", "pixel_acc", "mean_acc", "fw_iou")


def dashboard(cfg: DictConfig) -> None:
    """Saves the page to W&B and says its address, or writes its specification to the file `out`."""
    from seglight.config import AXES, build

    unknown = sorted(set(cfg.group_by) - set(AXES))
    if unknown:
        raise ValueError(f"group_by={unknown}: expected axes, which are {', '.join(AXES)}")
    try:
        import wandb_workspaces  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'the dashboard needs the package wandb-workspaces: pip install "seglight[dashboard]"'
        ) from None
    entity = cfg.entity or ("" if cfg.out else own_entity())
    page = workspace(entity, cfg.project, cfg.name, list(build(cfg, "data").classes), list(cfg.group_by), cfg.sweep)
    if cfg.out:
        path = Path(cfg.out)
        path.parent.mkdir(parents=True, exist_ok=True)
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


def workspace(
    entity: str, project: str, name: str, classes: list[str], group_by: list[str], sweep: str | None
) -> Workspace:
    """The page: the grid of axes, learning curves, classes and images, then a section for each axis."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    from seglight.config import AXES

    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            section("Grid", parallel_coordinates(), *map(costs, ("params", "train_seconds"))),
            section(
                "Learning curves",
                *(wr.LinePlot(title=f"val/{score}", x="epoch", y=[f"val/{score}"]) for score in SCORES),
                wr.LinePlot(title="train/loss", x="trainer/global_step", y=["train/loss"], smoothing_factor=0.6),
            ),
            section(
                "Classes",
                *(wr.BarPlot(title=f"IoU: {name}", metrics=[f"best/iou/{name}"], range_x=(0, 1)) for name in classes),
            ),
            section(
                "Images",
                wr.MediaBrowser(
                    title="predictions, a column a run", media_keys=["predictions"], mode="grid",
                    grid_x_axis="run", grid_y_axis="index",
                ),
            ),
            *(by_axis(axis) for axis in AXES),
        ],
        runset_settings=ws.RunsetSettings(
            filters=[expr.Metric("Group") == sweep] if sweep else [],
            groupby=[expr.Config(axis) for axis in group_by],
            order=[expr.Ordering(expr.Summary("best/miou"), ascending=False)],
            pinned_columns=["summary:best/miou", *(f"config:{axis}.value" for axis in AXES), "summary:params"],
        ),
    )  # fmt: skip


def section(name: str, *panels: Any) -> Section:
    """A section that is open, three panels in a row."""
    import wandb_workspaces.workspaces as ws

    return ws.Section(name=name, panels=list(panels), is_open=True, layout_settings=ws.SectionLayoutSettings(columns=3))


def by_axis(axis: str) -> Section:
    """What one axis does: scores and learning curve of the runs that agree in it, averaged."""
    import wandb_workspaces.reports.v2 as wr

    grouped: dict[str, Any] = {
        "groupby": wr.Config(axis), "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax", "aggregate": True,
    }  # fmt: skip
    return section(
        f"By {axis}",
        wr.BarPlot(title=f"mIoU by {axis}", metrics=["best/miou"], **grouped),
        wr.LinePlot(title=f"val/miou by {axis}", x="epoch", y=["val/miou"], **grouped),
    )


def parallel_coordinates() -> Any:
    """Every run as a line through its options and its mIoU."""
    import wandb_workspaces.reports.v2 as wr

    from seglight.config import AXES

    return wr.ParallelCoordinatesPlot(
        title="axes and mIoU",
        columns=[
            *(wr.ParallelCoordinatesPlotColumn(metric=wr.Config(axis), display_name=axis) for axis in AXES),
            wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("best/miou"), display_name="mIoU"),
        ],
    )


def costs(cost: str) -> Any:
    """What a run costs against what it scores."""
    import wandb_workspaces.reports.v2 as wr

    return wr.ScatterPlot(
        title=f"mIoU against {cost}", x=wr.SummaryMetric(cost), y=wr.SummaryMetric("best/miou"), log_x=True
    )


if __name__ == "__main__":
    run_command("dashboard", dashboard)
