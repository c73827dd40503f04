"""Where did the tip touch, and how stiff is what it touched? A law of contact fitted to many force curves at once.

The model of an approach, with x the travel of the base toward the sample and y the deflection:

    y = b₀ + b₁ x + f,   k f = E · S(δ),   δ = x − x₀ − f,

a baseline with an offset and a tilt, the contact at x₀, a modulus E and a law S. Noise is in y alone, so f is solved
from x for every trial; δ from the noisy deflection would bias stiff contacts. Curves are averaged in bins first; starts
come from a grid of contact points, at each of which the other three numbers have a closed form; then all four are
refined by Levenberg and Marquardt's method. Standard errors come from the noise of the baseline, white and 1/f
(`curve_noise`), and grow by Birge's ratio where the residuals of the contact are larger than that noise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np

from ..physics.contact import Law, Tip
from .approach import Approach
from .contact_start import start_of
from .curve_bins import Binned, Sums, binned, even
from .curve_noise import Noise, noise_of, variance_of
from .force_model import Fitted, deflection, refine
from .law_table import Shape, shape_of, tip_of

FEWEST = 16  # samples that a curve needs
BEFORE, NEAR, AFTER = 32, 48, 48  # bins far before, about and after the contact
WIDTH = 2.0 / 64  # of a curve's samples, each way, that are about a contact which is known from the start alone
SHARP = 0.2  # of the travel after contact that goes into the cantilever; from there on a contact is a kink
BLOCK = 500  # curves at a time
UNSURE = 0.5  # standard error of log E above which there is hardly a contact
WANDER = 3.4  # variance of bins of flicker noise about a smooth curve, over its strength
RIGID = 0.1  # of the deflection: an indentation that is less is not told from none
SEEN = 5.0  # noise levels that a deflection must rise to be one
TAIL = 8  # bins beyond the contact that a fit needs


@dataclass(frozen=True)
class ForceFit:
    """What was fitted to n curves, (n,) each; NaN for those with a fault.

    contact and its error are the piezo height in m at which the tip touches; modulus and its error in Pa; offset (m)
    and tilt (m of deflection per m of travel) of the baseline; noise (m) of one sample of the deflection; indentation
    (m) and force (N) that were reached; r_squared of the deflection; misfit, the residuals of the contact over what the
    noise explains (1 where the law holds). converged says whether the numbers are a minimum and mean something, reason
    in words what is wrong.
    """

    contact: np.ndarray
    contact_error: np.ndarray
    modulus: np.ndarray
    modulus_error: np.ndarray
    offset: np.ndarray
    tilt: np.ndarray
    tilt_error: np.ndarray
    noise: np.ndarray
    indentation: np.ndarray
    force: np.ndarray
    r_squared: np.ndarray
    misfit: np.ndarray
    converged: np.ndarray
    reason: tuple[str, ...]

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends (n,) of the 95 % interval of the modulus, in Pa; it is even in the logarithm."""
        wide = np.exp(np.minimum(1.96 * self.modulus_error / self.modulus, 300))
        return self.modulus / wide, self.modulus * wide


