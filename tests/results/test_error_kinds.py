"""Every wrong pixel is one kind of mistake. Cases drawn by hand: `.` is class 0, `a` 1, `b` 2, `x` has no label."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seglight.background import background_of
from seglight.results.error_kinds import (
    BOUNDARY,
    INVENTED,
    KINDS,
    MISSED,
    SWAP,
    boundary_pixels,
    error_counts,
    error_map,
    segments,
)

LABELS = {".": 0, "a": 1, "b": 2, "x": 255}


def blank(size: int = 40) -> NDArray[np.uint8]:
    return np.zeros((size, size), np.uint8)


def square(mask: NDArray[np.uint8], top: int, left: int, size: int, label: str) -> NDArray[np.uint8]:
    """A copy with a square in it."""
    mask = mask.copy()
    mask[top : top + size, left : left + size] = LABELS[label]
    return mask


def kinds(truth: NDArray[np.uint8], prediction: NDArray[np.uint8], background: int | None) -> dict[str, int]:
    return dict(zip(KINDS, error_counts(error_map(truth, prediction, background)).tolist(), strict=True))


def one_object(label: str) -> NDArray[np.uint8]:
    return square(blank(), 10, 10, 20, label)


def test_a_border_that_is_two_pixels_off_is_a_boundary_error_on_both_sides() -> None:
    truth = one_object("a")
    grown, shrunk = square(blank(), 8, 8, 24, "a"), square(blank(), 12, 12, 16, "a")
    # a corner of the grown square is diagonal to the object: further than 2 pixels from any pixel of it
    assert kinds(truth, shrunk, 0) == {"boundary": 20 * 20 - 16 * 16, "swap": 0, "missed": 0, "invented": 0}
    assert kinds(truth, grown, 0) == {"boundary": 4 * 20 * 2 + 4 * 3, "swap": 0, "missed": 0, "invented": 4}


@pytest.mark.parametrize("background", [0, None])
def test_an_object_that_is_not_found_is_missed(background: int | None) -> None:
    band = 20 * 20 - 16 * 16
    assert kinds(one_object("a"), blank(), background) == {
        "boundary": band, "swap": 0, "missed": 16 * 16, "invented": 0,
    }  # fmt: skip


@pytest.mark.parametrize("background", [0, None])
def test_an_object_where_there_is_none_is_invented(background: int | None) -> None:
    assert kinds(blank(), one_object("a"), background) == {"boundary": 0, "swap": 0, "missed": 0, "invented": 400}


@pytest.mark.parametrize("background", [0, None])
def test_an_object_of_another_class_is_swapped(background: int | None) -> None:
    band = 20 * 20 - 16 * 16
    assert kinds(one_object("a"), one_object("b"), background) == {
        "boundary": band, "swap": 16 * 16, "missed": 0, "invented": 0,
    }  # fmt: skip


def test_a_class_that_spreads_over_a_part_of_its_neighbour_is_a_swap_where_all_are_objects() -> None:
    truth, prediction = blank(), blank()
    truth[:, 20:] = prediction[:, 30:] = LABELS["a"]  # the right half, of which a half is found
    assert kinds(truth, prediction, None) == {"boundary": 2 * 40, "swap": 8 * 40, "missed": 0, "invented": 0}
    assert kinds(truth, prediction, 0) == {"boundary": 2 * 40, "swap": 0, "missed": 8 * 40, "invented": 0}


def test_a_part_of_another_class_inside_an_object_is_a_swap_with_a_background() -> None:
    assert kinds(one_object("a"), square(one_object("a"), 16, 16, 8, "b"), 0)["swap"] == 64


def test_segments_are_connected_by_sides_not_by_corners() -> None:
    mask = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 0]], np.uint8)
    starts, segment = segments(mask)
    assert starts.tolist() == [0, 2, 3, 4, 5, 6, 8]
    whole = np.repeat(segment, np.diff([*starts, 9])).reshape(3, 3)
    assert len(np.unique(whole)) == 4
    for same in ([(0, 0), (0, 1), (1, 1)], [(0, 2), (1, 2)], [(1, 0), (2, 0), (2, 1)], [(2, 2)]):
        assert len({int(whole[place]) for place in same}) == 1


def test_two_arms_that_meet_further_down_are_one_segment() -> None:
    """Each arm is right in less than half; together with the base they are found."""
    mask = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
    starts, segment = segments(mask)
    whole = np.repeat(segment, np.diff([*starts, 9])).reshape(3, 3)
    assert len(np.unique(whole[mask == 1])) == 1
    assert len(np.unique(whole)) == 2


@pytest.mark.parametrize("background", [0, None])
def test_pixels_without_a_label_are_no_mistakes_and_the_line_along_an_object_is_a_boundary(
    background: int | None,
) -> None:
    truth = square(one_object("x"), 12, 12, 16, "a")  # as VOC draws it: 2 pixels of 255 around the object
    kinds_of = error_map(truth, one_object("b"), background)
    assert (kinds_of[truth == 255] == 255).all()
    assert error_counts(kinds_of).tolist() == [16 * 16 - 12 * 12, 12 * 12, 0, 0]
    assert error_counts(error_map(np.full((9, 9), 255, np.uint8), blank(9), background)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("background", [0, 2, None])
def test_the_kinds_add_up_to_the_wrong_pixels(background: int | None) -> None:
    random = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 50), (50, 1), (37, 90)):
        for _ in range(20):
            coarse = random.integers(0, 4, (2, -(-height // 8), -(-width // 8)))
            coarse[0][coarse[0] == 3] = 255
            truth, prediction = np.kron(coarse, np.ones((1, 8, 8)))[:, :height, :width].astype(np.uint8)
            found = error_map(truth, prediction, background)
            wrong = (truth != 255) & (truth != prediction)
            assert error_counts(found).sum() == wrong.sum()
            assert np.isin(found[wrong], (BOUNDARY, SWAP, MISSED, INVENTED)).all()
            assert (found[~wrong & (truth != 255)] == 0).all()


def test_the_width_follows_the_diagonal_and_is_two_pixels_at_least() -> None:
    assert [boundary_pixels(*size) for size in ((64, 64), (375, 500), (1024, 2048))] == [2, 3, 11]
    assert boundary_pixels(375, 500, 0.02) == 12


@pytest.mark.parametrize(
    ("classes", "index"),
    [(["background", "cat"], 0), (["sky", "road"], None), (["cell", "_background_"], 1), (["Background"], 0)],
)
def test_the_background_is_the_class_of_that_name(classes: list[str], index: int | None) -> None:
    assert background_of(classes) == index
