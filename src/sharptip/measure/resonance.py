"""Where is the resonance in each of many spectra, how high, how sharp, at which phase, and how sure is that?

The law is `physics.oscillator`; the search is `measure.varpro`. Every spectrum is held against a grid of resonances at
once (matched filter). Where the data leave more than one answer, what is given is the mean over the grid of the
posterior (flat in f0 over the band, in log Q and in the complex height), whose spread is the standard error; where they
leave one, the least-squares answer from the best place of the grid, with the standard error of its Fisher information.

Nothing is trained; any band, any number of spectra.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..physics import oscillator
from .resonance_grid import (
    AVERAGE,
    LINE,
    MODULUS,
    SEARCH,
    Grid,
    Posterior,
    gain_of,
    grid_of,
    noise2_of,
    overlap_of,
    posterior,
    searched,
)
from .varpro import Refined, Template, refine

FLAGS = (  # 1 to 3 have no answer; those above have one that should not be trusted as it is
    "",  # a resonance
    "no finite sample",
    "too few finite samples",
    "constant",
    "no line above the noise",
    "several places are possible",
    "resonance outside the band",
    "the search did not settle",
    "not one clean line",
)
COLUMNS = (
    "amplitude", "resonance", "quality", "phase",
    "amplitude_error", "resonance_error", "quality_error", "phase_error", "noise", "snr", "flag",
)  # fmt: skip

FEWEST = 8  # finite samples of a spectrum
# the log-likelihood that a line must gain for least squares; at 50 they are at the bound (docs/fit_resonance.md)
SURE_OF = {"best": 50.0, "likelihood": -1.0, "posterior": np.inf}
CHANCE = 0.01  # of a line in pure noise
CLEAN = 4.5  # standard deviations that the correlation of neighbouring residuals may be from zero
BLOCK = 512  # spectra at a time


def fit_spectra(
    spectra: np.ndarray,
    frequency: np.ndarray,
    *,
    quality: tuple[float, float] | None = None,
    background: int = 0,
    start: np.ndarray | None = None,
    near: np.ndarray | None = None,
    estimate: str = "best",
) -> dict[str, np.ndarray]:
    """Amplitude, resonance, quality factor and phase of every spectrum, with standard errors: name (COLUMNS) → (n,).

    spectra     (n, f) complex, or real and positive where only the modulus was kept: then no `phase`, what noise adds
                to moduli is taken off (`debiased`), and the rest is least squares, which is right for lines that stand
                out of the noise; below an SNR of 5 such lines come out too broad
    frequency   (f,) Hz, in any order
    quality     range of quality factors to look in, by default all that the band can tell; a prior where data are weak
    background  terms of a complex polynomial under the line that are fitted too: 0, 1 (constant) or 2 (linear)
    start       (n, 2) f0 (Hz) and Q from elsewhere, a network: then no grid is made and least squares start there
    near        (n, 2) where f0 is expected and within what standard deviation (Hz), from neighbours for instance: a
                prior for weak spectra; NaN where nobody knows
    estimate    'best': least squares where one answer is left, the posterior mean otherwise; 'likelihood'; 'posterior'

    `noise` is σ (r.m.s. modulus for complex spectra), `snr` the peak height over it, `flag` an index of FLAGS. Samples
    that are not finite are left out, each spectrum for itself; a spectrum without an answer has NaN and its flag.
    Raises ValueError for arrays that do not belong together.
    """
    frequency, spectra = _checked(spectra, frequency, quality, estimate)
    out = np.full((len(spectra), len(COLUMNS)), np.nan)
    for mask, rows in _by_mask(np.isfinite(spectra)):
        flag = _unfit(spectra[rows][:, mask], int(mask.sum()))
        out[rows, -1] = flag
        rows = rows[flag == 0]
        if len(rows) == 0:
            continue
        given, expected = (None if x is None else x[rows] for x in (start, near))
        out[rows] = _fit(spectra[rows][:, mask], frequency[mask], quality, background, given, expected, estimate)
    return dict(zip(COLUMNS, out.T, strict=True))


def fit_map(spectra: Any, frequency: np.ndarray, **options: Any) -> dict[str, Any]:
    """`fit_spectra` of an array (…, f): name → (…). Of a dask array each chunk is fitted when it is computed.

    options: those of `fit_spectra` but `start`.
    """
    if not hasattr(spectra, "map_blocks"):
        values = np.asarray(spectra)
        found = fit_spectra(values.reshape(-1, values.shape[-1]), frequency, **options)
        return {name: v.reshape(values.shape[:-1]) for name, v in found.items()}
    whole = spectra.rechunk({spectra.ndim - 1: -1})
    chunks = (*whole.chunks[:-1], (len(COLUMNS),))
    table = whole.map_blocks(_chunk, np.asarray(frequency), options, dtype=float, chunks=chunks, meta=np.empty((0,)))
    return {name: table[..., k] for k, name in enumerate(COLUMNS)}


def _chunk(spectra: np.ndarray, frequency: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    return np.stack(list(fit_map(spectra, frequency, **options).values()), axis=-1)


def expected(found: dict[str, np.ndarray], neighbours: np.ndarray) -> np.ndarray:
    """Where f0 is expected from sound neighbours: (n, 2) median and spread in Hz, NaN where fewer than three are sound.

    found: of a first `fit_spectra`; neighbours (n, k): places of each spectrum's neighbours, −1 for none.
    """
    sound = (neighbours >= 0) & (found["flag"][neighbours] == 0)
    places = np.where(sound, found["resonance"][neighbours], np.nan)
    errors = np.where(sound, found["resonance_error"][neighbours], np.nan)
    enough = sound.sum(axis=1) >= 3
    out = np.full((len(neighbours), 2), np.nan)
    out[enough, 0] = np.nanmedian(places[enough], axis=1)
    apart = 1.4826 * np.nanmedian(np.abs(places[enough] - out[enough, :1]), axis=1)
    out[enough, 1] = np.hypot(apart, np.nanmedian(errors[enough], axis=1))
    return out


def _checked(spectra: Any, frequency: Any, quality: Any, estimate: str) -> tuple[np.ndarray, np.ndarray]:
    frequency, spectra = np.asarray(frequency, float), np.asarray(spectra)
    if spectra.ndim != 2 or frequency.shape != spectra.shape[1:]:
        raise ValueError(f"spectra {spectra.shape} and frequencies {frequency.shape}; give (n, f) and (f,)")
    if not (np.isfinite(frequency).all() and (frequency > 0).all()):
        raise ValueError("a frequency is not finite or not above zero; give the band in hertz")
    if quality is not None and not 0.5 < quality[0] < quality[1]:
        raise ValueError(f"the range of quality factors is {quality}; give (low, high), low above 0.5")
    if estimate not in SURE_OF:
        raise ValueError(f"estimate is {estimate!r}; it is {' or '.join(map(repr, SURE_OF))}")
    kind = np.complex128 if np.iscomplexobj(spectra) else np.float64
    return frequency, spectra.astype(kind)


def _by_mask(finite: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(which samples are finite, the rows of which that is true), nearly always one pair."""
    if finite.all():
        return [(np.ones(finite.shape[1], bool), np.arange(len(finite)))]
    masks, owner = np.unique(finite, axis=0, return_inverse=True)
    return [(mask, np.flatnonzero(np.ravel(owner) == k)) for k, mask in enumerate(masks)]


