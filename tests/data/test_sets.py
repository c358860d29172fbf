"""Each data set's official layout, written small by the tests: files found, labels mapped, predictions written back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from seglight import compose
from seglight.data.ade20k import ADE20K
from seglight.data.camvid import ORIGINAL, split_of
from seglight.data.cityscapes import CLASS_TO_ID, CLASSES, ID_TO_CLASS
from seglight.data.voc import OFFICIAL_LISTS
from tests.data.conftest import labels, picture, save_palette, write_voc

MakeData = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    return tmp_path


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def save_sbd(path: Path, mask: np.ndarray) -> None:
    """A file as SBD's: GTcls with Boundaries, Segmentation, CategoriesPresent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"GTcls": {"Boundaries": np.zeros(20), "Segmentation": mask, "CategoriesPresent": np.arange(3)}})


USERS_CLASSES = {"folder", "roboflow", "cvat", "streaming", "module"}  # tested on their own
CONFIGS = sorted({path.stem for path in (Path(__file__).parents[2] / "conf" / "data").glob("*.yaml")} - USERS_CLASSES)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_names_as_many_classes_and_colours_as_it_says(name: str, make_data: MakeData, root: Path) -> None:
    data = make_data(f"data={name}")
    cfg = compose(f"data={name}")
    assert data.name == cfg.data.name == name
    assert data.num_classes == len(data.classes) == cfg.data.num_classes
    assert len(data.palette) >= data.num_classes
    assert len(set(data.classes)) == len(data.classes)
    assert data.ignore_index == 255


COMMON = {
    "_target_", "_convert_", "name", "num_classes", "train_split", "split", "augment", "crop_size", "scale",
    "rare_classes", "batch_size", "eval_batch_size", "num_workers", "seed",
}  # fmt: skip
OF_FILES = COMMON | {
    "root", "draw_with_replacement", "on_error", "allow_single_class", "folds", "fold", "fraction", "group",
    "stratify", "split_seed", "tile", "tile_overlap", "cache", "cache_dir",
}  # fmt: skip
FOLDER = OF_FILES | {
    "images", "masks", "class_table", "lists", "val_fraction", "split_seed", "mask_tolerance", "bands", "channels",
    "value_range", "nodata", "axes", "rgb", "exif",
}  # fmt: skip
OWN_KEYS = {
    "ade20k": OF_FILES,
    "camvid": OF_FILES,
    "camvid_original": OF_FILES,
    "camvid_regrouped": OF_FILES,
    "cityscapes": OF_FILES | {"coarse"},
    "cvat": FOLDER,
    "folder": FOLDER,
    "roboflow": FOLDER,
    "isbi2012": OF_FILES | {"folds", "fold", "fold_seed"},
    "module": {"_target_", "_convert_", "name", "module", "num_classes", "classes", "train_split", "split"},
    "pet": OF_FILES | {"border"},
    "shapes": COMMON
    | {"size", "train_images", "val_images", "test_images", "images_seed", "cache"}
    | {"fraction", "folds", "fold", "split_seed"},
    "streaming": COMMON
    | {"chunks", "bands", "channels", "value_range", "nodata", "rgb"}
    | {"fraction", "folds", "fold", "tile"},
    "voc": OF_FILES | {"year"},
    "voc_fcn": OF_FILES | {"sbd_root"},
    "voc_sbd": OF_FILES | {"sbd_root", "masks"},
}


@pytest.mark.parametrize("name", sorted({*CONFIGS, *USERS_CLASSES}))
def test_the_keys_of_a_data_set_are_a_promise(name: str) -> None:
    """Command lines, studies and stored runs use them."""
    assert set(compose(f"data={name}").data) == OWN_KEYS[name]


@pytest.mark.parametrize("year", [2007, 2009, 2012])
def test_voc_years(root: Path, make_data: MakeData, year: int) -> None:
    write_voc(root, year=year)
    voc = root / "VOCdevkit" / f"VOC{year}"
    (voc / "ImageSets" / "Segmentation" / "test.txt").write_text(f"{year}_val000\n")
    data = make_data("data=voc", f"data.year={year}", "data.split=test")
    data.prepare()
    masks = next(iter(data.val_dataloader()))["mask"]
    assert (masks == 255).all() == (year != 2007)  # only 2007's test set has labels
    with pytest.raises(ValueError, match=r"data\.year=2006: one of 2007, .* 2012 is needed"):
        make_data("data=voc", "data.year=2006")


