"""What can be said of a scan frame without learning: its spectra, its lines, its slopes, as one row of numbers.

Features of texture and of scanning faults for simple learners: forests, logistic regressions. They are pure numbers
for frames of pure numbers; sizes are relative to the frame, so the frame's physical size does not enter.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

RINGS = 16  # of the spectrum, logarithmic from 1.5 waves per frame to the shortest wave
DIRECTIONS = 12  # in which slopes are looked at
CONTRAST = 17  # pixels over which the local mean and spread are taken
ORDERS = (0, 1, 3, 9)  # the largest line-to-line change, the second, the fourth, the tenth
PERCENTILES = (1, 5, 25, 75, 95, 99)
CHUNK = 256  # frames at once
TINY = 1e-6


def frame_features(frames: np.ndarray) -> np.ndarray:
    """Frames (n, y, x) of finite numbers → (n, d). Frames need 16 pixels each way; ValueError otherwise."""
    frames = _checked(frames, 16)
    return _in_chunks(frames, lambda z: np.concatenate([_lines(z), _spectrum(z), _slopes(z), _patches(z)], axis=1))


def line_features(frames: np.ndarray) -> np.ndarray:
    """The features that a few scan lines have already: frames (n, lines, x), three lines or more → (n, d)."""
    return _in_chunks(_checked(frames, 3), _lines)


def local_contrast(frames: np.ndarray) -> np.ndarray:
    """Frames (n, y, x) less their local mean, divided by their local spread, cut at ± 4."""
    side = (0, CONTRAST, CONTRAST)
    high = frames - uniform_filter(frames, side, mode="nearest")
    spread = np.sqrt(np.maximum(uniform_filter(high * high, side, mode="nearest"), 0))
    floor = 0.1 * spread.mean((1, 2), keepdims=True) + TINY
    return np.clip(high / (spread + floor), -4, 4)


def _checked(frames: np.ndarray, least: int) -> np.ndarray:
    frames = np.asarray(frames, float)
    if frames.ndim != 3 or min(frames.shape[1:]) < least:
        raise ValueError(f"frames have shape {frames.shape}; (n, y, x) with {least} pixels each way are needed")
    return frames


def _in_chunks(frames: np.ndarray, features: object) -> np.ndarray:
    parts = [features(frames[i : i + CHUNK]) for i in range(0, len(frames), CHUNK)]  # type: ignore[operator]
    return np.nan_to_num(np.concatenate(parts)).astype(np.float32)


def _lines(z: np.ndarray) -> np.ndarray:
    """How each line differs from the one before, what waves run along lines, and the histogram."""
    out = []
    for picture in (z, local_contrast(z)):
        step = np.abs(np.diff(picture, axis=1)).mean(2)  # (n, lines − 1)
        along = np.abs(np.diff(picture, axis=2)).mean((1, 2))
        largest = -np.sort(-step / (np.median(step, axis=1, keepdims=True) + TINY), axis=1)
        out += [np.log(largest[:, min(k, step.shape[1] - 1)] + TINY) for k in ORDERS]
        out += [np.log(step.mean(1) / (along + TINY) + TINY), step.std(1) / (step.mean(1) + TINY)]
        alike = np.sort(_correlation(picture[:, :-1], picture[:, 1:]), axis=1)
        out += [alike[:, min(k, alike.shape[1] - 1)] for k in ORDERS]
        out += [alike.mean(1), np.abs(np.diff(picture.mean(2), axis=1)).max(1), picture.mean(2).std(1)]
        power = (np.abs(np.fft.rfft(picture - picture.mean(2, keepdims=True), axis=2)) ** 2).mean(1)[:, 1:]
        edges = np.unique(np.geomspace(1, power.shape[1], 13).astype(int))
        bands = np.stack([power[:, a - 1 : b].mean(1) for a, b in pairwise(edges)], axis=1)
        out += list((np.log(bands + TINY) - np.log(power.mean(1, keepdims=True) + TINY)).T)
    spread = z.std(2)
    out += [spread.std(1) / (spread.mean(1) + TINY), spread.min(1) / (spread.max(1) + TINY)]
    centred = z - z.mean((1, 2), keepdims=True)
    sd = centred.std((1, 2)) + TINY
    second = centred * centred
    out += [np.log(sd), (second * centred).mean((1, 2)) / sd**3, np.log1p((second * second).mean((1, 2)) / sd**4)]
    out += list(np.percentile(z, PERCENTILES, axis=(1, 2)))
    return np.stack(out, axis=1)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's, along the last axis; 0 where one side is constant."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    norm = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.where(norm > TINY, (a * b).sum(-1) / np.maximum(norm, TINY), 0.0)


def _spectrum(z: np.ndarray) -> np.ndarray:
    """Power in each ring of the spectrum, how peaked it is there and along which way; rings of the autocorrelation."""
    h, w = z.shape[1:]
    window = np.hanning(h)[:, None] * np.hanning(w)
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w))
    edges = np.geomspace(1.5 / min(h, w), 0.5, RINGS + 1)
    rings = [_ring(radius, a, b) for a, b in pairwise(edges)]
    away = np.hypot(np.arange(h)[:, None] - h // 2, np.arange(w) - w // 2) / min(h, w)
    lags = [_ring(away, a, b) for a, b in ((0.03, 0.06), (0.06, 0.1), (0.1, 0.17), (0.17, 0.25), (0.25, 0.38))]
    angle = np.arctan2(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w) + TINY)
    out = []
    for picture in (z, local_contrast(z)):
        centred = picture - picture.mean((1, 2), keepdims=True)
        power = np.abs(np.fft.rfft2(centred * window)) ** 2
        total = power[:, radius >= edges[0]].mean(1) + TINY
        for ring in rings:
            inside = power[:, ring]
            mean = inside.mean(1) + TINY * total
            out += [np.log(mean / total), np.log(inside.max(1) / mean)]
            turn = (inside * np.exp(2j * angle[ring])).mean(1) / mean
            out += [np.abs(turn), turn.real]
        back = np.fft.fftshift(np.fft.ifft2(np.abs(np.fft.fft2(centred)) ** 2).real, axes=(1, 2))
        back = back / (back[:, h // 2, w // 2, None, None] + TINY)
        for lag in lags:
            out += [back[:, lag].max(1), back[:, lag].min(1), back[:, lag].std(1)]
    return np.stack(out, axis=1)


def _ring(radius: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pixels between two radii; where there are none, those nearest to the middle."""
    inside = (radius >= low) & (radius < high)
    off = np.abs(radius - np.sqrt(low * high))
    return inside if inside.any() else off <= off.min()


