"""What `predict` writes for an image: class indices, and on demand overlay, panels, probabilities, objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from seglight.deploy.prediction import Prediction
from seglight.objects.numbering import Numbering
from seglight.objects.table import csv_of
from seglight.results.drawing import objects_over, side_by_side
from seglight.runs.atomic import written_whole

QUALITY = 92  # of JPEGs
LONGEST = 65500  # pixels of a side that a JPEG can have


@dataclass(frozen=True)
class Outputs:
    """Where results go, and which ones are wanted."""

    folder: Path
    overlay: bool = True
    side_by_side: bool = False
    probabilities: bool = False
    safe_colours: bool = False
    numbering: Numbering | None = None  # how objects are numbered, where that is wanted
    things: Sequence[str] = ()  # the classes that have objects

    @property
    def endings(self) -> list[str]:
        """What follows an input's name in the names of the files that are written for it."""
        wanted = {
            ".png": True, ".tif": True, "_overlay.mp4": True, "_overlay.jpg": self.overlay,
            "_side_by_side.jpg": self.side_by_side, "_probabilities.npy": self.probabilities,
            "_instances.png": self.numbering is not None, "_instances.csv": self.numbering is not None,
        }  # fmt: skip
        return [ending for ending, written in wanted.items() if written]

    def path(self, name: str, ending: str) -> Path:
        """`folder`/`name``ending`, its folder made."""
        path = self.folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, prediction: Prediction, name: str) -> None:
        """The files of one image: `<name>.png` and what else is wanted."""
        if self.safe_colours:
            prediction = prediction.with_safe_colours()
        with written(self.path(name, ".png")) as file:
            prediction.palette_image().save(file, "PNG")
        shown = prediction.overlay()
        if self.numbering is not None:
            ids, objects = self.numbering(prediction, self.things)
            with written(self.path(name, "_instances.png")) as file:
                Image.fromarray(ids).save(file, "PNG")
            with written(self.path(name, "_instances.csv")) as file:
                file.write(csv_of(objects).encode())
            shown = objects_over(prediction.image, ids)
        if self.overlay:
            with written(self.path(name, "_overlay.jpg")) as file:
                save_jpeg(Image.fromarray(shown), file)
        if self.side_by_side:
            solid = np.asarray(prediction.palette_image().convert("RGB"))
            panels = [prediction.image, shown, solid]
            with written(self.path(name, "_side_by_side.jpg")) as file:
                save_jpeg(side_by_side(panels, ("image", "overlay", "classes")), file)
        if self.probabilities:
            with written(self.path(name, "_probabilities.npy")) as file:
                np.save(file, prediction.probabilities)  # type: ignore[arg-type]


def save_jpeg(picture: Image.Image, file: IO[Any]) -> None:
    """A picture to look at; smaller than the image where that is too long for a JPEG."""
    picture.thumbnail((LONGEST, LONGEST))
    picture.save(file, "JPEG", quality=QUALITY)


@contextmanager
def written(target: Path) -> Iterator[IO[Any]]:
    """A file that is there whole or not at all; an error such as a full disk names it."""
    try:
        with written_whole(target, "wb") as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(target)) from None