def _unfit(spectra: np.ndarray, samples: int) -> np.ndarray:
    """Flag (n,) of spectra that cannot be judged at all, 0 for the others."""
    if samples < FEWEST:
        return np.full(len(spectra), 1 if samples == 0 else 2)
    return np.where(np.ptp(spectra.real, axis=1) + np.ptp(spectra.imag, axis=1) == 0, 3, 0)


def faults_of(spectra: np.ndarray) -> tuple[str, ...]:
    """'' for each spectrum (n, f), or why it has no answer at all."""
    finite = np.isfinite(spectra)
    few = np.select([~finite.any(axis=1), finite.sum(axis=1) < FEWEST], [1, 2], 0)
    level = np.where(finite, spectra, np.nan)
    first = np.take_along_axis(level, finite.argmax(axis=1)[:, None], axis=1)
    constant = (few == 0) & ~(finite & (level != first)).any(axis=1)
    return tuple(FLAGS[k] for k in np.where(constant, 3, few))


def turns_the_other_way(spectra: np.ndarray, frequency: np.ndarray, strongest: int = 64) -> bool:
    """Whether the complex conjugates of the strongest spectra are far better resonances than the spectra themselves."""
    if not np.iscomplexobj(spectra) or len(frequency) < FEWEST:
        return False
    whole = spectra[np.isfinite(spectra).all(axis=1)]
    size = np.abs(whole).max(axis=1, initial=0)
    some = whole[np.argsort(-size)[:strongest]]
    basis = oscillator.background_basis(frequency, 0)
    grid = grid_of(np.asarray(frequency, float), None, SEARCH, basis=basis)
    given, mirrored = (
        gain_of(overlap_of(s / max(size.max(initial=0), 1e-300), grid)).max(axis=1) for s in (some, some.conj())
    )
    return bool(len(some) and (mirrored > 2 * given).mean() > 0.5)


