"""The drawn images: the same for everyone, quick, and decided by fine detail."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
import torch

from seglight.data.shape_drawing import CLASSES, draw
from seglight.data.shapes import Shapes

K = len(CLASSES)


def miou(truth: np.ndarray, prediction: np.ndarray) -> float:
    hits = np.bincount(truth.reshape(-1).astype(int) * K + prediction.reshape(-1), minlength=K * K).reshape(K, K)
    correct = hits.diagonal()
    return float(np.mean(correct / (hits.sum(0) + hits.sum(1) - correct)))


def test_fine_detail_decides_the_score() -> None:
    """An oracle that knows the true mask at stride s alone: 32 < 16 < 8 < 4, each by a clear margin."""
    masks = np.stack([draw((0, 1, number), 96)[1] for number in range(40)])
    scores = {}
    for stride in (32, 16, 8, 4):
        predictions = []
        for mask in masks:
            shares = np.eye(K, dtype=np.float32)[mask].reshape(96 // stride, stride, 96 // stride, stride, K)
            coarse = shares.mean((1, 3))
            predictions.append(cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_LINEAR).argmax(-1))
        scores[stride] = miou(masks, np.stack(predictions))
    assert scores[32] + 0.1 < scores[16] < scores[8] - 0.1 < scores[4] - 0.2
    assert scores[4] > 0.8


def test_images_are_a_function_of_seed_split_and_number() -> None:
    one, other = Shapes(train_images=3, val_images=2), Shapes(train_images=5, val_images=2, seed=7)
    for split in ("train", "val"):
        a, b = one.dataset(split)[1], other.dataset(split)[1]
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert not np.array_equal(one.dataset("train")[0].image, one.dataset("val")[0].image)
    assert not np.array_equal(one.dataset("train")[0].image, Shapes(images_seed=1).dataset("train")[0].image)


def test_every_class_is_in_most_images() -> None:
    data = Shapes(train_images=50)
    counts = data.class_counts("train")
    assert counts.sum() == 50 * 96 * 96
    assert (counts / counts.sum() > 0.02).all()


def test_reading_them_again_costs_nothing() -> None:
    data = Shapes(train_images=100).dataset("train")
    [data[number] for number in range(100)]
    start = time.perf_counter()
    [data[number] for number in range(100)]
    assert 100 / (time.perf_counter() - start) > 500


def test_an_unknown_split_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"data\.split=holdout; data=shapes has train, val, test"):
        Shapes(split="holdout").prepare()


def test_batches_are_uint8_in_channels_last_memory() -> None:
    batch = next(iter(Shapes(train_images=4, batch_size=2, num_workers=0).train_dataloader()))
    assert batch["image"].dtype == batch["mask"].dtype == torch.uint8
    assert batch["image"].shape == (2, 3, 96, 96)
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["mask"].shape == (2, 96, 96)


def test_parts_and_folds_of_the_drawn_images() -> None:
    def names(split: str = "train", **keys: float) -> set[str]:
        return {pair.name for pair in Shapes(size=32, train_images=40, val_images=8, **keys).listed(split)}

    assert names(fraction=0.25) < names(fraction=0.5) < names()
    assert (len(names(fraction=0.25)), len(names("val", fraction=0.25))) == (10, 8)
    held_out = [names("val", folds=4, fold=fold) for fold in range(4)]
    assert set.union(*held_out) == names()
    assert sum(map(len, held_out)) == 40
    assert names(folds=4, fold=1) == names() - held_out[1]
