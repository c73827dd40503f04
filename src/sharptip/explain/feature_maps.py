"""What does each filter of a layer answer to, and does its answer differ between populations?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..core.errors import ModelError

BATCH = 32  # tiles at once: 32 tiles of 256² with 8 maps are 66 MB


def feature_maps(net: nn.Module, tiles: np.ndarray, layer: str = "relu1", batch: int = BATCH) -> np.ndarray:
    """Activations of a layer: tiles (n, c, h, w) → maps (n, k, h', w'), float32; the review's Figure 7.

    Raises ModelError for a network without layers by name, ValueError for a name it does not have.
    """
    return np.concatenate([maps for _, maps in _each_batch(net, tiles, layer, batch)])


def map_means(net: nn.Module, tiles: np.ndarray, layer: str = "relu1", batch: int = BATCH) -> np.ndarray:
    """Mean of each map over the tile, as it is: (n, c, h, w) → (n, k). Holds one batch of maps in memory."""
    return np.concatenate([maps.mean(axis=(2, 3)) for _, maps in _each_batch(net, tiles, layer, batch)])


def map_statistics(net: nn.Module, tiles: np.ndarray, layer: str = "relu1", batch: int = BATCH) -> np.ndarray:
    """Mean intensity of each map, 0–1 between the least and the greatest tile: (n, c, h, w) → (n, k); Figure 8.

    Hand over the tiles of all populations together: the range is that of what is given. A map that answers alike to
    every tile (a dead filter) is 0 throughout.
    """
    return normalised(map_means(net, tiles, layer, batch))


def normalised(values: np.ndarray) -> np.ndarray:
    """Columns stretched to 0–1; a constant column is 0."""
    low, high = values.min(axis=0), values.max(axis=0)
    return np.where(high > low, (values - low) / np.where(high > low, high - low, 1), 0.0)


@contextmanager
def answering(net: nn.Module) -> Iterator[torch.device]:
    """The network in evaluation mode; its own mode comes back afterwards. Gives the device it is on."""
    training = net.training
    net.eval()
    try:
        yield next(net.parameters()).device
    finally:
        net.train(training)


def batches(tiles: np.ndarray, batch: int, device: torch.device) -> Iterator[tuple[slice, Tensor]]:
    """Tiles (n, c, h, w) as float32 tensors on a device, `batch` at a time, with the rows they are."""
    if tiles.ndim != 4:
        raise ValueError(f"tiles of shape (n, channels, height, width) are needed, not {tiles.shape}")
    for start in range(0, len(tiles), batch):
        rows = slice(start, min(start + batch, len(tiles)))
        yield rows, torch.as_tensor(np.ascontiguousarray(tiles[rows], dtype=np.float32), device=device)


def named_layers(net: nn.Module) -> list[str]:
    """Layer names of a network that tells them. Raises ModelError for one that does not."""
    if not hasattr(net, "layer_names") or not hasattr(net, "activations"):
        raise ModelError(
            f"{type(net).__name__} does not name its layers; feature maps need a network with `layer_names()` "
            "and `activations(x, names)`, as ConvClassifier has"
        )
    return list(net.layer_names())  # type: ignore[operator]


def activations(net: nn.Module, x: Tensor, names: list[str]) -> dict[str, Tensor]:
    """What the named layers answer to x (n, c, h, w)."""
    return net.activations(x, names)  # type: ignore[operator]


def _each_batch(net: nn.Module, tiles: np.ndarray, layer: str, batch: int) -> Iterator[tuple[slice, np.ndarray]]:
    named_layers(net)
    with answering(net) as device, torch.no_grad():
        for rows, x in batches(np.asarray(tiles), batch, device):
            yield rows, activations(net, x, [layer])[layer].float().cpu().numpy()
