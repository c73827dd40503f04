"""Is a map of evidence more than a picture? Three checks that a pretty but empty map fails.

Random weights must destroy it (Adebayo et al., NeurIPS 2018); blurring what it points at must change the answer faster
than blurring elsewhere (Petsiuk et al., BMVC 2018); and where the truth is known, as in simulated scans, it must lie
there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata
from torch import nn

from ..core.errors import ModelError
from ..fit.intervals import RESAMPLES, Interval, cluster_bootstrap
from .cam import logit
from .feature_maps import BATCH, answering, batches

CamFunction = Callable[[nn.Module, np.ndarray], np.ndarray]  # (net, tiles (n, c, h, w)) → maps (n, h, w)
BLUR = 1 / 12  # of the tile's side: s.d. of the blur that stands for "nothing here", wider than holes and junctions


@dataclass(frozen=True)
class Randomisation:
    """Rank correlation (layers, n) of each tile's map with its first, as layers lose their weights from above."""

    layers: tuple[str, ...]
    correlation: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(layers,) over the tiles; the last is the network with no learnt weight left."""
        return self.correlation.mean(axis=1)


@dataclass(frozen=True)
class Deletion:
    """Score of the predicted class against the share of pixels blurred away, as means over tiles with 95 % bands.

    `area` is between the two curves, positive where the map knows better than chance.
    """

    fractions: np.ndarray
    important: np.ndarray
    random: np.ndarray
    important_interval: tuple[np.ndarray, np.ndarray]
    random_interval: tuple[np.ndarray, np.ndarray]
    area: Interval


def randomisation_check(
    net: nn.Module, tiles: np.ndarray, cam_function: CamFunction, draws: int = 5, seed: int = 0
) -> Randomisation:
    """How much of the maps is left as layer after layer, the last first, gets new random weights.

    The mean over `draws` sets of random weights: one random network may by luck point the same way, or the opposite.
    The network handed in is not changed. Where correlation stays high to the end, the map shows the image's edges and
    not what was learnt. Raises ModelError for a layer that does not know how to start anew.
    """
    before = cam_function(net, tiles)
    layers = [name for name, part in net.named_modules() if any(True for _ in part.parameters(recurse=False))][::-1]
    stubborn = [name for name in layers if not hasattr(net.get_submodule(name), "reset_parameters")]
    if stubborn:
        raise ModelError(f"layer {stubborn[0]!r} has weights and no reset_parameters(); it cannot be made random")
    found = np.empty((draws, len(layers), len(tiles)))
    for draw in range(draws):
        worn = copy.deepcopy(net)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + draw)
            for i, name in enumerate(layers):
                worn.get_submodule(name).reset_parameters()  # type: ignore[operator]
                found[draw, i] = [
                    rank_correlation(*pair) for pair in zip(before, cam_function(worn, tiles), strict=True)
                ]
    return Randomisation(tuple(layers), found.mean(axis=0))


def deletion_curve(
    net: nn.Module,
    tiles: np.ndarray,
    maps: np.ndarray,
    steps: int = 10,
    groups: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
    logits: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Deletion:
    """Blur tiles (n, c, h, w) away in the order of maps (n, h, w), the strongest evidence for the prediction first.

    The prediction is the network's, or that of `logits(tiles) -> (n,)` where given: maps by the review's recipe explain
    the layer that was fitted for them (`CamHead.logits`), and can be true to it and still misjudge the network.

    The random order is the same map moved to a random place (around the edges), so that both blur patches of the same
    size and grain; single pixels at random would blur nothing at all. groups: (n,), each tile its own if not given.
    """
    tiles, maps = np.asarray(tiles, dtype=np.float32), np.asarray(maps)
    rng = np.random.default_rng(0) if rng is None else rng
    groups = np.arange(len(tiles)) if groups is None else np.asarray(groups)
    side = min(tiles.shape[2:])
    blurred = gaussian_filter(tiles, (0, 0, BLUR * side, BLUR * side), mode="nearest")
    answer = (lambda part: _logits(net, part)) if logits is None else logits
    first = answer(tiles)
    towards = np.where(first > 0, 1.0, -1.0)  # which class was predicted
    evidence = maps * towards[:, None, None]
    moved = np.stack([np.roll(m, tuple(rng.integers(0, m.shape)), axis=(0, 1)) for m in evidence])
    fractions = np.linspace(0, 1, steps + 1)
    curves = np.empty((2, len(tiles), steps + 1))
    for which, order in enumerate((_rank(evidence), _rank(moved))):
        for i, fraction in enumerate(fractions):
            gone = (order < fraction)[:, None]
            curves[which, :, i] = 1 / (1 + np.exp(-towards * answer(np.where(gone, blurred, tiles))))
    gap = np.trapezoid(curves[1] - curves[0], fractions, axis=1)
    bands = [_band(curve, groups, resamples, rng) for curve in curves]
    area = cluster_bootstrap(np.mean, groups, gap, resamples, rng)
    return Deletion(fractions, curves[0].mean(axis=0), curves[1].mean(axis=0), bands[0], bands[1], area)


def agreement(
    maps: np.ndarray,
    truth: np.ndarray,
    groups: Sequence | np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, Interval]:
    """How well maps (n, h, w) tell the true places (n, h, w booleans) from the rest: AUROC per tile, and their mean.

    1 is perfect, 0.5 is chance, 0 is perfectly turned round. A tile whose mask is all one value has none (NaN).
    """
    maps, truth = np.asarray(maps, dtype=float), np.asarray(truth, dtype=bool)
    if maps.shape != truth.shape:
        raise ValueError(f"maps have shape {maps.shape} and the true mask {truth.shape}; they must be alike")
    scores = np.array([auroc(m, t) for m, t in zip(maps, truth, strict=True)])
    known = np.isfinite(scores)
    names = np.arange(len(scores)) if groups is None else np.asarray(groups)
    if not known.any():
        return scores, Interval(float("nan"), float("nan"), float("nan"), 0)
    return scores, cluster_bootstrap(np.mean, names[known], scores[known], resamples, rng)


def auroc(values: np.ndarray, truth: np.ndarray) -> float:
    """Chance that a value inside the truth is above one outside (ties count half); NaN where either side is empty."""
    ranks, inside = rankdata(values), truth.ravel()
    n = int(inside.sum())
    m = inside.size - n
    if n == 0 or m == 0:
        return float("nan")
    return float((ranks.ravel()[inside].sum() - n * (n + 1) / 2) / (n * m))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of two maps; 0 where one is flat, for a flat map says nothing."""
    x, y = rankdata(a) - (a.size + 1) / 2, rankdata(b) - (b.size + 1) / 2
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0 else 0.0


def _logits(net: nn.Module, tiles: np.ndarray) -> np.ndarray:
    with answering(net) as device, torch.no_grad():
        return np.concatenate([logit(net(x)).double().cpu().numpy() for _, x in batches(tiles, BATCH, device)])


def _rank(maps: np.ndarray) -> np.ndarray:
    """(n, h, w) → each pixel's place in the order from strongest to weakest, 0–1."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1, kind="stable")
    return (order / flat.shape[1]).reshape(maps.shape)


def _band(curves: np.ndarray, groups: np.ndarray, resamples: int, rng: np.random.Generator) -> tuple:
    bounds = [cluster_bootstrap(np.mean, groups, curves[:, i], resamples, rng) for i in range(curves.shape[1])]
    return np.array([b.low for b in bounds]), np.array([b.high for b in bounds])
