"""The contract of a recipe, as a function that anyone runs on their own.

check_recipe(RECIPE)      prints `RECIPE.name: 15 promises kept`, or raises naming the first one that is broken
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ModelError, SharptipError, UnitError
from ..core.history import steps
from ..core.scan import check
from .model import Model
from .recipe import Recipe

IMAGES = ("classify", "rate", "restore")
EVERY = (*IMAGES, "each")


class BrokenPromise(ModelError):
    """A recipe does not do what every recipe does."""


def check_recipe(recipe: Recipe, *, seed: int = 0, show: Callable[[str], object] = print, **options: Any) -> int:
    """Fit the recipe on a few simulated examples and hold it to every promise. Returns how many were checked.

    options: those of the recipe; smaller `examples` and `epochs` make the check quicker, as long as it still beats
    chance. Raises BrokenPromise naming the promise.
    """
    checks = _Checks(recipe, seed, options)
    names = [name for name in dir(_Checks) if name.startswith("promise_")]
    done = 0
    for name in names:
        promise = getattr(checks, name)
        if recipe.kind not in getattr(promise, "kinds", EVERY):
            continue
        try:
            promise()
        except BrokenPromise:
            raise
        except SharptipError as error:
            said = name.removeprefix("promise_").replace("_", " ")
            raise BrokenPromise(f"{recipe.name}: {said}: {error}") from error
        done += 1
    show(f"{recipe.name}: {done} promises kept")
    return done


def only(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a promise that only some kinds of recipe make."""

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        function.kinds = kinds  # type: ignore[attr-defined]
        return function

    return mark


