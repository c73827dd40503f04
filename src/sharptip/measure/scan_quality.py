"""What has gone wrong in a scan? Numbers that each look for one fault, without knowing what the surface is.

A scan is taken line after line along x, so nearly every fault treats x and y differently, and few surfaces do: noise
that changes from line to line, tails to one side of every feature, a level that leaves and comes back. Heights are
those of a levelled image relative to its own spread, so that neither unit nor gain matters.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

TINY = 1e-9  # relative to an image of unit spread; keeps logarithms finite
DEAD = 1e-4  # curvature below which nothing is measured: less than the noise of any instrument
SCAR = 6  # pixels, shortest streak that counts
OCTAVES = 4  # bands of the spectrum along each axis, each half as wide as the one above

FEATURES = (
    "line_roughness", "line_jump", "line_against_pixel", "level_shift", "scar_share", "column_scar_share",
    "tail_x", "tail_y", "tail_far", "noise_x", "noise_y", "hold_x1", "hold_y1", "hold_x4", "hold_y4", "hold_x16",
    "hold_y16", *(f"power_{a}{i}" for a in "xy" for i in range(OCTAVES)), "line_peak", "column_peak", "ceiling",
    "floor", "twin", "valleys_fine", "valleys_coarse", "detail_change", "dead_lines", "spikes", "skewness",
    "kurtosis", "shear", "dead_area",
)  # fmt: skip


def scan_quality(image: np.ndarray) -> dict[str, float]:
    """The numbers named in FEATURES, all without unit, of an image (y, x) that is levelled by a plane.

    Any unit and gain; NaN is not allowed, at least 32 × 32 pixels.
    """
    z = np.asarray(image, float)
    z = z - np.median(z)
    spread = 1.4826 * float(np.median(np.abs(z))) or float(z.std()) or 1.0
    z = z / spread
    parts = _lines(z) | _scars(z) | _tails(z) | _noise(z) | _hold(z) | _power(z) | _range(z) | _tip(z) | _change(z)
    return {name: float(parts[name]) for name in FEATURES}


INDICATORS = {  # the number that rises most with each fault
    "noise": "noise_x", "row offsets": "line_against_pixel", "jumps": "line_jump", "scars": "scar_share",
    "parachuting": "tail", "hum": "line_peak", "saturation": "dead_area", "tip change": "detail_change",
    "double tip": "twin", "blunt tip": "valleys_coarse", "lost contact": "dead_lines",
}  # fmt: skip
USUAL = {  # median and 95th percentile in good scans: `benchmarks/judge_scan.py --usual --scans 300`
    "noise": (-2.35, -1.31), "row offsets": (0.305, 1.08), "jumps": (0.966, 1.27), "scars": (-9.21, -7.66),
    "parachuting": (0.0907, 2.3), "hum": (0.58, 3.38), "saturation": (-9.21, -9.16), "tip change": (1.31, 6.23),
    "double tip": (0.086, 0.947), "blunt tip": (-0.301, 0.444), "lost contact": (0.0, 0.0904),
}  # fmt: skip


def likeliest_fault(image: np.ndarray) -> tuple[str, float]:
    """(fault, excess): the fault whose indicator stands out most from what good scans show.

    image: as for `scan_quality`. excess: in units of the distance from the median to the 95th percentile of good scans;
    below about 2 there is no reason to suspect anything. Scars, noise, line offsets and what is lost are named well;
    tips are not, because a surface may look like its own double.
    """
    found = indicators(image)
    excess = {f: (v - USUAL[f][1]) / (USUAL[f][1] - USUAL[f][0]) for f, v in found.items()}
    worst = max(excess, key=lambda f: excess[f])
    return worst, 1 + excess[worst]


def indicators(image: np.ndarray) -> dict[str, float]:
    """The indicator of each fault; for tails, by how much x is more lopsided than y."""
    found = scan_quality(image)
    found["tail"] = abs(found["tail_x"]) - abs(found["tail_y"])
    return {fault: found[name] for fault, name in INDICATORS.items()}


def feature_rows(images: np.ndarray) -> np.ndarray:
    """(n, len(FEATURES)) of images (n, y, x), or (n, 1, y, x), in the order of FEATURES."""
    flat = images.reshape(-1, *images.shape[-2:])
    return np.array([list(scan_quality(z).values()) for z in flat], np.float32).reshape(len(flat), len(FEATURES))


def _lines(z: np.ndarray) -> dict[str, float]:
    """Lines that sit higher or lower than their neighbours, and levels that do not come back."""
    steps = np.median(np.diff(z, axis=0), axis=1)
    usual = 1.4826 * np.median(np.abs(steps - np.median(steps)))
    pixel = np.median(np.abs(np.diff(z, axis=1)))
    level = np.median(z, axis=1)
    walk = np.cumsum(level - level.mean())
    return {
        "line_roughness": np.log(usual + TINY),
        "line_jump": np.log((np.abs(steps).max() + TINY) / (usual + 0.01)),
        "line_against_pixel": np.log((np.median(np.abs(np.diff(z, axis=0))) + TINY) / (pixel + TINY)),
        "level_shift": np.abs(walk).max() / (level.std() + TINY) / len(level),
    }


def _scars(z: np.ndarray) -> dict[str, float]:
    """Share of pixels in streaks that stand out of both neighbouring lines, along x and, for comparison, along y."""
    out = {}
    for name, image in (("scar_share", z), ("column_scar_share", z.T)):
        out_of_line = image[1:-1] - np.clip(image[1:-1], *np.sort(np.stack([image[:-2], image[2:]]), axis=0))
        limit = 3 * 1.4826 * np.median(np.abs(image[1:-1] - 0.5 * (image[:-2] + image[2:]))) + 0.02
        streaks = [ndimage.minimum_filter1d((s * out_of_line > limit).view(np.int8), SCAR, axis=1) for s in (1, -1)]
        out[name] = np.log(1e-4 + np.mean(streaks[0] | streaks[1]))
    return out


def _tails(z: np.ndarray) -> dict[str, float]:
    """Skewness of the slopes: a tip that falls slower than it climbs makes tails behind everything high."""
    far = z[:, 6:] - z[:, :-6]
    return {"tail_x": _skew(np.diff(z, axis=1)), "tail_y": _skew(np.diff(z, axis=0)), "tail_far": _skew(far)}


def _noise(z: np.ndarray) -> dict[str, float]:
    """Robust size of second differences, and of single pixels out of their surroundings."""
    second = {a: 1.4826 * np.median(np.abs(np.diff(z, 2, axis=i))) / np.sqrt(6) for i, a in enumerate("yx")}
    off = np.abs(z - ndimage.median_filter(z, 3))
    return {
        "noise_x": np.log(second["x"] + 1e-4),
        "noise_y": np.log(second["y"] + 1e-4),
        "spikes": np.log(1e-5 + np.mean(off > 10 * np.median(off) + 0.3)),
    }


def _hold(z: np.ndarray) -> dict[str, float]:
    """Autocorrelation along each axis at 1, 4 and 16 pixels; its loss at 1 pixel as a logarithm."""
    out, variance = {}, max(float(z.var()), TINY)
    for i, axis in enumerate("yx"):
        for lag in (1, 4, 16):
            a, b = np.take(z, range(lag, z.shape[i]), i), np.take(z, range(z.shape[i] - lag), i)
            loss = float(((a - b) ** 2).mean()) / 2 / variance
            out[f"hold_{axis}{lag}"] = np.log(loss + 1e-5)
    return out


def _power(z: np.ndarray) -> dict[str, float]:
    """Share of the power in octaves along each axis, and the sharpest peak of each axis' spectrum."""
    out = {}
    for i, (axis, peak) in enumerate((("y", "column_peak"), ("x", "line_peak"))):
        detail = np.diff(z, axis=i)
        power = (np.abs(np.fft.rfft(detail, axis=i)) ** 2).mean(axis=1 - i)[1:]
        n = len(power)
        for k in range(OCTAVES):
            out[f"power_{axis}{k}"] = np.log(power[n >> (k + 1) : n >> k].sum() / (power.sum() + TINY) + 1e-5)
        smooth = ndimage.median_filter(power, 9) + 1e-3 * power.mean() + TINY
        out[peak] = np.log((power / smooth)[4:].max())
    return out


