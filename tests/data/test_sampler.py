"""Who sees which image: each once in evaluation, equally many a rank in training, the same again after a resume."""

from __future__ import annotations

from collections import Counter

import pytest

from seglight.data import sampler
from seglight.data.sampler import NOT_COUNTED, Batches, EvaluationSampler, TrainingSampler


def on_ranks(monkeypatch: pytest.MonkeyPatch, world: int, make: object) -> list[list[tuple[int, int]]]:
    result = []
    for rank in range(world):
        monkeypatch.setattr(sampler, "rank_and_world", lambda rank=rank: (rank, world))
        result.append(list(make()))  # type: ignore[operator]
    return result


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_evaluation_counts_each_image_once(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    seen = on_ranks(monkeypatch, world, lambda: EvaluationSampler(5))
    assert sorted(index for rank in seen for epoch, index in rank if epoch != NOT_COUNTED) == [0, 1, 2, 3, 4]
    assert all(seen)  # Lightning leaves a rank without a batch out of the evaluation


@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_rank_trains_on_equally_many(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    seen = on_ranks(monkeypatch, world, lambda: TrainingSampler(10, seed=0))
    assert {len(rank) for rank in seen} == {-(-10 // world)}
    assert set(Counter(index for rank in seen for _, index in rank)) == set(range(10))


def test_two_ranks_share_what_one_would_see(monkeypatch: pytest.MonkeyPatch) -> None:
    (alone,) = on_ranks(monkeypatch, 1, lambda: TrainingSampler(8, seed=3))
    left, right = on_ranks(monkeypatch, 2, lambda: TrainingSampler(8, seed=3))
    assert [key for pair in zip(left, right, strict=True) for key in pair] == alone


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first, again = TrainingSampler(50, seed=1), TrainingSampler(50, seed=1)
    start = list(first)
    first.set_epoch(4)
    again.set_epoch(4)
    assert list(first) == list(again)
    assert list(first) != [(4, index) for _, index in start]
    assert list(TrainingSampler(50, seed=2)) != start


def test_drawing_with_replacement_repeats_some() -> None:
    drawn = [index for _, index in TrainingSampler(200, seed=0, replacement=True)]
    assert len(drawn) == 200
    assert 100 < len(set(drawn)) < 150  # 1 - 1/e of them


@pytest.mark.parametrize(
    ("images", "old", "new"), [(16, 2, 4), (16, 4, 2), (10, 2, 4), (9, 1, 8), (17, 2, 3), (8, 1, 3)]
)
def test_an_epoch_goes_on_with_another_batch_size(images: int, old: int, new: int) -> None:
    """Every image once, but for those that a whole epoch of the new size would leave out too."""
    whole = [key for batch in Batches(TrainingSampler(images, seed=1), old, drop_last=True) for key in batch]
    for steps in range(images // old):
        sampler = TrainingSampler(images, seed=1)
        sampler.start = steps * old
        batches = list(Batches(sampler, new, drop_last=True))
        seen = whole[: steps * old] + [key for batch in batches for key in batch]
        assert len(seen) == len(set(seen)) >= images - images % new
        assert max(map(len, batches)) <= new
        assert len(batches) <= images // new


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3)])
def test_an_epoch_goes_on_with_another_number_of_ranks(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    first = on_ranks(monkeypatch, before, lambda: TrainingSampler(12, seed=1))
    seen = [key for rank in first for key in rank[: 6 // before]]

    def rest() -> TrainingSampler:
        sampler = TrainingSampler(12, seed=1)
        sampler.start = 6
        return sampler

    seen += [key for rank in on_ranks(monkeypatch, after, rest) for key in rank]
    assert sorted(seen) == [(0, index) for index in range(12)]
