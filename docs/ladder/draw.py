"""Draws the pictures of docs/ladder.md with seglight's own networks: `python docs/ladder/draw.py`, or `make pictures`.

Three networks train, a minute or two; their weights stay in outputs/ladder, so that drawing again is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch import Tensor, nn

import seglight
from seglight.colours import table
from seglight.config import build
from seglight.models.geometry import bilinear_kernel, mirror

HERE = Path(__file__).resolve().parent
KEPT = Path("outputs/ladder")
SHOWN = 4  # which image of val
DATA: Any = build(seglight.compose("augment=flip"), "data")
K = DATA.num_classes
COLOURS = table(DATA.palette)


def sample(split: str, at: int) -> tuple[Tensor, Tensor]:
    """An image [3, H, W] and its mask [H, W]."""
    found = DATA.dataset(split)[at]
    return torch.as_tensor(np.asarray(found.image)).permute(2, 0, 1), torch.as_tensor(np.asarray(found.mask)).long()


def trained(name: str, overrides: list[str], steps: int, rate: float = 3e-3) -> nn.Module:
    """A network after some steps of 8 images, or as an earlier call left it."""
    torch.manual_seed(0)
    net = seglight.build_model(seglight.compose(*overrides))
    path = KEPT / f"{name}.pt"
    if path.is_file():
        net.load_state_dict(torch.load(path))
        return net.eval()
    optimizer = torch.optim.AdamW(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(steps):
        pairs = [sample("train", (8 * step + at) % 400) for at in range(8)]
        images, masks = torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])
        loss: Any = sum(
            w * F.cross_entropy(out, to, ignore_index=255) for out, to, w in net.training_pairs(images, masks)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"{name} step {step} loss {loss.item():.3f}", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return net.eval()


def panels(columns: int, rows: int = 1) -> tuple[Any, Any]:
    figure, axes = plt.subplots(rows, columns, figsize=(2.3 * columns, 2.6 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    return figure, axes


def show(ax: Any, picture: Any, title: str, **options: Any) -> None:
    """An RGB image [H, W, 3], class indices [H, W], or numbers with a colour map."""
    picture = np.asarray(picture)
    if picture.ndim == 2 and "cmap" not in options:
        picture = COLOURS[picture.astype(np.uint8)]
    ax.imshow(picture, interpolation="nearest", **options)
    ax.set_title(title, fontsize=9)


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    print(f"wrote: {HERE / name}.png", flush=True)


def patches() -> None:
    """What a classifier of patches sees of three pixels."""
    image, mask = sample("val", SHOWN)
    side = seglight.compose("model=patch").decoder.patch
    figure, axes = panels(4)
    show(axes[0][0], image.permute(1, 2, 0), f"three of {mask.numel():,} pixels")
    whole = mirror(image[None], side // 2, image.shape[1] + side, image.shape[2] + side)[0].permute(1, 2, 0)
    for ax, (row, column), colour in zip(axes[0][1:], [(26, 34), (62, 70), (92, 3)], ["w", "c", "y"], strict=True):
        corner = (column - side / 2 - 0.5, row - side / 2 - 0.5)
        axes[0][0].add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=1.5))
        axes[0][0].plot(column, row, "+", color=colour)
        answer = DATA.classes[mask[row, column]]
        show(ax, whole[row : row + side, column : column + side], f"what is the middle?\n{answer}")
        ax.plot(side // 2, side // 2, "+", color=colour)
    save(figure, "patches")


def interpolation() -> None:
    """Scores of every s-th pixel, each as it should be, interpolated as `model=patch_interpolate` does."""
    _, mask = sample("val", SHOWN)
    figure, axes = panels(5)
    show(axes[0][0], mask, "every pixel")
    for pair, stride in zip((axes[0][1:3], axes[0][3:5]), (4, 8), strict=True):
        rows = columns = -(-(len(mask) - 1) // stride) + 1
        chosen = F.pad(mask[None].float(), (0, stride) * 2, mode="replicate")[0, ::stride, ::stride][:rows, :columns]
        scores = F.one_hot(chosen.long(), K).permute(2, 0, 1).float()[None]
        size = ((rows - 1) * stride + 1, (columns - 1) * stride + 1)
        full = F.interpolate(scores, size, mode="bilinear", align_corners=True)[0].argmax(0)[: len(mask), : len(mask)]
        show(pair[0], chosen, f"every {stride}th in each direction")
        show(pair[1], full, f"the scores interpolated\n{float((full == mask).float().mean()):.0%} of the pixels")
    save(figure, "interpolation")


def upsampling() -> None:
    """One coarse map made fine by repeating, by the fixed bilinear kernel, and by a learned transposed convolution."""
    stride, foreground = 8, lambda at: (sample("train", at)[1] > 0).float()[None]
    masks = torch.stack([foreground(at) for at in range(64)])
    coarse = F.avg_pool2d(masks, stride)
    torch.manual_seed(0)
    learned = nn.ConvTranspose2d(1, 1, 2 * stride, stride, stride // 2, bias=False)
    optimizer = torch.optim.Adam(learned.parameters(), 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        F.mse_loss(learned(coarse), masks).backward()
        optimizer.step()
    mask = foreground(70)
    cells = F.avg_pool2d(mask[None], stride)
    fixed = bilinear_kernel(2 * stride)
    box = F.pad(torch.ones(stride, stride), [stride // 2] * 4)
    kernels = {"repeated": box, "bilinear": fixed, "learned": learned.weight.detach()[0, 0]}
    figure, axes = panels(4, 2)
    show(axes[0][0], cells[0, 0], f"a map at stride {stride}", cmap="gray", vmin=0, vmax=1)
    show(axes[1][0], mask[0], "what it was made from", cmap="gray", vmin=0, vmax=1)
    for ax, (name, kernel) in zip(axes.T[1:], kernels.items(), strict=True):
        fine = F.conv_transpose2d(cells, kernel[None, None], stride=stride, padding=stride // 2)[0, 0]
        show(ax[0], fine, name, cmap="gray", vmin=0, vmax=1)
        show(ax[1], kernel, f"its kernel, {2 * stride} x {2 * stride}", cmap="RdBu_r", vmin=-1.2, vmax=1.2)
    save(figure, "upsampling")


def strides() -> None:
    """What a map of each stride could draw at best: the truth, averaged over its cells and interpolated."""
    figure, axes = panels(5)
    _, mask = sample("val", SHOWN)
    show(axes[0][0], mask, "ground truth")
    for ax, stride in zip(axes[0][1:], (32, 16, 8, 4), strict=True):
        shares = F.avg_pool2d(F.one_hot(mask, K).permute(2, 0, 1).float()[None], stride)
        best = F.interpolate(shares, mask.shape, mode="bilinear")[0].argmax(0)
        show(ax, best, f"stride {stride}\n{float((best == mask).float().mean()):.0%} of the pixels")
    save(figure, "strides")


def skips() -> None:
    """One image by FCN-32s, FCN-16s and FCN-8s over the same encoder, trained alike."""
    image, mask = sample("val", SHOWN)
    figure, axes = panels(5)
    show(axes[0][0], image.permute(1, 2, 0), "image")
    for ax, name in zip(axes[0][1:4], ("fcn32s", "fcn16s", "fcn8s"), strict=True):
        net = trained(name, [f"model={name}", "encoder=efficientnet_lite0"], 200)
        with torch.inference_mode():
            prediction = net(image[None])[0].argmax(0)
        show(ax, prediction, f"FCN-{name[3:]}\n{float((prediction == mask).float().mean()):.0%} of the pixels")
    show(axes[0][4], mask, "ground truth")
    save(figure, "skips")


if __name__ == "__main__":
    DATA.prepare()
    for draw in (patches, interpolation, upsampling, strides, skips):
        draw()
