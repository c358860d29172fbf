"""Queries on costs, and the front of what is worth its cost."""

from __future__ import annotations

import pytest

from seglight.results.costs import pareto, satisfying, values_asked

ROWS = [
    {"latency_ms": 12.0, "params": 11e6, "encoder": "resnet18"},
    {"latency_ms": 25.0, "params": 25e6, "encoder": "resnet50"},
    {"params": 5e6, "encoder": "mobilenet_v2"},
]
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("latency_ms<20", [0]),
        ("params <= 25e6 and encoder=resnet50", [1]),
        ("encoder!=resnet18", [1, 2]),
        ("params>4e6,params<12e6", [0, 2]),
    ],
)
def test_runs_that_meet_every_condition_are_kept(where: str, kept: list[int]) -> None:
    assert satisfying(where, ROWS, NAMES)[0] == kept


def test_a_run_that_lacks_the_value_is_named() -> None:
    assert satisfying("latency_ms<20", ROWS, NAMES)[1] == [
        "c is left out: it does not know what where=latency_ms<20 asks for"
    ]


def test_what_the_runs_have_is_said_where_none_meets_a_condition() -> None:
    rows = [{"miou": 0.505, "freeze": "lora"}, {"miou": 0.523, "freeze": "none"}]
    said = "miou is 0.505 to 0.523; freeze is lora, none"
    assert values_asked("miou>52 and freeze=lorra", rows) == said


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("latency<20", "no run knows latency; what they know: encoder, latency_ms, params"),
        ("latency_ms", "expected conditions such as latency_ms<20"),
        ("latency_ms<fast", "latency_ms< needs a number"),
        ("__import__('os').system('x')<1", "expected conditions such as"),
    ],
)
def test_what_is_no_query_is_refused(where: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        satisfying(where, ROWS, NAMES)


def test_the_front_has_no_cell_that_another_beats_in_both() -> None:
    assert pareto([3, 1, 2, None, 2], [0.7, 0.5, 0.4, 0.9, 0.6]) == [1, 4, 0]
    assert pareto([1, 1], [0.5, 0.6]) == [1]