class _Checks:
    """One fitted model and fresh examples, shared by the promises."""

    def __init__(self, recipe: Recipe, seed: int, options: dict[str, Any]) -> None:
        if recipe.example is None:
            raise BrokenPromise(f"{recipe.name}: has no simulator, so nothing can be checked; give it `example`")
        self.recipe, self.seed, self.options = recipe, seed, options
        self.model = Model(recipe, **options)
        self.returned = self.model.fit(seed=seed)
        fresh = np.random.SeedSequence((seed, 7)).spawn(max(16, self.model.options["examples"] // 3))
        self.examples = [recipe.example(np.random.default_rng(s), self.model.options) for s in fresh]
        self.scan = self.examples[0].scan
        self.answer = self.model.predict(self.scan)

    def demand(self, kept: bool | np.bool_, promise: str) -> None:
        if not kept:
            raise BrokenPromise(f"{self.recipe.name}: {promise}")

    def refused(self, action: Callable[[], object], kind: type[SharptipError], names: str, promise: str) -> None:
        try:
            action()
        except kind as error:
            self.demand(names in str(error), f"{promise}; its message does not name {names!r}: {error}")
        else:
            self.demand(False, f"{promise}; it did not")

    # each promise ------------------------------------------------------------------------------------------

    def promise_refuses_before_learning(self) -> None:
        fresh = Model(self.recipe, **self.options)
        if fresh.learns_nothing:
            return
        self.refused(lambda: fresh.predict(self.scan), ModelError, self.recipe.name, "refuses before fit")

    def promise_fit_returns_itself(self) -> None:
        self.demand(self.returned is self.model, "fit returns the model itself")

    def promise_input_unchanged(self) -> None:
        before = self.scan.copy(deep=True)
        self.model.predict(self.scan)
        self.demand(self.scan.identical(before), "predict leaves the scan it was given as it was")

    def promise_gives_what_it_says(self) -> None:
        check(self.answer)
        promised = {port.name: port.unit for port in self.recipe.gives}
        given = {str(k): v.attrs["units"] for k, v in self.answer.data_vars.items()}
        self.demand(given == promised, f"gives {promised} and nothing else; it gave {given}")

    def promise_history(self) -> None:
        before, after = steps(self.scan), steps(self.answer)
        kept = after[: len(before)] == before and len(after) == len(before) + 1
        self.demand(kept, "the answer's history is the scan's and one step more")

    def promise_same_seed_same_answer(self) -> None:
        again = Model(self.recipe, **self.options).fit(seed=self.seed).predict(self.scan)
        self.demand(_close(again, self.answer, 0), "the same seed gives the same answer")

    def promise_alone_on_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = self.model.save(Path(folder) / "model.sharptip")
            loaded = Model.load(path, self.recipe)
        self.demand(_close(loaded.predict(self.scan), self.answer, 0), "saved and loaded, it gives the same answer")

    def promise_wrong_unit(self) -> None:
        port = self.recipe.eats[0]
        wrong = self.scan.copy(deep=True)
        wrong[port.name].attrs["units"] = "K" if port.unit != "K" else "m"
        self.refused(lambda: self.model.predict(wrong), UnitError, port.name, "refuses a wrong unit by name")

    def promise_missing_channel(self) -> None:
        port = self.recipe.eats[0]
        wrong = self.scan.rename({port.name: "something_else"})
        self.refused(lambda: self.model.predict(wrong), ChannelError, port.name, "refuses a missing channel by name")

    @only("restore")
    def promise_gain(self) -> None:
        if self.recipe.scale != "own":
            return
        twice = self.model.predict(self._scaled(2.0))
        for port in self.recipe.gives:
            factor = 1 if port.number == "plain" else 2
            kept = np.allclose(twice[port.name], factor * self.answer[port.name], rtol=1e-3, equal_nan=True)
            self.demand(kept, "a scan at twice the gain gives twice the answer")

    @only("classify", "rate")
    def promise_gain_does_not_matter(self) -> None:
        if self.recipe.scale in ("own", "lines"):
            kept = _close(self.model.predict(self._scaled(2.0)), self.answer, 1e-4)
            self.demand(kept, "a scan at twice the gain gives the same answer")

    @only(*IMAGES)
    def promise_half_the_pixel_size(self) -> None:
        fine = self._refined()
        answer = self.model.predict(fine)
        for port in self.recipe.gives:
            here, there = self.answer[port.name].values, answer[port.name].values
            if self.recipe.kind == "restore":
                return self.demand(answer.sizes == fine.sizes, "a finer scan gives an answer on its own pixels")
            self.demand(np.allclose(here, there, atol=1e-3), "the same scene at half the pixel size, the same answer")
        return None

    @only(*IMAGES)
    def promise_lost_lines(self) -> None:
        broken = self.scan.copy(deep=True)
        name = self.recipe.eats[0].name
        broken[name] = broken[name].copy(data=np.array(broken[name].values))
        broken[name].values[3:6] = np.nan
        answer = self.model.predict(broken)
        for port in self.recipe.gives:
            values = answer[port.name].values
            if self.recipe.kind == "restore":
                kept = np.isnan(values[3:6]).all() and np.isfinite(np.delete(values, [3, 4, 5], axis=0)).all()
                self.demand(kept, "lost lines stay lost and spoil no others")
            else:
                self.demand(np.isfinite(values).all(), "a few lost lines still get an answer")

    @only(*IMAGES)
    def promise_one_pixel(self) -> None:
        tiny = self.scan.isel(y=slice(0, 1), x=slice(0, 1))
        tiny = tiny.assign_coords({d: tiny[d].assign_attrs(spacing=1e-9) for d in ("y", "x")})
        if self.recipe.kind != "restore" or self.recipe.least > 1:
            self.refused(lambda: self.model.predict(tiny), ModelError, "", "refuses a scan of one pixel")
        else:
            self.demand(self.model.predict(tiny).sizes == tiny.sizes, "a scan of one pixel comes back as one pixel")

    @only(*IMAGES)
    def promise_prime_size(self) -> None:
        h, w = (max(p for p in _PRIMES if p <= self.scan.sizes[d]) for d in ("y", "x"))
        part = self.scan.isel(y=slice(0, h), x=slice(0, w))
        if self.recipe.kind == "restore":
            self.demand(self.model.predict(part).sizes == part.sizes, "a scan of prime size comes back in its size")
        elif min(h, w) >= self.model.card["tile"]:
            self.demand(
                bool(np.isfinite(self.model.predict(part)[self.recipe.gives[0].name]).all()), "prime sizes work"
            )

    @only(*IMAGES)
    def promise_constant_scan(self) -> None:
        name = self.recipe.eats[0].name
        flat = self.scan.copy(deep=True)
        flat[name] = flat[name].copy(data=np.full(flat[name].shape, 1e-9))
        if self.recipe.kind != "restore":
            self.refused(lambda: self.model.predict(flat), ModelError, "constant", "refuses a constant scan")
        else:
            answer = self.model.predict(flat)[self.recipe.gives[0].name]
            self.demand(np.allclose(answer, answer.values.flat[0]), "a constant scan stays constant")

    @only(*IMAGES)
    def promise_beats_chance(self) -> None:
        table = self.model.score(self.examples, real=False).set_index(["learner", "metric"])["value"]
        if self.recipe.kind == "classify":
            truths = [e.truth for e in self.examples]
            found, chance = table["model", "balanced_accuracy"], 1 / len(set(truths))
            self.demand(found > chance, f"beats chance; balanced accuracy {found:.2f} against {chance:.2f}")
        elif self.recipe.kind == "rate":
            found = table["model", "macro_auroc"]
            self.demand(found > 0.5, f"beats chance; mean AUROC {found:.2f} against 0.5")
        else:
            port = self.recipe.gives[0]
            metric = f"rmse {port.name} ({port.unit})"
            found, chance = table["model", metric], table["untouched", metric]
            self.demand(found < chance, f"beats doing nothing; {metric} {found:.3g} against {chance:.3g}")

    @only("each")
    def promise_a_lost_row(self) -> None:
        port, answer = self.recipe.eats[0], self.answer[self.recipe.gives[0].name]
        broken = self.scan.copy(deep=True)
        rows = [d for d in broken[port.name].dims if d in answer.dims and d not in port.dims]
        first = dict.fromkeys(rows, 0)
        lost = broken[port.name].copy(data=np.array(broken[port.name].values, float))
        lost[first] = np.nan
        broken[port.name] = lost
        found = self.model.predict(broken)
        self.demand("0" in json.loads(found.attrs["faults"]), "names a row of NaN among the faults")
        rest = {d: slice(1, None) for d in rows[:1]}
        self.demand(_close(found.isel(rest), self.answer.isel(rest), 1e-3), "a lost row spoils no other")

    @only("each")
    def promise_is_measured(self) -> None:
        table = self.model.score(self.examples, real=False)
        own = table[(table.learner == "model") & table.metric.isin(list(self.recipe.measures))]
        self.demand(len(own) > 0 and bool(np.isfinite(own["value"]).all()), "every measure of the model is a number")

    # the scans they are tried on ---------------------------------------------------------------------------

    def _scaled(self, factor: float) -> xr.Dataset:
        scan = self.scan.copy(deep=True)
        for port in self.recipe.eats:
            scan[port.name] = scan[port.name].copy(data=scan[port.name].values * factor)
        return scan

    def _refined(self) -> xr.Dataset:
        """The same scene on pixels of half the size: each pixel becomes four."""
        fine = self.scan.isel(
            y=np.repeat(np.arange(self.scan.sizes["y"]), 2), x=np.repeat(np.arange(self.scan.sizes["x"]), 2)
        )
        for axis in ("y", "x"):
            values = self.scan[axis].values
            half = (values[1] - values[0]) / 2
            fine = fine.assign_coords({axis: (axis, np.arange(2 * len(values)) * half, self.scan[axis].attrs)})
        return fine


def _close(a: xr.Dataset, b: xr.Dataset, tolerance: float) -> bool:
    return all(_alike(a[k].values, b[k].values, tolerance) for k in b.data_vars)


def _alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    if a.dtype.kind in "UTO":
        return bool((a == b).all())
    size = float(np.nanmax(np.abs(b), initial=0.0)) or 1.0  # newtons are small numbers
    return np.allclose(a, b, rtol=tolerance, atol=tolerance * min(size, 1.0), equal_nan=True)


_PRIMES = [p for p in range(2, 1024) if all(p % q for q in range(2, int(p**0.5) + 1))]

__all__ = ["BrokenPromise", "check_recipe"]
