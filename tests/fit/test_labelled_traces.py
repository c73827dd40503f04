"""Labelled traces: what an archive may hold, and what is said of one that holds something else."""

import numpy as np
import pytest

from sharptip.core.errors import ReadError, StudyError
from sharptip.fit.labelled_traces import traces_of

OPTIONS = {"channel": "current", "second": "acceptor", "unit": "A"}


def archive(path, **changed):
    rng = np.random.default_rng(0)
    arrays = {
        "traces": rng.normal(0, 1e-10, (6, 50)), "dt": np.array(1e-3), "accept": np.array([0, 1, 1, 0, 1, 1]),
        "states": rng.integers(0, 2, (6, 50)), "group": np.array(list("aabbcc")), "unit": "A",
    }  # fmt: skip
    arrays |= changed
    np.savez(path / "t.npz", **{k: v for k, v in arrays.items() if v is not None})
    return path / "t.npz"


def test_one_example_per_group(tmp_path):
    examples = traces_of(archive(tmp_path), OPTIONS)
    assert [e.group for e in examples] == ["a", "b", "c"]
    assert examples[0].scan["current"].dims == ("site", "time")
    assert float(np.diff(examples[0].scan["time"]).mean()) == pytest.approx(1e-3)
    assert examples[1].truth["accept"].tolist() == [1, 0]
    assert examples[1].truth["state"].shape == (2, 50)
    assert "k12" not in examples[0].truth  # nobody told it, so nothing is scored by it


def test_pairs_and_their_own_times(tmp_path):
    pairs = np.random.default_rng(1).random((6, 2, 50))
    dt = np.array([1, 1, 1, 2, 2, 2]) * 1e-3
    examples = traces_of(archive(tmp_path, traces=pairs, dt=dt, states=None), OPTIONS)
    assert [e.group for e in examples] == ["a", "b", "b", "c"]
    assert {"current", "acceptor"} <= set(examples[0].scan.data_vars)
    assert set(examples[0].truth) == {"accept"}


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"traces": np.zeros((6, 3, 50))}, ReadError, r"traces has shape \(6, 3, 50\)"),
        ({"traces": None}, ReadError, "no array 'traces'"),
        ({"dt": None}, ReadError, "no array 'dt'"),
        ({"dt": np.array(-1.0)}, ReadError, "dt is"),
        ({"group": None}, StudyError, "neither 'group' nor 'session'"),
        ({"group": np.array(["a"])}, ReadError, "group has 1 entries for 6 traces"),
        ({"accept": np.full(6, 7)}, ReadError, "accept holds"),
        ({"states": np.zeros((6, 49))}, ReadError, "states has shape"),
        ({"unit": "nA"}, StudyError, "unit is 'nA'"),
    ],
)
def test_what_is_amiss_is_named(tmp_path, changed, error, said):
    with pytest.raises(error, match=said):
        traces_of(archive(tmp_path, **changed), OPTIONS)


def test_another_unit_says_the_next_move(tmp_path):
    with pytest.raises(StudyError, match="--set unit=V"):
        traces_of(archive(tmp_path, unit="V"), OPTIONS)
