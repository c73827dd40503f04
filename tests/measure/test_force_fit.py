"""Batched fits of force curves against simulated ones: numbers, stated intervals, and what cannot be fitted."""

import numpy as np
import pytest

from sharptip.core.errors import UnitError
from sharptip.measure.apparent_modulus import apparent_modulus, modulus_from
from sharptip.measure.approach import Approach
from sharptip.measure.curve_noise import noise_of
from sharptip.measure.force_fit import fit_curves
from sharptip.measure.force_model import deflection
from sharptip.measure.law_table import Table, shape_of
from sharptip.physics.contact import LAWS, Tip

BEAD, SHARP = Tip(radius=2.5e-6), Tip(radius=30e-9, half_angle=0.68)
TOP, RAMP, K = 5e-6, 3e-6, 0.05  # m, m, N/m


def flicker(rng, n, samples):
    """(n, samples) of 1/f noise, rms 1, cut from longer stretches so that its ends need not meet."""
    f = np.fft.rfftfreq(4 * samples)
    amplitude = np.divide(1, np.sqrt(f), out=np.zeros_like(f), where=f > 0)
    spectrum = amplitude * (rng.standard_normal((n, len(f))) + 1j * rng.standard_normal((n, len(f))))
    noise = np.fft.irfft(spectrum, 4 * samples, axis=1)[:, :samples]
    return noise / noise.std()


def curves(rng, n, law, tip, modulus, *, samples=1000, white=0.3e-9, pink=0.0, contact=(0.4, 0.8), k=K):
    """n approaches whose deflections are the law's, solved exactly, and what is true of them."""
    x = np.broadcast_to(np.linspace(0, RAMP, samples), (n, samples))
    x0, e = rng.uniform(*contact, n) * RAMP, np.exp(rng.uniform(*np.log(modulus), n))
    tilt = rng.normal(0, 2e-3, n)
    f, _, _ = deflection(x - x0[:, None], e[:, None], shape_of(law, tip, RAMP), np.full((n, 1), k))
    y = rng.normal(0, 20e-9, (n, 1)) + tilt[:, None] * x + f + white * rng.standard_normal((n, samples))
    y = y + pink * flicker(rng, n, samples) if pink else y
    made = Approach(TOP - x, y, "m", np.full(n, k), np.full(n, samples), ("",) * n)
    return made, {"contact": TOP - x0, "modulus": e, "tilt": tilt}


def covered(fit, truth):
    """Shares of the true contacts, moduli and tilts inside the stated 95 % intervals."""
    low, high = fit.interval()
    return (
        np.mean(np.abs(fit.contact - truth["contact"]) < 1.96 * fit.contact_error),
        np.mean((low < truth["modulus"]) & (truth["modulus"] < high)),
        np.mean(np.abs(fit.tilt - truth["tilt"]) < 1.96 * fit.tilt_error),
    )


@pytest.mark.parametrize(("pink", "seed"), [(0.0, 1), (0.3e-9, 2)], ids=["white", "1/f"])
@pytest.mark.parametrize(
    ("name", "tip", "modulus"),
    [
        ("paraboloid", BEAD, (300, 30e3)),
        ("paraboloid", BEAD, (1e6, 1e8)),
        ("cone", Tip(half_angle=0.6), (300, 30e3)),
        ("blunted_cone", SHARP, (500, 50e3)),
    ],
    ids=["bead", "stiff", "cone", "blunted"],
)
def test_stated_intervals_hold_the_truth(name, tip, modulus, pink, seed):
    law = LAWS[name]
    made, truth = curves(np.random.default_rng(seed), 300, law, tip, modulus, pink=pink)
    fit = fit_curves(made, law, tip)
    assert fit.converged.mean() > 0.98
    for share in covered(fit, truth):
        assert 0.90 <= share <= 0.99  # of 300
    assert np.median(fit.misfit) == pytest.approx(1, abs=0.15)
    assert np.median(fit.r_squared) > 0.98


