"""The recipe keeps the contract, says clearly what it cannot judge, and forgets size, gain and unit of length."""

import numpy as np
import pytest
from tests.real import real

from sharptip import Model, check_recipe, read
from sharptip.core.errors import ChannelError, ModelError, UnitError
from sharptip.core.scan import pixel_size, scan_of
from sharptip.fit.model import WEIGHTS
from sharptip.measure.regime import REGIMES, regime_of
from sharptip.recipes.regime import MIXED, RECIPE, example, state_of

# quick, and enough to beat chance
SMALL = {"examples": 54, "epochs": 5, "batch": 6, "size": 32, "trees": 10, "symmetric": False}
OPTIONS = {"size": 32, "gaps": False, "mixed": 0.25}


@pytest.fixture(scope="module")
def model():
    return Model(RECIPE, **SMALL).fit(seed=0)


def scans(seed: int, n: int = 4):
    return [example(np.random.default_rng(s), OPTIONS).scan for s in np.random.SeedSequence(seed).spawn(n)]


def test_the_contract_is_kept(capsys):
    check_recipe(RECIPE, **SMALL)
    assert "promises kept" in capsys.readouterr().out


def test_examples_show_what_they_say():
    drawn = [example(np.random.default_rng(s), OPTIONS) for s in range(24)]
    assert {e.truth for e in drawn} <= {*REGIMES, MIXED}
    for e in drawn:
        several = "+" in e.scan.attrs["regimes"]
        assert (e.truth == MIXED) == several
    assert len({e.group for e in drawn}) == len(drawn)
    alone = [example(np.random.default_rng(s), {**OPTIONS, "mixed": 0.0}) for s in range(6)]
    assert all(e.truth in REGIMES for e in alone)


def test_states_have_the_regime_that_was_asked_for_with_and_without_gaps():
    for regime in REGIMES:
        for gaps in (True, False):
            state, gas = state_of(np.random.default_rng(3), regime, {**OPTIONS, "gaps": gaps})
            assert regime_of(state, gaps=gaps) == regime
            assert 0.2 <= gas.kT <= 0.45
            assert regime_of(state, gaps=False) == regime  # the nearest side of a class is the class


def test_a_lattice_too_small_for_a_regime_is_refused():
    with pytest.raises(ModelError, match="size 3 and none was 'labyrinth'"):
        state_of(np.random.default_rng(0), "labyrinth", {**OPTIONS, "size": 3})


def test_size_gain_and_offset_do_not_matter(model):
    for scan in scans(1):
        answer = model.predict(scan).probability.values
        z = scan.height.values.astype(float)
        picture = scan_of(1e9 * z + 50, 1e-9, unit="arb")
        for other in (scan_of(z, 7e-9), scan_of(3 * z + 1e-6, 1e-6), picture):
            assert model.predict(other).probability.values == pytest.approx(answer, abs=2e-3)
        fine = scan_of(np.kron(z, np.ones((4, 4))), 1e-9)
        assert model.predict(fine).probability.values == pytest.approx(answer, abs=0.02)
        assert pixel_size(scan)[0] > 0  # the scan itself keeps its size


def test_a_scan_of_unknown_size_is_judged(model):
    scan = scans(2, 1)[0]
    unknown = scan.assign_coords({d: scan[d].copy(data=np.arange(128.0)) for d in ("y", "x")})
    for d in ("y", "x"):
        unknown[d].attrs["units"] = "px"
    unknown.attrs["size"] = "unknown"
    assert model.predict(unknown).probability.values == pytest.approx(model.predict(scan).probability.values, abs=1e-4)


def test_what_cannot_be_judged_is_said_by_name(model):
    scan = scans(3, 1)[0]
    with pytest.raises(ChannelError, match=r"no channel 'height'.*phase"):
        model.predict(scan_of(scan.height.values, 1e-9, channel="phase", unit="rad"))
    wrong = scan.copy(deep=True)
    wrong.height.attrs["units"] = "nm"
    with pytest.raises(UnitError, match=r"'height' is in 'nm'.*needs 'm' \(or 'arb'\)"):
        model.predict(wrong)
    with pytest.raises(ModelError, match=r"50 × 50 pixels.*needs 64 across"):
        model.predict(scan.isel(y=slice(0, 50), x=slice(0, 50)))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan_of(np.full((256, 256), 3e-9), 1e-9))


def test_lost_lines_hardly_move_the_answer(model):
    scan = scans(4, 1)[0]
    broken = scan.copy(deep=True)
    broken.height.values[40:43] = np.nan
    before, after = (model.predict(s).probability.values for s in (scan, broken))
    assert np.isfinite(after).all()
    assert after == pytest.approx(before, abs=0.2)
    broken.height.values[:80] = np.nan
    with pytest.raises(ModelError, match=r"62% .*missing"):
        model.predict(broken)


def test_scores_stand_beside_baselines_and_claims(model):
    drawn = [example(np.random.default_rng(s), OPTIONS) for s in np.random.SeedSequence(5).spawn(30)]
    table = model.score(drawn, real=False)
    assert {"model", "minkowski_logistic", "forest", "published"} <= set(table.learner)
    assert set(table[table.learner != "published"]["data"]) == {"simulated"}


def test_the_model_that_ships_tells_the_regimes_of_fresh_scans():
    model = Model.load(WEIGHTS / "regime.sharptip", RECIPE)
    options = {"size": 128, "gaps": True, "mixed": 0.0}
    drawn = [example(np.random.default_rng(s), options) for s in np.random.SeedSequence(404).spawn(25)]
    right = [model.predict(e.scan).attrs["label"] == e.truth for e in drawn]
    assert np.mean(right) > 0.75  # 0.9 and more on many; 25 scans stray by 0.06
    assert (WEIGHTS / "regime.sharptip").stat().st_size < 2e6


def test_a_real_scan_of_something_else_gets_an_answer_like_any_other():
    """No real drying films are at hand: this says that a real file goes through, and nothing about its answer."""
    scan = read(real("vendor", "gwyddion", "GwiddionReader_chip.gsf"))
    answer = Model.load(WEIGHTS / "regime.sharptip", RECIPE).predict(scan)
    assert float(answer.probability.sum()) == pytest.approx(1)


def test_the_verdict_is_a_filter_for_mixed_scans():
    from sharptip.recipes.regime import SEVERAL, decide

    classes = RECIPE.classes
    p = np.full(len(classes), 0.1)
    p[2] = 0.4
    p[classes.index("mixed")] = SEVERAL - 0.01
    assert decide(p, classes) == {"verdict": classes[2]}
    p[classes.index("mixed")] = SEVERAL + 0.01
    assert decide(p, classes) == {"verdict": "mixed"}
    assert decide(np.array([0.5, 0.5]), ("a", "b")) == {}
