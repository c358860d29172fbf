"""Every loss option on a case computed by hand, and none of them sees a pixel labelled 255."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from seglight.losses.border import Border, two_nearest
from seglight.losses.cross_entropy import median_frequency

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "loss"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

# Three labelled pixels and one that is not, in an image of 2 x 2; the probabilities of two classes.
FIRST = torch.tensor([[[0.8, 0.4], [0.3, 0.01]]])
LABELS = torch.tensor([[[0, 0], [1, 255]]])
LOGITS = torch.stack([FIRST, 1 - FIRST], 1).log()
CE = [-math.log(0.8), -math.log(0.4), -math.log(0.7)]


def loss(name: str, **changes: Any) -> Any:
    built = instantiate(OmegaConf.merge(OmegaConf.load(FOLDER / f"{name}.yaml"), changes))
    if hasattr(built, "set_class_counts"):
        built.set_class_counts(torch.tensor([300, 100]))
    return built


def dice() -> float:
    """1 - 2 |p y| / (|p| + |y|) for each class, over the labelled pixels."""
    first = 1 - 2 * (0.8 + 0.4) / (0.8 + 0.4 + 0.3 + 2)
    second = 1 - 2 * 0.7 / (0.2 + 0.6 + 0.7 + 1)
    return (first + second) / 2


def focal() -> float:
    """Each class against the rest on its own logit z = log p: (1 - q)^2 (-log q), q = sigmoid(z) = p / (1 + p)."""
    total = 0.0
    for probabilities, positive in (((0.8, 0.4, 0.3), (1, 1, 0)), ((0.2, 0.6, 0.7), (0, 0, 1))):
        for p, y in zip(probabilities, positive, strict=True):
            q = p / (1 + p) if y else 1 / (1 + p)
            total += (1 - q) ** 2 * -math.log(q) / 3
    return total / 2


def lovasz() -> float:
    """Sorted errors times the growth of the Jaccard loss (Berman et al. 2018, equation 9)."""
    # class 0: errors .6 .3 .2 of truth 1 0 1: Jaccard loss 1/2, 2/3, 1
    # class 1: errors .6 .3 .2 of truth 0 1 0: Jaccard loss 1/2, 1, 1
    first = 0.6 * 1 / 2 + 0.3 * (2 / 3 - 1 / 2) + 0.2 * (1 - 2 / 3)
    second = 0.6 * 1 / 2 + 0.3 * (1 - 1 / 2)
    return (first + second) / 2


# counts 300, 100: the (lower) median 100 over each gives weights 1/3 and 1
BY_HAND = {
    "ce": sum(CE) / 3,
    "ce_sum": sum(CE),
    "weighted_ce": (CE[0] / 3 + CE[1] / 3 + CE[2]) / (1 / 3 + 1 / 3 + 1),
    "ohem": CE[1],  # the only pixel whose class got less than 0.7 (0.7 itself is not less)
    "border": (CE[0] / 3 + CE[1] / 3 + CE[2]) / 3,  # a single cell: no border between two
    "dice": dice(),
    "ce_dice": sum(CE) / 3 + dice(),
    "focal": focal(),
    "lovasz": lovasz(),
}


@pytest.mark.parametrize("name", NAMES)
def test_by_hand(name: str) -> None:
    changes = {"threshold": 0.69} if name == "ohem" else {}
    assert loss(name, **changes)(LOGITS, LABELS).item() == pytest.approx(BY_HAND[name], rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_labelled_255_change_nothing(name: str) -> None:
    one, other = LOGITS.clone().requires_grad_(), LOGITS.clone()
    other[..., 1, 1] = torch.tensor([-30.0, 30.0])
    value = loss(name)(one, LABELS)
    assert value.item() == pytest.approx(loss(name)(other, LABELS).item(), rel=1e-6)
    value.backward()
    assert one.grad is not None
    assert (one.grad[..., 1, 1] == 0).all()
    assert (one.grad[..., 0, 1] != 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_a_label_costs_nothing(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    value = loss(name)(logits, torch.full_like(LABELS, 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "border"])
def test_sampled_pixels_are_as_good_as_an_image(name: str) -> None:
    sampled = loss(name)(LOGITS.flatten(2), LABELS.flatten(1))
    assert sampled.item() == pytest.approx(loss(name)(LOGITS, LABELS).item(), rel=1e-6)


def test_border_refuses_sampled_pixels() -> None:
    with pytest.raises(ValueError, match="whole masks"):
        Border()(LOGITS.flatten(2), LABELS.flatten(1))


def test_ohem_keeps_at_least_its_share() -> None:
    assert loss("ohem", threshold=0.01, share=0.7)(LOGITS, LABELS).item() == pytest.approx((CE[1] + CE[2]) / 2)


def test_weights_are_those_of_median_frequency_balancing() -> None:
    assert median_frequency(torch.tensor([100, 50, 0, 25])).tolist() == [0.5, 1.0, 0.0, 2.0]


def test_weighted_ce_asks_for_the_counts() -> None:
    with pytest.raises(ValueError, match="set_class_counts"):
        instantiate(OmegaConf.load(FOLDER / "weighted_ce.yaml"))(LOGITS, LABELS)


def test_border_weights_between_two_cells() -> None:
    labels = torch.zeros(1, 1, 9, dtype=torch.long)
    labels[..., :2], labels[..., 5:7] = 1, 1  # gaps: pixels 2, 3, 4 between, 7 and 8 beyond
    weights = Border().border(labels)[0, 0]
    between = 10 * math.exp(-(4**2) / 50)  # d1 + d2: 1 + 3, 2 + 2, 3 + 1
    beyond = [10 * math.exp(-((n + n + 5) ** 2) / 50) for n in (1, 2)]
    assert weights.tolist() == pytest.approx([0, 0, between, between, between, 0, 0, *beyond], rel=1e-5)


def test_distances_equal_those_to_every_component_measured_alone() -> None:
    from scipy import ndimage

    cells = ndimage.binary_opening(np.random.default_rng(0).random((60, 70)) > 0.45)
    components, count = ndimage.label(cells)
    alone = np.stack([ndimage.distance_transform_edt(components != c) for c in range(1, count + 1)])
    expected = np.sort(alone, 0)[:2].sum(0)
    found = two_nearest(cells, reach=200)
    assert count > 5
    assert found[~cells] == pytest.approx(expected[~cells])


def test_losses_take_half_precision_and_bytes() -> None:
    def value(logits: Tensor, labels: Tensor) -> float:
        return float(loss("ce")(logits, labels))

    assert value(LOGITS.bfloat16(), LABELS.to(torch.uint8)) == pytest.approx(BY_HAND["ce"], rel=1e-2)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("ce", {"reduction": "avg"}, "loss.reduction=avg: one of mean, sum is needed"),
        ("focal", {"loss": {"gamma": -1}}, "loss.loss.gamma=-1: a number from 0 is needed"),
        ("dice", {"smooth": -1}, "loss.smooth=-1: a number from 0 is needed"),
        ("ohem", {"threshold": 0}, "loss.threshold=0: a number above 0 and at most 1 is needed"),
        ("ohem", {"share": 1.5}, "loss.share=1.5: a number from 0 and at most 1 is needed"),
        ("border", {"sigma": 0}, "loss.sigma=0: a number above 0 is needed"),
        ("border", {"w0": math.nan}, "loss.w0=nan: a number from 0 is needed"),
        ("border", {"background": "cell"}, "loss.background=cell: the index of a class is needed"),
        ("ce_dice", {"weights": [1.0]}, "loss.weights=[1.0]: 2 numbers are needed"),
        ("ce_dice", {"weights": [1.0, "half"]}, "loss.weights=half: a number from 0 is needed"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_key(name: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InstantiationException, match=re.escape(says)):
        loss(name, **changes)
