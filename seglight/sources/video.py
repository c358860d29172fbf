"""Predicts a video frame by frame: the overlay has the source's frame rate, length and times."""

# Shapes: H W pixels

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seglight.data.progress import progress_bar
from seglight.runs.atomic import whole_path
from seglight.sources.listing import Item
from seglight.sources.network import Network
from seglight.sources.outputs import Outputs, written

log = logging.getLogger(__name__)

RATE = Fraction(25)  # frames a second of a source that does not say
MISSING = 3  # frames, or 2 %, by which a length in a header may be too long: sound goes on, times are rounded
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
        reader = FrameReader(source, stream, item.kind == "camera")
        target = outputs.path(item.name, "_overlay.mp4")
        with whole_path(target) as partial:
            write_overlay(reader, partial, network, outputs, batch_size, item.name, frames)
            if reader.seen == 0:
                raise ValueError(f"{item.path}: no frame of it can be decoded{reader.reason}")
            if not reader.is_whole():
                partial.replace(target.with_name(f"{Path(item.name).name}_first_{reader.seen}_frames_overlay.mp4"))
                partial.touch()
                raise ValueError(
                    f"{item.path}: ends early{reader.reason}: {reader.seen} of about {reader.expected} frames could be "
                    f"read; they are in {Path(item.name).name}_first_{reader.seen}_frames_overlay.mp4"
                )


class FrameReader:
    """A video's frames as RGB arrays with their times; remembers where they stopped."""

    def __init__(self, source: Any, stream: Any, camera: bool = False) -> None:
        self.source, self.stream, self.camera = source, stream, camera
        stream.thread_type = "AUTO"
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or RATE)
        self.expected = int(stream.frames) or announced(source, stream, self.rate)
        self.seen, self.reason = 0, ""

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], Fraction]]:
        """Upright frames [H, W, 3] and their times in seconds, up to where the file cannot be decoded further."""
        import av

        start: Fraction | None = None
        try:
            for frame in self.source.decode(self.stream):
                clock = frame.time_base or CLOCK
                time = Fraction(self.seen) / self.rate if frame.pts is None else frame.pts * clock
                start = time if start is None else start
                self.seen += 1
                turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
                yield np.ascontiguousarray(turned), time - start
        except av.FFmpegError as error:
            self.reason = f" ({error.strerror})"

    def is_whole(self) -> bool:
        """Whether it went to the end: nothing broke, and next to nothing of what was announced is missing."""
        return not self.reason and self.seen >= self.expected - max(MISSING, self.expected // 50)


def announced(source: Any, stream: Any, rate: Fraction) -> int:
    """The frames that a file's header speaks of, 0 where it does not."""
    if stream.duration:
        return int(stream.duration * stream.time_base * rate)
    return int(Fraction(source.duration, 1_000_000) * rate) if source.duration else 0


def write_overlay(
    reader: FrameReader, target: Path, network: Network, outputs: Outputs, batch_size: int, name: str, frames: bool
) -> None:
    """Encodes the overlays (H.264, of even height and width) and writes the masks of the frames."""
    import av

    written_frames = 0
    with av.open(str(target), "w", format="mp4") as out, progress_bar(name, reader.expected or None) as advance:
        stream: Any = None
        for batch in in_batches(reader, batch_size):
            images = torch.from_numpy(np.stack([image for image, _ in batch])).permute(0, 3, 1, 2)
            for prediction, (_, time) in zip(network(images), batch, strict=True):
                if outputs.safe_colours:
                    prediction = prediction.with_safe_colours()
                if frames:
                    with written(outputs.path(f"{name}/{written_frames:06d}", ".png")) as file:
                        prediction.palette_image().save(file, "PNG")
                written_frames += 1
                shown = even(prediction.overlay())
                if stream is None:
                    stream = out.add_stream("libx264", rate=reader.rate)
                    stream.height, stream.width, stream.pix_fmt = *shown.shape[:2], "yuv420p"
                    stream.codec_context.time_base = CLOCK
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                frame.pts, frame.time_base, frame.duration = round(time / CLOCK), CLOCK, round(1 / reader.rate / CLOCK)
                out.mux(stream.encode(frame))
                advance()
        if stream is not None:
            out.mux(stream.encode())


def in_batches(reader: FrameReader, size: int) -> Iterator[list[tuple[NDArray[np.uint8], Fraction]]]:
    """Frames by so many; Ctrl-C ends the recording of a camera, and what was seen is written."""
    batch: list[tuple[NDArray[np.uint8], Fraction]] = []
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
