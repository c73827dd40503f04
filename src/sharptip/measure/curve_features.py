"""The fifteen features of Müller et al. by which force curves are rated: what a fit leaves over, and where.

Müller, Abuhattum, Möllmert, Ulbricht, Taubenberger, Guck, "nanite: using machine learning to assess the quality of
atomic force microscopy-enabled nano-indentation data", BMC Bioinformatics 20, 465 (2019).
Names and formulas are those of its training set `ts_zef18`. Three are 0 or 1 (1 is good), twelve are continuous and
compressed by logarithms. Lengths are in metres, as the formulas hold numbers that have that unit.

Curves are rows (n, samples), from far away to deepest, NaN behind their end; every row is one question.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter1d

SMALL = 600  # samples, below which an approach is called too small
WIDE, NARROW = 11, 1  # samples: Gaussian widths that set spikes apart
SPIKE = 3.0  # standard deviations
SPIKES = 5  # crossings of that level that are still good
TRUNCATE = 4.0  # widths at which a Gaussian ends


class Curves:
    """What the features are made of, with the parts before and after contact as rows of their own.

    position: (n, samples) m, of the tip, falling. force and fit, the model's: N, of the same shape. contact: (n,) m,
    position at contact. Parts are (values, lengths), rows that begin at their first sample.
    """

    def __init__(self, position: np.ndarray, force: np.ndarray, fit: np.ndarray, contact: np.ndarray):
        self.position, self.force, self.fit, self.contact = position, force, fit, contact
        self.left = fit - force
        here = np.isfinite(position) & np.isfinite(force)
        self.length = here.sum(axis=1)
        with np.errstate(invalid="ignore"):
            self.before, self.after = here & (position > contact[:, None]), here & (position < contact[:, None])
            distance = np.where(here, np.abs(position - contact[:, None]), np.inf)
        self.largest = np.where(here, force, -np.inf).max(axis=1)
        self.smallest = np.where(here, force, np.inf).min(axis=1)
        self.at_contact = distance.argmin(axis=1)
        self.deepest = np.where(here, position, np.inf).argmin(axis=1)
        self.at_largest = np.where(here, force, -np.inf).argmax(axis=1)
        self.here = here

    def index(self) -> np.ndarray:
        return np.arange(self.force.shape[1])


def part(values: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The marked samples of each row as rows (n, longest), zeros behind their end, and how many there are."""
    which = which & np.isfinite(values)
    length = which.sum(axis=1)
    out = np.zeros((len(values), max(1, int(length.max(initial=1)))))
    row, _ = np.nonzero(which)
    place = (np.cumsum(which, axis=1) - 1)[which]
    out[row, place] = values[which]
    return out, length


def blurred(values: np.ndarray, length: np.ndarray, width: float) -> np.ndarray:
    """Rows of their own lengths after a Gaussian of `width` samples, mirrored at both of their ends."""
    margin = int(TRUNCATE * width + 0.5)
    n = np.maximum(length, 1)[:, None]
    at = (np.arange(values.shape[1] + 2 * margin) - margin) % (2 * n)
    mirrored = np.take_along_axis(values, np.minimum(at, 2 * n - 1 - at), axis=1)
    return gaussian_filter1d(mirrored, width, axis=1, truncate=TRUNCATE)[:, margin : values.shape[1] + margin]


