"""Numbers that stay in the file until they are asked for, so that a film opens at once and a frame costs a frame.

A reader hands over a `Lazy` where it would hand over an array; `core.scan.from_grid` gives it to xarray, which reads
what `scan["height"].isel(time=7)` needs and nothing else, and cuts it into dask chunks with `scan.chunk({"time": 16})`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Load = Callable[[np.ndarray], np.ndarray]  # places (n,) along the first axis → the numbers there, (n, …)

BLOCK = 2**24  # bytes that `blocks` reads at a time


@dataclass(frozen=True)
class Lazy:
    """An array of `shape` and `dtype` whose parts along the first axis (frames, lines, curves) are read by `load`.

    Parts may run along several axes: of a map (direction, y, x, bias) with `lead=2` a part is a line, and the places
    given to `load` count the lines of both directions.

    `load` is a function at the top of a module, or a `functools.partial` of one, so that it can travel to another
    process; it opens the file anew at each call. Its file was checked to be long enough before this was made.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    load: Load
    lead: int = 1

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it will take when it is read as a whole."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def parts(self) -> int:
        """How many parts it has that are read one by one."""
        return math.prod(self.shape[: self.lead])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """The numbers asked for; only the parts that `key` names along the leading axes are read."""
        key = key if isinstance(key, tuple) else (key,)
        if key and key[0] is Ellipsis:
            key = (slice(None),) * (self.ndim - len(key) + 1) + key[1:]
        places = np.arange(self.parts).reshape(self.shape[: self.lead])[key[: self.lead]]
        parts = self._read(np.ravel(places)).reshape((*np.shape(places), *self.shape[self.lead :]))
        return parts[(slice(None),) * np.ndim(places) + key[self.lead :]]

    def _read(self, places: np.ndarray) -> np.ndarray:
        if len(places) == 0:
            return np.empty((0, *self.shape[self.lead :]), self.dtype)
        return np.asarray(self.load(places), self.dtype).reshape(len(places), *self.shape[self.lead :])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def part(self, i: int) -> Lazy:
        """Part `i` along the first of several leading axes, such as a frame of a film that is read line by line."""
        first = i * math.prod(self.shape[1 : self.lead])
        return Lazy(self.shape[1:], self.dtype, partial(_shifted, self.load, first), self.lead - 1)

    def scaled(self, factor: float) -> Lazy:
        """The same numbers times `factor`, as float64 unless they are floats already."""
        if factor == 1.0 and np.issubdtype(self.dtype, np.floating):
            return self
        kind = np.result_type(self.dtype, np.float64) if factor != 1.0 else np.dtype(np.float64)
        return Lazy(self.shape, kind, partial(_scaled, self.load, factor), self.lead)

    def blocks(self) -> Any:
        """All the numbers, a bounded stretch of parts at a time."""
        step = max(1, BLOCK // max(1, self.nbytes // max(1, self.parts)))
        for start in range(0, self.parts, step):
            yield self._read(np.arange(start, min(start + step, self.parts)))


def _shifted(load: Load, first: int, places: np.ndarray) -> np.ndarray:
    return load(places + first)


def _scaled(load: Load, factor: float, places: np.ndarray) -> np.ndarray:
    return load(places) * np.float64(factor)


def for_xarray(lazy: Lazy) -> Any:
    """What an `xarray.Variable` takes as its data and reads part by part."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Stored(BackendArray):
        shape, dtype = lazy.shape, np.dtype(lazy.dtype)

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, _read)

        def __reduce__(self) -> Any:
            return _stored, (lazy,)

    def _read(key: tuple[Any, ...]) -> np.ndarray:
        return lazy[key]

    return indexing.LazilyIndexedArray(Stored())


def _stored(lazy: Lazy) -> Any:
    return for_xarray(lazy).array