def _fit(
    spectra: np.ndarray,
    frequency: np.ndarray,
    quality: tuple[float, float] | None,
    background: int,
    start: np.ndarray | None,
    near: np.ndarray | None,
    estimate: str,
) -> np.ndarray:
    """(n, COLUMNS) of spectra that are finite and vary."""
    template = LINE
    if not np.iscomplexobj(spectra):
        template, spectra = MODULUS, debiased(spectra, _roughness(spectra, frequency))
    basis = oscillator.background_basis(frequency, background)
    size = np.abs(spectra).max(axis=1)
    spectra = oscillator.without_background(spectra / size[:, None], basis)
    if start is not None:
        out = _from_start(spectra, frequency, np.log(start), template, basis)
    else:
        search, average = (grid_of(frequency, quality, d, basis=basis, template=template) for d in (SEARCH, AVERAGE))
        prior = None if near is None else np.stack([np.log(near[:, 0]), near[:, 1] / near[:, 0]], axis=1)
        out = _from_grids(spectra, frequency, search, average, template, basis, prior, SURE_OF[estimate])
    out[:, [0, 4, 8]] *= size[:, None]
    return out


def _from_grids(
    spectra: np.ndarray,
    frequency: np.ndarray,
    search: Grid,
    average: Grid,
    template: Template,
    basis: np.ndarray,
    near: np.ndarray | None,
    sure_of: float,
) -> np.ndarray:
    """Least squares for those that the first grid is sure of, the posterior's mean on the second for the others."""
    found = [searched(spectra[i : i + BLOCK], search, basis) for i in range(0, len(spectra), BLOCK)]
    best, likelihood = (np.concatenate(part) for part in zip(*found, strict=True))
    sure = np.flatnonzero(likelihood >= sure_of)
    weak = np.flatnonzero(likelihood < sure_of)
    out = np.empty((len(spectra), len(COLUMNS)))
    out[sure] = _from_start(spectra[sure], frequency, search.theta[best[sure]], template, basis)
    for i in range(0, len(weak), BLOCK):
        part = weak[i : i + BLOCK]
        out[part] = _from_posterior(posterior(spectra[part], average, basis, None if near is None else near[part]))
    least = np.log(len(search.theta) / CHANCE)
    out[(out[:, -1] == 0) & (likelihood < least), -1] = 4
    return out


def _from_posterior(mean: Posterior) -> np.ndarray:
    """Several places are possible where the spread is more than a linewidth."""
    peak = np.exp(mean.log_amplitude + mean.theta[:, 1])
    out = _columns(peak, mean.theta, mean.phase, mean.errors, mean.noise2)
    out[mean.errors[:, 1] > np.exp(-mean.theta[:, 1]), -1] = 5
    return out


