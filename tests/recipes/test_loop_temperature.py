"""Temperature from loops, for the sample whose series was learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sharptip import Model
from sharptip.core.errors import ReadError
from sharptip.recipes.loop_temperature import RECIPE, example, labelled, rows

OPTIONS = {**RECIPE.options, "pixels": 1, "seed": 0}


def test_every_example_is_of_the_one_sample() -> None:
    a, b = (example(np.random.default_rng(k), {**OPTIONS, "snr": 1e6}) for k in (1, 2))
    assert a.group != b.group
    np.testing.assert_allclose(a.scan["piezo_response"].max(), b.scan["piezo_response"].max(), rtol=0.2)
    assert len(np.unique(a.truth["temperature"])) == 26


def test_a_short_training_is_warmer_where_it_is_warmer() -> None:
    model = Model("loop_temperature", examples=4, epochs=3, pixels=1, size=32).fit(seed=0)
    e = example(np.random.default_rng(9), {**OPTIONS, "snr": 20.0})
    answer = model.predict(e.scan)
    assert answer["temperature"].attrs["units"] == "K"
    assert (answer["temperature_uncertainty"] > 0).all()
    found = model.baselines["linear on principal components"].predict(
        RECIPE.features(rows(e.scan, {**OPTIONS, "size": 32}))  # type: ignore[misc]
    )
    assert np.corrcoef(found, e.truth["temperature"])[0, 1] > 0.9


def test_a_series_is_read_and_a_wrong_one_named(tmp_path: Path) -> None:
    e = example(np.random.default_rng(1), OPTIONS)
    a = {
        "response": e.scan["piezo_response"].values,
        "write": e.scan["bias"].values,
        "read": e.scan["bias_read"].values,
    }
    path = tmp_path / "series.npz"
    np.savez(path, **a, temperature=e.truth["temperature"], group=np.arange(26) % 3)
    found = labelled(path, OPTIONS)
    assert [len(f.truth["temperature"]) for f in found] == [9, 9, 8]
    assert rows(found[0].scan, OPTIONS).numbers.shape == (9, 4, 64, 64)
    np.savez(path, **a)
    with pytest.raises(ReadError, match="no 'temperature'"):
        labelled(path, OPTIONS)
    np.savez(path, **a, temperature=np.linspace(25, 150, 26))
    with pytest.raises(ReadError, match="in K"):
        labelled(path, OPTIONS)