def fit_curves(
    approach: Approach,
    law: Law,
    tip: Tip,
    *,
    max_indentation: float | None = None,
    max_force: float | None = None,
    weights: str = "samples",
    contact: np.ndarray | None = None,
    workers: int = 1,
) -> ForceFit:
    """Fit a law that is proportional to the modulus to every curve.

    Numbers of `tip` may be (n, 1), one for each curve. max_indentation (m) and max_force (N): deeper samples are left
    out. weights: 'samples', each counts alike; 'parts', baseline and contact count alike however long they are.
    contact: heights (n,) m at which the tip touches, as somebody else found them; they are kept, and only modulus and
    baseline are fitted, with errors that take them for exact. NaN is a curve without contact.
    workers: threads that go through blocks of curves at once.

    Raises ValueError for a law that is not proportional, a tip that says too little, or weights of another name, and
    UnitError where the deflection is not known in metres.
    """
    if not law.proportional:
        raise ValueError(f"the law {law.name!r} has adhesion; fit it to the retract with `adhesion.fit_retract`")
    if law.missing(tip):
        raise ValueError(f"the law {law.name!r} needs {', '.join(law.missing(tip))} of the tip; say Tip(...)")
    if weights not in ("samples", "parts"):
        raise ValueError(f"weights are {weights!r}; they are 'samples' or 'parts'")
    _ = approach.position  # raises where the deflection has no unit of length
    limits = (np.inf if max_indentation is None else max_indentation, np.inf if max_force is None else max_force)
    n = len(approach)

    def fitted(s: slice) -> ForceFit:
        given = None if contact is None else np.asarray(contact, float)[s]
        return _fit_block(_part(approach, s), law, tip_of(tip, s), limits, weights, given)

    with ThreadPoolExecutor(workers) as pool:
        return _joined(list(pool.map(fitted, (slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)))))


def _part(a: Approach, s: slice) -> Approach:
    longest = max(1, int(a.length[s].max(initial=1)))
    return replace(
        a, height=a.height[s, :longest], deflection=a.deflection[s, :longest], spring_constant=a.spring_constant[s],
        length=a.length[s], faults=a.faults[s],
    )  # fmt: skip


def _joined(parts: list[ForceFit]) -> ForceFit:
    names = [f.name for f in fields(ForceFit) if f.name != "reason"]
    found = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names} if parts else {}
    return ForceFit(**(found or dict.fromkeys(names, np.zeros(0))), reason=tuple(r for p in parts for r in p.reason))


def _fit_block(
    a: Approach, law: Law, tip: Tip, limits: tuple[float, float], weights: str, contact: np.ndarray | None
) -> ForceFit:
    faults = list(a.faults)
    for i in np.flatnonzero(~np.isfinite(contact)) if contact is not None else ():
        faults[i] = faults[i] or "no contact was found"
    for i in np.flatnonzero(~np.isfinite(a.spring_constant)):
        faults[i] = faults[i] or "its spring constant is not known; say spring_constant in N/m"
    for i in np.flatnonzero(a.length < FEWEST):
        faults[i] = faults[i] or f"{a.length[i]} samples in its approach; a fit needs {FEWEST}"
    sound = np.flatnonzero([not f for f in faults])
    names = [f.name for f in fields(ForceFit) if f.name not in ("reason", "converged")]
    found = {name: np.full(len(a), np.nan) for name in names} | {"converged": np.zeros(len(a), bool)}
    if len(sound):
        values, reasons = _fit_sound(a, sound, law, tip_of(tip, sound), limits, weights, contact)
        for name, value in values.items():
            found[name][sound] = value
        for i, reason in zip(sound, reasons, strict=True):
            faults[i] = reason
    return ForceFit(**found, reason=tuple(faults))