def test_the_official_lists_are_shipped(root: Path, make_data: MakeData) -> None:
    sizes = {"train": 1464, "val": 1449, "trainval": 2913, "test": 1456, "train_aug": 10582, "seg11valid": 736}
    write_voc(root)
    (root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt").unlink()
    data = make_data("data=voc")
    for split, size in sizes.items():
        assert len((OFFICIAL_LISTS / f"{split}.txt").read_text().split()) == size
    assert len(data.ids("train")) == 1464  # a data folder without its list
    assert len(data.ids("val")) == 3  # the folder's own list comes first


def test_voc_sbd_from_pngs_or_from_mat_files(root: Path, make_data: MakeData) -> None:
    write_voc(root)
    voc, sbd = root / "VOCdevkit" / "VOC2012", root / "benchmark_RELEASE" / "dataset"
    save(voc / "JPEGImages" / "2008_000002.jpg", picture(30, 40))
    (voc / "ImageSets" / "Segmentation" / "train_aug.txt").write_text("2012_train000\n2008_000002\n")
    with pytest.raises(FileNotFoundError, match=r"benchmark_RELEASE.* python -m seglight\.fetch data=voc_sbd"):
        make_data("data=voc_sbd").prepare()

    save_sbd(sbd / "cls" / "2008_000002.mat", np.full((30, 40), 7, np.uint8))
    data = make_data("data=voc_sbd")
    data.prepare()
    own, added = data.dataset("train_aug")
    np.testing.assert_array_equal(own.mask, labels(40, 60, 21))  # VOC annotated this one itself
    assert set(np.unique(added.mask)) == {7}

    for name, mask in (("2012_train000", labels(40, 60, 21)), ("2008_000002", np.full((30, 40), 9, np.uint8))):
        (voc / "SegmentationClassAug").mkdir(exist_ok=True)
        save_palette(mask, voc / "SegmentationClassAug" / f"{name}.png")
    assert set(np.unique(make_data("data=voc_sbd").dataset("train_aug")[1].mask)) == {9}
    assert set(np.unique(make_data("data=voc_sbd", "data.masks=mat").dataset("train_aug")[1].mask)) == {7}

    (sbd / "cls" / "2008_000002.mat").write_bytes(b"not a mat file")
    with pytest.raises(ValueError, match=r"2008_000002\.mat: cannot be read as one of SBD's \.mat files"):
        make_data("data=voc_sbd", "data.masks=mat").prepare()


def test_voc_fcn_trains_on_sbds_list_and_tests_on_seg11valid(root: Path, make_data: MakeData) -> None:
    write_voc(root)
    voc, sbd = root / "VOCdevkit" / "VOC2012", root / "benchmark_RELEASE" / "dataset"
    (voc / "ImageSets" / "Segmentation" / "seg11valid.txt").write_text("2012_val000\n2012_val001\n")
    for name in ("2008_000002", "2008_000003"):
        save(sbd / "img" / f"{name}.jpg", picture(30, 40))
        save_sbd(sbd / "cls" / f"{name}.mat", labels(30, 40, 21))
    (sbd / "train.txt").write_text("2008_000002\n2008_000003\n")
    data = make_data("data=voc_fcn", "augment=fcn", "data.batch_size=1")
    data.prepare()
    assert [pair.name for pair in data.listed("train")] == ["2008_000002", "2008_000003"]
    assert len(list(data.val_dataloader())) == 2
    assert data.draw_with_replacement
    assert next(iter(data.train_dataloader()))["image"].shape == (1, 3, 30, 40)
    (sbd / "train.txt").write_text("2008_000002\n2012_val001\n")
    with pytest.raises(ValueError, match=r"1 ids are in seg11valid too, e\.g\. 2012_val001"):
        make_data("data=voc_fcn").prepare()


def write_frame(root: Path, split: str, city: str, annotation: str | None = "gtFine") -> np.ndarray:
    name = f"{city}_000000_000019"
    save(root / "cityscapes" / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", picture(16, 32))
    ids = np.arange(16 * 32, dtype=np.uint8).reshape(16, 32) % 34
    if annotation:
        save(root / "cityscapes" / annotation / split / city / f"{name}_{annotation}_labelIds.png", ids)
    return ids


def test_cityscapes_labels_there_and_back(root: Path, make_data: MakeData, tmp_path: Path) -> None:
    ids = write_frame(root, "train", "aachen")
    write_frame(root, "test", "berlin", annotation=None)
    data = make_data("data=cityscapes", "data.split=train")
    data.prepare()
    mask = next(iter(data.val_dataloader()))["mask"][0].numpy()
    official = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13,
                27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
    for stored, index in official.items():
        assert (mask[ids == stored] == index).all()
        assert ID_TO_CLASS[stored] == index
        assert CLASS_TO_ID[index] == stored
    assert (mask[~np.isin(ids, list(official))] == 255).all()
    assert ID_TO_CLASS[-1] == 255  # licence plates
    assert CLASSES[official[26]] == "car"

    path = data.save_prediction(mask, "aachen_000000_000019", tmp_path / "out" / "predictions")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), mask)
    written = tmp_path / "out" / "cityscapes_results" / "aachen_000000_000019_predLabelIds.png"
    np.testing.assert_array_equal(np.asarray(Image.open(written)), np.where(np.isin(ids, list(official)), ids, 0))

    unlabelled = make_data("data=cityscapes", "data.split=test")
    assert (next(iter(unlabelled.eval_dataloader("test")))["mask"] == 255).all()


