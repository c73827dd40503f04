"""Labelled force curves in one archive: what comes in, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.real import real

from sharptip.core.errors import ReadError
from sharptip.core.scan import check
from sharptip.fit.labelled_curves import curves_of


def quality() -> dict[str, np.ndarray]:
    """Three curves of two files; contact at 40 nm of extension."""
    lengths = [50, 60, 70]
    extension = [np.linspace(0, 100, n) for n in lengths]
    return {
        "extension_nm": np.concatenate(extension),
        "deflection_nm": np.concatenate([np.clip(e - 40, 0, None) for e in extension]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]), "accept": np.array([1, 0, 1]),
        "contact_point_nm": np.array([40.0, np.nan, 40.0]), "file_index": np.array([0, 0, 1]),
        "row_col": np.array([[0, 0], [0, 1], [0, 0]]), "file_names": np.array(["a.mat", "b.mat"]),
        "group": np.array(["MCF7", "LM24"]), "tip_R_b_theta_nu_k": np.array([[30, 23, 0.68, 0.5, 0.1]] * 2),
    }  # fmt: skip


def ramps() -> dict[str, np.ndarray]:
    """Two ramps of 80 nm and one of 200 nm, kept from contact outwards."""
    z = [np.linspace(0, r, 41) for r in (80, 80, 200)]
    return {
        "force": np.concatenate([np.clip(20 - c, 0, None) for c in z]), "offsets": np.array([0, 41, 82, 123]),
        "z_range": np.array([[0, 80.0], [0, 80], [0, 200]]), "contact_index": np.array([10, 10, 4]),
    }  # fmt: skip


def saved(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def test_curves_come_in_metres_one_example_for_each_file(tmp_path):
    first, second = curves_of(saved(tmp_path / "a.npz", quality()))
    check(first.scan)
    assert (first.group, second.group) == ("a.mat", "b.mat")
    assert dict(first.scan.sizes) == {"curve": 2, "sample": 60}
    assert first.scan["height"].values[0, [0, 49]] == pytest.approx([0, -1e-7])
    assert np.isnan(first.scan["height"].values[0, 50:]).all()
    assert first.truth["contact"] == pytest.approx([-4e-8, np.nan], nan_ok=True)
    assert first.truth["accept"].tolist() == [1, 0]
    assert first.scan.attrs["spring_constant"] == 0.1
    assert first.scan.attrs["radius"] == pytest.approx(3e-8)
    assert first.scan["column"].values.tolist() == [0, 1]
    assert second.scan.attrs["group"] == "LM24"


def test_ramps_are_turned_to_approach_and_runs_of_one_setting_are_a_session(tmp_path):
    first, second = curves_of(saved(tmp_path / "r.npz", ramps()))
    check(first.scan)
    assert first.scan["deflection"].attrs["units"] == "arb"
    assert (np.diff(first.scan["height"].values[0]) < 0).all()
    assert first.scan["deflection"].values[0, -1] == 20
    assert first.truth["contact"] == pytest.approx([2e-8, 2e-8])
    assert second.truth["contact"] == pytest.approx([2e-8])
    assert first.group != second.group


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("accept", np.array([1, 0, 7]), "accept holds"),
        ("extension_nm", 1e-9 * quality()["extension_nm"], "extension_nm runs over 1e-07 nm in the median"),
        ("contact_point_nm", np.array([900.0, 900, 40]), "of 2 of 3 curves lies outside their ramps, the first at 900"),
        ("accept", np.array([1, 0]), "accept has 2 entries for 3 curves"),
        ("offsets", np.array([0, 50, 40, 180]), "offsets do not begin at 0 and grow"),
        ("offsets", np.array([0, 50, 110, 500]), "offsets end at 500"),
        ("file_index", np.array([0, 0, 9]), "file_index is 9 and file_names has 2"),
        ("tip_R_b_theta_nu_k", np.ones((2, 3)), "five are needed"),
        ("deflection_nm", np.array(["a", "b"]), "it is numbers"),
    ],
)
def test_what_is_amiss_is_named(tmp_path, key, value, said):
    with pytest.raises(ReadError, match=said):
        curves_of(saved(tmp_path / "a.npz", {**quality(), key: value}))


def test_other_archives_are_refused(tmp_path):
    with pytest.raises(ReadError, match="holds neither 'extension_nm'"):
        curves_of(saved(tmp_path / "a.npz", {"images": np.zeros(3)}))
    with pytest.raises(ReadError, match="no such file"):
        curves_of(tmp_path / "none.npz")
    arrays = quality()
    del arrays["file_index"]
    with pytest.raises(ReadError, match="no array 'file_index'"):
        curves_of(saved(tmp_path / "a.npz", arrays))


def test_real_labels_lie_within_their_curves():
    examples = curves_of(real("labelled", "force_contact_JSotres", "mica_1806_contact.npz"))
    assert sum(len(e.truth["contact"]) for e in examples) == 1204
    for e in examples:
        low, high = e.scan["height"].min("sample").values, e.scan["height"].max("sample").values
        assert ((e.truth["contact"] >= low) & (e.truth["contact"] <= high)).all()
