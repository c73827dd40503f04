"""Where on the tile is the evidence? Class activation maps, positive where a place speaks for label 1.

`review_cam` is the review's recipe (after Zhou et al., CVPR 2016): everything after the last activation is replaced by
global average pooling and a two-unit softmax, and only that new last layer is fitted. `grad_cam` (Selvaraju et al.,
ICCV 2017) asks the network as it is. Both show what goes with the decision, which need not be what causes it; `sanity`
tests whether a map is more than a picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

from .feature_maps import BATCH, activations, answering, batches, feature_maps, map_means, named_layers

POOL = 2  # pixels; pooling of a ConvClassifier
PENALTY = 1e-3  # weight of |w|² beside the mean cross entropy; keeps separable classes from sending w to infinity


@dataclass(frozen=True)
class CamHead:
    """The layer that was fitted on the mean of each map: logit = weights · means + bias.

    `accuracy` is on the tiles that it was fitted to: where it is far below the network's own, the maps explain a
    different decision than the network's.
    """

    layer: str
    weights: np.ndarray  # (k,) for label 1 minus those for label 0
    bias: float
    accuracy: float

    def logits(self, net: nn.Module, tiles: np.ndarray) -> np.ndarray:
        """tiles (n, c, h, w) → (n,): the decision that these maps explain, which need not be the network's own."""
        return map_means(net, np.asarray(tiles), self.layer).astype(float) @ self.weights + self.bias

    def maps(self, net: nn.Module, tiles: np.ndarray, batch: int = BATCH) -> np.ndarray:
        """tiles (n, c, h, w) → (n, h, w) float32; before upsampling, the mean of a map is the logit of its tile."""
        tiles = np.asarray(tiles)
        out = np.empty((len(tiles), *tiles.shape[2:]), dtype=np.float32)
        for start in range(0, len(tiles), batch):
            part = tiles[start : start + batch]
            small = np.einsum("k,nkij->nij", self.weights, feature_maps(net, part, self.layer, batch)) + self.bias
            out[start : start + batch] = place(small, net, self.layer, tiles.shape[2:])
        return out


def fit_cam(
    net: nn.Module, tiles: np.ndarray, labels: np.ndarray, layer: str | None = None, penalty: float = PENALTY
) -> CamHead:
    """Fit the new last layer on tiles (n, c, h, w) with labels 0 or 1, by all of them at once, so without chance.

    Of the two softmax units only the difference matters; it is fitted directly, as a logistic regression.
    Raises ValueError where labels are not both 0 and 1.
    """
    labels = np.asarray(labels)
    if set(np.unique(labels).tolist()) != {0, 1}:
        raise ValueError(f"labels are {np.unique(labels).tolist()}; a class activation map needs both 0 and 1")
    layer = last_maps(net) if layer is None else layer
    means = map_means(net, tiles, layer).astype(float)  # (n, k)
    centre, spread = means.mean(axis=0), means.std(axis=0)
    spread[spread == 0] = 1.0
    features, sign = (means - centre) / spread, 2.0 * labels - 1

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (features @ theta[:-1] + theta[-1])
        slope = -sign * expit(-margin) / len(sign)
        gradient = np.append(features.T @ slope + 2 * penalty * theta[:-1], slope.sum())
        return float(np.logaddexp(0, -margin).mean() + penalty * theta[:-1] @ theta[:-1]), gradient

    theta = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = theta[:-1] / spread
    bias = float(theta[-1] - weights @ centre)
    accuracy = float(np.mean((means @ weights + bias > 0) == (labels == 1)))
    return CamHead(layer, weights, bias, accuracy)


def review_cam(
    net: nn.Module, tiles: np.ndarray, labels: np.ndarray, shown: np.ndarray | None = None, layer: str | None = None
) -> np.ndarray:
    """Maps (n, h, w) by the review's recipe, CAM(x) = Σₖ wₖ fₖ(x) + bias, of the tiles `shown` (else of all).

    `tiles` and `labels` fit the new last layer. The bias, which the recipe leaves out, shifts all maps by one number,
    so that zero is where neither class gains. Each value is drawn where its receptive field lies: unpadded layers see
    less of the border, and stretching the map over the tile would move what it found by up to 28 of 256 pixels.
    """
    return fit_cam(net, tiles, labels, layer).maps(net, tiles if shown is None else shown)


def grad_cam(net: nn.Module, tiles: np.ndarray, layer: str | None = None, batch: int = BATCH) -> np.ndarray:
    """Maps (n, h, w) of a network as it is: Σₖ αₖ fₖ(x), αₖ the mean gradient of the logit by map k.

    layer: the last maps before pooling, if none is named. Negative values are kept: they speak for label 0.
    """
    layer = last_maps(net) if layer is None else layer
    tiles = np.asarray(tiles)
    out = np.empty((len(tiles), *tiles.shape[2:]), dtype=np.float32)
    with answering(net) as device, torch.enable_grad():
        for rows, x in batches(tiles, batch, device):
            found = activations(net, x.requires_grad_(), [layer, "output"])
            maps = found[layer]
            (gradient,) = torch.autograd.grad(logit(found["output"]).sum(), maps)
            small = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)
            out[rows] = place(small.detach().float().cpu().numpy(), net, layer, tiles.shape[2:])
    return out


def logit(output: Tensor) -> Tensor:
    """Evidence for label 1: (n, 1) → (n,), or the second of two outputs minus the first."""
    if output.shape[1] > 2:
        raise ValueError(f"the network has {output.shape[1]} outputs; class activation maps here are of two classes")
    return output[:, 0] if output.shape[1] == 1 else output[:, 1] - output[:, 0]


def last_maps(net: nn.Module) -> str:
    """Name of the maps just before the last pooling."""
    names = named_layers(net)
    last_pool = max(i for i, name in enumerate(names) if name.startswith("pool"))
    return names[last_pool - 1]


def place(maps: np.ndarray, net: nn.Module, layer: str, shape: tuple[int, ...]) -> np.ndarray:
    """Maps (n, h', w') interpolated onto the tile (n, h, w): linear between the centres of the receptive fields."""
    rows = _between(*_centres(net, layer), maps.shape[1], shape[0])
    columns = _between(*_centres(net, layer), maps.shape[2], shape[1])
    return np.einsum("yi,nij,xj->nyx", rows, maps, columns, optimize=True).astype(np.float32)


def _centres(net: nn.Module, layer: str) -> tuple[float, float]:
    """Pixel of the tile under the first value of a map, and pixels from one value to the next."""
    first, stride = 0.0, 1.0
    shrink = (float(net.kernel) - 1) / 2 if net.padding == "valid" else 0.0  # type: ignore[arg-type]
    for name in named_layers(net):
        if name.startswith("conv"):
            first += stride * shrink
        elif name.startswith("pool"):
            first += stride * (POOL - 1) / 2
            stride *= POOL
        if name == layer:
            break
    if not re.match(r"[a-z]+\d+$", layer):
        raise ValueError(f"layer {layer!r} holds no maps; choose one of the convolutions, activations or poolings")
    return first, stride


def _between(first: float, stride: float, n: int, size: int) -> np.ndarray:
    """(size, n) weights of linear interpolation; beyond the outermost centres the value there goes on."""
    at = np.clip((np.arange(size) - first) / stride, 0, n - 1)
    low = np.minimum(at.astype(int), max(n - 2, 0))
    weights = np.zeros((size, n))
    weights[np.arange(size), low] = 1 - (at - low)
    weights[np.arange(size), np.minimum(low + 1, n - 1)] += at - low
    return weights
