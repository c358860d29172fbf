"""What a network says of one image: a class for every pixel, shown as pictures and as a table of classes."""

# Shapes: H W pixels, K classes

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.colours import Colour, palette_image
from seglight.deploy.colours import STRENGTH, overlay, safe_palette
from seglight.ignore import IGNORE_INDEX

SHOWN = 1024  # pixels of the longer side in a notebook


@dataclass(frozen=True, eq=False)
class Prediction:
    """The classes of an image's pixels. `np.asarray(prediction)` is its mask, and it compares and slices as that.

    mask: class indices uint8 [H, W]. image: RGB uint8 [H, W, 3]. probabilities: float32 [K, H, W] that add up to 1,
    or None where they were not asked for. classes, palette: K names and K colours.
    """

    mask: NDArray[np.uint8]
    image: NDArray[np.uint8]
    classes: Sequence[str]
    palette: Sequence[Colour]
    probabilities: NDArray[np.float32] | None = None

    def overlay(self, strength: float = STRENGTH) -> NDArray[np.uint8]:
        """The class colours laid over the image, RGB uint8 [H, W, 3]; strength: 0 is the image alone, 1 the colours."""
        return overlay(self.image, self.mask, self.palette, strength)

    def palette_image(self) -> Image.Image:
        """The mask as a picture that stores class indices and shows colours: what is saved as a PNG."""
        return palette_image(self.mask, self.palette)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the pixels that each class has, the largest first; classes that are not there are left out."""
        counts = np.bincount(self.mask.ravel(), minlength=256)[: len(self.classes)]
        order = np.argsort(-counts, kind="stable")
        return {self.classes[i]: float(counts[i] / self.mask.size) for i in order if counts[i]}

    def with_safe_colours(self) -> Prediction:
        """The same in colours that colour-blind people tell apart."""
        return Prediction(self.mask, self.image, self.classes, safe_palette(self.palette), self.probabilities)

    def without(self, invalid: NDArray[np.bool_] | None) -> Prediction:
        """The same, but 255 where the image has no data [H, W]."""
        if invalid is None:
            return self
        mask = np.where(invalid, np.uint8(IGNORE_INDEX), self.mask)
        return Prediction(mask, self.image, self.classes, self.palette, self.probabilities)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W), the mask's."""
        return self.mask.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The mask's: uint8."""
        return self.mask.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.mask, dtype, copy=copy)

    def __getitem__(self, where: Any) -> Any:
        return self.mask[where]

    def __eq__(self, other: object) -> Any:  # type: ignore[override]  # pixel by pixel, as arrays do
        return self.mask == np.asarray(other)

    def __ne__(self, other: object) -> Any:  # type: ignore[override]
        return self.mask != np.asarray(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in list(self.shares.items())[:4])
        return f"Prediction({self.shape[1]} x {self.shape[0]} pixels: {shares})"

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the overlay."""
        shown = Image.fromarray(self.overlay())
        shown.thumbnail((SHOWN, SHOWN))
        file = io.BytesIO()
        shown.save(file, "PNG")
        return file.getvalue()

    def _repr_html_(self) -> str:
        """What a notebook shows: the overlay, and the classes with their colours and shares."""
        picture = base64.b64encode(self._repr_png_()).decode()
        return f'<img src="data:image/png;base64,{picture}" alt="overlay" style="max-width:100%">{self.legend_html()}'

    def legend_html(self) -> str:
        """The classes that are there, with colours and shares, as a table."""
        colours = dict(zip(self.classes, self.palette, strict=False))
        rows = (
            f'<tr><td style="background:rgb{tuple(map(int, colours[name]))};width:1.5em;border:1px solid #888"></td>'
            f'<td style="text-align:left">{html.escape(name)}</td>'
            f'<td style="text-align:right">{percent(share)}</td></tr>'
            for name, share in self.shares.items()
        )
        return f"<table>{''.join(rows)}</table>"


def percent(share: float) -> str:
    """A share as people read it; what is there is never 0 %."""
    return "&lt; 0.1%" if share < 0.0005 else f"{share:.1%}"
