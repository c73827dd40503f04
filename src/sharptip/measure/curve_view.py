"""What is looked at of a force curve: its course on a grid of samples, and some facts about it.

Every curve keeps its own samples, next to each other, its end at the end of the grid; only curves with more samples
than the grid has places are averaged down by a whole number, and very short ones are drawn out. Nothing in the course
depends on the unit of the deflection: a gain leaves it as it is.

Channels of the course, for each sample i, with the deflection d, the amplitude A (largest deflection above the far end)
and windows of w samples before and from i on:

deflection   d / A, zero at the far end
small        the same, with small forces enlarged: asinh(100 d / A) / 5
slope w      difference of the two windows' means per sample, in A per ramp: asinh / 3
ratio w      ln of the ratio of the two windows' variances, / 4; its maximum is a classical contact point (Gavara,
             Sci. Rep. 6, 21267 (2016))
inside       1 where the curve has a sample
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID = 1024  # places
TOGETHER = 32  # curves, whose arrays a processor keeps at hand
FEWEST = 16  # samples that a curve must have to be looked at
RATIOS = (5, 10, 20, 40, 80)  # windows in samples of the grid
SLOPES = (4, 16, 64)
COURSE = ("deflection", "small", *(f"slope {w}" for w in SLOPES), *(f"ratio {w}" for w in RATIOS), "inside")
REACH = max(*RATIOS, *SLOPES)
GUESS = 20  # window of the first guess of contact
BEFORE = (0.015, 0.03, 0.06, 0.15, 0.4)  # shares of the ramp next to the first guess
RISES = (0.02, 0.05, 0.1, 0.2, 0.5)  # of the amplitude
LEAST = 0.1  # of the largest deflection of either sign, that counts as amplitude: of curves that only fall
FLOOR = 0.05  # of the noise's variance, below which a window counts as still


@dataclass(frozen=True)
class View:
    """Courses (n, channels, GRID), facts (n, FACTS), heights (n, GRID) m, NaN where there is no sample."""

    course: np.ndarray
    facts: np.ndarray
    height: np.ndarray


def view_of(height: np.ndarray, deflection: np.ndarray, length: np.ndarray) -> View:
    """Approaches (n, samples) that fall in height, in any unit of deflection, the first `length` (n,) of each its own.

    Raises ValueError for a curve with fewer than FEWEST samples.
    """
    if (length < FEWEST).any():
        row = int(np.argmax(length < FEWEST))
        raise ValueError(f"curve {row} has {length[row]} samples; {FEWEST} are needed to look at it")
    parts = [
        _part(height[i : i + TOGETHER], deflection[i : i + TOGETHER], length[i : i + TOGETHER])
        for i in range(0, len(length), TOGETHER)
    ]
    return View(*(np.concatenate(found) for found in zip(*parts, strict=True)))


def _part(height: np.ndarray, deflection: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Course, facts and heights of some curves."""
    z, d, first = _on_grid(height, deflection, length)
    inside = np.arange(GRID) >= first[:, None]
    far = np.minimum(first + np.maximum(4, (GRID - first) // 10), GRID - 1)
    x = np.where(inside, d, 0.0)
    base = _between(_sums(x), first, far)
    x = np.where(inside, d - base[:, None], 0.0)
    amplitude = np.maximum(x.max(axis=1), LEAST * np.abs(x).max(axis=1))
    x /= np.where(amplitude > 0, amplitude, 1.0)[:, None]
    noise = _noise(x, first)
    windows = _Windows(x, first, noise)
    course = [x, np.arcsinh(100 * x) / 5]
    course += [np.arcsinh(windows.slope(w)) / 3 for w in SLOPES]
    ratios = {w: windows.ratio(w) for w in RATIOS}
    course += [r / 4 for r in ratios.values()]
    course.append(inside.astype(float))
    facts = _facts(x, first, noise, ratios)
    numbers = np.stack([np.where(inside, c, 0.0).astype(np.float32) for c in course], axis=1)
    return numbers, facts.astype(np.float32), np.where(inside, z, np.nan)


def _on_grid(height: np.ndarray, deflection: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, ...]:
    """Heights and deflections (n, GRID), and the first place that is used (n,)."""
    z, d = np.zeros((len(length), GRID)), np.zeros((len(length), GRID))
    first = np.zeros(len(length), int)
    share = np.where(length > GRID, -(-length // GRID), -(2 * length < GRID).astype(int))
    for q in np.unique(share):
        rows = np.flatnonzero(share == q)
        if q < 0:
            for row in rows:
                n, m = length[row], GRID // 2
                at = np.linspace(0, n - 1, m)
                first[row] = GRID - m
                z[row, -m:], d[row, -m:] = (np.interp(at, np.arange(n), v[row, :n]) for v in (height, deflection))
            continue
        q = max(1, int(q))
        places = length[rows] // q
        first[rows] = GRID - places
        index = (length[rows] - q * GRID)[:, None] + np.arange(q * GRID)
        index = np.clip(index, 0, height.shape[1] - 1)
        for out, values in ((z, height), (d, deflection)):
            out[rows] = np.take_along_axis(values[rows], index, axis=1).reshape(len(rows), GRID, q).mean(axis=2)
    return z, d, first


def _sums(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)


def _at(sums: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.take_along_axis(sums, index[:, None], axis=1)[:, 0]


def _between(sums: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n,) means of the samples low ≤ i < high."""
    return (_at(sums, high) - _at(sums, low)) / np.maximum(high - low, 1)


def _noise(x: np.ndarray, first: np.ndarray) -> np.ndarray:
    """(n,) standard deviation of what changes from sample to sample, in the first half of each curve."""
    bent = np.abs(x[:, 2:] - 2 * x[:, 1:-1] + x[:, :-2])
    place = first[:, None] + np.linspace(0, (GRID - first) // 2 - 3, 200).astype(int).T
    return 1.4826 * np.median(np.take_along_axis(bent, place, axis=1), axis=1) / np.sqrt(6)


class _Windows:
    """Means and variances of the w samples before each sample, and of the w from it on."""

    def __init__(self, x: np.ndarray, first: np.ndarray, noise: np.ndarray) -> None:
        self.first, self.still = first[:, None], (FLOOR * noise**2 + 1e-12)[:, None]
        inside = np.arange(GRID) >= self.first
        centre = x.sum(axis=1) / (GRID - first)
        y = np.where(inside, x - centre[:, None], 0.0)  # nothing is lost where large sums are subtracted
        self.sums, self.squares = _widened(_sums(y)), _widened(_sums(y * y))
        i = np.arange(GRID)
        self.before, self.after = i - self.first, GRID - i  # how many samples there are
        self.whole = {least: (self.before >= least) & (self.after >= least) for least in (2, 4)}

    def means(self, w: int, *widened: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """(n, GRID) before, after, of each: over as many of the w samples as the curve has."""
        before, after = np.clip(self.before, 1, w), np.minimum(self.after, w)
        found = []
        for sums in widened:
            here = sums[:, REACH : REACH + GRID]
            found.append((
                (here - sums[:, REACH - w : REACH - w + GRID]) / before,
                (sums[:, REACH + w : REACH + w + GRID] - here) / after,
            ))  # fmt: skip
        return found

    def slope(self, w: int) -> np.ndarray:
        """In amplitudes per ramp; zero where less than two samples are on a side."""
        ((before, after),) = self.means(w, self.sums)
        apart = (np.clip(self.before, 1, w) + np.minimum(self.after, w)) / 2
        return np.where(self.whole[2], (after - before) / apart * (GRID - self.first), 0.0)

    def ratio(self, w: int) -> np.ndarray:
        """Natural logarithm of the ratio of variances; zero where less than four samples are on a side."""
        mean, square = self.means(w, self.sums, self.squares)
        before, after = (np.maximum(q - m * m, 0.0) + self.still for m, q in zip(mean, square, strict=True))
        return np.where(self.whole[4], np.log(after / before), 0.0)


def _widened(sums: np.ndarray) -> np.ndarray:
    """Running sums that go on for REACH samples either way, as if zeros came there."""
    n = len(sums)
    return np.concatenate([np.zeros((n, REACH)), sums, np.broadcast_to(sums[:, -1:], (n, REACH))], axis=1)


# -- facts --------------------------------------------------------------------------------------------------------

FACTS = (
    "noise", "samples", "contact at", "ratio there", "next best ratio",
    *(f"contact by {w}" for w in RATIOS),
    *(f"rise to {r:g}" for r in RISES),
    *(f"slope before, {s:g}" for s in BEFORE), *(f"slope after, {s:g}" for s in BEFORE[:4]),
    *(f"scatter before, {s:g}" for s in BEFORE[2:]),
    "scatter of baseline", "range of baseline", "slope of baseline", "bow of baseline",
    "half force at", "exponent low", "exponent high", "falls", "largest fall", "slope at the end",
)  # fmt: skip


def _facts(x: np.ndarray, first: np.ndarray, noise: np.ndarray, ratios: dict[int, np.ndarray]) -> np.ndarray:
    """(n, FACTS), each about between −3 and 3; none depends on gain or on the unit of height."""
    n, place = len(x), np.arange(GRID)
    size = GRID - first
    at = {w: r.argmax(axis=1) for w, r in ratios.items()}
    j = np.clip(at[GUESS], first + 2, GRID - 3)
    best = ratios[GUESS].max(axis=1)
    other = np.where(np.abs(place - j[:, None]) > 3 * GUESS, ratios[GUESS], -np.inf).max(axis=1)
    smooth = _smooth(x, 9)
    out = [np.log(noise + 1e-5) / 3 + 2.5, np.log(size / GRID), (j - first) / size, best / 4, (other - best) / 4]
    out += [np.arcsinh((at[w] - j) / 5.0) / 3 for w in RATIOS]
    out += [np.log((GRID - np.argmax(smooth > r, axis=1)) / size + 1e-3) / 2 for r in RISES]
    lines = _Lines(x)
    for s in BEFORE:
        slope, scatter = lines.fit(np.maximum(j - np.maximum((s * size).astype(int), 3), first), j)
        out.append(np.arcsinh(20 * slope * size) / 3)
    for s in BEFORE[:4]:
        slope, _ = lines.fit(j, np.minimum(j + np.maximum((s * size).astype(int), 3), GRID))
        out.append(np.arcsinh(slope * size) / 3)
    for s in BEFORE[2:]:
        _, scatter = lines.fit(np.maximum(j - np.maximum((s * size).astype(int), 3), first), j)
        out.append(np.log(scatter + 1e-4) / 3 + 2)
    out += _baseline(x, smooth, first, j, lines)
    out += _indented(x, smooth, j, size)
    out.append(np.arcsinh(lines.fit(np.full(n, GRID) - np.maximum(size // 50, 4), np.full(n, GRID))[0] * size) / 3)
    return np.nan_to_num(np.stack(out, axis=1), posinf=3.0, neginf=-3.0).clip(-5, 5)


class _Lines:
    """Straight lines through stretches of each curve, by sums alone."""

    def __init__(self, x: np.ndarray) -> None:
        i = np.arange(GRID) / GRID
        self.sums = {name: _sums(np.broadcast_to(v, x.shape)) for name, v in
                     (("x", x), ("ix", i * x), ("xx", x * x), ("i", i), ("ii", i * i))}  # fmt: skip

    def fit(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) slope per sample and scatter about the line, for the samples low ≤ i < high."""
        m = {name: _between(s, low, high) for name, s in self.sums.items()}
        spread = m["ii"] - m["i"] ** 2
        joint = m["ix"] - m["i"] * m["x"]
        slope = joint / np.maximum(spread, 1e-12)
        return slope / GRID, np.sqrt(np.maximum(m["xx"] - m["x"] ** 2 - slope * joint, 0.0))


def _smooth(x: np.ndarray, w: int) -> np.ndarray:
    sums = _sums(np.pad(x, ((0, 0), (w // 2, w // 2)), mode="edge"))
    return (sums[:, w:] - sums[:, :-w]) / w


def _baseline(x: np.ndarray, smooth: np.ndarray, first: np.ndarray, j: np.ndarray, lines: _Lines) -> list[np.ndarray]:
    """Scatter, range, slope and bow of what comes before the first guess."""
    place = np.arange(GRID)
    before = (place >= first[:, None]) & (place < j[:, None])
    slope, scatter = lines.fit(first, j)
    top, bottom = np.where(before, smooth, -np.inf).max(axis=1), np.where(before, smooth, np.inf).min(axis=1)
    middle = (first + j) // 2
    bow = lines.fit(middle, j)[0] - lines.fit(first, middle)[0]
    return [np.log(scatter + 1e-4) / 3 + 2, np.log(top - bottom + 1e-4) / 3 + 1,
            np.arcsinh(20 * slope * (j - first)) / 3, np.arcsinh(20 * bow * (j - first)) / 3]  # fmt: skip


def _indented(x: np.ndarray, smooth: np.ndarray, j: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    """Where half the force is reached, local exponents of the force, and how much it falls on the way."""
    place = np.arange(GRID)
    start = np.take_along_axis(smooth, j[:, None], axis=1)
    f, depth = smooth - start, place - j[:, None]
    after = depth > 0
    whole = (GRID - j)[:, None]
    f = f / np.maximum(f[:, -1:], 1e-6)
    half = ((f >= 0.5) & after).argmax(axis=1)

    def level(share: float) -> np.ndarray:
        index = np.minimum(j + (share * whole[:, 0]).astype(int), GRID - 1)
        return np.maximum(np.take_along_axis(f, index[:, None], axis=1)[:, 0], 1e-3)

    low, middle, high = level(0.2), level(0.5), level(1.0)
    step = np.diff(np.where(after, f, 0.0), axis=1)
    falls = (step < 0).sum(axis=1) / whole[:, 0]
    highest = np.maximum.accumulate(np.where(after, f, -np.inf), axis=1)
    fall = np.where(after, highest - f, 0.0).max(axis=1)
    return [(half - j) / whole[:, 0], np.log(middle / low) / np.log(2.5) / 2, np.log(high / middle) / np.log(2) / 2,
            falls * 2, np.log(fall + 1e-3) / 3 + 1]  # fmt: skip


# -- what is answered -----------------------------------------------------------------------------------------------


def place_on(view_height: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(n,) places on the grid, in samples, of heights `contact` (n,) m; NaN where unknown.

    A height above the first sample, or below the last, is at that sample.
    """
    out = np.full(len(contact), np.nan)
    for row in np.flatnonzero(np.isfinite(contact)):
        z = view_height[row]
        first = int(np.isfinite(z).argmax())
        falling = np.minimum.accumulate(z[first:])
        out[row] = first + np.interp(-contact[row], -falling, np.arange(GRID - first))
    return out


def contact_of(logits: np.ndarray, view_height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height (n,) m of contact and its standard error, from logits (n, GRID) of contact at each sample.

    The median of the probability, and half the stretch between its 16th and its 84th per cent.
    """
    p = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(float)
    total = np.cumsum(p, axis=1)
    total /= total[:, -1:]
    low, middle, high = (_height(_quantile(total, q), view_height) for q in (0.1587, 0.5, 0.8413))
    return middle, np.abs(high - low) / 2


def _quantile(total: np.ndarray, q: float) -> np.ndarray:
    """(n,) places at which cumulated probabilities (n, GRID) reach q; each sample's own is spread over its width."""
    at = np.minimum((total < q).sum(axis=1), GRID - 1)
    before = np.where(at > 0, _at(total, np.maximum(at - 1, 0)), 0.0)
    return at - 0.5 + (q - before) / np.maximum(_at(total, at) - before, 1e-12)


def _height(place: np.ndarray, view_height: np.ndarray) -> np.ndarray:
    low = np.clip(np.floor(place).astype(int), 0, GRID - 2)
    a, b = _at(view_height, low), _at(view_height, low + 1)
    a = np.where(np.isfinite(a), a, b)
    return a + (b - a) * np.clip(place - low, 0.0, 1.0)
