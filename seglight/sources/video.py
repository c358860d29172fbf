"""Predicts a video frame by frame: the overlay has the source's frame rate, length and times."""

# Shapes: H W pixels

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seglight.data.bands import Stored
from seglight.data.pixels import Pixels
from seglight.data.progress import progress_bar
from seglight.deploy.prediction import Prediction
from seglight.runs.atomic import whole_path
from seglight.sources.listing import Item
from seglight.sources.network import Network
from seglight.sources.outputs import Outputs, written

log = logging.getLogger(__name__)

RATE = Fraction(25)  # frames a second of a source that does not say
MISSING = 3  # frames, or 2 %, by which a length in seconds may be too long: sound goes on, times are rounded
CLOCK = Fraction(1, 90000)  # MPEG's: what times are written in


def predict_video(item: Item, network: Network, outputs: Outputs, batch_size: int, frames: bool) -> None:
    """Writes `<name>_overlay.mp4` and, on demand, the class indices of each frame as `<name>/000000.png`.

    ValueError names a video that cannot be read, or that ends early; what was there of it is then written under
    another name, `<name>_first_N_frames_overlay.mp4`.
    """
    import av

    try:
        source = av.open(str(item.path), format="v4l2" if item.kind == "camera" else None)
        stream = source.streams.video[0]
    except FileNotFoundError:
        raise FileNotFoundError(f"{item.path}: no such {'camera' if item.kind == 'camera' else 'file'}") from None
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{item.path}: cannot be read as a video ({error}); truncated or another format?") from None
    with source:
        reader = FrameReader(source, stream, item, network.run.pixels)
        shown = predictions(reader, network, outputs, batch_size, item.name, frames)
        if not outputs.overlay:
            deque(shown, maxlen=0)  # each frame's classes are written
            reader.check(item.path, f"{item.name}/")
            return
        target = outputs.path(item.name, "_overlay.mp4")
        with whole_path(target) as partial:
            write_overlay(shown, partial, reader.rate)
            part = target.with_name(f"{Path(item.name).name}_first_{reader.seen}_frames_overlay.mp4")
            if reader.seen and not reader.is_whole():
                partial.replace(part)
                partial.touch()
            reader.check(item.path, part.name)


class FrameReader:
    """A video's frames as the network takes them, with their times; remembers where they stopped."""

    def __init__(self, source: Any, stream: Any, item: Item, pixels: Pixels) -> None:
        self.source, self.stream, self.path, self.pixels = source, stream, item.path, pixels
        self.camera = item.kind == "camera"
        stream.thread_type = "AUTO"
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or RATE)
        self.expected = int(stream.frames) or announced(source, stream, self.rate)
        self.missing = max(0 if stream.frames else MISSING, self.expected // 50)  # that is still a whole video
        self.seen, self.reason = 0, ""

    def __iter__(self) -> Iterator[tuple[NDArray[Any], Fraction]]:
        """Upright frames [H, W, C] and their times in seconds, up to where the file cannot be decoded further.

        ValueError where the network takes other images than frames can be.
        """
        import av

        start: Fraction | None = None
        try:
            for frame in self.source.decode(self.stream):
                clock = frame.time_base or CLOCK
                time = Fraction(self.seen) / self.rate if frame.pts is None else frame.pts * clock
                start = time if start is None else start
                self.seen += 1
                turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
                yield self.pixels.image(Stored(turned), self.path)[0], time - start
        except av.FFmpegError as error:
            self.reason = f" ({error.strerror})"

    def is_whole(self) -> bool:
        """Whether it went to the end: nothing broke, and next to nothing of what was announced is missing."""
        return not self.reason and self.seen >= self.expected - self.missing

    def check(self, path: Path, written: str) -> None:
        """ValueError where frames are missing; `written`: the file or folder that has the others."""
        if self.seen == 0:
            raise ValueError(f"{path}: no frame of it can be decoded{self.reason}")
        if not self.is_whole():
            raise ValueError(
                f"{path}: ends early{self.reason}: {self.seen} of about {self.expected} frames could be read; they are "
                f"in {written}"
            )


def announced(source: Any, stream: Any, rate: Fraction) -> int:
    """The frames that a file's header speaks of, 0 where it does not."""
    if stream.duration:
        return int(stream.duration * stream.time_base * rate)
    return int(Fraction(source.duration, 1_000_000) * rate) if source.duration else 0


def predictions(
    reader: FrameReader, network: Network, outputs: Outputs, batch_size: int, name: str, frames: bool
) -> Iterator[tuple[Prediction, Fraction]]:
    """Each frame's prediction and time; frames: its class indices are written too."""
    number = 0
    with progress_bar(name, reader.expected or None) as advance:
        for batch in in_batches(reader, batch_size):
            images = torch.from_numpy(np.stack([image for image, _ in batch])).permute(0, 3, 1, 2)
            for prediction, (_, time) in zip(network(images), batch, strict=True):
                shown = prediction.with_safe_colours() if outputs.safe_colours else prediction
                if frames:
                    with written(outputs.path(f"{name}/{number:06d}", ".png")) as file:
                        shown.palette_image().save(file, "PNG")
                number += 1
                yield shown, time
                advance()


def write_overlay(shown: Iterable[tuple[Prediction, Fraction]], target: Path, rate: Fraction) -> None:
    """Encodes the overlays: H.264, of even height and width."""
    import av

    with av.open(str(target), "w", format="mp4") as out:
        stream: Any = None
        for prediction, time in shown:
            image = even(prediction.overlay())
            if stream is None:
                stream = out.add_stream("libx264", rate=rate)
                stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
                stream.codec_context.time_base = CLOCK
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base, frame.duration = round(time / CLOCK), CLOCK, round(1 / rate / CLOCK)
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode())


def in_batches(reader: FrameReader, size: int) -> Iterator[list[tuple[NDArray[Any], Fraction]]]:
    """Frames by so many; Ctrl-C ends the recording of a camera, and what was seen is written."""
    batch: list[tuple[NDArray[Any], Fraction]] = []
    camera = reader.camera
    with suppress(KeyboardInterrupt) if camera else nullcontext():
        for frame in reader:
            batch.append(frame)
            if len(batch) == (1 if camera else size):
                yield batch
                batch = []
    if batch:
        yield batch


def even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image whose last row and column are doubled where their number is odd: what H.264 takes."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
