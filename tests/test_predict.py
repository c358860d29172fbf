"""`python -m seglight.predict`: every image gets its files, what cannot be read is reported, nothing is overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

import seglight
from seglight.config import conf_dir
from seglight.deploy.prediction import Prediction
from seglight.predict import predict
from seglight.sources.outputs import Outputs
from tests.conftest import REPO, Command

RNG = np.random.default_rng(0)


def settings(run: Path, source: object, out: Path, **changed: object) -> DictConfig:
    """What conf/predict.yaml and a command line make."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("predict")
    given = {"run": str(run), "source": source if isinstance(source, int | list) else str(source), "out": str(out)}
    cfg.update({**given, "device": "cpu", **changed})
    return cfg


def image(path: Path, height: int = 40, width: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_all_sorts(run_dir: Path, command: Command, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    image(photos / "a.JPG")
    image(photos / "sub" / "b.png", 1, 1)
    (photos / "._a.jpg").write_bytes(b"of a Mac")
    (photos / ".DS_Store").write_bytes(b"of a Mac")
    (photos / "notes.md").write_text("no image")
    (photos / "broken.jpg").write_bytes(b"nothing")
    answer = command("predict", f"run={run_dir}", "source=photos", "out=out", "device=cpu")
    assert answer.returncode == 1
    assert names(out) == ["a.png", "a_overlay.jpg", "sub/b.png", "sub/b_overlay.jpg"]
    assert "not predicted: photos/broken.jpg: cannot be decoded" in answer.stdout
    assert answer.stdout.rstrip().splitlines()[-1] == "wrote: out"
    assert answer.stderr.rstrip() == "error: 1 of 3 inputs could not be predicted: photos/broken.jpg"
    with Image.open(out / "a.png") as stored:
        assert stored.mode == "P"
        expected = seglight.load_run(run_dir).predict(photos / "a.JPG")
        assert (np.asarray(stored) == expected).all()
        assert stored.getpalette()[3:6] == list(expected.palette[1])  # type: ignore[index]


def test_images_of_equal_size_share_a_batch_and_all_is_written_that_is_wanted(run_dir: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number, size in enumerate([(40, 50), (64, 32), (40, 50), (40, 50), (64, 32)]):
        image(photos / f"{number}.png", *size)
    predict(settings(run_dir, photos, out, batch_size=2, probabilities=True, side_by_side=True, palette="safe"))
    run = seglight.load_run(run_dir)
    for number in range(5):
        expected = run.predict(photos / f"{number}.png")
        assert (np.asarray(Image.open(out / f"{number}.png")) == expected).all()
        probabilities = np.load(out / f"{number}_probabilities.npy")
        assert probabilities.shape == (9, *expected.shape)
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
        np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-5)
        assert Image.open(out / f"{number}_side_by_side.jpg").width == 3 * expected.shape[1] + 2 * 4
    assert Image.open(out / "0.png").getpalette()[3:6] == [230, 159, 0]  # type: ignore[index]


def test_a_glob_a_list_and_a_stack(run_dir: Path, tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png", "two/b.png"):
        image(tmp_path / "photos" / name)
    predict(settings(run_dir, tmp_path / "photos" / "*" / "a.png", tmp_path / "glob", overlay=False))
    assert names(tmp_path / "glob") == ["one/a.png", "two/a.png"]
    (tmp_path / "photos" / "list.txt").write_text(f"two/b.png\r\n{tmp_path}/photos/one/a.png\n")
    predict(settings(run_dir, tmp_path / "photos" / "list.txt", tmp_path / "list", overlay=False))
    assert names(tmp_path / "list") == ["one/a.png", "two/b.png"]
    pages = [Image.fromarray(RNG.integers(0, 256, (40, 50), dtype=np.uint8)) for _ in range(2)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    predict(settings(run_dir, tmp_path / "stack.tif", tmp_path / "stack", overlay=False))
    assert names(tmp_path / "stack") == ["stack_0.png", "stack_1.png"]
    second = seglight.load_run(run_dir).predict(pages[1])
    with pytest.raises(ValueError, match=r"stack.tif: a TIFF of \d pages; give one of them"):
        seglight.load_run(run_dir).predict(tmp_path / "stack.tif")
    assert (np.asarray(Image.open(tmp_path / "stack" / "stack_1.png")) == second).all()


def test_two_inputs_of_one_name_are_kept_apart_and_inputs_are_never_overwritten(run_dir: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name in ("a.jpg", "A.png", "b.png"):
        image(photos / name)
    predict(settings(run_dir, photos, photos / "masks", overlay=False))
    predict(settings(run_dir, photos, photos / "masks", overlay=False))  # what was written is no input
    assert names(photos / "masks") == ["A.png.png", "a.jpg.png", "b.png"]
    before = (photos / "b.png").read_bytes()
    with pytest.raises(ValueError, match=r"b.png is an input there; choose another folder"):
        predict(settings(run_dir, photos / "b.png", photos))
    with pytest.raises(ValueError, match="is the source too"):
        predict(settings(run_dir, photos, photos))
    assert (photos / "b.png").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"source": "nowhere"}, "source=nowhere: no such file or folder; an image, video"),
        ({"source": "nowhere/*.jpg"}, "no images or videos there"),
        ({"palette": "pastel"}, "palette=pastel: one of own, safe"),
        ({"device": "cuda:77"}, "device=cuda:77: this machine has no such device"),
        ({"batch_size": 0}, "batch_size=0: a whole number from 1"),
        ({"window": 100}, "window=100: a multiple of 32"),
        ({"value_range": [5, 5]}, r"value_range=\[5, 5\]: two numbers"),
        ({"value_range": [0, 4095]}, "a.png: value_range and bands are of TIFFs of one page and rasters; leave them"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    changed: dict[str, object], says: str, run_dir: Path, tmp_path: Path
) -> None:
    cfg = settings(run_dir, image(tmp_path / "a.png"), tmp_path / "out")
    cfg.update(changed)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        predict(cfg)
    assert not (tmp_path / "out").exists()


def test_a_value_range_holds_for_small_tiffs_too(run_dir: Path, tmp_path: Path) -> None:
    """12 bits in 16: with their range the classes are those of the same picture in 8 bits."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "deep.tif", picture.astype(np.uint16) * 16, photometric="rgb")
    Image.fromarray(picture).save(tmp_path / "plain.png")
    predict(settings(run_dir, tmp_path / "deep.tif", tmp_path / "deep", value_range=[0, 255 * 16]))
    predict(settings(run_dir, tmp_path / "plain.png", tmp_path / "plain"))
    found = [np.asarray(Image.open(tmp_path / name)) for name in ("deep/deep.tif", "plain/plain.png")]
    np.testing.assert_array_equal(*found)
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((2, 64, 64), np.uint16))
    with pytest.raises(ValueError, match=r"stack\.tif: value_range and bands are of TIFFs of one page and rasters"):
        predict(settings(run_dir, tmp_path / "stack.tif", tmp_path / "pages", value_range=[0, 4095]))


def test_a_video_of_which_nothing_would_be_written_is_refused(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"frames")
    with pytest.raises(ValueError, match=r"overlay=false: nothing is left to write of .*clip.mp4; frames=true"):
        predict(settings(run_dir, tmp_path / "clip.mp4", tmp_path / "out", overlay=False))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_image_too_long_for_a_jpeg_has_a_smaller_overlay(tmp_path: Path) -> None:
    strip = np.zeros((2, 66_000), np.uint8)
    prediction = Prediction(strip, np.zeros((*strip.shape, 3), np.uint8), ["road"], [(9, 9, 9)])
    Outputs(tmp_path, side_by_side=True).write(prediction, "strip")
    assert names(tmp_path) == ["strip.png", "strip_overlay.jpg", "strip_side_by_side.jpg"]
    with Image.open(tmp_path / "strip.png") as mask, Image.open(tmp_path / "strip_overlay.jpg") as overlay:
        assert (mask.width, overlay.width) == (66_000, 65_500)


def test_a_run_without_a_checkpoint_says_so(run_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
    with pytest.raises(FileNotFoundError, match=r"best.ckpt does not exist \(the run is completed\)"):
        predict(settings(tmp_path / "run", image(tmp_path / "a.png"), tmp_path / "out"))


def test_a_full_disk_is_one_message_and_leaves_no_half_file(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*out/a.png'"):
        predict(
            settings(run_dir, Path(shutil.copy(REPO / "docs" / "shapes.png", tmp_path / "a.png")), tmp_path / "out")
        )
    assert names(tmp_path / "out") == []