def _from_start(
    spectra: np.ndarray,
    frequency: np.ndarray,
    theta: np.ndarray,
    template: Template,
    basis: np.ndarray,
) -> np.ndarray:
    """Least squares with standard errors from the Fisher information, the noise being what is left over."""
    found = refine(spectra, frequency, theta, template, basis)
    noise2 = noise2_of(found.rest, spectra, basis)
    errors = _errors(found, noise2, np.iscomplexobj(spectra))
    out = _columns(np.abs(found.height), found.theta, np.angle(found.height), errors, noise2)
    left = spectra - found.height[:, None] * oscillator.without_background(
        template.values(frequency, found.theta), basis
    )
    resonance = np.exp(found.theta[:, 0])
    margin = resonance / np.exp(found.theta[:, 1])
    outside = (resonance < frequency.min() - margin) | (resonance > frequency.max() + margin)
    if not np.iscomplexobj(spectra):
        out[:, [3, 7]] = np.nan
        outside |= found.height < 0
    out[:, -1] = np.select([~found.settled, outside, _structured(left)], [7, 6, 8], 0)
    return out


def _errors(found: Refined, noise2: np.ndarray, complex_: bool) -> np.ndarray:
    """(n, 4) standard errors of log A, log f0, log Q, φ."""
    per_sample = noise2 / 2 if complex_ else noise2
    a, b, c = found.information[:, 0, 0], found.information[:, 1, 1], found.information[:, 0, 1]
    determinant = np.maximum(a * b - c * c, 1e-300)
    v0, v1, v01 = (per_sample * x / determinant for x in (b, a, -c))
    own = per_sample / np.maximum(np.abs(found.height) ** 2 * found.energy, 1e-300)
    k = found.coupling
    by_amplitude = k.real - np.array([0.0, 1.0])  # A = peak / Q

    def through(k: np.ndarray) -> np.ndarray:
        return own + k[:, 0] ** 2 * v0 + k[:, 1] ** 2 * v1 + 2 * k[:, 0] * k[:, 1] * v01

    return np.sqrt(np.maximum(np.stack([through(by_amplitude), v0, v1, through(k.imag)], axis=1), 0))


def _columns(
    peak: np.ndarray, theta: np.ndarray, phase: np.ndarray, errors: np.ndarray, noise2: np.ndarray
) -> np.ndarray:
    """(n, COLUMNS) with flag 0; errors of logarithms become errors of the numbers."""
    resonance, quality = np.exp(theta).T
    amplitude, noise = peak / quality, np.sqrt(noise2)
    values = np.stack([amplitude, resonance, quality, phase], axis=1)
    sizes = errors * np.stack([amplitude, resonance, quality, np.ones_like(phase)], axis=1)
    return np.column_stack([values, sizes, noise, peak / noise, np.zeros_like(noise)])


def _structured(left: np.ndarray) -> np.ndarray:
    """(n,) whether neighbouring residuals go together, as they do where the line is not one resonance."""
    together = (left[:, 1:].conj() * left[:, :-1]).real.sum(axis=1) / np.maximum(
        (np.abs(left) ** 2).sum(axis=1), 1e-300
    )
    spread = np.sqrt((2 if np.iscomplexobj(left) else 1) * left.shape[1])
    return together * spread > CLEAN


def _roughness(amplitudes: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """σ (n, 1) of the complex noise under moduli (n, f), from their second differences, where lines hardly show."""
    bends = np.diff(amplitudes[:, np.argsort(frequency)], 2, axis=1)
    return np.sqrt(2) * np.median(np.abs(bends), axis=1, keepdims=True) / (0.6745 * np.sqrt(6))


def debiased(amplitudes: np.ndarray, noise: float | np.ndarray) -> np.ndarray:
    """Moduli (n, f) less what noise adds to them on average: √|r² − σ²/2|, σ being the r.m.s. of the complex noise.

    The noise across the response, half of σ², lengthens it (Gudbjartsson & Patz, Magn. Reson. Med. 34, 910, 1995). What
    remains is nearly Gaussian where |H| > σ; below, no correction of single samples helps.
    """
    return np.sqrt(np.abs(np.asarray(amplitudes) ** 2 - np.asarray(noise) ** 2 / 2))
