"""Oxford-IIIT Pet (Parkhi et al. 2012): trimaps of 37 breeds; stored 1 is pet, 2 background, 3 the border."""

from __future__ import annotations

from typing import Any

from seglight.data.datamodule import SegmentationData
from seglight.data.labels import MappedLabels
from seglight.data.listing import refuse_twice
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader
from seglight.data.settings import known_split
from seglight.data.source import Archive, Source
from seglight.values import one_of

HOST = "https://www.robots.ox.ac.uk/~vgg/data/pets"
SOURCE = Source(
    HOST,
    "CC BY-SA 4.0; cite Parkhi et al. 2012",
    (
        Archive("images.tar.gz", f"{HOST}/data/images.tar.gz", "oxford-iiit-pet",
                "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        Archive("annotations.tar.gz", f"{HOST}/data/annotations.tar.gz", "oxford-iiit-pet",
                "md5:95a8c909bbe2e81eed6a22bccdf3f68f"),
    ),
)  # fmt: skip


class Pet(SegmentationData):
    """trainval (3,680) and test (3,669); `border` is a third class, or is ignored."""

    classes: tuple[str, ...] = ("background", "pet")
    palette = ((0, 0, 0), (192, 64, 0), (240, 200, 120))
    layout = "images/*.jpg, annotations/trimaps/*.png, annotations/{trainval,test}.txt"
    splits = ("trainval", "test")
    source = SOURCE

    def __init__(self, *, border: str = "ignore", **options: Any) -> None:
        one_of("data.border", border, ("ignore", "class"))
        if border == "class":
            self.classes = (*Pet.classes, "border")
        self.border = border
        super().__init__(**options)

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        path = self.root / "annotations" / f"{split}.txt"
        if not path.exists():
            known_split(split, self.splits, self.name)
            raise FileNotFoundError(f"{path}: no such file; data={self.name} expects {self.layout}")
        lines = path.read_text(encoding="utf-8").splitlines()
        names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
        refuse_twice(names, str(path))
        trimaps = self.root / "annotations" / "trimaps"
        return [Pair(self.root / "images" / f"{name}.jpg", trimaps / f"{name}.png", name) for name in names]

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels({1: 1, 2: 0, 3: 2 if self.border == "class" else 255}))