def _inside(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.arange(values.shape[1]) < length[:, None]


def _spread(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) standard deviation of each row's own samples."""
    inside, n = _inside(values, length), np.maximum(length, 1)
    mean = np.where(inside, values, 0).sum(axis=1) / n
    return np.sqrt(np.where(inside, (values - mean[:, None]) ** 2, 0).sum(axis=1) / n)


def _gradient(values: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Central differences of each row's own samples, one-sided at its ends; NaN behind them."""
    if values.shape[1] < 2:
        return np.full(values.shape, np.nan)
    last, i = np.maximum(length - 1, 0)[:, None], np.arange(values.shape[1])
    up, down = np.minimum(i + 1, last), np.maximum(np.minimum(i, last) - 1, 0)
    rise = np.take_along_axis(values, up, axis=1) - np.take_along_axis(values, down, axis=1)
    return np.where(_inside(values, length), rise / np.maximum(up - down, 1), np.nan)


def _spikes(c: Curves) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sharp and blurred deviations of the residuals after contact, their standard deviation, and how many there are."""
    left, length = part(c.left, c.after)
    wide = blurred(left, length, WIDE)
    sharp = left - wide
    return sharp, blurred(left, length, NARROW) - wide, _spread(sharp, length), length


def bin_apr_spikes_count(c: Curves) -> np.ndarray:
    """1 where the residuals after contact cross the level of a spike no more than SPIKES times."""
    _, smooth, spread, length = _spikes(c)
    out = np.abs(smooth) > SPIKE * spread[:, None]
    crossings = ((out[:, 1:] != out[:, :-1]) & _inside(out, length)[:, 1:]).sum(axis=1)
    return np.where(length > 50, crossings <= SPIKES, np.nan)


def bin_cp_position(c: Curves) -> np.ndarray:
    """1 where the contact lies within the curve."""
    low, high = np.where(c.here, c.position, np.inf).min(axis=1), np.where(c.here, c.position, -np.inf).max(axis=1)
    return np.where(np.isfinite(c.contact), (c.contact >= low) & (c.contact <= high), np.nan)


def bin_size(c: Curves) -> np.ndarray:
    """1 where the approach has at least SMALL samples."""
    return (c.length >= SMALL).astype(float)


def con_apr_flatness(c: Curves) -> np.ndarray:
    """Share of the smoothed baseline residuals that rise."""
    left, length = part(c.left, c.before)
    width = np.maximum(5, (length // 120) // 2 * 2 + 1)
    out = np.full(len(length), np.nan)
    for w in np.unique(width):
        some = width == w
        slope = _gradient(blurred(left[some], length[some], w), length[some])
        up, down = (slope > 0).sum(axis=1), (slope < 0).sum(axis=1)
        out[some] = np.where(length[some] > 2, up / np.maximum(up + down, 1), np.nan)
    return out


def con_apr_size(c: Curves) -> np.ndarray:
    """Share of the samples that lie after contact."""
    return 1 - c.before.sum(axis=1) / np.maximum(c.length, 1)


def con_apr_sum(c: Curves) -> np.ndarray:
    """ln(1 + 100 Σ|residuals before contact| / (samples of the curve · largest force))."""
    return np.log1p(100 * np.where(c.before, np.abs(c.left), 0).sum(axis=1) / (c.length * c.largest))


def con_bln_slope(c: Curves) -> np.ndarray:
    """ln(1 + |slope of the residuals far from contact| / largest force)/10; the slope in N/m."""
    break_at = (np.where(c.here, c.position, -np.inf).max(axis=1) + c.contact) / 2
    with np.errstate(invalid="ignore"):
        far = c.here & (c.position > break_at[:, None])
    n = np.maximum(far.sum(axis=1), 1)
    x, y = (np.where(far, v, 0) for v in (c.position, c.left))
    x, y = (np.where(far, v - (v.sum(axis=1) / n)[:, None], 0) for v in (x, y))
    slope = (x * y).sum(axis=1) / np.maximum((x * x).sum(axis=1), 1e-300)
    return np.where(far.sum(axis=1) > 20, np.log1p(np.abs(slope / c.largest)) / 10, np.nan)


def con_bln_variation(c: Curves) -> np.ndarray:
    """ln(1 + 1000 |first ten − last ten residuals of the baseline| / largest force)/5, its nearest tenth left out."""
    left, length = part(c.left, c.before)
    n = length - (0.1 * length).astype(int)
    i = np.arange(left.shape[1])
    first = np.where(i < 10, left, 0).sum(axis=1) / 10
    last = np.where((i < n[:, None]) & (i >= n[:, None] - 10), left, 0).sum(axis=1) / 10
    return np.where(n > 20, np.log1p(1e3 * np.abs(first - last) / c.largest) / 5, np.nan)


def con_cp_curvature(c: Curves) -> np.ndarray:
    """Σ(force − the straight line between its extremes) within a tenth of the indentation about contact, compressed."""
    reach = np.abs(c.at_largest - c.at_contact) // 10
    first, last = (c.at_contact - reach)[:, None], np.minimum(c.at_contact + reach, c.length)[:, None]
    near = (c.index() >= first) & (c.index() < last)
    n = np.maximum(near.sum(axis=1), 1)
    low, high = np.where(near, c.force, np.inf).min(axis=1), np.where(near, c.force, -np.inf).max(axis=1)
    fine = (reach > 5) & (first[:, 0] >= 0) & near.any(axis=1)
    with np.errstate(invalid="ignore"):
        value = 10 * (np.where(near, c.force, 0).sum(axis=1) - n * (low + high) / 2) / c.largest
    return np.where(fine, np.sign(value) * np.log1p(np.abs(value)) / 4, np.nan)


def con_cp_magnitude(c: Curves) -> np.ndarray:
    """Σ|residuals| within a tenth of the indentation about contact / (100 · largest force)."""
    reach = (0.1 * c.after.sum(axis=1)).astype(int)
    first, last = (c.at_contact - reach)[:, None], (c.at_contact + reach)[:, None]
    near = (c.index() >= first) & (c.index() < last) & np.isfinite(c.left)
    value = np.where(near, np.abs(c.left), 0).sum(axis=1) / c.largest / 100
    return np.where((first[:, 0] >= 0) & near.any(axis=1), value, np.nan)


def _deep(c: Curves) -> tuple[np.ndarray, np.ndarray]:
    """First and last sample of the range from 25 to 100 % of the indentation."""
    quarter = (c.at_contact + 0.25 * (c.deepest - c.at_contact)).astype(int)
    return np.minimum(quarter, c.deepest), np.maximum(quarter, c.deepest)


def con_idt_maxima_75perc(c: Curves) -> np.ndarray:
    """2 ln(1 + Σ of the largest |residual| in three intervals / largest force), 25 to 100 % deep.

    The intervals meet where the smoothed residuals are smallest in the upper and in the lower half of that range.
    """
    first, last = _deep(c)
    smooth = np.abs(blurred(np.where(c.here, c.left, 0), c.length, WIDE))
    i, middle = c.index(), first + (last - first) // 2

    def least(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        return np.where((i >= start[:, None]) & (i < stop[:, None]), smooth, np.inf).argmin(axis=1)

    one, two = (
        np.where(middle > first, least(first, middle), first),
        np.where(last > middle, least(middle, last), middle),
    )
    total = np.zeros(len(first))
    for start, stop in ((first, one), (one, two), (two, last)):
        total += np.where((i >= start[:, None]) & (i < stop[:, None]) & c.here, np.abs(c.left), 0).max(axis=1)
    return np.where(last > first, 2 * np.log1p(total / c.largest), np.nan)


def con_idt_monotony(c: Curves) -> np.ndarray:
    """ln(1 + samples · falling / rising)/10, of the smoothed force after contact."""
    force, length = part(c.force, c.after)
    slope = _gradient(blurred(force, length, 2), length)
    rising, falling = np.where(slope > 0, slope, 0).sum(axis=1), -np.where(slope < 0, slope, 0).sum(axis=1)
    ratio = length * falling / np.where(rising > 0, rising, np.nan)
    return np.where(length > 2, np.log1p(ratio) / 10, np.nan)


def con_idt_spike_area(c: Curves) -> np.ndarray:
    """20 ln(1 + (standard deviation + Σ of spikes) / largest force) of the residuals after contact."""
    sharp, smooth, spread, length = _spikes(c)
    peaks = np.where((sharp > SPIKE * spread[:, None]) & _inside(sharp, length), np.abs(smooth), 0).sum(axis=1)
    return np.where(length > 20, 20 * np.log1p((spread + peaks) / c.largest), np.nan)


def con_idt_sum(c: Curves) -> np.ndarray:
    """5 ln(1 + mean |residual after contact| / half the range of the force)."""
    n = c.after.sum(axis=1)
    mean = np.where(c.after, np.abs(c.left), 0).sum(axis=1) / np.maximum(n, 1)
    return np.where(n > 0, 5 * np.log1p(mean / ((c.largest - c.smallest) / 2)), np.nan)


def con_idt_sum_75perc(c: Curves) -> np.ndarray:
    """ln(1 + 10⁶ · Σ|residuals| · depth (m) / largest force)/8, 25 to 100 % deep."""
    first, last = _deep(c)
    i, rows = c.index(), np.arange(len(first))
    inside = (i >= first[:, None]) & (i < last[:, None]) & c.here
    depth = np.abs(c.position[rows, first] - c.position[rows, last])
    return np.log1p(1e6 * np.where(inside, np.abs(c.left), 0).sum(axis=1) * depth / c.largest) / 8


FEATURES: dict[str, Callable[[Curves], np.ndarray]] = {
    f.__name__: f
    for f in (
        bin_apr_spikes_count, bin_cp_position, bin_size, con_apr_flatness, con_apr_size, con_apr_sum, con_bln_slope,
        con_bln_variation, con_cp_curvature, con_cp_magnitude, con_idt_maxima_75perc, con_idt_monotony,
        con_idt_spike_area, con_idt_sum, con_idt_sum_75perc,
    )
}  # fmt: skip


def curve_features(position: np.ndarray, force: np.ndarray, fit: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(n, 15) features in the order of FEATURES; NaN where a curve has too little of a part, or no contact.

    position: (n, samples) m, of the tip (height + deflection), falling toward the sample. force, fit: (n, samples) N,
    measured and by the model, zero at the baseline. contact: (n,) m, position at contact. NaN behind each curve's end.

    Raises ValueError for shapes that do not go together.
    """
    arrays = [np.asarray(a, float) for a in (position, force, fit)]
    contact = np.asarray(contact, float)
    if any(a.ndim != 2 or a.shape != arrays[0].shape for a in arrays) or contact.shape != arrays[0].shape[:1]:
        shapes = ", ".join(str(a.shape) for a in (*arrays, contact))
        raise ValueError(f"position, force, fit and contact have shapes {shapes}; they are three (n, samples) and (n,)")
    curves = Curves(arrays[0], arrays[1], arrays[2], contact)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.column_stack([feature(curves) for feature in FEATURES.values()]).astype(float)
    table[~(np.isfinite(contact) & (curves.length > 0))] = np.nan
    return table
