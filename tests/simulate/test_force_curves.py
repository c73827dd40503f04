"""Simulated force curves: the law they were drawn from, what each artefact does, and what is told of them."""

import time

import numpy as np
import pytest

from sharptip.core.history import is_simulated
from sharptip.core.scan import check
from sharptip.measure.approach import approach_of
from sharptip.physics.contact import LAWS, Tip
from sharptip.simulate.curve_faults import rating
from sharptip.simulate.force_curves import CLEAN, KINDS, SETTINGS, Drawn, force_curves


def draw(seed: int = 0, n: int = 24, **options) -> Drawn:
    return force_curves(np.random.default_rng(seed), n, **{"samples": 800, **options})


def approaches(drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Height and deflection (curve, sample) of the approach, NaN elsewhere."""
    there = drawn.scan["segment"].values == 0
    return tuple(np.where(there, drawn.scan[name].values, np.nan) for name in ("height", "deflection"))


def level(drawn: Drawn) -> np.ndarray:
    """Deflection above that of the instrument's zero, as a share of the largest."""
    return (approaches(drawn)[1] - drawn.record["offset"][:, None]) / drawn.record["peak"][:, None]


def beyond(drawn: Drawn, how_far: float = 0.0) -> np.ndarray:
    """1 for samples that lie at least so many contact lengths before the contact, NaN behind the end of a curve."""
    before = approaches(drawn)[0] - drawn.truth["contact"][:, None] > how_far * drawn.record["come"][:, None]
    return np.where(np.isfinite(approaches(drawn)[0]), before, np.nan)


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_an_ideal_curve_obeys_its_law(setting):
    """k d = F(δ) with δ = contact − height − d, at every sample; nothing before contact."""
    drawn = draw(setting=setting, only={}, fixed=CLEAN, n=48)
    height, deflection = approaches(drawn)
    d, r = deflection - drawn.record["offset"][:, None], drawn.record
    for i in range(48):
        tip = Tip(radius=r["radius"][i], half_angle=r["half_angle"][i], thickness=r["thickness"][i])
        delta = drawn.truth["contact"][i] - height[i] - d[i]
        law = LAWS[str(drawn.truth["law"][i])]
        k, modulus = r["spring_constant"][i], drawn.truth["modulus"][i]
        wrong = law.force(delta, modulus, tip) - k * d[i]
        slack = law.stiffness(np.maximum(delta, 0), modulus, tip) / k  # 1 nm of depth is worth so many of deflection
        assert np.nanmax(np.abs(wrong) / (1 + slack)) < 2e-3 * k * r["peak"][i]
        assert np.nanmax(np.abs(d[i][height[i] > drawn.truth["contact"][i]])) < 1e-3 * r["peak"][i]


def test_relaxation_lowers_the_exponent():
    """At a steady rate Ting's integral gives F ∝ δ^(n − β)."""
    drawn = draw(setting="cell, bead", only={}, fixed={**CLEAN, "relaxation": 0.3, "spring_constant": 0.3}, n=64)
    height, deflection = approaches(drawn)
    d = deflection - drawn.record["offset"][:, None]
    delta = drawn.truth["contact"][:, None] - height - d
    for i in np.flatnonzero(drawn.truth["law"] == "paraboloid"):
        use = delta[i] > 0.2 * drawn.record["depth"][i]
        slope = np.polyfit(np.log(delta[i][use]), np.log(d[i][use]), 1)[0]
        assert slope == pytest.approx(1.5 - 0.3, abs=0.02)


def test_an_elastic_sample_without_adhesion_is_left_on_the_way_it_was_met():
    drawn = draw(setting="gel", only={}, fixed=CLEAN, retract=True, samples=400)
    segment, length = drawn.scan["segment"].values, drawn.scan["length"].values
    deflection = drawn.scan["deflection"].values
    for i, n in enumerate(length.astype(int) // 2):
        assert (segment[i, :n] == 0).all()
        assert (segment[i, n : 2 * n] == 1).all()
        assert np.abs(deflection[i, :n] - deflection[i, n : 2 * n][::-1]).max() < 0.01 * drawn.record["peak"][i]
    sticky = draw(setting="gel", only={}, fixed={**CLEAN, "adhesion": 1e-9}, retract=True, samples=400)
    pulled = np.nanmin(sticky.scan["deflection"].values, axis=1) - sticky.record["offset"]
    assert np.allclose(pulled, -1e-9 / sticky.record["spring_constant"], rtol=0.15)


def pair(kind: str, **options) -> tuple[Drawn, Drawn]:
    """The same curves without and with one artefact at its strongest."""
    fixed = {**CLEAN, "noise": 1e-13}  # the spikes rise above it
    return tuple(
        draw(1, 32, setting="cell, bead", only=only, fixed=fixed, per_session=4, **options)
        for only in ({}, {kind: 1.0})
    )


def spread(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.nanstd(np.where(where == 1, values, np.nan), axis=1)


def test_tilt_and_waves_are_seen_before_contact():
    for kind in ("tilted baseline", "interference"):
        good, bad = pair(kind)
        assert np.median(spread(level(good), beyond(good))) < 1e-3
        assert np.median(spread(level(bad), beyond(bad))) > 0.08


def test_spikes_are_few_samples():
    good, bad = pair("spikes")
    change = np.abs(level(bad) - level(good)) > 0.1
    assert (change.any(axis=1)).all()
    assert np.nanmean(change) < 0.05


def test_without_contact_nothing_is_told_of_the_sample():
    _, bad = pair("no contact")
    assert np.isnan(bad.truth["contact"]).all()
    assert np.isnan(bad.truth["modulus"]).all()
    assert (np.nanmax(np.abs(level(bad)), axis=1) < 0.05).all()
    assert not bad.truth["accept"].any()


def test_contact_at_start_leaves_no_baseline():
    _, bad = pair("contact at start")
    seen = np.isfinite(bad.truth["contact"])
    assert 0.2 < seen.mean() < 0.8
    share = np.nanmean(beyond(bad), axis=1)
    assert (share[seen] < 0.06).all()
    assert (level(bad)[~seen, 0] > 0).all()


def test_a_slip_is_a_fall_in_contact():
    good, bad = pair("slip")
    fall = [np.nanmax(np.fmax.accumulate(level(d), axis=1) - level(d), axis=1) for d in (good, bad)]
    assert (fall[0] < 1e-3).all()
    assert np.median(fall[1]) > 0.1


def test_double_contact_is_felt_before_the_sample():
    good, bad = pair("double contact")
    before = np.nanmax(np.where(beyond(bad) == 1, level(bad), 0), axis=1)
    assert np.nanmax(np.where(beyond(good) == 1, level(good), 0)) < 1e-3
    assert (before > 0.02).mean() > 0.8


def test_jump_in_pulls_before_it_pushes():
    good, bad = pair("jump-in")
    assert np.nanmin(level(good)) > -1e-3
    assert (np.nanmin(level(bad), axis=1) < -0.1).all()


def test_saturation_is_a_flat_end():
    good, bad = pair("saturation")
    for i in range(len(level(bad))):
        top = np.nanmax(level(bad)[i])
        assert top < 0.4 * np.nanmax(level(good)[i])
        assert np.mean(level(bad)[i] > top - 1e-4) > 0.01


def test_drift_of_the_sample_leaves_the_baseline_as_it_is():
    good, bad = pair("sample drift")
    far = beyond(good, 1.0)
    bow = bad.record["bow"] / bad.record["peak"]
    x = np.nan_to_num((approaches(bad)[0][:, :1] - approaches(bad)[0]) / bad.record["ramp"][:, None])
    change = level(bad) - level(good) - bow[:, None] * x**2
    assert np.nanmax(np.abs(np.where(far == 1, change, 0))) < 5e-3
    assert np.median(np.nanmax(np.abs(change), axis=1)) > 0.1


def test_late_engagement_is_a_short_contact():
    good, bad = pair("late engagement")
    assert np.median(np.nanmean(beyond(good), axis=1)) < 0.95
    assert (np.nanmean(beyond(bad), axis=1) > 0.95).all()
    assert (np.nanmax(level(bad), axis=1) < 0.4).all()


def test_a_second_slope_is_steeper_at_the_end():
    good, bad = pair("two slopes")
    x = np.linspace(0.0, 1.0, 200)

    def half(drawn: Drawn) -> np.ndarray:
        """Share of the way in contact at which half of the rise is reached."""
        at = []
        for h, y, c in zip(approaches(drawn)[0], level(drawn), drawn.truth["contact"], strict=True):
            part = np.interp(x, (c - h[h < c]) / (c - np.nanmin(h)), y[h < c])
            at.append(x[(part > part[-1] / 2).argmax()])
        return np.array(at)

    assert np.median(half(bad) - half(good)) > 0.05


def test_the_same_generator_draws_the_same_curves():
    one, two, other = draw(3), draw(3), draw(4)
    assert one.scan.identical(two.scan)
    assert all(np.array_equal(one.truth[k], two.truth[k], equal_nan=one.truth[k].dtype.kind == "f") for k in one.truth)
    assert not np.array_equal(one.truth["modulus"], other.truth["modulus"])


@pytest.mark.parametrize("retract", [False, True])
def test_a_scan_keeps_its_promises_and_is_read_as_an_approach(retract):
    drawn = draw(5, n=40, retract=retract)
    check(drawn.scan)
    assert is_simulated(drawn.scan)
    approach = approach_of(drawn.scan)
    assert np.array_equal(approach.length, drawn.scan["length"].values // (2 if retract else 1))
    assert np.allclose(approach.spring_constant, drawn.record["spring_constant"])
    assert sum(not fault for fault in approach.faults) > 30
    contact = drawn.truth["contact"]
    inside = (contact < approach.height[:, 0] + 1e-9) & (contact > np.nanmin(approach.height, axis=1) - 1e-9)
    assert inside[np.isfinite(contact)].all()


def test_what_is_told_fits_together():
    drawn = draw(6, n=400, samples=100)
    t = drawn.truth
    assert t["kinds"].shape == (400, len(KINDS))
    assert np.array_equal(t["kinds"], t["strength"] > 0)
    assert ((t["rating"] >= 0) & (t["rating"] <= 10)).all()
    clean, worst = t["rating"][t["kinds"].sum(axis=1) == 0], t["rating"][t["strength"].max(axis=1) > 0.8]
    assert clean.mean() > 7
    assert worst.mean() < 3.5
    assert 0.4 < t["accept"].mean() < 0.75
    assert all(len(v) == 400 for v in drawn.record.values())


def test_a_rating_falls_with_every_artefact():
    p = {name: value[:, None] for name, value in draw(7, only={}).record.items() if value.dtype.kind == "f"}
    n = len(p["peak"])
    ratings = [rating(np.random.default_rng(0), p, s * np.eye(len(KINDS))[[k] * n]).mean()
               for k in range(len(KINDS)) for s in (0.0, 0.5, 1.0)]  # fmt: skip
    assert (np.diff(np.reshape(ratings, (-1, 3)), axis=1) < -0.5).all()


def test_training_can_draw_its_curves_fresh():
    """A thousand a second on one core."""
    draw(n=16)
    start = time.process_time()
    draw(n=512, samples=1000)
    assert time.process_time() - start < 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "asked for 0 curves"),
        ({"setting": "glass"}, "no setting is called 'glass'; there are: cell, sharp tip"),
        ({"only": {"tilt": 1.0}}, "no artefact is called 'tilt'; there are: tilted baseline"),
        ({"fixed": {"depth": 1e-6}}, "no number 'depth' can be fixed"),
    ],
)
def test_what_there_is_not_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        draw(**options)
