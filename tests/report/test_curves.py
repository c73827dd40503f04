"""Figures of curves: what is on them, in which units."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from sharptip.report.curves import Drawing, Map, Mark, Trace, curve_figure, maps_figure, sheet_figure

X = np.linspace(2e-6, 0, 5000)


def drawing(**more: object) -> Drawing:
    y = np.clip(1e-6 - X, 0, None) * 0.05
    traces = [Trace(X, y, "approach"), Trace(X, y * 0.9, "fit", "fit")]
    marks = [Mark(1e-6, 0.9e-6, 1.1e-6, "contact, 95 %")]
    return Drawing(
        "curve 17", "good\nmodulus 5 kPa", ("height", "m"), ("force", "N"), traces, (X, y * 0.1), marks, **more
    )  # type: ignore[arg-type]


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for a in figure.axes for t in (a.title, a._left_title, a.xaxis.label, a.yaxis.label))  # type: ignore[attr-defined]


def test_a_curve_is_drawn_in_units_of_its_size() -> None:
    figure = curve_figure(drawing())
    said = texts(figure)
    for words in ("curve 17", "modulus 5 kPa", "height (µm)", "force (nN)", "residual (nN)"):
        assert words in said
    top = figure.axes[0]
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["approach", "fit", "contact, 95 %"]  # type: ignore[union-attr]
    assert len(top.lines[0].get_xdata()) < 2000  # of 5000 samples, for a page must not weigh megabytes


def test_a_thinned_line_keeps_its_spikes() -> None:
    y = np.zeros(5000)
    y[1234] = 1e-9
    figure = curve_figure(Drawing("", "", ("height", "m"), ("force", "N"), [Trace(X, y, "")]))
    assert np.max(figure.axes[0].lines[0].get_ydata()) == 1.0


def test_curves_without_fit_or_samples_are_drawn() -> None:
    empty = Drawing("curve 0", "not judged", ("height", "m"), ("force", "N"), [])
    one = Drawing("curve 1", "", ("height", "m"), ("force", "N"), [Trace(X[:1], X[:1] * np.nan, "approach")])
    assert len(curve_figure(empty).axes) == 1
    assert len(curve_figure(one).axes) == 1
    sheet = sheet_figure([empty, one, drawing(verdict="bad")])
    assert [a.get_title("left") for a in sheet.axes if a.get_visible()] == ["curve 0", "curve 1", "curve 17: bad"]


def test_maps_say_unit_and_size() -> None:
    image = np.arange(12.0).reshape(3, 4) * 1e3
    image[0, 0] = np.nan
    figure = maps_figure([Map("modulus", "Pa", image, (1e-6, 2e-6)), Map("rating", "1", image)])
    assert "modulus (kPa)" in texts(figure)
    bars = [p for a in figure.axes for p in a.patches if p.get_gid() == "scale-bar"]
    assert len(bars) == 2
    assert any(t.get_text() == "2 µm" for a in figure.axes for t in a.texts)
    assert any("px" in t.get_text() for a in figure.axes for t in a.texts)
