"""`python -m seglight.inspect`: the table, the totals of the published networks, the picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from seglight import build_model, compose
from seglight.models.anatomy import anatomy
from seglight.tables.families import row, write_families
from seglight.tables.grid import PAPERS, Cell, write_grid
from tests.conftest import REPO, Command


def total(*overrides: str) -> int:
    with torch.device("meta"):
        net = build_model(compose("encoder.weights=null", *overrides))
    return sum(part.trainable + part.frozen for part in anatomy(net, (64, 64)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "parameters"),
    [
        (["model=fcn32s"], 136_152_917),
        (["model=fcn16s"], 134_815_994),
        (["model=fcn8s"], 134_489_759),
        (["model=fcn8s", "encoder.padding=100"], 134_489_759),
        (["model=fcn_resnet50"], 35_322_218),
        (["model=unet", "data=isbi2012", "encoder.in_channels=1"], 31_030_658),
        (["encoder=resnet34", "decoder=unet", "skips=concat"], 24_439_269),
    ],
)
def test_totals_are_the_published_ones(overrides: list[str], parameters: int) -> None:
    data = [] if any(o.startswith("data=") for o in overrides) else ["data=voc"]
    assert total(*overrides, *data) == parameters


def test_flops_of_all_parts_are_those_of_the_network() -> None:
    """The pyramid over a transformer's blocks is no stage, and counts too."""
    net = build_model(compose("model=unet", "encoder=vit_small", "encoder.weights=null", "decoder=dpt"))
    found = sum(part.gflops for part in anatomy(net, (64, 64)))  # type: ignore[arg-type]
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval().to("meta")(torch.zeros(1, 3, 64, 64, device="meta"))  # torch's counter knows no attention on CPUs
    assert found == pytest.approx(counter.get_total_flops() / 1e9)


def test_flops_are_torchs_counters_and_offsets_meet_on_the_image() -> None:
    net = build_model(compose("encoder=resnet18", "encoder.weights=null", "decoder=unet", "skips=concat", "data=voc"))
    parts = anatomy(net, (96, 64))  # type: ignore[arg-type]
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, 3, 96, 64))
    assert sum(part.gflops for part in parts) == pytest.approx(counter.get_total_flops() / 1e9)
    last = parts[-1]
    assert last.output == (21, 96, 64)
    assert last.where is not None
    assert (last.where.stride, last.where.offset) == (1, 0)
    stage = parts[4]
    assert stage.where is not None
    assert (stage.name, stage.output, stage.where.stride, stage.where.size) == ("encoder.4", (512, 3, 2), 32, 435)


def test_the_command(command: Command, tmp_path: Path) -> None:
    answer = command("inspect", "encoder=resnet18", "decoder=unet", "freeze=encoder", "size=[64,96]")
    assert answer.returncode == 0, answer.stderr
    for text in ("receptive field", "encoder.4", "435", "decoder.head", "64 x 96", "11,176,512"):
        assert text in answer.stdout
    path = tmp_path / "outputs" / "inspect" / "unet_small.png"
    assert answer.stdout.rstrip().splitlines()[-1] == f"wrote: {path.relative_to(tmp_path)}"
    with Image.open(path) as picture:
        assert picture.width > 500


def test_the_command_on_patches_says_how_many(command: Command) -> None:
    answer = command("inspect", "model=patch_interpolate", "size=[64,64]", "stride=8")
    assert "classifications per image: 81" in answer.stdout


@pytest.mark.slow
def test_published_cells_exist_and_the_grid_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import seglight.tables.grid

    names = {"encoder": ["unet_shallow"]}
    everything = seglight.tables.grid.options
    monkeypatch.setattr(seglight.tables.grid, "options", lambda group: names.get(group, everything(group)))
    write_grid(tmp_path / "grid.md", (32, 32))
    text = (tmp_path / "grid.md").read_text()
    assert "### decoder=fcn" in text
    assert "| unet_shallow | " in text
    for encoder, decoder, skips in PAPERS:
        compose(*Cell(encoder, decoder, skips).overrides)


@pytest.mark.parametrize("name", ["UPerNet", "PSPNet", "FPN"])
def test_a_decoder_that_pools_the_whole_image_has_the_strides_of_its_sizes(name: str) -> None:
    net = build_model(
        compose("encoder=resnet18", "encoder.weights=null", "decoder=smp", f"decoder.name={name}", "skips=none")
    )
    for part in anatomy(net, (512, 512)):  # type: ignore[arg-type]
        if part.where and part.output and len(part.output) == 3 and part.name.startswith("decoder"):
            assert part.where.stride * part.output[1] == pytest.approx(512), part.name


@pytest.mark.slow
def test_the_table_of_timms_families_in_the_docs_is_what_seglight_makes(tmp_path: Path) -> None:
    write_families(tmp_path / "timm.md")
    assert (tmp_path / "timm.md").read_text() == (REPO / "docs" / "timm.md").read_text()


def test_a_family_is_a_line_of_the_table() -> None:
    assert row("starnet") == (
        "| starnet | starnet_s050 | 4 8 16 32 | 16 32 64 128 | 24 x 32, 12 x 16, 6 x 8, 3 x 4 "
        "| 24 x 24, 12 x 12, 6 x 6, 3 x 3 |"
    )
    assert "refused: Input height (80) doesn't match model (224)" in row("cait")
