"""A video's overlay has its frame rate, its frames and their times; one that ends early says so."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seglight
from seglight.data.pixels import Pixels
from seglight.sources.listing import items
from seglight.sources.network import Network
from seglight.sources.outputs import Outputs
from seglight.sources.video import predict_video

av = pytest.importorskip("av")
RATE = Fraction(30000, 1001)
COUNT = 12


def video(path: Path, frames: int = COUNT, height: int = 62, width: int = 80, skip: int = -1) -> Path:
    """A drifting picture; frame number `skip` is missing, its place in time is kept."""
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    base = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for number in range(frames):
            if number != skip:
                frame = av.VideoFrame.from_ndarray(np.roll(base, number, 1), format="rgb24")
                frame.pts = number
                file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as file:
        return [frame.pts * frame.time_base for frame in file.decode(video=0)]


@pytest.fixture(scope="module")
def network(run_dir: Path) -> Network:
    return Network(seglight.load_run(run_dir), "cpu")


@pytest.mark.parametrize("skip", [-1, 5], ids=["steady", "one missing"])
def test_rate_length_and_times_are_kept(skip: int, network: Network, tmp_path: Path) -> None:
    source = video(tmp_path / "clip.mp4", skip=skip)
    count = COUNT - (skip >= 0)
    (item,) = items(str(source), tmp_path / "out")
    predict_video(item, network, Outputs(tmp_path / "out"), batch_size=4, frames=True)
    result = tmp_path / "out" / "clip_overlay.mp4"
    assert times(result) == [pytest.approx(time, abs=1e-4) for time in times(source)]
    with av.open(str(result)) as file, av.open(str(source)) as original:
        stream = file.streams.video[0]
        assert (stream.height, stream.width, stream.frames) == (62, 80, count)
        assert skip >= 0 or stream.average_rate == RATE
        first = next(original.decode(video=0)).to_ndarray(format="rgb24")
    masks = sorted((tmp_path / "out" / "clip").glob("*.png"))
    assert len(masks) == count
    assert (np.asarray(Image.open(masks[0])) == network.run.predict(first)).all()
    predict_video(item, network, Outputs(tmp_path / "plain", overlay=False), batch_size=4, frames=True)
    assert [len(list(path.iterdir())) for path in (tmp_path / "plain").iterdir()] == [count]


@pytest.mark.parametrize("kept", [0.5, 0.02])
def test_a_video_that_ends_early_is_named_and_what_was_there_is_kept_apart(
    kept: float, network: Network, tmp_path: Path
) -> None:
    content = video(tmp_path / "whole.mkv", 30).read_bytes()
    (tmp_path / "clip.mkv").write_bytes(content[: int(kept * len(content))])
    (item,) = items(str(tmp_path / "clip.mkv"), tmp_path / "out")
    with pytest.raises(ValueError, match=r"clip.mkv: (ends early: .* of about 30|cannot be read)"):
        predict_video(item, network, Outputs(tmp_path / "out"), batch_size=4, frames=False)
    written = [path.name for path in tmp_path.glob("out/*")]
    assert "clip_overlay.mp4" not in written
    if kept == 0.5:
        (name,) = written
        count = int(name.removeprefix("clip_first_").removesuffix("_frames_overlay.mp4"))
        assert 0 < count < 28
        assert len(times(tmp_path / "out" / name)) == count
    else:
        assert written == []


def test_frames_are_read_as_the_runs_images_are(run_dir: Path, tmp_path: Path) -> None:
    (item,) = items(str(video(tmp_path / "clip.mp4", 2)), tmp_path / "out")
    run, swapped = seglight.load_run(run_dir), seglight.load_run(run_dir)
    vars(swapped)["pixels"] = Pixels(bands=(3, 2, 1))
    predict_video(item, Network(swapped, "cpu"), Outputs(tmp_path / "out", overlay=False), 4, frames=True)
    with av.open(str(item.path)) as file:
        first = next(file.decode(video=0)).to_ndarray(format="rgb24")
    expected = run.predict(np.ascontiguousarray(first[..., ::-1])).mask
    assert (np.asarray(Image.open(tmp_path / "out/clip/000000.png")) == expected).all()
    for pixels, says in (
        (Pixels(channels=4), "3 bands; expected 4"),
        (Pixels(value_range=((0, 4095),)), "8 bits, where data.value_range="),
    ):
        vars(run)["pixels"] = pixels
        with pytest.raises(ValueError, match=rf"clip\.mp4: {says}"):
            predict_video(item, Network(run, "cpu"), Outputs(tmp_path / "none"), 4, frames=False)
    assert not list((tmp_path / "none").glob("*"))


def test_what_is_no_video_is_named(network: Network, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    (item,) = items(str(tmp_path / "clip.mp4"), tmp_path / "out")
    with pytest.raises(ValueError, match=r"clip.mp4: cannot be read as a video"):
        predict_video(item, network, Outputs(tmp_path / "out"), batch_size=4, frames=False)
    (camera,) = items(77, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="/dev/video77: no such camera"):
        predict_video(camera, network, Outputs(tmp_path / "out"), batch_size=4, frames=False)