def _fit_sound(
    a: Approach,
    rows: np.ndarray,
    law: Law,
    tip: Tip,
    limits: tuple[float, float],
    weights: str,
    contact: np.ndarray | None,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The fit of curves that can be fitted: numbers by name, and what is to be said of each."""
    height, y, length = a.height[rows], a.deflection[rows], a.length[rows]
    top = height[:, :1]
    x = top - height
    k = a.spring_constant[rows, None]
    sums = Sums(x), Sums(y)
    shape = shape_of(law, tip, float(np.nanmax(x) * 1.05 + 1e-12))
    at = None if contact is None else top[:, 0] - contact[rows]
    first = start_of(sums, length, law, tip, k, at)
    if np.isfinite(limits).any():
        length = _shallow(x, y, length, first, k, limits)
        first = start_of(sums, length, law, tip, k, at)
    hold = at is not None
    bins = _fine(sums, first, length, WIDTH * length)
    fitted = refine(bins, _weights(bins, first, weights), first, shape, k, hold)
    second = fitted.parameters
    bins = _fine(sums, second, length, np.where(_sharp(bins, second), NEAR / 2, WIDTH * length))
    heavy = _weights(bins, second, weights)
    fitted = refine(bins, heavy, second, shape, k, hold)
    return _told(fitted, bins, heavy, (x, y, length), top[:, 0], (law, tip, shape, k))


def _shallow(
    x: np.ndarray, y: np.ndarray, length: np.ndarray, start: np.ndarray, k: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    """Lengths (n,) up to the first sample that is deeper, or presses more, than the limits."""
    f = y - start[:, 2:3] - start[:, 3:4] * x
    depth = x - start[:, :1] - f
    beyond = ((depth > limits[0]) | (k * f > limits[1])) & (x > start[:, :1])
    return np.where(beyond.any(axis=1), np.maximum(beyond.argmax(axis=1), FEWEST), length)


def _fine(sums: tuple[Sums, Sums], start: np.ndarray, length: np.ndarray, width: np.ndarray) -> Binned:
    """Bins: coarse where nothing happens, fine for `width` samples each way of the contact, and evenly to the end."""
    place = sums[0].place(start[:, 0], length)
    low, high = np.clip(place - width, 0, length - 2), np.clip(place + width, 2, length)
    parts = even(0 * low, low, BEFORE), even(low, high, NEAR), even(high, length.astype(float), AFTER)
    return binned(*sums, np.concatenate([parts[0], parts[1][:, 1:], parts[2][:, 1:]], axis=1))


def _sharp(bins: Binned, start: np.ndarray) -> np.ndarray:
    """(n,) whether the contact bends within a few samples, since the sample is stiff for this cantilever."""
    last = _last(bins)
    x, y = (np.take_along_axis(v, last, axis=1)[:, 0] for v in (bins.x, bins.y))
    return y - start[:, 2] - start[:, 3] * x > SHARP * np.maximum(x - start[:, 0], 0.0)


def _weights(bins: Binned, start: np.ndarray, weights: str) -> np.ndarray:
    if weights == "samples":
        return bins.count
    touching = bins.x > start[:, :1]
    inside, outside = (bins.count * touching).sum(1, keepdims=True), (bins.count * ~touching).sum(1, keepdims=True)
    half = bins.count.sum(axis=1, keepdims=True) / 2
    return bins.count * np.where(touching, half / np.maximum(inside, 1), half / np.maximum(outside, 1))


def _told(
    fitted: Fitted,
    bins: Binned,
    heavy: np.ndarray,
    curves: tuple[np.ndarray, np.ndarray, np.ndarray],
    top: np.ndarray,
    physics: tuple[Law, Tip, Shape, np.ndarray],
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Numbers, their errors and what is to be said of them."""
    law, tip, shape, k = physics
    x0, log_e, b0, b1 = fitted.parameters.T
    noise = _noise(curves, fitted.parameters)
    error, misfit = _errors(fitted, bins, heavy, noise)
    last = np.take_along_axis(bins.x, _last(bins), axis=1)
    f, _, _ = deflection(last - x0[:, None], np.exp(log_e)[:, None], shape, k)
    total = np.where(bins.count > 0, bins.y, np.nan)
    mean = np.nansum(total * bins.count, axis=1) / bins.count.sum(axis=1)
    spread = np.nansum(bins.count * (total - mean[:, None]) ** 2, axis=1)
    values = {
        "contact": top - x0,
        "contact_error": np.where(error[:, 0] > 0, error[:, 0], np.nan),  # a contact that was given has none
        "modulus": np.exp(log_e),
        "modulus_error": np.exp(log_e) * error[:, 1],
        "offset": b0,
        "tilt": b1,
        "tilt_error": error[:, 3],
        "noise": noise.deviation(),
        "indentation": np.maximum(last[:, 0] - x0 - f[:, 0], 0.0),
        "force": k[:, 0] * f[:, 0],
        "r_squared": 1 - (bins.count * fitted.residual**2).sum(axis=1) / np.maximum(spread, 1e-300),
        "misfit": misfit,
        "converged": fitted.converged,
    }
    reasons = _reasons(values, error, bins, x0, (law, tip))
    unsure = np.array([bool(r) and not r.startswith(("the law", "its residuals")) for r in reasons])
    values["converged"] = values["converged"] & ~unsure
    return values, reasons


def _last(bins: Binned) -> np.ndarray:
    """(n, 1) the last bin that holds samples."""
    return (bins.count.shape[1] - 1 - np.argmax(bins.count[:, ::-1] > 0, axis=1))[:, None]


def _noise(curves: tuple[np.ndarray, np.ndarray, np.ndarray], parameters: np.ndarray) -> Noise:
    """Noise of the samples before contact; of all of a curve that has next to none."""
    x, y, length = curves
    line = parameters[:, 2:3] + parameters[:, 3:4] * x
    before = np.nansum(x < parameters[:, :1], axis=1)
    return noise_of(np.nan_to_num(y - line), np.where(before >= FEWEST, before, length))


def _errors(fitted: Fitted, bins: Binned, heavy: np.ndarray, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors (n, 4) of the parameters, and the misfit (n,)."""
    gain = np.linalg.solve(fitted.normal, np.swapaxes(fitted.slopes * heavy[..., None], 1, 2))
    variance = variance_of(gain, bins.edges, noise)
    touching = np.arange(bins.count.shape[1]) >= BEFORE + NEAR // 2
    expected = noise.white[:, None] / np.maximum(bins.count, 1) + WANDER * noise.flicker[:, None]
    ratio = np.where(touching & (bins.count > 0), fitted.residual**2 / np.maximum(expected, 1e-300), 0.0)
    used = (touching & (bins.count > 0)).sum(axis=1)
    misfit = np.sqrt(ratio.sum(axis=1) / np.maximum(used - 4, 1))
    return np.sqrt(variance) * np.maximum(misfit, 1.0)[:, None], misfit


def _reasons(
    values: dict[str, np.ndarray], error: np.ndarray, bins: Binned, x0: np.ndarray, physics: tuple[Law, Tip]
) -> list[str]:
    law, tip = physics
    after = ((bins.x > x0[:, None]) & (bins.count > 0)).sum(axis=1)
    before = (bins.count * (bins.x < x0[:, None])).sum(axis=1)
    bent = np.take_along_axis(bins.x, _last(bins), axis=1)[:, 0] - x0 - values["indentation"]
    stiff = (values["indentation"] < RIGID * bent) & (bent > SEEN * values["noise"])
    reasons = []
    for i in range(len(x0)):
        if not error[i, 1] < UNSURE and stiff[i]:
            reasons.append("so stiff that the lever bends as far as the piezo goes; its modulus cannot be told")
        elif not error[i, 1] < UNSURE:
            reasons.append("no contact that stands out of the noise")
        elif values["r_squared"][i] <= 0:
            reasons.append("the law explains nothing of it")
        elif before[i] < FEWEST:
            reasons.append("in contact from the start; there is no baseline to measure from")
        elif after[i] < TAIL:
            reasons.append("contact at the very end; too little of it to fit")
        elif not values["converged"][i]:
            reasons.append("the fit did not converge")
        else:
            reasons.append("")
    return [r or d for r, d in zip(reasons, _doubts(law, tip, values["indentation"]), strict=True)]


def _doubts(law: Law, tip: Tip, indentation: np.ndarray) -> list[str]:
    """(n,) '' or why the law is used outside its validity; not asked one by one if neither extreme is doubted."""
    differ = any(np.ndim(getattr(tip, f.name)) for f in fields(tip))
    if not differ and not any(law.valid(float(d), tip) for d in (indentation.min(), indentation.max())):
        return [""] * len(indentation)
    doubts = [law.valid(float(d), tip_of(tip, np.array([i]))) for i, d in enumerate(indentation)]
    return [d and f"the law {law.name} outside its validity: {d}" for d in doubts]
