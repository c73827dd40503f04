"""Fitting resonances: at the bound, with honest errors, and no spectrum spoils another."""

from __future__ import annotations

import numpy as np
import pytest
from tests.real import real

from sharptip.measure import resonance_baselines as baselines
from sharptip.measure.resonance import FLAGS, debiased, expected, faults_of, fit_map, fit_spectra, turns_the_other_way
from sharptip.measure.spectra import neighbours_of
from sharptip.physics import oscillator
from sharptip.simulate.resonance import Ranges, resonance_map, spectra

F = Ranges().frequency
DRAWN = (30.0, 300.0)


def errors(found: dict, truth: dict) -> np.ndarray:
    """(4, n): of log A, f0, log Q, φ."""
    return np.stack([
        np.log(found["amplitude"] / truth["amplitude"]), found["resonance"] - truth["resonance"],
        np.log(found["quality"] / truth["quality"]), np.angle(np.exp(1j * (found["phase"] - truth["phase"]))),
    ])  # fmt: skip


def over_bound(found: dict, truth: dict, background: int = 0) -> np.ndarray:
    limit = oscillator.bound(F, truth["amplitude"], truth["resonance"], truth["quality"], truth["noise"], background)
    return np.sqrt((errors(found, truth) ** 2).mean(axis=1) / (limit**2).mean(axis=0))


def drawn(snr: float, n: int = 1500, **ranges) -> tuple[np.ndarray, dict]:
    return spectra(np.random.default_rng(5), n, Ranges(snr=(snr, snr), **ranges))


@pytest.mark.parametrize("snr", [3, 20, 100])
def test_at_the_bound_where_the_line_is_seen(snr: float):
    y, truth = drawn(snr)
    assert (over_bound(fit_spectra(y, F), truth) < 1.1).all()


def test_weak_lines_are_better_told_by_the_posterior_than_by_the_likelihood():
    y, truth = drawn(1)
    mean, likely = (over_bound(fit_spectra(y, F, quality=DRAWN, estimate=e), truth) for e in ("best", "likelihood"))
    assert (mean < likely).all()
    assert mean[0] < 1.1  # amplitude
    assert mean[2] < 1.1  # quality factor


@pytest.mark.parametrize("snr", [1, 3, 20])
def test_standard_errors_cover_what_they_say(snr: float):
    y, truth = drawn(snr)
    found = fit_spectra(y, F, quality=DRAWN)
    spread = np.stack([found["amplitude_error"] / found["amplitude"], found["resonance_error"],
                       found["quality_error"] / found["quality"], found["phase_error"]])  # fmt: skip
    sound = found["flag"] == 0
    assert np.allclose((np.abs(errors(found, truth)) < 1.96 * spread)[:, sound].mean(axis=1), 0.95, atol=0.04)


def test_a_background_is_fitted_along():
    y, truth = drawn(20, background=0.5)
    assert (over_bound(fit_spectra(y, F, background=2), truth, background=2) < 1.1).all()
    assert over_bound(fit_spectra(y, F), truth)[1] > 2


def test_noise_and_height_are_measured():
    y, truth = drawn(20)
    found = fit_spectra(y, F)
    assert np.median(found["noise"] / truth["noise"]) == pytest.approx(1, abs=0.01)
    assert np.median(found["snr"]) == pytest.approx(20, rel=0.03)


def test_pure_noise_and_two_modes_are_flagged():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((500, 80)) + 1j * rng.standard_normal((500, 80))
    assert (fit_spectra(noise, F)["flag"] > 0).mean() > 0.97
    y, _ = drawn(100, two_modes=1.0)
    assert (fit_spectra(y, F)["flag"] == FLAGS.index("not one clean line")).mean() > 0.9


def test_one_bad_spectrum_spoils_no_other():
    y, _ = drawn(20, 12)
    alone = fit_spectra(y, F)
    y[1], y[2], y[4, 5:] = np.nan, 0.0, np.nan
    y[3, [7, 8]] = np.inf
    found = fit_spectra(y, F)
    assert [FLAGS[int(k)] for k in found["flag"][1:5]] == [
        "no finite sample", "constant", "", "too few finite samples",
    ]  # fmt: skip
    assert np.isnan(found["resonance"][[1, 2, 4]]).all()
    assert found["resonance"][3] == pytest.approx(alone["resonance"][3], abs=5 * alone["resonance_error"][3])
    rest = [0, *range(5, 12)]
    assert np.allclose(found["resonance"][rest], alone["resonance"][rest], rtol=1e-9)
    assert faults_of(y)[1:5] == ("no finite sample", "constant", "", "too few finite samples")


def test_one_frequency_is_too_few():
    found = fit_spectra(np.ones((3, 1), complex), F[:1])
    assert (found["flag"] == FLAGS.index("too few finite samples")).all()