def _range(z: np.ndarray) -> dict[str, float]:
    """Heights that are cut off at a limit, and the shape of their distribution."""
    whole = max(float(np.ptp(z)), TINY)
    dead = ndimage.maximum_filter(np.abs(ndimage.laplace(z)), 5) < DEAD
    fourth = float(np.mean((z - z.mean()) ** 4)) / max(float(z.var()) ** 2, TINY)
    return {
        "ceiling": np.log(1e-4 + np.mean(z > z.max() - 0.02 * whole)),
        "dead_area": np.log(1e-4 + np.mean(dead)),
        "floor": np.log(1e-4 + np.mean(z < z.min() + 0.02 * whole)),
        "skewness": _skew(z),
        "kurtosis": np.log(fourth + 1e-3),
    }


def _tip(z: np.ndarray) -> dict[str, float]:
    """A second apex repeats every feature at one offset; a blunt one leaves rounded hills between sharp valleys."""
    detail = z - ndimage.gaussian_filter(z, 4)
    edges = np.clip(np.hypot(*np.gradient(ndimage.gaussian_filter(detail, 1))), 0, None)
    edges = edges - edges.mean()
    power = np.abs(np.fft.rfft2(edges, s=[2 * n for n in z.shape])) ** 2
    correlation = np.fft.fftshift(np.fft.irfft2(power))
    cy, cx = (n // 2 for n in correlation.shape)
    near = correlation[cy - 22 : cy + 23, cx - 22 : cx + 23] / max(correlation[cy, cx], TINY)
    radius = np.hypot(*np.mgrid[-22:23, -22:23])
    ring = (radius > 4) & (radius < 22)
    top = ring & (near == ndimage.maximum_filter(near, 5))
    bend = [ndimage.gaussian_laplace(z, s) for s in (1, 2.5)]
    return {
        "twin": float(near[top].max(initial=0) - np.median(near[ring])),
        "valleys_fine": _skew(bend[0]),
        "valleys_coarse": _skew(bend[1]),
    }


def _change(z: np.ndarray) -> dict[str, float]:
    """Lines whose detail changes for good at one line, that show nothing at all, or that slide past each other."""
    detail = np.log(np.median(np.abs(np.diff(z, axis=1)), axis=1) + 1e-3)
    walk = np.abs(np.cumsum(detail - detail.mean())) / np.sqrt(len(detail))
    x = np.linspace(-1, 1, z.shape[1])
    off = z - z.mean(axis=1, keepdims=True)
    alive = np.log((off - (off @ x / (x @ x))[:, None] * x).std(axis=1) + 1e-4)  # no slope: a dead line may be tilted
    shift = np.array([_shift(a, b) for a, b in zip(z[:-8:8], z[8::8], strict=False)])
    return {
        "detail_change": walk.max() / (1.4826 * np.median(np.abs(np.diff(detail))) + 0.02),
        "dead_lines": np.mean(alive < np.median(alive) - 1.5),
        "shear": float(np.abs(np.diff(shift)).mean()) if len(shift) > 1 else 0.0,
    }


def _shift(a: np.ndarray, b: np.ndarray) -> float:
    """Pixels by which line b lies beside line a, at most 16."""
    product = np.correlate(b - b.mean(), (a - a.mean())[16:-16], "valid")
    return float(product.argmax() - 16)


def _skew(values: np.ndarray) -> float:
    off = values - values.mean()
    return float(np.mean(off**3) / max(np.mean(off**2) ** 1.5, TINY))
