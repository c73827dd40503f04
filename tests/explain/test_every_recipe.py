"""Can every recipe be asked where its evidence is?"""

import numpy as np
import pytest

from sharptip.core import registry
from sharptip.explain.occlusion import occlusion
from sharptip.fit import Model

QUICK = {"blend": {"examples": 30}, "cell_kind": {"examples": 30, "trees": 20},
         "tell_apart": {"examples": 8, "epochs": 1, "trees": 2}}  # fmt: skip


JUDGES = [n for n in registry.names("recipes") if registry.get("recipes", n).kind in ("classify", "rate")]


@pytest.mark.parametrize("name", JUDGES)
def test_the_answer_rests_on_something(name):
    if name in QUICK:
        model = Model(name, **QUICK[name]).fit(seed=0)
    else:
        model = Model.trained(name)
    drawn = model.recipe.example(np.random.default_rng(5), model.options)
    found = occlusion(model, drawn.scan, patches=2)
    assert found.attrs["answer"] in model.classes
    assert np.isfinite(found["evidence"]).all()
    assert np.abs(found["evidence"]).max() > 0
