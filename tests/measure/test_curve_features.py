"""Features of force curves against numbers worked out by hand, and against the plain form of each formula."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sharptip.measure.approach import approach_of
from sharptip.measure.curve_features import FEATURES, blurred, curve_features, part
from sharptip.measure.curve_shape import curve_shape
from sharptip.simulate.force_curves import CLEAN, force_curves

NAMES = list(FEATURES)


def cone(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Position (1, n) in m and force (1, n) in N: contact at 0, a parabola up to 1 nN at −1 µm; 3 µm of baseline."""
    position = np.linspace(3e-6, -1e-6, n)[None]
    return position, np.where(position < 0, 1e3 * position**2, 0.0)


def features(position, force, fit, contact=0.0) -> dict[str, float]:
    return dict(zip(NAMES, curve_features(position, force, fit, np.full(len(force), contact)).T, strict=True))


def test_the_names_are_those_of_the_published_training_set():
    continuous = ("apr_flatness", "apr_size", "apr_sum", "bln_slope", "bln_variation", "cp_curvature", "cp_magnitude",
                  "idt_maxima_75perc", "idt_monotony", "idt_spike_area", "idt_sum", "idt_sum_75perc")  # fmt: skip
    assert sorted(NAMES) == sorted(
        [f"con_{n}" for n in continuous] + ["bin_apr_spikes_count", "bin_cp_position", "bin_size"]
    )


def test_a_perfect_fit_leaves_nothing():
    position, force = cone()
    f = features(position, force, force)
    for name in ("apr_sum", "bln_slope", "bln_variation", "cp_magnitude", "idt_maxima_75perc", "idt_monotony",
                 "idt_spike_area", "idt_sum", "idt_sum_75perc"):  # fmt: skip
        assert f[f"con_{name}"] == pytest.approx(0, abs=1e-12), name
    assert f["bin_apr_spikes_count"] == f["bin_cp_position"] == f["bin_size"] == 1
    assert f["con_apr_size"] == pytest.approx(0.25, abs=0.01)


def test_an_offset_of_a_tenth_by_hand():
    """Fit and force differ by 0.1 nN everywhere, of 1 nN at most."""
    position, force = cone()
    f = features(position, force, force + 1e-10)
    assert f["con_apr_sum"] == pytest.approx(np.log(1 + 100 * 0.1 * 0.75), rel=1e-3)
    assert f["con_idt_sum"] == pytest.approx(5 * np.log(1 + 0.1 / 0.5), rel=1e-3)
    assert f["con_idt_maxima_75perc"] == pytest.approx(2 * np.log(1 + 3 * 0.1), rel=1e-3)
    assert f["con_idt_sum_75perc"] == pytest.approx(np.log(1 + 1e6 * 150 * 0.1 * 0.75e-6) / 8, rel=1e-2)
    assert f["con_cp_magnitude"] == pytest.approx(2 * 20 * 0.1 / 100, rel=0.06)
    assert f["con_bln_slope"] == pytest.approx(0, abs=1e-9)
    assert f["con_bln_variation"] == pytest.approx(0, abs=1e-9)


def test_a_tilted_baseline_by_hand():
    """Residuals that rise by 0.1 mN/m; 1 nN at most."""
    position, force = cone()
    f = features(position, force, force + 1e-4 * position)
    assert f["con_bln_slope"] == pytest.approx(np.log(1 + 1e-4 / 1e-9) / 10, rel=1e-6)
    fallen = 1e-4 * (3e-6 * 0.9 - 10 * 4e-6 / 799)
    assert f["con_bln_variation"] == pytest.approx(np.log(1 + 1e3 * fallen / 1e-9) / 5, rel=1e-3)
    assert f["con_apr_flatness"] == 0  # going in, they only fall
    assert features(position, force, force - 1e-4 * position)["con_apr_flatness"] == 1


def test_curvature_at_contact_is_negative_for_a_knee():
    """About contact a parabola lies below the line between its extremes."""
    position, force = cone()
    near = force[0, 599 - 20 : 599 + 20]
    below = np.sum(near - np.linspace(near.min(), near.max(), near.size)) / force.max() * 10
    assert below < 0
    assert features(position, force, force)["con_cp_curvature"] == pytest.approx(-np.log(1 - below) / 4, rel=0.1)


