"""Healthy or sick by shape: promises, what learning finds, what it must not see, layouts, and real cell lines."""

from __future__ import annotations

import numpy as np
import pytest
from tests.real import real

from sharptip import Model, check_recipe, io
from sharptip.core.errors import ModelError, ReadError, StudyError
from sharptip.data.split import apart, folds
from sharptip.fit.crossval import cross_validate
from sharptip.fit.recipe import Example, settled
from sharptip.recipes.sort_curves import RECIPE, example, labelled
from sharptip.simulate.patients import patient

QUICK = {"examples": 24, "epochs": 12, "lr": 3e-3, "cells": 2, "curves": 5}


def patients(n: int, seed: int = 1) -> list[Example]:
    drawn = [patient(np.random.default_rng((seed, i)), bool(i % 2), cells=2, curves=5) for i in range(n)]
    return [Example(d.scan, dict(d.truth), str(d.truth["patient"][0])) for d in drawn]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(RECIPE, **QUICK).fit(seed=0)


def test_it_keeps_every_promise():
    assert check_recipe(RECIPE, show=lambda text: None, **{**QUICK, "examples": 8, "epochs": 3, "curves": 2}) >= 11


def test_shape_tells_patients_apart_better_than_the_modulus(model):
    table = model.score(patients(24), real=False).set_index(["learner", "metric"])["value"]
    assert table["model", "auroc"] > 0.75
    assert table["model", "auroc_patient"] > 0.85
    assert table["random forest", "auroc"] > 0.7
    assert table["modulus alone", "auroc"] < table["model", "auroc"] - 0.05  # a coat lowers the apparent one a little


def test_gain_changes_nothing(model):
    scan = patients(1)[0].scan
    stiffer = scan.copy(deep=True)
    stiffer["spring_constant"].values[:] *= 11
    assert np.array_equal(model.predict(scan)["log_odds"], model.predict(stiffer)["log_odds"])
    force = scan.rename(deflection="force")
    force["force"] = force["force"] * 0.06
    force["force"].attrs["units"] = "N"
    for factor in (1.0, 11.0):  # a force and a spring constant that are both wrong by a factor
        other = force.copy(deep=True)
        other["force"].values[:] *= factor
        other["spring_constant"].values[:] *= factor
        assert np.allclose(model.predict(other)["log_odds"], model.predict(scan)["log_odds"], atol=1e-4)


def test_no_patient_is_on_both_sides():
    found = [Example(e.scan, e.truth, e.group) for e in patients(8) for _ in range(3)]  # three files each
    groups = [e.group for e in found]
    for train, test in folds(groups, [""] * len(groups), 4, np.random.default_rng(0)):
        apart(groups, train, test)  # raises where one is
        assert not {str(found[i].truth["patient"][0]) for i in train} & {
            str(found[i].truth["patient"][0]) for i in test
        }
    with pytest.raises(StudyError, match="both sides"):
        apart(groups, [0], [1])


@pytest.mark.slow
def test_labels_shuffled_over_patients_teach_nothing():
    rng = np.random.default_rng(3)
    found = patients(24)
    sick = rng.permutation([e.truth["sick"][0] for e in found])
    wrong = [Example(e.scan, {**e.truth, "sick": np.full(10, s)}, e.group) for e, s in zip(found, sick, strict=True)]
    table = cross_validate(RECIPE, wrong, QUICK, k=3, real=False).set_index(["learner", "metric"])["value"]
    assert 0.2 < table["model", "auroc_patient"] < 0.8


def test_a_table_of_files_is_read(tmp_path):
    lines = ["file,label,patient,cell"]
    for i, e in enumerate(patients(4)):
        io.write(e.scan, tmp_path / f"{i}.zarr")
        lines.append(f"{i}.zarr,{('benign', 'tumour')[i % 2]},p{i // 2},c{i}")
    lines.append("missing.zarr,other,p9,c9")  # of a class that is not asked for
    (tmp_path / "table.csv").write_text("\n".join(lines))
    found = labelled(tmp_path / "table.csv", settled(RECIPE, {"classes": ["benign", "tumour"]}))
    assert [e.group for e in found] == ["p0", "p0", "p1", "p1"]
    assert found[1].truth["sick"].tolist() == [1.0] * 10
    assert set(found[1].truth) == {"sick", "patient", "cell", "map"}
    with pytest.raises(ReadError, match="--set classes"):
        labelled(tmp_path / "table.csv", settled(RECIPE, {}))
    (tmp_path / "other.csv").write_text("name,label\n1,2\n")
    with pytest.raises(ReadError, match="no column 'file'"):
        labelled(tmp_path / "other.csv", settled(RECIPE, {}))


def test_what_cannot_be_asked_is_refused(model):
    scan = example(np.random.default_rng(0), model.options).scan
    with pytest.raises(ModelError, match="part is 'sideways'"):
        Model(RECIPE, **QUICK, part="sideways").fit(seed=0)
    with pytest.raises(Exception, match="retract"):
        Model(RECIPE, **QUICK, part="retract").fit([Example(scan, {"sick": np.zeros(10)}, "a")], seed=0)
    one = scan.isel(sample=slice(0, 1))
    answer = model.predict(one)
    assert np.isnan(answer["sick"]).all()
    assert "finite sample" in answer.attrs["faults"]


@pytest.mark.slow
def test_real_cell_lines_are_told_apart_by_shape_and_not_by_modulus():
    path = real("labelled", "force_quality_afmml", "afmml_Everything_Jan26_curves.npz")
    options = {"classes": ("MCF10a", "MCF7")}
    found = labelled(path, settled(RECIPE, options))
    table = cross_validate(RECIPE, found, options).set_index(["learner", "metric"])["value"]
    assert table["model", "auroc"] > 0.65
    assert table["model", "auroc_map"] > 0.75
    assert table["modulus alone", "auroc"] < 0.65
