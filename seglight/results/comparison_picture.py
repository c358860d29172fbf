"""compare.png: the cells with their intervals, best first, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seglight.results.costs import COSTS

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison

SHOWN = 30  # cells with a row of their own
SPENT = ("train_seconds", "gflops")


def draw_comparison(c: Comparison) -> Any:
    """A matplotlib figure. Cells that cannot be told from the best are blue; of many, the best 30 are shown."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from seglight.results.verdict import NAMES

    order, members = c.order[:SHOWN], set(c.ranking[0])
    lows, highs = c.estimate.interval()
    colours = ["#0072b2" if at in members else "0.55" for at in order]
    value, low, high = (100 * each[order] for each in (c.estimate.value, lows, highs))
    names = [name if len(name := c.cells[at].name) <= 60 else f"{name[:59]}…" for at in order]
    numbered = len(order) <= 12
    if numbered:
        names = [f"{name}   {row}" for row, name in enumerate(names, 1)]
    known = [cost for cost in SPENT if None not in [c.cell_cost(at, cost) for at in order]]
    figure = Figure(figsize=(6 + 4 * len(known), max(3.2, 1.6 + 0.3 * len(order))), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, *right = figure.subplots(1, 1 + len(known), squeeze=False)[0]
    rows = range(len(order))
    for row, colour in zip(rows, colours, strict=True):
        left.plot([low[row], high[row]], [row, row], color=colour, linewidth=2.5)
        left.plot(value[row], row, "o", color=colour)
    left.set_yticks(rows, [name.replace("$", r"\$") for name in names])
    left.invert_yaxis()
    left.grid(axis="x", alpha=0.3)
    left.set(xlabel=f"{NAMES.get(c.score, c.score)}, %, with its 95 % interval")
    left.set_title("blue: cannot be told from the best" if len(order) > 1 else "", fontsize=10)
    for axes, cost in zip(right, known, strict=True):
        spent = [c.cell_cost(at, cost) for at in order]
        axes.scatter(spent, value, color=colours)
        for row in rows if numbered else ():
            axes.annotate(str(row + 1), (spent[row], value[row]), xytext=(4, 4), textcoords="offset points", fontsize=9)
        axes.grid(alpha=0.3)
        axes.set(xlabel=COSTS[cost], ylabel=f"{NAMES.get(c.score, c.score)}, %")
        axes.set_title("numbers: the rows on the left" if numbered else "", fontsize=10)
    return figure