def test_spikes_and_falls_are_counted():
    position, force = cone()
    rng = np.random.default_rng(0)
    noisy = force + 1e-13 * rng.standard_normal(force.shape)
    spiky = noisy.copy()
    for at in (640, 680, 720, 760):
        spiky[0, at : at + 3] += 2e-10
    quiet, loud = features(position, noisy, force), features(position, spiky, force)
    assert quiet["bin_apr_spikes_count"] == 1
    assert loud["bin_apr_spikes_count"] == 0
    assert loud["con_idt_spike_area"] > 10 * quiet["con_idt_spike_area"]
    assert loud["con_idt_monotony"] > 0.2 > quiet["con_idt_monotony"]


def test_a_short_curve_and_a_contact_outside_are_bad():
    position, force = cone(300)
    assert features(position, force, force)["bin_size"] == 0
    assert features(position, force, force, contact=4e-6)["bin_cp_position"] == 0


def test_rows_of_their_own_lengths_are_blurred_as_each_alone():
    rng = np.random.default_rng(1)
    values, length = rng.standard_normal((4, 60)), np.array([60, 31, 5, 1])
    for width in (1, 11):
        out = blurred(values, length, width)
        for row, n in enumerate(length):
            assert np.allclose(out[row, :n], gaussian_filter1d(values[row, :n], width))


def test_parts_keep_their_order():
    values, which = np.array([[1.0, 2, 3, np.nan], [4, 5, 6, 7]]), np.array([[1, 0, 1, 1], [0, 0, 0, 1]], bool)
    out, length = part(values, which)
    assert length.tolist() == [2, 1]
    assert out[0, :2].tolist() == [1, 3]
    assert out[1, 0] == 7


def test_padding_neighbours_and_curves_without_contact():
    position, force = cone()
    rng = np.random.default_rng(2)
    fit, force = force, force + 1e-11 * rng.standard_normal(force.shape)
    alone = curve_features(position, force, fit, np.zeros(1))
    pad = [np.vstack([np.pad(a, ((0, 0), (0, 50)), constant_values=np.nan), np.full((2, 850), np.nan)])
           for a in (position, force, fit)]  # fmt: skip
    pad[0][2, :3], pad[1][2, :3], pad[2][2, :3] = (3e-6, 2e-6, 1e-6), 0, 0
    table = curve_features(*pad, np.array([0, 0, np.nan]))
    assert np.allclose(table[0], alone[0])
    assert np.isnan(table[1:]).all()
    with pytest.raises(ValueError, match=r"have shapes \(1, 800\), \(1, 800\), \(1, 800\), \(2,\)"):
        curve_features(position, force, fit, np.zeros(2))


def shape(drawn) -> dict[str, np.ndarray]:
    return curve_shape(approach_of(drawn.scan))


def test_shapes_say_what_they_are_called():
    options = {"setting": "cell, bead", "samples": 1000}
    fixed = {**CLEAN, "noise": 1e-11, "contact_share": 0.7}

    def median(name: str, only: dict | None = None, **more) -> float:
        drawn = force_curves(np.random.default_rng(0), 24, only=only or {}, fixed=fixed | more, **options)
        return float(np.nanmedian(shape(drawn)[name]))

    assert median("share") == pytest.approx(0.7, abs=0.02)
    assert median("tilt", tilt=2e-9) > 10 * abs(median("tilt"))
    assert 1.0 < median("exponent") < 1.8
    assert median("dip", {"slip": 1.0}) > 10 * median("dip") + 0.05
    assert median("slow_waves", {"interference": 1.0}) > 10 * median("slow_waves")
    assert median("depth_50", {"two slopes": 1.0}) > median("depth_50") + 0.02
    assert median("misfit", {"double contact": 1.0}) > 1.3 * median("misfit")
    assert median("flat_end", {"saturation": 1.0}) < 0.5 < median("flat_end")


def test_shapes_of_what_is_no_curve_are_nan_and_of_curves_are_not():
    drawn = force_curves(np.random.default_rng(1), 48, samples=300)
    drawn.scan["deflection"][3] = np.nan
    table = shape(drawn)
    values = np.column_stack(list(table.values()))
    assert np.isnan(values[3]).all()
    judged = np.isfinite(table["noise"])
    assert judged.sum() > 35
    assert np.isfinite(values[judged]).all()


def test_adhesion_and_hysteresis_need_the_way_back():
    options = {"setting": "gel", "samples": 400, "retract": True, "only": {}}
    drawn = force_curves(np.random.default_rng(2), 16, fixed={**CLEAN, "noise": 1e-12, "relaxation": 0.2}, **options)
    there, back = approach_of(drawn.scan), approach_of(drawn.scan, segment="retract")
    assert (curve_shape(there)["hysteresis"] == 0).all()
    table = curve_shape(there, back)
    assert np.nanmedian(table["hysteresis"]) > 0.05
    assert np.nanmax(np.abs(table["adhesion"])) < 0.02
