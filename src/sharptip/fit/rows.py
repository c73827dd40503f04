"""Many questions in one scan: its curves, spectra, loops or traces, row by row, as a learner sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ModelError

if TYPE_CHECKING:
    import xarray as xr

    from .recipe import Port

Answers = dict[str, np.ndarray]  # name → (rows, …)


@dataclass(frozen=True)
class Rows:
    """n rows of one scan.

    numbers: (n, channels, samples), or (n, channels, h, w), float32 and finite: what a network sees. kept: name →
    (n, …), what turns a network's numbers into units again (scales, offsets, the curves themselves). dims: axes of the
    scan that the rows run over, `("curve",)` or `("y", "x")`; n is the product of their sizes. faults: '' for each row,
    or why it cannot be judged: its numbers are zeros then, and its answers NaN. units: of answers whose unit follows
    from the scan's own, by name; that of its port for the others.
    """

    numbers: np.ndarray
    dims: tuple[str, ...]
    faults: tuple[str, ...]
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.numbers)
        if len(self.faults) != n or any(len(v) != n for v in self.kept.values()):
            sizes = {"faults": len(self.faults), **{k: len(v) for k, v in self.kept.items()}}
            raise ModelError(f"{n} rows with {sizes}; each has one entry per row")
        if not np.isfinite(self.numbers).all():
            bad = int(np.argmax(~np.isfinite(self.numbers.reshape(n, -1)).all(axis=1)))
            raise ModelError(f"row {bad} holds NaN or infinity; name it among the faults and give it zeros")

    @property
    def sound(self) -> np.ndarray:
        """(n,) whether a row can be judged."""
        return np.array([not f for f in self.faults], bool)


@dataclass(frozen=True)
class Rival:
    """A scikit-learn estimator that learns one truth from the features of a row: a baseline to be beaten."""

    truth: str  # its name among the truths, and among the answers it is held beside
    build: Callable[[Mapping[str, Any]], Any]

    def learn(self, options: Mapping[str, Any], features: np.ndarray, truth: np.ndarray) -> Any:
        """The estimator, fitted on the rows whose truth is known."""
        known = np.isfinite(truth) if truth.dtype.kind == "f" else np.ones(len(truth), bool)
        return self.build(options).fit(features[known], truth[known])

    def answer(self, estimator: Any, features: np.ndarray) -> np.ndarray:
        """(n,) the probability of the last class, (n, classes) of several, or the number itself."""
        if not hasattr(estimator, "predict_proba"):
            return estimator.predict(features)
        p = estimator.predict_proba(features)
        return p[:, 1] if p.shape[1] == 2 else p


def needed(scan: xr.Dataset, port: Port, recipe: str) -> xr.DataArray:
    """The channel of a port. Raises ChannelError or UnitError naming it, with what the recipe takes."""
    from ..core.errors import ChannelError
    from ..core.scan import label

    found = in_its_unit(scan, port, recipe)
    missing = [d for d in port.dims if d not in found.dims]
    if missing:
        raise ChannelError(
            f"{label(scan)}: {port.name!r} has axes {found.dims}; recipe {recipe!r} goes along {missing[0]!r}"
        )
    return found


def in_its_unit(scan: xr.Dataset, port: Port, recipe: str) -> xr.DataArray:
    """The channel of a port, whatever its axes. Raises ChannelError or UnitError naming it."""
    from ..core.errors import UnitError
    from ..core.scan import channel, label

    found = channel(scan, port.name)
    unit = found.attrs.get("units")
    if unit != port.unit and not (port.arbitrary and unit == "arb"):
        also = " (or 'arb')" if port.arbitrary else ""
        raise UnitError(f"{label(scan)}: {port.name!r} is in {unit!r}; recipe {recipe!r} needs {port.unit!r}{also}")
    return found


class NotAnswered(KeyError):
    """A measure asks for what this learner does not say."""


class Known(dict[str, np.ndarray]):
    """Truths or answers by name, of some of the rows; a measure that asks for one that is not there does not apply."""

    def __init__(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> None:
        super().__init__(arrays)
        self._rows = rows

    def __getitem__(self, name: str) -> np.ndarray:
        return super().__getitem__(name)[self._rows]  # only what is asked for: a state for each sample is large

    def __missing__(self, name: str) -> np.ndarray:
        raise NotAnswered(name)


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> Answers:
    """Those names that all parts have, one after the other."""
    names = [n for n in parts[0] if all(n in p for p in parts)] if parts else []
    return {n: np.concatenate([np.asarray(p[n]) for p in parts]) for n in names}
