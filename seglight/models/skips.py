"""Skip connections: how finer features join coarser ones, and at which strides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Skips:
    """op: add (Long et al. 2015, section 4.2) or concat (Ronneberger et al. 2015, section 2), or none.

    strides: where it happens; null is every stride the encoder has. scales: fixed factors by stride on the finer
    features (FCN-8s at-once: 1e-2 at stride 16, 1e-4 at stride 8).
    """

    op: Literal["none", "add", "concat"] = "none"
    strides: Sequence[int] | None = None
    scales: Mapping[int, float] = field(default_factory=dict)
    name: str = "skips"

    def __post_init__(self) -> None:
        if self.op not in ("none", "add", "concat"):
            raise ValueError(f"skips.op={self.op}: none, add or concat")
        self.scales = {int(s): float(v) for s, v in dict(self.scales).items()}

    def at(self, channels: Iterable[int], encoder: str) -> list[int]:
        """The strides of an encoder's features where skips join, coarse to fine. ValueError where it lacks one."""
        available = sorted(channels, reverse=True)
        if self.op == "none":
            return []
        below = available[1:]
        wanted = below if self.strides is None else sorted(self.strides, reverse=True)
        missing = [s for s in wanted if s not in below]
        if missing:
            raise ValueError(
                f"skips={self.name} joins features of stride {', '.join(map(str, missing))}, which encoder={encoder} "
                f"does not give below its last one: it has {', '.join(map(str, available))}"
            )
        return list(wanted)
