"""A curve as every finder of contact sees it: without gain, offset and unit, so that none of them depends on those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..approach import Approach

FEWEST = 20  # samples below which no finder says anything
BASELINE = 0.3  # of a curve, its far part: the line is fitted there, the noise measured
LAST = 0.02  # of a curve, its deep end: the largest deflection is measured there
VISIBLE = 6.0  # noise levels that a curve must rise for a contact to be told


@dataclass(frozen=True)
class Ramp:
    """n curves (n, samples). Behind the end of a curve both arrays repeat its last sample.

    way: how far the piezo has come, 0 at the start and 1 at the end. signal: deflection above the line of the far
    part, as a share of its rise there to the end. noise: (n,) standard deviation of neighbouring samples, and tilt:
    (n,) how far that line rises over the ramp, likewise.
    """

    way: np.ndarray
    signal: np.ndarray
    length: np.ndarray
    noise: np.ndarray
    tilt: np.ndarray
    height: np.ndarray
    judged: np.ndarray  # (n,) whether anything can be said

    def told(self, sample: np.ndarray) -> np.ndarray:
        """(n,) heights at the samples, NaN where nothing can be said or the sample is negative."""
        at = np.clip(sample, 0, self.length - 1).astype(int)
        height = self.height[np.arange(len(at)), at]
        return np.where(self.judged & (sample >= 0), height, np.nan)

    @property
    def index(self) -> np.ndarray:
        return np.arange(self.way.shape[1])

    def inside(self) -> np.ndarray:
        return self.index < self.length[:, None]


def ramp_of(approach: Approach | Ramp) -> Ramp:
    """The curves of an approach, scaled; a ramp as it is. Curves with a fault, too short, or flat are not judged."""
    if isinstance(approach, Ramp):
        return approach
    length = np.asarray(approach.length)
    z, d = held(approach.height, length), held(approach.deflection, length)
    fine = np.array([not fault for fault in approach.faults], bool) & (length >= FEWEST)
    came = z[:, 0] - z[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        way = np.where((came > 0)[:, None], (z[:, :1] - z) / came[:, None], 0.0)
        line = far_line(way, d, length)
        d, tilt = d - line, line[:, -1] - line[:, 0]
        rise = deep_end(d, length)
        judged = fine & (rise > 0) & (came > 0)
        signal = np.where(judged[:, None], d / rise[:, None], 0.0)
        tilt = np.where(judged, tilt / rise, 0.0)
    noise = neighbour_noise(signal, length)
    return Ramp(way, signal, length, noise, tilt, z, judged & (VISIBLE * noise < 1))


def held(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Rows (n, samples), at least FEWEST long, with a curve's last sample in place of what lies behind its end."""
    n, samples = values.shape
    wide = np.pad(values, ((0, 0), (0, max(0, FEWEST - samples))))
    last = wide[np.arange(n), np.clip(length - 1, 0, None)][:, None]
    return np.nan_to_num(np.where(np.arange(wide.shape[1]) < length[:, None], wide, last))


def far_line(x: np.ndarray, y: np.ndarray, length: np.ndarray, share: float = BASELINE) -> np.ndarray:
    """(n, samples) the line through the first `share` of each curve, eight samples at least."""
    number = np.maximum(share * length, 8)[:, None]
    some = slice(0, int(number.max(initial=8)) + 1)
    far = np.arange(x.shape[1])[some] < number
    n = far.sum(axis=1, keepdims=True)
    mean = [np.where(far, v[:, some], 0).sum(axis=1, keepdims=True) / n for v in (x, y)]
    dx, dy = np.where(far, x[:, some] - mean[0], 0), y[:, some] - mean[1]
    slope = (dx * dy).sum(axis=1) / np.maximum((dx * dx).sum(axis=1), 1e-300)
    return mean[1] + slope[:, None] * (x - mean[0])


def deep_end(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) median of the last LAST of each curve, three samples at least."""
    number = np.maximum(3, np.rint(LAST * length)).astype(int)
    index = np.arange(max(1, int(number.max(initial=1))))
    some = np.take_along_axis(values, np.clip((length - number)[:, None] + index, 0, values.shape[1] - 1), axis=1)
    return median(some, index < number[:, None])


def median(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """(n,) median of the marked samples of each row, 0 where none is marked."""
    n = which.sum(axis=1)
    rising = np.sort(np.where(which, values, np.inf), axis=1)
    middle = np.stack([np.maximum(n - 1, 0) // 2, n // 2], axis=1)
    return np.where(
        n > 0, np.take_along_axis(rising, np.minimum(middle, values.shape[1] - 1), axis=1).mean(axis=1), 0.0
    )


def neighbour_noise(signal: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) standard deviation from the differences of neighbours at the far end, deaf to tilt and slow waves."""
    number = np.maximum(BASELINE * length, 8)[:, None]
    step = np.diff(signal[:, : int(number.max(initial=8)) + 2], axis=1)
    far = np.arange(step.shape[1]) < number
    spread = median(np.abs(step - median(step, far)[:, None]), far)
    return 1.4826 * spread / np.sqrt(2)


def windows(length: np.ndarray, share: float, least: int) -> np.ndarray:
    """(n,) samples of a window that is `share` of each curve, `least` at least and a third at most."""
    return np.clip(np.rint(share * length), least, np.maximum(length // 3, 2)).astype(int)


def sums(values: np.ndarray) -> np.ndarray:
    """(n, samples + 1) running sums; sums[j] − sums[i] is the sum of samples i … j − 1."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def between(running: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Sums over samples start … stop − 1; indices (n, m), clipped to the curve."""
    most = running.shape[1] - 1
    take = [np.take_along_axis(running, np.clip(i, 0, most), axis=1) for i in (stop, start)]
    return take[0] - take[1]


def until(ramp: Ramp, share: float) -> np.ndarray:
    """(n,) samples up to where the signal, smoothed, has risen by `share` for good; the whole curve for 1."""
    if share >= 1:
        return ramp.length
    width = windows(ramp.length, 0.005, 3)[:, None]
    running = sums(ramp.signal)
    smooth = between(running, ramp.index - width // 2, ramp.index + width // 2 + 1) / width
    below = (smooth < share) & ramp.inside()
    return np.minimum(ramp.length, below.shape[1] - below[:, ::-1].argmax(axis=1) + 1)