def test_a_falling_axis_gives_the_same():
    y, _ = drawn(20, 50)
    up, down = fit_spectra(y, F), fit_spectra(y[:, ::-1], F[::-1])
    assert np.allclose(up["resonance"], down["resonance"], rtol=1e-7)
    assert np.array_equal(up["flag"], down["flag"])


def test_another_band_at_another_gain():
    ranges = Ranges(band=(6e4, 9e4), bins=165, quality=(20, 200), amplitude=(1e-12, 1e-11), snr=(20, 20))
    y, truth = spectra(np.random.default_rng(0), 300, ranges)
    found = fit_spectra(y, ranges.frequency)
    assert (np.abs(errors(found, truth)[1]) < 5 * found["resonance_error"]).mean() > 0.99
    twice = fit_spectra(2 * y, ranges.frequency)
    assert np.allclose(twice["amplitude"], 2 * found["amplitude"])


def test_the_other_time_convention_is_noticed():
    y, _ = drawn(5, 40)
    assert not turns_the_other_way(y, F)
    assert turns_the_other_way(y.conj(), F)


def test_arrays_that_do_not_belong_together_are_refused():
    y, _ = drawn(5, 3)
    with pytest.raises(ValueError, match=r"spectra \(3, 80\) and frequencies \(79,\)"):
        fit_spectra(y, F[:-1])
    with pytest.raises(ValueError, match="above zero"):
        fit_spectra(y, F - F[40])
    with pytest.raises(ValueError, match="quality factors"):
        fit_spectra(y, F, quality=(300, 30))


def test_moduli_alone():
    y, truth = drawn(30, 400)
    found = fit_spectra(np.abs(y), F)
    full = fit_spectra(y, F)
    assert np.isnan(found["phase"]).all()
    assert (
        np.abs(found["resonance"] - truth["resonance"]).mean()
        < 2 * np.abs(full["resonance"] - truth["resonance"]).mean()
    )
    assert np.median(np.abs(np.log(found["quality"] / truth["quality"]))) < 0.1


def test_moduli_without_what_noise_adds():
    rng = np.random.default_rng(0)
    r = np.abs(3 + (rng.standard_normal(100_000) + 1j * rng.standard_normal(100_000)) / np.sqrt(2))
    assert r.mean() - 3 > 0.07
    assert debiased(r, 1.0).mean() == pytest.approx(3, abs=0.03)


def test_dask_gives_what_numpy_gives():
    da = pytest.importorskip("dask.array")
    seen, _ = resonance_map(np.random.default_rng(0), (12, 9), Ranges(snr=(10, 10)))
    whole = fit_map(seen, F)
    parts = fit_map(da.from_array(seen, chunks=(5, 4, 30)), F)
    assert parts["resonance"].shape == (12, 9)
    for name in ("resonance", "amplitude", "phase_error", "flag"):
        assert np.allclose(parts[name].compute(), whole[name], rtol=1e-4)


def test_baselines_work_and_are_beaten():
    y, truth = drawn(20)
    careful, linear = (f(y, F) for f in (baselines.from_highest_sample, baselines.linear))
    ours = over_bound(fit_spectra(y, F), truth)[1]
    assert ours <= 1.01 * over_bound(careful, truth)[1] < 3
    assert np.median(np.abs(linear["resonance"] - truth["resonance"])) < 500
    clean, exact = drawn(1e6, 50)
    assert np.allclose(baselines.linear(clean, F)["quality"], exact["quality"], rtol=1e-3)
    best = baselines.from_truth(y, F, truth["resonance"], truth["quality"])
    assert over_bound(best, truth)[1] == pytest.approx(ours, rel=0.02)


def test_measured_moduli():
    values = np.load(real("pfm_be", "GPim", "bepfm_test_data.npy")).reshape(-1, 102)
    found = fit_spectra(values, np.linspace(3e5, 3.6e5, 102))  # nobody kept the axis; the samples are in order
    places = np.interp(found["resonance"], np.linspace(3e5, 3.6e5, 102), np.arange(102))
    strong = values.max(axis=1) > 0.1
    assert np.median(np.abs(places - values.argmax(axis=1))[strong]) < 1


def test_neighbours_say_where_a_weak_line_is():
    seen, truth = resonance_map(np.random.default_rng(3), (20, 20), Ranges(snr=(1.5, 1.5)))
    y, where = seen.reshape(-1, 80), neighbours_of(("y", "x"), (20, 20))
    assert where[21].tolist() == [0, 1, 2, 20, 22, 40, 41, 42]
    assert (where[0] == -1).sum() == 5
    alone = fit_spectra(y, F, quality=DRAWN)
    helped = fit_spectra(y, F, quality=DRAWN, near=expected(alone, where))
    wrong, right = (np.sqrt(((r["resonance"] - truth["resonance"].ravel()) ** 2).mean()) for r in (alone, helped))
    assert right < 0.9 * wrong
    unknown = fit_spectra(y, F, quality=DRAWN, near=np.full((400, 2), np.nan))
    assert np.allclose(unknown["resonance"], alone["resonance"], rtol=1e-6)
