"""wkentaro/pytorch-fcn's and milesial/Pytorch-UNet's networks, written down plainly, with their tensors' names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = ((3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3))
CROPS = {"pool4": 5, "pool3": 9, "32s": 19, "16s": 27, "8s": 31}
CAFFE_BGR = torch.tensor([104.00699, 116.66877, 122.67892])


class TorchFCN(nn.Module):
    """FCN32s, FCN16s, FCN8s (at once: with fixed scales on the pools), padding 100, dense transposed convolutions."""

    def __init__(self, kind: str, scales: tuple[float, float] = (1.0, 1.0), like: TorchFCN | None = None) -> None:
        super().__init__()
        classes = 21
        self.kind, self.scales = kind, scales
        for block, (before, after, n) in enumerate(BLOCKS, 1):
            for i in range(1, n + 1):
                name, padding = f"conv{block}_{i}", 100 if (block, i) == (1, 1) else 1
                conv = nn.Conv2d(before if i == 1 else after, after, 3, padding=padding)
                nn.init.kaiming_normal_(conv.weight)
                self.add_module(name, getattr(like, name) if like else conv)
        self.fc6 = like.fc6 if like else nn.Conv2d(512, 4096, 7)
        self.fc7 = like.fc7 if like else nn.Conv2d(4096, 4096, 1)
        self.score_fr = nn.Conv2d(4096, classes, 1)

        def up(kernel: int, stride: int) -> nn.ConvTranspose2d:
            conv = nn.ConvTranspose2d(classes, classes, kernel, stride, bias=False)
            factor = (kernel + 1) // 2
            line = 1 - (torch.arange(kernel) - (factor - 0.5)).abs() / factor
            nn.init.zeros_(conv.weight)
            for c in range(classes):
                conv.weight.data[c, c] = line[:, None] * line[None, :]
            return conv

        if kind == "32s":
            self.upscore = up(64, 32)
        else:
            self.score_pool4, self.upscore2 = nn.Conv2d(512, classes, 1), up(4, 2)
        if kind == "16s":
            self.upscore16 = up(32, 16)
        if kind == "8s":
            self.score_pool3, self.upscore_pool4, self.upscore8 = nn.Conv2d(256, classes, 1), up(4, 2), up(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        pools = {}
        h = x
        for block, (_, _, n) in enumerate(BLOCKS, 1):
            for i in range(1, n + 1):
                h = F.relu(getattr(self, f"conv{block}_{i}")(h))
            pools[block] = h = F.max_pool2d(h, 2, 2, ceil_mode=True)
        h = self.score_fr(F.relu(self.fc7(F.relu(self.fc6(h)))))

        def cropped(y: Tensor, crop: int, rows: int, columns: int) -> Tensor:
            return y[:, :, crop : crop + rows, crop : crop + columns]

        if self.kind == "32s":
            return cropped(self.upscore(h), CROPS["32s"], height, width)
        h = self.upscore2(h)
        h = h + cropped(self.score_pool4(pools[4] * self.scales[0]), CROPS["pool4"], *h.shape[2:])
        if self.kind == "16s":
            return cropped(self.upscore16(h), CROPS["16s"], height, width)
        h = self.upscore_pool4(h)
        h = h + cropped(self.score_pool3(pools[3] * self.scales[1]), CROPS["pool3"], *h.shape[2:])
        return cropped(self.upscore8(h), CROPS["8s"], height, width)


class DoubleConv(nn.Module):
    def __init__(self, before: int, after: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or after
        self.double_conv = nn.Sequential(
            nn.Conv2d(before, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(),
            nn.Conv2d(middle, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(before, after))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, before: int, after: int, bilinear: bool) -> None:
        super().__init__()
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(before, after, before // 2)
        else:
            self.up = nn.ConvTranspose2d(before, before // 2, 2, stride=2)
            self.conv = DoubleConv(before, after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, x], 1))


class MilesialUNet(nn.Module):
    def __init__(self, classes: int = 21, bilinear: bool = False) -> None:
        super().__init__()
        half = 2 if bilinear else 1
        self.inc = DoubleConv(3, 64)
        self.down1, self.down2, self.down3 = Down(64, 128), Down(128, 256), Down(256, 512)
        self.down4 = Down(512, 1024 // half)
        self.up1, self.up2 = Up(1024, 512 // half, bilinear), Up(512, 256 // half, bilinear)
        self.up3, self.up4 = Up(256, 128 // half, bilinear), Up(128, 64, bilinear)
        self.outc = nn.Module()
        self.outc.conv = nn.Conv2d(64, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.inc(x)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, skips.pop())
        return self.outc.conv(x)
