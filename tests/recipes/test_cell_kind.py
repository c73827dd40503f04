"""Does cell_kind keep the contract, judge patients as it says, and refuse clearly?"""

import numpy as np
import pytest

from sharptip import Model
from sharptip.core.errors import ChannelError, ModelError, UnitError
from sharptip.core.scan import scan_of
from sharptip.fit import check_recipe
from sharptip.fit.metrics import auroc
from sharptip.recipes.cell_kind import FEATURES, RECIPE, cell_features, conformal_sets, patient_scores

SMALL = {"examples": 24, "trees": 30, "pixels": 64, "tile": 64, "patients": 16}


@pytest.fixture(scope="module")
def model():
    return Model(RECIPE, **SMALL).fit(seed=0)


def scan(z, unit="N", channel="adhesion", side=10e-6):
    return scan_of(z, side / z.shape[1], channel=channel, unit=unit)


def test_the_contract():
    check_recipe(RECIPE, show=lambda _: None, **SMALL)


def test_cells_of_one_seed_share_patients_and_other_seeds_have_others():
    def groups(seed):
        return {RECIPE.example(np.random.default_rng(s), {**RECIPE.options, **SMALL, "classes": RECIPE.classes}).group
                for s in np.random.SeedSequence(seed).spawn(30)}  # fmt: skip

    assert len(groups(1)) <= 16
    assert not groups(1) & groups(2)


def test_absolute_size_is_seen(model):
    found = RECIPE.example(np.random.default_rng(0), {**model.options, "classes": RECIPE.classes}).scan
    shares = []
    for factor in (0.7, 1.8):
        changed = found.copy(deep=True)
        middle = float(found["adhesion"].mean())
        changed["adhesion"].values[:] = middle + factor * (found["adhesion"].values - middle)
        shares.append(float(model.predict(changed)["probability"].sel(label="cancerous")))
    assert shares[1] > shares[0]


def test_a_spoiled_quadrant_is_left_out():
    z = np.random.default_rng(0).normal(size=(1, 1, 64, 64)).astype(np.float32)
    spoiled = z.copy()
    spoiled[..., :32, :32] *= 3
    sq = FEATURES.index("Sq")
    assert cell_features(spoiled)[0, sq] == pytest.approx(cell_features(z)[0, sq], rel=0.05)
    assert np.isfinite(cell_features(spoiled)).all()


def test_at_least_m_of_n():
    patients = np.repeat(["a", "b", "c"], 4)
    p = np.array([0.9, 0.1, 0.1, 0.1, 0.6, 0.6, 0.6, 0.1, 0.2, 0.3, 0.2, 0.1])
    for m in (1, 2, 3, 4):
        names, score = patient_scores(p, patients, m)
        slow = [sum(p[patients == n] > 0.5) >= m for n in names]
        assert ((score > 0.5) == slow).all()
    truth = np.array([0, 1, 0])
    assert auroc(truth, patient_scores(p, patients, 3)[1]) == 1
    assert auroc(truth, patient_scores(p, patients, 1)[1]) == 0.5


def test_conformal_sets_keep_the_truth_as_often_as_said():
    rng = np.random.default_rng(0)

    def draw(n):
        truth = rng.integers(2, size=n)
        return truth, 1 / (1 + np.exp(-rng.normal(1.5 * (2 * truth - 1), 1.5)))

    kept = []
    for _ in range(200):
        truth, score = draw(60)
        new, asked = draw(50)
        kept.append(conformal_sets(score, truth, asked, 0.2)[np.arange(50), new].mean())
    assert 0.79 <= np.mean(kept) <= 0.87


@pytest.mark.parametrize("learner", ["extra trees", "boosting", "network"])
def test_other_learners(learner, tmp_path):
    found = Model(RECIPE, **{**SMALL, "examples": 12, "epochs": 1, "learner": learner}).fit(seed=0)
    again = Model.load(found.save(tmp_path / "m.sharptip"), RECIPE)
    scan = RECIPE.example(np.random.default_rng(5), {**found.options, "classes": RECIPE.classes}).scan
    assert np.array_equal(again.predict(scan)["probability"], found.predict(scan)["probability"])


def test_what_cannot_be_judged_is_refused_by_name(model):
    z = np.random.default_rng(0).normal(4e-10, 1.5e-10, (64, 64))
    with pytest.raises(ChannelError, match="adhesion"):
        model.predict(scan(z, "m", "height"))
    with pytest.raises(UnitError, match="'V'"):
        model.predict(scan(z, "V"))
    with pytest.raises(ModelError, match="larger area"):
        model.predict(scan(z[:32, :32], side=5e-6))
    with pytest.raises(ModelError, match="constant"):
        model.predict(scan(np.full((64, 64), 4e-10)))
    lost = z.copy()
    lost[:40] = np.nan
    with pytest.raises(ModelError, match="missing"):
        model.predict(scan(lost))
    lost[4:40] = z[4:40]
    assert np.isfinite(model.predict(scan(lost))["probability"]).all()
    with pytest.raises(ModelError, match="random forest"):
        Model(RECIPE, **{**SMALL, "learner": "tarot"}).fit(seed=0)