def _slopes(z: np.ndarray) -> np.ndarray:
    """How skewed the slopes are in each direction: a tip that is not symmetric draws one flank steeper."""
    out = []
    for sigma in (1.0, 2.0):
        smooth = gaussian_filter(local_contrast(z), (0, sigma, sigma))
        dy, dx = np.gradient(smooth, axis=(1, 2))
        skews = []
        for theta in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
            slope = dx * np.cos(theta) + dy * np.sin(theta)
            square = slope * slope  # a power with an integer exponent costs ten products
            skews.append(np.abs((square * slope).mean((1, 2))) / (square.mean((1, 2)) ** 1.5 + TINY))
        skew = np.stack(skews, axis=1)
        second = smooth * smooth
        square = second.mean((1, 2)) + TINY
        steepness = np.log(((dy * dy).mean((1, 2)) + TINY) / ((dx * dx).mean((1, 2)) + TINY))
        out += [skew.max(1), skew.mean(1), skew.std(1), steepness]
        out += [(second * smooth).mean((1, 2)) / square**1.5, (second * second).mean((1, 2)) / square**2]
    return np.stack(out, axis=1)


def _patches(z: np.ndarray) -> np.ndarray:
    """How uneven the frame is: percentiles of its local roughness, and whether the texture changes along the scan."""
    high = z - gaussian_filter(z, (0, 8, 8))
    local = np.log(np.sqrt(np.maximum(gaussian_filter(high * high, (0, 6, 6)), 0)) + 1e-3)
    out = [*np.percentile(local, (2, 10, 25, 50, 75, 90, 98), axis=(1, 2)), local.std((1, 2))]
    lines = np.log(np.abs(np.fft.rfft(local_contrast(z), axis=2))[:, :, 1:33] + 0.1)  # (n, lines, waves)
    changes = [np.abs(lines[:, :k].mean(1) - lines[:, k:].mean(1)).mean(1)
               for k in (np.array([0.25, 0.375, 0.5, 0.625, 0.75]) * z.shape[1]).astype(int)]  # fmt: skip
    return np.stack([*out, np.max(changes, axis=0), changes[2]], axis=1)
