"""Every figure holds what it must: panels, units, scale bars of the right length."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from sharptip.report import figures, style


def texts(figure):
    """Everything written in a figure, as one text."""
    figure.canvas.draw()
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible())


def bars(figure):
    return [p for axes in figure.axes for p in axes.patches if p.get_gid() == "scale-bar"]


@pytest.mark.parametrize(
    ("width_px", "pixel_size", "length", "label"),
    [
        (512, 3.90625e-9, 5e-7, "500 nm"),
        (256, 1.277e-9, 1e-7, "100 nm"),
        (96, 2e-10, 5e-9, "5 nm"),
        (300, 80e-6 / 300, 2e-5, "20 µm"),
        (128, 2e-9 / 128, 5e-10, "500 pm"),
        (256, None, 100.0, "100 px"),
    ],
)
def test_scale_bar_is_as_long_as_it_says(width_px, pixel_size, length, label):
    figure = style.new_figure(2)
    axes = figure.subplots()
    axes.imshow(np.zeros((width_px, width_px)))
    assert figures.scale_bar(axes, width_px, pixel_size) == pytest.approx(length)
    (bar,) = bars(figure)
    assert bar.get_width() == pytest.approx(length / (pixel_size or 1.0))
    assert label in texts(figure)
    assert -0.5 < bar.get_x() < bar.get_x() + bar.get_width() < width_px - 0.5
    low, high = sorted((bar.get_y(), bar.get_y() + bar.get_height()))
    assert -0.5 < low < high < width_px - 0.5
    assert low > width_px * 0.8  # below, where an image's y is large


def test_scale_bar_is_round_for_any_width():
    for width in np.geomspace(1e-10, 1e-3, 97):
        length = figures.bar_length(width)
        assert f"{length:.0e}"[0] in "125"
        assert 0.15 * width < length <= 0.4 * width * (1 + 1e-9)


def test_scale_bar_on_screen_is_right_to_a_pixel():
    """Counted in the drawn picture: white pixels of the bar against pixels of the image."""
    figure = Figure(figsize=(4, 4), dpi=128)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.zeros((256, 256)), cmap="gray")
    axes.set_axis_off()
    figures.scale_bar(axes, 256, 4e-9)  # 1024 nm wide → a bar of 200 nm, 50 of 256 pixels, 100 of 512 on screen
    canvas = matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    canvas.draw()
    white = np.asarray(canvas.buffer_rgba())[..., :3].min(axis=2) > 200
    longest = max(np.flatnonzero(row).size for row in white[-40:])
    assert abs(longest - 100) <= 2


def test_thumbnails_have_a_bar_each_one_colour_bar_and_units(drawn):
    figure = drawn["thumbnails"]
    assert len(bars(figure)) == 6
    assert sum(len(axes.images) == 1 for axes in figure.axes) == 6
    written = texts(figure)
    assert "from the scan's median (nm)" in written
    assert "200 nm" in written
    assert "scan_003.ibw" in written


def test_thumbnails_keep_real_proportions_and_common_colours(rng):
    images = [rng.normal(0, 1e-9, (32, 64)), rng.normal(0, 5e-12, (64, 64))]
    before = [image.copy() for image in images]
    figure = figures.scan_thumbnails(images, [(2e-9, 1e-9), None], ["a", "b"], ["", ""], "m", columns=2)
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert shown[0].axes.get_aspect() == 2
    assert shown[0].get_clim() == shown[1].get_clim()
    assert "px" in texts(figure)
    for image, copy in zip(images, before, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_thumbnails_of_flat_or_torn_scans_are_drawn():
    torn = np.zeros((8, 8))
    torn[2:4] = np.nan
    texts(figures.scan_thumbnails([np.zeros((8, 8)), torn], [1e-9, 1e-9], ["a", "a"], ["", ""], "m"))


def test_before_and_after_have_bars_ranges_and_names(rng):
    raw = rng.normal(size=(30, 60)) * 1e-9
    flat, torn = np.zeros((20, 20)), np.full((20, 20), np.nan)
    figure = figures.before_after_figure(
        [raw, flat, torn], [raw / 2, flat, torn], [1e-9, (1e-9, 2e-9), None], ["m", "V", "rad"], ["a.sxm", "b", "c"]
    )
    assert len(bars(figure)) == 9
    said = texts(figure)
    for words in ("a.sxm", "before: ", "after: ", "taken off: ", "20 nm", "5 px", "after: flat"):
        assert words in said, words
    tall = [axes.get_window_extent().height / axes.get_window_extent().width for axes in figure.axes[::3]]
    assert tall == pytest.approx([0.5, 0.5, 1.0], rel=0.02)


def test_feature_maps_one_panel_each(drawn):
    figure = drawn["feature maps"]
    assert len([axes for axes in figure.axes if axes.images]) == 9
    assert len(bars(figure)) == 1
    assert {"input", "map 1", "map 8"} <= set(texts(figure).split("\n"))


def test_cam_shows_each_tile_plain_and_covered_and_says_what_colours_mean(drawn):
    figure = drawn["cam"]
    assert sorted(len(axes.images) for axes in figure.axes if axes.images)[:8] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert len(bars(figure)) == 4
    assert "speaks for healthy" in texts(figure)
    assert "speaks for exposed" in texts(figure)


def test_cam_colours_positive_as_the_second_class():
    maps = np.ones((1, 4, 4))
    figure = figures.cam_figure(np.zeros((1, 4, 4)), maps, ["t"], 1e-9)
    cover = next(axes.images[1] for axes in figure.axes if len(axes.images) == 2)
    red, _, blue = cover.cmap(cover.norm(1.0))[:3]
    assert red > blue


@pytest.mark.parametrize(
    ("name", "panels", "words"),
    [
        ("score", 1, ["network, images", "chance", "accuracy, with 95 % interval", "published"]),
        ("learning", 1, ["training images", "random forest", "accuracy on images never seen"]),
        ("training", 2, ["epoch", "accuracy", "loss", "stops at 96 %", "validation"]),
        ("architecture", 1, ["architecture 5", "validation accuracy"]),
        ("histogram", 4, ["map 5 (holes)", "healthy (60)", "mean intensity"]),
        ("deletion", 1, ["random order", "share of the pixels"]),
        ("confusion", 1, ["predicted", "true", "11", "92 %"]),
        ("applied", 2, ["treated\n(47)", "94 %", "predicted healthy"]),
        ("permutation", 1, ["p = 0.0099", "100 times", "94 %"]),
    ],
)
def test_chart_says_what_it_shows(drawn, name, panels, words):
    figure = drawn[name]
    assert len(figure.axes) == panels
    written = texts(figure)
    for word in words:
        assert word in written


def test_scores_are_where_they_belong():
    figure = figures.score_figure([figures.Score("x", 0.9, (0.8, 0.95), "ours", claim=0.97)])
    at = [line.get_xdata() for line in figure.axes[0].lines]
    assert [0.8, 0.95] in [list(np.ravel(x)) for x in at]
    assert {0.9, 0.97} <= {float(np.ravel(x)[0]) for x in at}


def test_histograms_count_every_image(rng):
    values = {"a": rng.random((37, 1)), "b": rng.random((11, 1))}
    figure = figures.map_histogram_figure(values)
    steps = [p for p in figure.axes[0].patches if isinstance(p, matplotlib.patches.StepPatch) and not p.get_fill()]
    assert [float(p.get_data().values.sum()) for p in steps] == pytest.approx([1, 1])
    marks = [line for line in figure.axes[1].lines if len(line.get_xdata()) > 1]
    assert sorted(len(line.get_xdata()) for line in marks) == [11, 37]


def test_the_mean_over_groupings_is_of_those_still_training():
    short = {f"{p}_{q}": [0.5] for p in ("train", "validation") for q in ("accuracy", "loss")}
    long = {f"{p}_{q}": [0.7, 0.9] for p in ("train", "validation") for q in ("accuracy", "loss")}
    figure = figures.training_figure([short, long])
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 2]
    np.testing.assert_allclose(thick[0].get_ydata(), [0.6, 0.9])


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    figures.confusion_figure(np.eye(2, dtype=int), ["a", "b"])
    assert dict(matplotlib.rcParams) == before


def test_neither_pyplot_nor_torch_is_imported():
    code = (
        "import sys, sharptip.report, sharptip.report.figures; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_svg_is_the_same_each_time_and_follows_dark_mode(drawn):
    first, second = style.to_svg(drawn["deletion"]), style.to_svg(drawn["deletion"])
    assert first == second
    assert "prefers-color-scheme:dark" in first
    assert "var(--c0)" in first
    body = first[first.index("</style>") :]
    assert style.INK not in body


def test_a_saved_figure_stands_on_white(drawn, tmp_path):
    from PIL import Image

    picture = Image.open(style.save(drawn["score"], tmp_path / "score.png")).convert("RGBA")
    assert picture.getpixel((0, 0)) == (255, 255, 255, 255)
    assert picture.width == round(style.WIDTH * style.RASTER_DPI)


def test_an_unknown_interval_is_left_out_and_the_value_still_drawn():
    figure = figures.score_figure([figures.Score("one group", 0.7, (float("nan"), float("nan")))], chance=None)
    low, high = figure.axes[0].get_xlim()
    assert low < 0.7 < high
    assert "one group" in texts(figure)


def test_a_long_file_name_keeps_its_ends():
    name = "2024-03-01_donor7_exposed_batch2_scan_0042.ibw"
    figure = figures.scan_thumbnails([np.eye(8)], [1e-9], ["exposed"], [name], "m")
    title = next(axes.get_title(loc="left") for axes in figure.axes if axes.images)
    assert title.startswith("exposed\n2024-03-0")
    assert title.endswith("0042.ibw")
    assert max(map(len, title.split("\n"))) <= 20
