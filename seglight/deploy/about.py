"""What an exported file says of itself: its classes, colours, pixels, scores and the config it was trained with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KEY = "seglight"  # under which it lies in a file's metadata


@dataclass
class About:
    """The metadata of an export, kept as JSON inside the file.

    bands: channels of an image. value_range: the stored values [low, high] that 0 and 255 stand for, where images are
    deeper than 8 bits. nodata: the stored value that is none, or "nan". output: `logits` [B, K, H, W] float32 or
    `classes` [B, H, W] uint8. precision: float32 or int8. scores: of the run's best epoch, and of the int8 file.
    config: the run's, as YAML. differences: by size, the largest difference from PyTorch's logits.
    """

    classes: list[str]
    palette: list[tuple[int, int, int]]
    bands: int = 3
    value_range: list[Any] | None = None
    nodata: float | str | None = None
    output: str = "logits"
    precision: str = "float32"
    name: str = ""
    data: str = ""
    params: int = 0
    scores: dict[str, float | None] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    int8: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    config: str = ""

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None, file: Any) -> About:
        """The other way round. ValueError names a file that no `python -m seglight.export` has written."""
        try:
            content = json.loads(text or "")
            known = {f.name for f in fields(cls)}
            about = cls(**{key: value for key, value in content.items() if key in known})
            about.palette = [colour(value) for value in about.palette]
        except (ValueError, TypeError, AttributeError):
            raise ValueError(
                f"{file} is no export of seglight's: it does not say which classes it has. "
                "python -m seglight.export run=DIR out=FILE writes one"
            ) from None
        return about


def colour(value: Sequence[int]) -> tuple[int, int, int]:
    red, green, blue = value
    return int(red), int(green), int(blue)