def test_without_noise_the_numbers_come_back():
    law = LAWS["sphere"]
    made, truth = curves(np.random.default_rng(3), 20, law, BEAD, (300, 30e3), white=1e-14, samples=2000)
    fit = fit_curves(made, law, BEAD)
    assert fit.modulus == pytest.approx(truth["modulus"], rel=2e-4)
    assert fit.contact == pytest.approx(truth["contact"], abs=0.2e-9)
    assert (fit.indentation < TOP - truth["contact"] + RAMP).all()


def test_how_deep_to_fit():
    law = LAWS["paraboloid"]
    made, truth = curves(np.random.default_rng(4), 20, law, BEAD, (1e3, 3e3))
    shallow = fit_curves(made, law, BEAD, max_indentation=300e-9)
    assert shallow.indentation.max() < 310e-9
    weak = fit_curves(made, law, BEAD, max_force=1e-9)
    assert weak.force.max() < 1.05e-9
    for fit in (shallow, weak, fit_curves(made, law, BEAD, weights="parts")):
        assert np.median(np.abs(fit.modulus / truth["modulus"] - 1)) < 0.05


def test_one_law_where_another_holds_is_a_misfit_and_its_errors_grow():
    made, _ = curves(np.random.default_rng(5), 30, LAWS["cone"], Tip(half_angle=0.6), (3e3, 30e3))
    right, wrong = (fit_curves(made, LAWS[n], t) for n, t in (("cone", Tip(half_angle=0.6)), ("paraboloid", SHARP)))
    assert np.median(wrong.misfit) > 3 * np.median(right.misfit)
    assert "use the law sphere" in wrong.reason[0]
    assert wrong.converged.all()


def test_bad_curves_are_marked_and_spoil_no_other():
    law = LAWS["paraboloid"]
    made, _ = curves(np.random.default_rng(6), 6, law, BEAD, (1e3, 3e3))
    y, height, length, k = made.deflection.copy(), made.height.copy(), made.length.copy(), made.spring_constant.copy()
    y[1] = np.nan
    length[1] = 0
    y[2] = 0.3e-9 * np.random.default_rng(0).standard_normal(y.shape[1])  # no contact
    length[3] = 1
    k[4] = np.nan
    faults = ("", "all NaN", "", "", "", "")
    broken = Approach(height, y, "m", k, length, faults)
    fit, whole = fit_curves(broken, law, BEAD), fit_curves(made, law, BEAD)
    assert fit.reason[1] == "all NaN"
    assert "no contact" in fit.reason[2]
    assert "1 samples" in fit.reason[3]
    assert "spring constant" in fit.reason[4]
    assert not fit.converged[1:5].any()
    assert np.isnan(fit.modulus[[1, 3, 4]]).all()
    assert fit.modulus[[0, 5]] == pytest.approx(whole.modulus[[0, 5]], rel=1e-6)


def test_curves_of_many_lengths_are_as_good_as_alone():
    law = LAWS["paraboloid"]
    made, _ = curves(np.random.default_rng(7), 3, law, BEAD, (1e3, 3e3), samples=600)
    pad = np.full((3, 400), np.nan)
    longer = Approach(
        np.c_[made.height, pad], np.c_[made.deflection, pad], "m", made.spring_constant, made.length, made.faults
    )
    assert fit_curves(longer, law, BEAD).modulus == pytest.approx(fit_curves(made, law, BEAD).modulus, rel=1e-9)


def test_no_baseline_is_said():
    law = LAWS["paraboloid"]
    made, _ = curves(np.random.default_rng(8), 5, law, BEAD, (1e3, 3e3), contact=(0.0, 1e-4))
    fit = fit_curves(made, law, BEAD)
    assert all("in contact from the start" in r or "no contact" in r for r in fit.reason)


def test_tips_may_differ_from_curve_to_curve():
    law = LAWS["sphere"]
    tip = Tip(radius=np.geomspace(1e-6, 1e-5, 8)[:, None])
    made, truth = curves(np.random.default_rng(9), 8, law, tip, (1e3, 3e3))
    assert fit_curves(made, law, tip).modulus == pytest.approx(truth["modulus"], rel=0.03)