def test_cityscapes_coarse_adds_train_extra(root: Path, make_data: MakeData) -> None:
    write_frame(root, "train", "aachen")
    write_frame(root, "train_extra", "bayreuth", "gtCoarse")
    assert len(make_data("data=cityscapes").listed("train")) == 1
    both = make_data("data=cityscapes", "data.coarse=true").listed("train")
    assert [pair.name for pair in both] == ["aachen_000000_000019", "bayreuth_000000_000019"]


def test_camvid_void_is_ignored(root: Path, make_data: MakeData) -> None:
    stored = (np.arange(20 * 24) % 12).astype(np.uint8).reshape(20, 24)
    for split in ("train", "val"):
        save(root / "camvid" / split / "a.png", picture(20, 24))
        save(root / "camvid" / f"{split}annot" / "a.png", stored)
    data = make_data("data=camvid", "data.crop_size=16")
    data.prepare()
    mask = data.dataset("val")[0].mask
    np.testing.assert_array_equal(mask, np.where(stored == 11, 255, stored))
    with pytest.raises(ValueError, match=r"data\.split=validation; data=camvid has train, val, test"):
        make_data("data=camvid", "data.split=validation").setup("fit")


def test_camvid_original_colours(root: Path, make_data: MakeData) -> None:
    colours = np.array([colour for colour, _ in ORIGINAL.values()] + [(0, 0, 0)], np.uint8)
    stored = (np.arange(20 * 24) % 32).reshape(20, 24)
    for name in ("0006R0_f00930", "0016E5_07959", "Seq05VD_f00000"):
        save(root / "camvid_original" / "701_StillsRaw_full" / f"{name}.png", picture(20, 24))
        save(root / "camvid_original" / "LabeledApproved_full" / f"{name}_L.png", colours[stored])
    data = make_data("data=camvid_original")
    np.testing.assert_array_equal(data.dataset("val")[0].mask, np.where(stored == 31, 255, stored))
    eleven = make_data("data=camvid_regrouped").dataset("train")[0].mask
    groups = [eleven[stored == list(ORIGINAL).index(name)] for name in ("Car", "Truck_Bus", "SUVPickupTruck")]
    assert {int(value) for group in groups for value in np.unique(group)} == {8}
    assert (eleven[stored == 31] == 255).all()


def test_camvid_split_is_segnets(real_data: Path) -> None:
    for split in ("train", "val"):
        folder = real_data / "camvid" / split
        if not folder.is_dir():
            pytest.skip("no camvid")
        assert {split_of(path.stem) for path in folder.glob("*.png")} == {split}


