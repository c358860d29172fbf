"""data.cache=features: the frozen encoder runs once, and nothing else changes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch

import seglight
from seglight.data.augmentation import Augmentation
from seglight.data.variants import Variants
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK, TWO_RANKS, Command
from tests.failing import STOPS

FROZEN = (
    *QUICK,
    "encoder=resnet18",
    "freeze=encoder",
    "augment=flip",
    "optim=sgd",
    "trainer.max_epochs=3",
    "predictions=0",
)


def trained(folder: Path, *overrides: str) -> Run:
    run = Run.create(folder, seglight.compose(*overrides), list(overrides))
    fit(run)
    return Run(folder)


def assert_same(first: Run, second: Run) -> None:
    one, two = first.weights("last"), second.weights("last")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-5, atol=1e-6)  # maps are made image by image
    assert second.summary["val/pixel_acc"] == pytest.approx(first.summary["val/pixel_acc"], abs=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        ["model=fcn8s"],
        pytest.param(["model=unet", "decoder=unet", "freeze=head_only"], marks=pytest.mark.slow),
        ["model=fcn32s", "decoder=fcn_head", "skips=none", "aux=fcn_head"],
        pytest.param(["model=unet", "decoder=smp", "decoder.name=FPN", "skips=none"], marks=pytest.mark.slow),
    ],
    ids=["fcn8s", "head_only", "aux", "smp"],
)
def test_a_run_on_kept_features_is_the_run_without(model: list[str], tmp_path: Path) -> None:
    options = [*FROZEN, *model]
    without = trained(tmp_path / "without", *options)
    kept = trained(tmp_path / "kept", *options, "data.cache=features_ram")
    assert_same(without, kept)


def test_each_image_is_encoded_once_a_view(tmp_path: Path, encoded: list[int]) -> None:
    trained(tmp_path / "run", "model=fcn8s", *FROZEN, "trainer.max_epochs=20", "data.cache=features")
    # 8 images in 2 views and 4 to evaluate, and 3 of each before, to say how large it gets
    assert sum(encoded) == 8 * 2 + 4 + 3 + 3


def test_only_what_the_decoder_reads_is_kept_and_its_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seglight.training import features

    sizes: list[int] = []
    write = features.write

    def watched(path: Path, records: Any) -> Any:
        index = write(path, records)
        sizes.append(path.stat().st_size)
        return index

    monkeypatch.setattr(features, "write", watched)
    trained(tmp_path / "run", "model=fcn32s", *FROZEN, "augment=none", "data.cache=features_disk",
            "trainer.precision=32-true")  # fmt: skip
    record = 4 * 64 * 64 + 512 * 2 * 2 * 4  # image, mask, and the stride-32 map alone
    assert sizes == [8 * record, 4 * record]
    assert not (tmp_path / "run" / "features").exists()


@pytest.mark.slow
def test_two_ranks_share_the_files_and_end_like_one_process(command: Command, tmp_path: Path) -> None:
    options = [*FROZEN, "model=fcn8s", "data.cache=features", "data.val_images=5"]
    one = trained(tmp_path / "one", *options, "data.batch_size=4")
    answer = command("train", *options, "data.batch_size=2", *TWO_RANKS, f"hydra.run.dir={tmp_path / 'two'}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert_same(one, Run(tmp_path / "two"))
    assert not (tmp_path / "two" / "features").exists()


@pytest.mark.slow
def test_a_run_stopped_in_an_epoch_goes_on_with_the_next_batch(
    command: Command, script: Command, tmp_path: Path
) -> None:
    options = [*FROZEN, "model=fcn8s", "data.cache=features"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert command("train", *options, f"hydra.run.dir={whole}").returncode == 0
    code = STOPS.format(step="training_step", nth=3, number=int(signal.SIGTERM))
    answer = script(code, *options, f"hydra.run.dir={stopped}")
    assert answer.returncode == 128 + signal.SIGTERM, answer.stderr
    answer = command("train", f"resume={stopped}")
    assert answer.returncode == 0, answer.stderr
    first, second = Run(whole).weights("last"), Run(stopped).weights("last")
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["freeze=none"], r"freeze=none 5 of its 5 stages train, from epoch 0"),
        (["freeze=gradual", "freeze.start=3"], r"freeze=gradual 5 of its 5 stages train, from epoch 3"),
        (["freeze=stages"], r"freeze=stages 3 of its 5 stages train"),
        (["augment=standard"], r"RandomScaleCrop has more outcomes than can be kept; set augment=none"),
        (["+data.on_error=skip"], r"data\.on_error=raise"),
        (["model=patch"], r"decoder Patch\w* takes images apart itself"),
        (["data.cache=feature"], r"data\.cache=feature: one of null, .*, features_disk is needed"),
    ],
)
def test_what_would_be_wrong_is_refused(overrides: list[str], says: str, tmp_path: Path) -> None:
    options = ["model=fcn8s", *FROZEN]
    if "model=patch" in overrides:
        options = [o for o in options if not o.startswith(("model=", "encoder"))]
    with pytest.raises(ValueError, match=says):
        trained(tmp_path / "run", *options, "data.cache=features", *overrides)


@pytest.mark.parametrize(
    ("transforms", "count"),
    [
        ([A.HorizontalFlip(p=0.5)], 2),
        ([A.CenterCrop(20, 20, pad_if_needed=True), A.HorizontalFlip(), A.VerticalFlip()], 4),
        ([A.Resize(16, 24), A.D4(p=1.0)], 8),
        ([A.RandomRotate90(p=0.5), A.Transpose(p=0.5)], 8),
    ],
)
def test_two_draws_have_one_name_where_the_image_is_the_same(transforms: list[Any], count: int) -> None:
    augment = Augmentation(A.Compose(transforms))
    variants = Variants(augment)
    image = np.random.default_rng(0).integers(0, 255, (17, 23, 3), dtype=np.uint8)
    outcomes: dict[bytes, set[bytes]] = {}
    for epoch in range(60):
        out, _ = augment(image, image[..., 0], (0, epoch, 5))
        outcomes.setdefault(variants((0, epoch, 5)), set()).add(bytes(str(out.shape), "ascii") + out.tobytes())
    assert len(outcomes) == variants.count == count
    assert all(len(images) == 1 for images in outcomes.values())
    assert len(set.union(*outcomes.values())) == count
