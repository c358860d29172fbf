"""The random weights that networks begin with: one function a source; which of them each decoder follows.

| decoder | layers | score layer |
|---|---|---|
| unet, unet_auto, linknet: with norms | `he_uniform` | `xavier` |
| unet_paper, unet_tiles: without norms | `he_normal` | `he_normal` |
| deconv | `he_normal` | `xavier` |
| fcn | `bilinear`, fixed or to learn from | `zeros` |
| fcn_head, and the auxiliary head | torchvision's: torch's defaults | the same |
| smp | the library's, which draws them itself | the same |
| interpolate, patch | - | torch's default |

torch's default is U(-1 / sqrt(N), 1 / sqrt(N)) for weights and biases, N the incoming nodes of one neuron. Only
without norms does the scale of every layer reach the logits; with them, it is the score layer's that counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from seglight.models.geometry import bilinear_kernel

Convolution = nn.Conv2d | nn.ConvTranspose2d


def he_normal(module: nn.Module) -> None:
    """N(0, sqrt(2 / N)), biases 0 (Ronneberger et al. 2015, section 3, after He et al. 2015)."""
    for layer, incoming in layers(module):
        nn.init.normal_(layer.weight, std=(2 / incoming) ** 0.5)


def he_uniform(module: nn.Module) -> None:
    """U(-sqrt(6 / N), sqrt(6 / N)), biases 0 (segmentation_models_pytorch, initialize_decoder): the same deviation."""
    for layer, incoming in layers(module):
        bound = (6 / incoming) ** 0.5
        nn.init.uniform_(layer.weight, -bound, bound)


def xavier(score: nn.Conv2d) -> None:
    """U(-sqrt(6 / (N + M)), ...), M the outgoing nodes, bias 0 (segmentation_models_pytorch, initialize_head)."""
    for layer, _ in layers(score):
        nn.init.xavier_uniform_(layer.weight)


def zeros(score: nn.Conv2d, summed: int = 0) -> None:
    """Zero (Long et al. 2015, section 4.2), but for the first `summed` maps, which pass as they are: class to class."""
    for layer, _ in layers(score):
        nn.init.zeros_(layer.weight)
        nn.init.eye_(layer.weight.data[:, :summed, 0, 0])


def bilinear(upsampling: nn.ConvTranspose2d) -> None:
    """Interpolation, each class from itself alone (Long et al. 2015, section 3.3; the authors' surgery.py)."""
    nn.init.zeros_(upsampling.weight)
    upsampling.weight.data.diagonal().copy_(bilinear_kernel(upsampling.kernel_size[0])[..., None])


def layers(module: nn.Module) -> Iterator[tuple[Convolution, float]]:
    """Every convolution, its bias set to 0, with the incoming nodes of one neuron."""
    for layer in module.modules():
        if isinstance(layer, Convolution):
            # of a transposed convolution an output cell sees one tap of every stride-th
            side = layer.kernel_size[0] / (1 if isinstance(layer, nn.Conv2d) else layer.stride[0])
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            yield layer, layer.in_channels // layer.groups * side**2