@pytest.mark.parametrize("layout", ["folders", "stack"])
def test_isbi_folds_cover_everything_once(root: Path, make_data: MakeData, layout: str) -> None:
    truth = [np.where(labels(20, 20, 2, seed=n) == 1, 255, 0).astype(np.uint8) for n in range(10)]
    images = [picture(20, 20, n)[..., 0] for n in range(10)]
    if layout == "folders":
        for number, (image, mask) in enumerate(zip(images, truth, strict=True)):
            save(root / "isbi2012" / "train" / "image" / f"{number}.png", image)
            save(root / "isbi2012" / "train" / "label" / f"{number}.png", mask)
    else:
        (root / "isbi2012").mkdir()
        for name, frames in (("train-volume", images), ("train-labels", truth)):
            first, *rest = [Image.fromarray(frame) for frame in frames]
            first.save(root / "isbi2012" / f"{name}.tif", save_all=True, append_images=rest)
    held_out = []
    for fold in range(3):
        data = make_data("data=isbi2012", "data.folds=3", f"data.fold={fold}")
        data.prepare()
        train, val = ({pair.name for pair in data.listed(split)} for split in ("train", "val"))
        assert not train & val
        assert len(train | val) == 10
        held_out += sorted(val)
    assert len(held_out) == len(set(held_out)) == 10
    everything = make_data("data=isbi2012", "data.train_split=all").dataset("all")
    for sample in everything:
        number = int(sample.name)
        np.testing.assert_array_equal(sample.mask, truth[number] // 255)
        np.testing.assert_array_equal(sample.image[..., 1], images[number])
    with pytest.raises(ValueError, match=r"data\.fold=3: a whole number below data\.folds=3 is needed"):
        make_data("data=isbi2012", "data.folds=3", "data.fold=3")
    for ignored in ("data.group=.", "data.stratify=true", "data.split_seed=1"):
        with pytest.raises(ValueError, match=f"{ignored}: data=isbi2012 has folds of its own.* data.fold_seed draws"):
            make_data("data=isbi2012", ignored).setup("fit")
    make_data("data=isbi2012", "data.fraction=0.5", "data.split_seed=1").setup("fit")


def test_ade20k_ignores_0(root: Path, make_data: MakeData) -> None:
    stored = (np.arange(15 * 20) % 151).astype(np.uint8).reshape(15, 20)
    for folder in ("training", "validation"):
        save(root / "ADEChallengeData2016" / "images" / folder / "a.jpg", picture(15, 20))
        save(root / "ADEChallengeData2016" / "annotations" / folder / "a.png", stored)
    data = make_data("data=ade20k", "data.crop_size=16")
    data.prepare()
    np.testing.assert_array_equal(data.dataset("val")[0].mask, np.where(stored == 0, 255, stored.astype(int) - 1))
    assert (ADE20K.classes[0], ADE20K.classes[12], ADE20K.classes[149]) == ("wall", "person", "flag")


def test_pet_trimaps(root: Path, make_data: MakeData) -> None:
    stored = (np.arange(15 * 20) % 3 + 1).astype(np.uint8).reshape(15, 20)
    pet = root / "oxford-iiit-pet"
    save(pet / "images" / "Abyssinian_1.jpg", picture(15, 20))
    save(pet / "annotations" / "trimaps" / "Abyssinian_1.png", stored)
    for split in ("trainval", "test"):
        (pet / "annotations" / f"{split}.txt").write_text("#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n")
    data = make_data("data=pet")
    data.prepare()
    np.testing.assert_array_equal(data.dataset("test")[0].mask, np.array([0, 1, 0, 255])[stored])
    three = make_data("data=pet", "data.border=class", "data.num_classes=3")
    assert three.classes == ("background", "pet", "border")
    np.testing.assert_array_equal(three.dataset("test")[0].mask, np.array([0, 1, 0, 2])[stored])


@pytest.mark.parametrize("name", ["voc", "camvid", "cityscapes", "isbi2012", "voc_sbd"])
def test_real_images(real_data: Path, make_data: MakeData, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(real_data))
    options = [f"data={name}", "data.batch_size=1", *(["data.split=train"] if name == "cityscapes" else [])]
    data = make_data(*options)
    if not Path(data.root).is_dir():
        pytest.skip(f"no {name}")
    data.prepare()
    for batch in (next(iter(data.train_dataloader())), next(iter(data.val_dataloader()))):
        assert set(np.unique(batch["mask"])) <= {*range(data.num_classes), 255}
        assert batch["image"].shape[2:] == batch["mask"].shape[1:]
