"""How far are fitted resonances from known ones, beside the Cramér–Rao bound?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..physics.oscillator import PARAMETERS, bound

Arrays = Mapping[str, np.ndarray]
_OF = dict(zip(PARAMETERS, ("amplitude", "resonance", "quality_factor", "phase"), strict=True))


def difference(truth: Arrays, answer: Arrays, parameter: str) -> np.ndarray:
    """(n,) error of one of PARAMETERS: of log A, of f0 in Hz, of log Q, of φ within ±π.

    truth, answer: amplitude, resonance, quality_factor and phase by name, (n,) each.
    """
    name = _OF[parameter]
    if parameter.startswith("log"):
        return np.log(answer[name] / truth[name])
    error = answer[name] - truth[name]
    return np.angle(np.exp(1j * error)) if parameter == "phase" else error


def bounds_of(truth: Arrays, frequency: np.ndarray, background: int = 0) -> dict[str, np.ndarray]:
    """The bound on each of PARAMETERS, `PARAMETER_bound` → (n,), of spectra whose noise is known (truth["noise"])."""
    numbers = (truth["amplitude"], truth["resonance"], truth["quality_factor"], truth["noise"])
    found = bound(frequency, *numbers, background)
    return {f"{p}_bound": found[:, i] for i, p in enumerate(PARAMETERS)}


def root_mean_square(values: np.ndarray) -> float:
    """Of those that are numbers; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")


def over_bound(truth: Arrays, answer: Arrays, parameter: str, sound: bool = False) -> float:
    """Root mean square error over root mean square bound: 1 is as good as it gets without other knowledge.

    sound: only rows that the answer does not flag.
    """
    error, limit = difference(truth, answer, parameter), truth[f"{parameter}_bound"]
    known = np.isfinite(error) & np.isfinite(limit)
    if sound:
        known &= answer["flag"] == 0
    return root_mean_square(error[known]) / root_mean_square(limit[known])


def covered(truth: Arrays, answer: Arrays, parameter: str) -> float:
    """Share of unflagged rows whose truth is within 1.96 of the standard errors that were given."""
    name = _OF[parameter]
    spread = answer[f"{name}_std"] / (answer[name] if parameter.startswith("log") else 1.0)
    within = np.abs(difference(truth, answer, parameter)) <= 1.96 * spread
    return float(within[answer["flag"] == 0].mean()) if (answer["flag"] == 0).any() else float("nan")
