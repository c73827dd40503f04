"""nanite's contact points, fits and ratings of the curves in a file, run by nanite's own interpreter
(benchmarks/peers.py).

    .peers/nanite/bin/python benchmarks/curves_nanite.py curves.npz answers.npz

curves.npz: `height` and `deflection` (n, samples) in metres, approaches from far away to deepest, padded with NaN;
`spring_constant` (n,) N/m; `tip` (n,) radius in metres, or half opening angle in degrees where `model` is hertz_cone;
`poisson`; `model`, one of nanite's model keys; `methods`, nanite's ways to a first contact point.
`documented`, the seconds of nanite's documented call `rate_quality()`, which learns its regressor anew for each curve;
the ratings here share one. answers.npz, each (methods, n): `first`, the piezo height at the first contact point (m);
`contact`, the same after the fit; `modulus` (Pa); `rating` 0 to 10, -1 where refused; `seconds_first`, `seconds_fit`,
`seconds_rating`. NaN where nanite raised an error, which is counted in `errors`.
Nothing of sharptip is imported here, and this file by nothing of sharptip.
"""

import sys
import time
import warnings

import numpy as np
from nanite.indent import Indentation
from nanite.rate import get_rater

warnings.simplefilter("ignore")
SLOW = 5  # curves on which the slow call is timed
STEPS = ["compute_tip_position", "correct_force_offset", "correct_tip_offset"]  # the ones its documentation rates with


def curve_of(height: np.ndarray, deflection: np.ndarray, k: float, number: int) -> Indentation:
    """One approach as nanite's own object."""
    data = {"height (measured)": height, "force": deflection * k, "segment": np.zeros(len(height), bool)}
    data["time"] = np.linspace(0, 1, len(height))
    meta = {"path": "curve", "enum": number, "spring constant": k, "imaging mode": "force-distance"}
    return Indentation(data, meta)


def one(curve: Indentation, raw: tuple, tip: float, settings: dict) -> tuple[float, ...]:
    """(first, contact, modulus, rating, seconds of each) of one curve."""
    height, deflection, k = raw
    start = time.process_time()
    curve.apply_preprocessing(STEPS, options={"correct_tip_offset": {"method": settings["method"]}})
    offset = (height + deflection)[0] - curve["tip position"][0]
    first = height[np.argmin(np.abs(curve["tip position"]))]
    level = deflection[0] - curve["force"][0] / k
    middle = time.process_time()
    initial = curve.get_initial_fit_parameters(model_key=settings["model"])
    initial["alpha" if settings["model"] == "hertz_cone" else "R"].set(value=tip, vary=False)
    initial["nu"].set(value=settings["poisson"], vary=False)
    curve.fit_model(model_key=settings["model"], params_initial=initial)
    fitted = curve.fit_properties["params_fitted"]
    contact = fitted["contact_point"].value + offset - level - fitted["baseline"].value / k
    late = time.process_time()
    rating = settings["rater"].rate(datasets=curve)[0]
    end = time.process_time()
    return first, contact, fitted["E"].value, rating, middle - start, late - middle, end - late


def main() -> None:
    """Every curve by every method."""
    raw = np.load(sys.argv[1])
    methods = [str(m) for m in raw["methods"]]
    settings = {"model": str(raw["model"]), "poisson": float(raw["poisson"]), "rater": get_rater("Extra Trees")}
    documented, answers = [], np.full((7, len(methods), len(raw["height"])), np.nan)
    errors: dict[str, int] = {}
    for m, method in enumerate(methods):
        for i, (h, d) in enumerate(zip(raw["height"], raw["deflection"], strict=True)):
            own = np.isfinite(h) & np.isfinite(d)
            k = float(raw["spring_constant"][i])
            try:
                curve = curve_of(h[own], d[own], k, i)
                answers[:, m, i] = one(curve, (h[own], d[own], k), float(raw["tip"][i]), {**settings, "method": method})
                if m == 0 and i < SLOW:
                    start = time.process_time()
                    curve.rate_quality()
                    documented.append(time.process_time() - start)
            except Exception as error:  # somebody else's program: whatever it raises is its answer, and is counted
                key = f"{method}: {type(error).__name__}: {str(error)[:60]}"
                errors[key] = errors.get(key, 0) + 1
        print(f"{method}: {np.nanmean(answers[4:, m].sum(axis=0)):.3f} s a curve", file=sys.stderr, flush=True)
    names = ("first", "contact", "modulus", "rating", "seconds_first", "seconds_fit", "seconds_rating")
    told = np.array([f"{n}x {k}" for k, n in errors.items()], dtype=str)
    np.savez(sys.argv[2], documented=documented, errors=told, **dict(zip(names, answers, strict=True)))


if __name__ == "__main__":
    main()
