"""A page with every block and every figure."""

from __future__ import annotations

import numpy as np
import pytest

from sharptip.report import Fact, Facts, Page, Picture, Section, Table, Text, Warning, figures


@pytest.fixture(scope="session")
def rng():
    return np.random.default_rng(3)


def bumpy(rng, n=128, spacing=9.0):
    """(n, n) metres: a smooth random surface a few nanometres high."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(rng.normal(size=(n, n)), spacing / 2, mode="wrap") * 4e-8


def trainings(rng):
    """Histories of eight trainings that learn, and then overfit a little."""
    histories = []
    for _ in range(8):
        e = np.arange(1, rng.integers(14, 30))
        learnt = 1 - np.exp(-e / rng.uniform(4, 7))
        histories.append(
            {
                "train_accuracy": 0.5 + 0.47 * learnt + rng.normal(0, 0.008, len(e)),
                "validation_accuracy": 0.5 + 0.40 * learnt + rng.normal(0, 0.03, len(e)),
                "train_loss": 0.7 - 0.62 * learnt,
                "validation_loss": 0.7 - 0.45 * learnt + 0.004 * e,
            }
        )
    return histories


@pytest.fixture(scope="session")
def drawn(rng):
    """name → (figure, alt) of every figure function."""
    images = [bumpy(rng) for _ in range(6)]
    labels = ["healthy", "healthy", "exposed", "exposed", "treated", "treated"]
    titles = [f"scan_{i:03d}.ibw" for i in range(6)]
    tile = images[0]
    maps = np.stack([np.maximum(0, np.roll(tile, i, axis=1) - tile) for i in range(8)])
    beta = {"healthy": (8, 3), "exposed": (4, 7), "treated": (7, 3)}
    histories = trainings(rng)
    scores = [
        figures.Score("network, images", 0.94, (0.82, 0.99), "ours", claim=0.99),
        figures.Score("random forest on pixels", 0.82, (0.70, 0.91), claim=0.86),
        figures.Score("morphology", 0.88, (0.75, 0.95)),
        figures.Score("other batch", 0.55, (0.43, 0.68), "ours"),
    ]
    n = np.array([10, 20, 40, 80])
    curves = {
        "network": figures.Curve(
            n,
            [0.6, 0.72, 0.85, 0.93],
            [0.5, 0.64, 0.8, 0.89],
            [0.7, 0.8, 0.9, 0.96],
            ([80, 160, 320], [0.93, 0.95, 0.96]),
        ),
        "random forest": figures.Curve(n, [0.58, 0.66, 0.74, 0.8], [0.5, 0.6, 0.69, 0.75], [0.66, 0.72, 0.79, 0.85]),
    }
    share = np.linspace(0, 1, 11)
    falling, slow = 0.95 * np.exp(-4 * share) + 0.05, 0.95 - 0.6 * share**2
    band = lambda v: (v - 0.05, v + 0.05)  # noqa: E731
    applied = {
        "healthy": figures.Applied(rng.beta(1, 7, 60), 0.97, (0.9, 1.0)),
        "exposed": figures.Applied(rng.beta(7, 1, 65), 0.05, (0.01, 0.13)),
        "treated": figures.Applied(rng.beta(1.2, 4, 47), 0.94, (0.83, 0.98)),
    }
    by_class = {name: rng.beta(a, b, (60, 2)) for name, (a, b) in beta.items()}
    return {
        "thumbnails": figures.scan_thumbnails(images, [4e-9] * 6, labels, titles, "m"),
        "score": figures.score_figure(scores),
        "learning": figures.learning_curve_figure(curves),
        "training": figures.training_figure(histories, stop_at=0.96),
        "architecture": figures.architecture_figure(
            {f"architecture {i}": rng.normal(0.95 - 0.02 * i, 0.02, 20) for i in range(1, 6)}
        ),
        "feature maps": figures.feature_map_figure(tile, maps, pixel_size=4e-9),
        "histogram": figures.map_histogram_figure(by_class, ["map 1 (backbone)", "map 5 (holes)"]),
        "cam": figures.cam_figure(
            np.stack(images[:4]), np.stack(images[1:5]), labels[:4], 4e-9, ("healthy", "exposed")
        ),
        "deletion": figures.deletion_figure(share, falling, slow, band(falling), band(slow)),
        "confusion": figures.confusion_figure(np.array([[11, 1], [2, 11]]), ["healthy", "exposed"]),
        "applied": figures.applied_figure(applied, ("healthy", "exposed")),
        "permutation": figures.permutation_figure(rng.normal(0.5, 0.07, 100), 0.94, 0.0099),
    }


@pytest.fixture(scope="session")
def page(drawn):
    """Every block and every figure once."""
    wide = Table(
        ["file", "label", "group", "scan size", "pixels", "pixel size", "cleaned by", "read by", "note"],
        [
            [f"scan_{i:03d}.ibw", "healthy" if i % 2 else "exposed", f"donor {i % 5}", "2 µm", "512 × 512", 3.9e-9,
             "plane, align rows (median of differences)", "asylum ibw", None]
            for i in range(14)
        ],
        "Every file of this study and what was done to it.",
        folded=True,
    )  # fmt: skip
    scores = Table(
        ["learner", "tile accuracy", "image accuracy", "95 % interval", "images", "groups", "published"],
        [
            ["network (architecture 1)", "96.0 %", "94.0 %", "82.0–99.0 %", 25, 5, "99.0 %"],
            ["random forest on pixels", "80.0 %", "82.0 %", "70.0–91.0 %", 25, 5, "86.0 %"],
            ["morphology and logistic regression", "85.0 %", "88.0 %", "75.0–95.0 %", 25, 5, None],
        ],
        "Accuracy on images that no learner saw while it was fitted or chosen.",
        note="Intervals are over groups: tiles of one image and images of one donor count once.",
    )
    answers = [
        Fact("Images told apart", 0.94, (0.82, 0.99), percent=True, real=False, claim=0.99, source="batch 1, tiles"),
        Fact("On the other batch", 0.55, (0.43, 0.68), percent=True, real=False, note="no better than chance"),
        Fact("Treated predicted healthy", 0.94, (0.83, 0.98), percent=True, real=True),
        Fact("Donors in the test", 5, note="few: intervals are wide and themselves uncertain"),
        Fact("Hole area", 3.2e-15, (2.9e-15, 3.6e-15), unit="m²"),
    ]
    return Page(
        "Do healthy and exposed skeletons differ?",
        "Does an image of the cytoskeleton tell whether the cell met parasite vesicles, and does treatment undo it?",
        "Yes within a batch: 94 of 100 images are told apart. Not between batches: what the network learnt on one day "
        "says nothing on another, so the difference may be of the day as much as of the cell.",
        answers,
        [
            Section("The scans", [Text("Two scans of each population."), picture(drawn, "thumbnails"), wide]),
            Section(
                "How well", [scores, picture(drawn, "score"), picture(drawn, "confusion"), picture(drawn, "learning")]
            ),
            Section("How it was trained", [picture(drawn, "training"), picture(drawn, "architecture")]),
            Section("Why", [picture(drawn, n) for n in ("feature maps", "histogram", "cam", "deletion")]),
            Section(
                "How far to believe it",
                [
                    Warning("Five donors are few."),
                    picture(drawn, "permutation"),
                    picture(drawn, "applied"),
                    Facts([Fact("Chance that shuffled labels do as well", "p = 0.01", real=False)]),
                    Text(["Two paragraphs <b>escaped</b> & kept.", "The second & last."]),
                ],
            ),
        ],
        warnings=["Batch and label coincide: the network may have learnt the day."],
        footer="Made by sharptip 0.1.0.",
    )


def picture(drawn, name):
    return Picture(drawn[name], f"What the {name} shows, in a sentence that says how to read it.", f"Figure of {name}.")
