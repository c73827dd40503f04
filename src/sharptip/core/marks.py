"""Which frames of a film are marked, and why: `junk` shows nothing of the sample, `doubtful` looks odd.

A marked film has both as variables (time,), 1 or 0, with the reason for each frame in the attribute `reasons`, a JSON
list. What is shown, written or told about a film goes through here, so that a mark is not lost on the way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

KINDS = ("junk", "doubtful")
REASONS = "reasons"


class Mark(NamedTuple):
    kind: str
    reason: str

    def told(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


def marks(scan: Any) -> dict[int, Mark]:
    """Frame → its mark, of a scan (anything that gives a variable with `values` and `attrs` by its name)."""
    return marked({name: (np.asarray(scan[name].values), scan[name].attrs) for name in KINDS if name in scan})


def marked(variables: Mapping[str, tuple[np.ndarray, Mapping[Any, Any]]]) -> dict[int, Mark]:
    """Frame → its mark, of the numbers and attributes of `junk` and `doubtful`, as far as they are there."""
    found: dict[int, Mark] = {}
    for kind in reversed(KINDS):  # junk is the stronger word
        if kind not in variables:
            continue
        values, attrs = variables[kind]
        reasons = _reasons(attrs.get(REASONS), values.size)
        found |= {int(i): Mark(kind, reasons[i]) for i in np.flatnonzero(np.nan_to_num(values.ravel()) > 0.5)}
    return dict(sorted(found.items()))


def _reasons(said: object, n: int) -> list[str]:
    """A text for each frame; none where they are not for these frames."""
    try:
        listed = json.loads(str(said))
    except ValueError:
        return [""] * n
    sound = isinstance(listed, list) and len(listed) == n and all(isinstance(reason, str) for reason in listed)
    return listed if sound else [""] * n


def variables(found: Mapping[int, Mark], n: int) -> dict[str, tuple[np.ndarray, dict[str, str]]]:
    """The numbers and attributes of `junk` and `doubtful` of a film of n frames."""
    reasons = json.dumps([found[i].reason if i in found else "" for i in range(n)])
    about = {"units": "1", REASONS: reasons}
    return {
        kind: (np.array([float(i in found and found[i].kind == kind) for i in range(n)]), dict(about)) for kind in KINDS
    }


def told(found: Mapping[int, Mark]) -> str:
    """All marks in a line: 'junk: frames 0–2 (it is empty …), 63 (…); doubtful: frame 3 (…)'; '' without any."""
    said = []
    for kind in KINDS:
        frames = [i for i in found if found[i].kind == kind]
        if frames:
            runs = ", ".join(_run(run, found[run[0]].reason) for run in _runs(frames, found))
            said.append(f"{kind}: frame{'s' * (len(frames) > 1)} {runs}")
    return "; ".join(said)


def _runs(frames: Iterable[int], found: Mapping[int, Mark]) -> list[list[int]]:
    """Frames one after the other for the same reason."""
    runs: list[list[int]] = []
    for i in frames:
        if runs and i == runs[-1][-1] + 1 and found[i].reason == found[runs[-1][0]].reason:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _run(frames: list[int], reason: str) -> str:
    which = f"{frames[0]}" if len(frames) == 1 else f"{frames[0]}–{frames[-1]}"
    return f"{which} ({reason})" if reason else which
