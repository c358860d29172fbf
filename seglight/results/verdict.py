"""The verdict in words: three to six sentences, none surer than its numbers. Scores are in points of 100."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seglight.results.cells import BASE, base_of, shown
from seglight.results.costs import COSTS
from seglight.results.effects import Effect, changed_along

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison

NAMES = {"miou": "mIoU", "pixel_acc": "pixel accuracy", "mean_acc": "mean accuracy", "fw_iou": "frequency-weighted IoU"}
KIND_WORDS = {
    "boundary": "lie at boundaries", "swap": "are confusions between objects", "missed": "are missed objects",
    "invented": "are invented objects",
}  # fmt: skip
MOST, NAMED = 6, 4  # sentences; cells in a sentence
WORTH_SAYING = 0.1  # of a cost


def sentences(comparison: Comparison) -> list[str]:
    """The verdict."""
    c = comparison
    score = NAMES.get(c.score, c.score)
    said = alone(c, score) if len(c.cells) == 1 else [leader(c, score), *losers(c), *what_helps(c)]
    base = base_of(c.cells)
    said = said[: MOST - 1 - bool(c.learning_curves) - bool(base)]
    if base:
        levels = " ".join(shown(axis, level) for axis, level in base.items())
        said.insert(1, f"{BASE.capitalize()} is {levels}; every other cell changes one of these.")
    said += [doubling(c)] if c.learning_curves else []
    return [*said, scope(c)] if len(said) > 1 else [*said, images(c), scope(c)]


def points(value: float) -> str:
    """A score or a difference in points of 100."""
    text = f"{100 * value:.1f}"
    return "0.0" if text == "-0.0" else text


def interval(low: float, high: float) -> str:
    return f"{points(low)} to {points(high)}"


def listed(names: Sequence[str], shown_at_most: int = NAMED) -> str:
    """`a, b and c`."""
    if len(names) > shown_at_most:
        return f"{', '.join(names[: shown_at_most - 1])} and {len(names) - shown_at_most + 1} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def alone(c: Comparison, score: str) -> list[str]:
    """One cell has nothing to be compared with."""
    value = c.estimate.value[0]
    low, high = (float(bound[0]) for bound in c.estimate.interval())
    if len(c.runs) == 1:
        return [
            f"{c.runs[0].name} has {score} {points(value)} ({interval(low, high)}); there is no other run beside it."
        ]
    return [
        f"The {len(c.runs)} runs differ in the seed alone, so none of them is better than another: "
        f"{score} {points(value)} ({interval(low, high)}), standard deviation {points(c.estimate.seed_sd or 0)} "
        "between seeds."
    ]


def leader(c: Comparison, score: str) -> str:
    """Which cells are best."""
    members, beaten = c.ranking
    names, value = [c.cells[at].name for at in members], c.estimate.value
    lows, highs = c.estimate.interval()
    start = "" if c.estimate.seed_sd is not None else "On these trained networks "
    if len(members) == 1:
        best = members[0]
        verb = "is the best" if c.estimate.seed_sd is not None else "scores highest"
        text = f"{start}{names[0]} {verb} of {len(c.cells)} cells: {score} {points(value[best])}"
        text += f" ({interval(lows[best], highs[best])})"
        nearest = beaten[0]
        if nearest.winner == best:
            text += f", {points(nearest.difference)} above {c.cells[nearest.cell].name}"
            text += f" ({interval(nearest.low, nearest.high)})"
        return text + "."
    weights = np.zeros((len(members) - 1, len(c.cells)))
    weights[:, members[0]] = 1
    weights[np.arange(len(weights)), members[1:]] = -1
    found = c.estimate.contrasts(weights)
    which = f"{listed(names)} cannot be told apart" + (f" ({len(members)} of {len(c.cells)} cells)" if beaten else "")
    return (
        f"{start}{which}: {names[0]} has {score} {points(value[members[0]])}, its difference to {names[1]} is "
        f"{points(found.value[0])} ({interval(found.low[0], found.high[0])})."
    )


def losers(c: Comparison) -> list[str]:
    """What the best beat, where that is not said yet."""
    members, beaten = c.ranking
    rest = beaten if len(members) > 1 else beaten[1:]
    if not rest:
        return []
    last = rest[-1]
    by = f"{points(last.difference)} ({interval(last.low, last.high)})"
    if len(rest) == 1:
        beats = "beats" if c.estimate.seed_sd is not None else "scores more in these runs than"
        return [f"{c.cells[last.winner].name} {beats} {c.cells[last.cell].name}, by {by}."]
    verb = "are clearly behind" if c.estimate.seed_sd is not None else "score lower in these runs"
    names = f"{c.cells[last.cell].name}, is behind {c.cells[last.winner].name}"
    return [f"{len(rest)} more cells {verb}; the last, {names} by {by}."]


def what_helps(c: Comparison) -> list[str]:
    """The clearest effect of each axis, the largest first, and an interaction."""
    largest: dict[str, Effect] = {}
    for effect in sorted(c.effects, key=lambda effect: -abs(effect.value)):
        if effect.clear and effect.value != 0:
            largest.setdefault(effect.contrast.axes[0], effect)
    said = [sentence for effect in list(largest.values())[:3] if (sentence := effect_sentence(c, effect))]
    if not largest and c.effects:
        top = max(c.effects, key=lambda effect: abs(effect.value))
        axis, (low, high) = top.contrast.axes[0], top.contrast.levels[0]
        said = [
            f"No axis has a clear effect; the largest is {shown(axis, high)} over {shown(axis, low)}: "
            f"{points(top.value)} ({interval(top.low, top.high)})."
        ]
    if c.interactions:
        said.append(interaction_sentence(c.interactions[0]))
    return said + cheapest(c)


def effect_sentence(c: Comparison, effect: Effect) -> str:
    """What a level of an axis gains or costs; of two cells alone, whose difference is said already, where it lies."""
    axis, (before, after) = effect.contrast.axes[0], effect.contrast.levels[0]
    found, along = details(c, effect), changed_along(c.cells, effect)
    also = f" (which changes {listed(along)} too)" if along else ""
    if len(c.cells) == 2:
        if not found:
            return ""
        text = f"{shown(axis, after)} over {shown(axis, before)}{also}"
        return f"{text} {', '.join(found)}." if found[0].startswith("with ") else f"{text}: {', '.join(found)}."
    gains = effect.value > 0
    low, high = (effect.low, effect.high) if gains else (-effect.high, -effect.low)
    text = f"{shown(axis, after)} {'gains' if gains else 'costs'} {points(abs(effect.value))} ({interval(low, high)})"
    text += f" over {shown(axis, before)}" if gains else f" against {shown(axis, before)}"
    if c.estimate.seed_sd is None:
        text += " in these runs"
    text += also or " with all else equal"
    return f"{text}{': ' if found else ''}{', '.join(found)}."


def details(c: Comparison, effect: Effect) -> list[str]:
    """Which pixels change, for which classes, and at what cost."""
    found = []
    kinds = effect.contrast.weights @ c.of_cells(c.wrong)
    total, sign = float(kinds.sum()), math.copysign(1, effect.value)
    if total * sign < 0:
        name, share = max(zip(KIND_WORDS, kinds / total, strict=True), key=lambda pair: pair[1])
        if 0.4 <= share <= 1:
            found.append(f"{100 * share:.0f} % of the pixels it {'mends' if sign > 0 else 'spoils'} {KIND_WORDS[name]}")
    classes = effect.contrast.weights @ np.nan_to_num(c.of_cells(c.scores.iou)) * sign
    if len(classes) > 2 and c.score == "miou":
        top = [c.classes[at] for at in np.argsort(-classes)[:2] if classes[at] > 0]
        found += [f"most for {listed(top)}"] if top else []
    return found + [text for cost in ("train_seconds", "params") if (text := cost_change(c, effect, cost))][:1]


def cost_change(c: Comparison, effect: Effect, cost: str) -> str:
    """How a cost changes, in words; nothing where it does not, or was measured on different devices."""
    pairs = [(c.cell_cost(a, cost), c.cell_cost(b, cost)) for a, b in effect.contrast.pairs]
    logs = [math.log(after / before) for before, after in pairs if before and after]
    devices = {str(run.summary.get("device")) for run in c.runs} if cost == "train_seconds" else {""}
    if not logs or len(logs) < len(pairs) or len(devices) > 1:
        return ""
    ratio = math.exp(sum(logs) / len(logs))
    if abs(ratio - 1) < WORTH_SAYING:
        return ""
    what = "training time" if cost == "train_seconds" else "parameters"
    return (
        f"with {ratio:.1f} times the {what}"
        if ratio > 1
        else f"with {100 * (1 - ratio):.0f} % less {what}".replace("less p", "fewer p")
    )


def interaction_sentence(effect: Effect) -> str:
    (first, second), ((a, b), (x, y)) = effect.contrast.axes, effect.contrast.levels
    return (
        f"What {shown(first, b)} brings over {shown(first, a)} depends on {second}: it is {points(abs(effect.value))} "
        f"{'more' if effect.value > 0 else 'less'} with {shown(second, y)} than with {shown(second, x)} "
        f"({interval(effect.low, effect.high)})."
    )


def cheapest(c: Comparison) -> list[str]:
    """Which of the cells that cannot be told apart has the fewest parameters or the least training."""
    members = c.ranking[0]
    for cost in ("params", "train_seconds") if len(members) > 1 else ():
        known = [(value, at) for at in members if (value := c.cell_cost(at, cost)) is not None]
        if len(known) == len(members) and min(known)[0] < (1 - WORTH_SAYING) * max(known)[0]:
            low, high = amount(cost, min(known)[0]), amount(cost, max(known)[0])
            return [
                f"Of those that cannot be told apart {c.cells[min(known)[1]].name} is the cheapest: {low}, "
                f"against up to {high}."
            ]
    return []


def amount(cost: str, value: float) -> str:
    """A cost with its unit."""
    if value >= 1e6:
        return f"{value / 1e6:.1f} M {COSTS[cost]}"
    return f"{value:,.0f} {COSTS[cost]}" if value >= 10 else f"{value:.1f} {COSTS[cost]}"


def doubling(c: Comparison) -> str:
    """What the next doubling of the images is expected to bring."""
    curve = max(c.learning_curves, key=lambda curve: max(c.estimate.value[at] for at in curve.cells))
    values = [float(c.estimate.value[at]) for at in curve.cells]
    if max(values) > values[-1]:  # a power law through these has no more to give, and would say so with certainty
        best = shown(curve.axis, c.cells[curve.cells[int(np.argmax(values))]].axes[curve.axis])
        return (
            f"{best} scores {points(max(values))} and the most images {points(values[-1])}: what twice as many "
            "training images would bring cannot be read from that."
        )
    return (
        f"Twice as many training images are expected to bring {points(curve.doubled)} more "
        f"({interval(curve.low, curve.high)}), if the scores go on along the same power law."
    )


def images(c: Comparison) -> str:
    names = listed([counts.evaluation for counts in c.runs[0].counts])
    return f"The scores are of {len(c.runs[0].names)} images ({names})."


def scope(c: Comparison) -> str:
    """What the intervals cover, and what one seed cannot say."""
    single = [cell.name for cell in c.cells if len(cell.runs) == 1]
    if c.estimate.seed_sd is None:
        return (
            "Every cell has one seed: how much another training would differ is not known, so the intervals cover the "
            "images alone and no cell is named the winner; add seed=0,1 to the sweep."
            if len(c.cells) > 1
            else "One seed does not say how much another training would differ: the interval covers the images alone."
        )
    freedom = f"{c.estimate.freedom} degree{'s' * (c.estimate.freedom > 1)} of freedom"
    text = (
        f"The intervals cover images and seeds, at 95 % for all cells together; seeds move a run by "
        f"{points(c.estimate.seed_sd)} (standard deviation, {freedom})"
    )
    return text + (f", which {listed(single, 3)} with one seed borrow{'s' * (len(single) == 1)}." if single else ".")
