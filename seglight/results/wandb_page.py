"""The page in Weights & Biases that compares runs; its package is the extra `dashboard`."""

from __future__ import annotations

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from seglight.config import AXES
from seglight.results.resampling import SCORES


def workspace(
    entity: str, project: str, name: str, classes: list[str], group_by: list[str], sweep: str | None
) -> ws.Workspace:
    """The page: the grid of axes, learning curves, classes and images, then a section for each axis."""
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


def section(name: str, *panels: Any) -> ws.Section:
    """A section that is open, three panels in a row."""
    return ws.Section(name=name, panels=list(panels), is_open=True, layout_settings=ws.SectionLayoutSettings(columns=3))


def by_axis(axis: str) -> ws.Section:
    """What one axis does: scores and learning curve of the runs that agree in it, averaged."""
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
    return wr.ParallelCoordinatesPlot(
        title="axes and mIoU",
        columns=[
            *(wr.ParallelCoordinatesPlotColumn(metric=wr.Config(axis), display_name=axis) for axis in AXES),
            wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("best/miou"), display_name="mIoU"),
        ],
    )


def costs(cost: str) -> Any:
    """What a run costs against what it scores."""
    return wr.ScatterPlot(
        title=f"mIoU against {cost}", x=wr.SummaryMetric(cost), y=wr.SummaryMetric("best/miou"), log_x=True
    )