def test_what_a_fit_refuses():
    made, _ = curves(np.random.default_rng(10), 2, LAWS["cone"], Tip(half_angle=0.6), (1e3, 3e3))
    with pytest.raises(ValueError, match="needs half_angle"):
        fit_curves(made, LAWS["cone"], Tip())
    with pytest.raises(ValueError, match="adhesion"):
        fit_curves(made, LAWS["jkr"], Tip(radius=1e-6, work=1e-3))
    with pytest.raises(ValueError, match="weights"):
        fit_curves(made, LAWS["cone"], Tip(half_angle=0.6), weights="all")
    volts = Approach(made.height, made.deflection, "V", made.spring_constant, made.length, made.faults)
    with pytest.raises(UnitError, match="sensitivity"):
        fit_curves(volts, LAWS["cone"], Tip(half_angle=0.6))


def test_the_apparent_modulus_is_flat_where_the_law_holds():
    law = LAWS["paraboloid"]
    made, truth = curves(np.random.default_rng(11), 4, law, BEAD, (3e3, 9e3), white=0.05e-9)
    fit = fit_curves(made, law, BEAD)
    depth, modulus = apparent_modulus(made, fit.contact, law, BEAD, offset=fit.offset, tilt=fit.tilt)
    for d, m, e in zip(depth, modulus, truth["modulus"], strict=True):
        assert np.median(m[d > 0.5 * d.max()]) == pytest.approx(e, rel=0.02)
    late = apparent_modulus(made, fit.contact - 100e-9, law, BEAD)[1]
    assert np.nanmedian(late[0][-50:]) > 1.05 * truth["modulus"][0]
    assert modulus_from(made, truth["contact"], law, BEAD) == pytest.approx(truth["modulus"], rel=0.1)


@pytest.mark.parametrize(("white", "pink"), [(1.0, 0.0), (0.3, 1.0), (1.0, 1.0)])
def test_noise_is_told_apart_by_its_allan_variance(white, pink):
    rng = np.random.default_rng(12)
    noise = white * rng.standard_normal((200, 4096)) + pink * flicker(rng, 200, 4096)
    found = noise_of(noise, np.full(200, 4096))
    assert np.median(found.white) == pytest.approx(white**2, rel=0.3)
    at_once = noise_of(pink * flicker(rng, 200, 4096) if pink else 0 * noise, np.full(200, 4096))
    assert np.median(found.flicker) == pytest.approx(np.median(at_once.flicker), abs=0.02 * white**2 + 0.01, rel=0.2)


def test_a_tabulated_law_is_the_law():
    depth = np.geomspace(1e-11, 3e-6, 400)
    force, slope = Table(LAWS["blunted_cone"], SHARP, 3e-6)(depth)
    law = LAWS["blunted_cone"]
    assert force == pytest.approx(law.force(depth, 1.0, SHARP), rel=1e-4, abs=1e-7 * force.max())
    assert slope == pytest.approx(law.stiffness(depth, 1.0, SHARP), rel=1e-2, abs=1e-4 * slope.max())


def test_a_contact_that_is_known_is_kept():
    law = LAWS["paraboloid"]
    made, truth = curves(np.random.default_rng(13), 6, law, BEAD, (1e3, 3e3))
    at = truth["contact"].copy()
    at[2] = np.nan
    fit = fit_curves(made, law, BEAD, contact=at)
    good = np.isfinite(at)
    assert fit.contact[good] == pytest.approx(at[good], abs=1e-15)
    assert fit.modulus[good] == pytest.approx(truth["modulus"][good], rel=0.02)
    assert fit.reason[2] == "no contact was found"


def test_a_sample_too_stiff_for_the_lever_is_called_so():
    made, _ = curves(np.random.default_rng(14), 3, LAWS["paraboloid"], BEAD, (1e12, 1e13))
    fit = fit_curves(made, LAWS["paraboloid"], BEAD)
    assert all("as far as the piezo goes" in r for r in fit.reason), fit.reason
