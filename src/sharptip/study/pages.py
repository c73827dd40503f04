"""The report of a study: the question, the answer, and everything it rests on, on one page."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.files import write_whole
from ..explain.statistics import extrapolate
from ..fit.recipe import Claim
from ..report import Fact, Facts, Page, Picture, Section, Table, Text, Warning, figures, save, write_page
from ..report.page import Block
from .believe import FEW
from .collect import Image
from .run import Study

THUMBNAILS = 3  # scans shown of each population
CAM_TILES = 6
BASELINES = {"random_forest": "random forest on pixels", "morphology": "hand-made morphology"}


def write_report(
    path: Path,
    study: Study,
    found: dict[str, Any],
    why: dict[str, Any],
    values: dict[str, Any],
    claims: Sequence[Claim],
    question: str,
) -> Path:
    """The whole page as one HTML file. `values` are those of metrics.json, so that page and file say the same."""
    real = values["real"]
    sections = [
        _scans(study),
        _result(study, found, values, claims),
        _learning(study, found),
        _doubt(study, found, values),
        *_applied(study, found, why, values),
        _maps(study, why),
        _where(study, why, values),
        _protocol(study, found, values),
        _provenance(study, values),
    ]
    page = Page(
        title=f"{_title(study)}: can they be told apart?",
        question=question,
        lede=_lede(study, values),
        answers=_answers(values),
        sections=sections,
        warnings=values["warnings"],
        footer=f"sharptip {__version__} · {'real' if real else 'simulated'} scans · protocol “{study.protocol.name}”, "
        f"seed {study.protocol.seed} · every number is in metrics.json, every file in scans.csv, every answer in "
        "predictions.csv",
    )
    _save_figures(page, path.parent / "figures")
    return write_page(page, path)


def _save_figures(page: Page, folder: Path) -> None:
    """Every figure of the page as a PNG of its own, numbered as on the page."""
    pictures = [b for section in page.sections for b in section.blocks if isinstance(b, Picture)]
    for i, picture in enumerate(pictures, start=1):
        name = "-".join(re.findall(r"[a-z0-9]+", picture.alt.lower())[:6])
        write_whole(folder / f"{i:02d}-{name}.png", functools.partial(save, picture.figure))


def _title(study: Study) -> str:
    a, b = study.collection.classes
    return f"{a} and {b}"


def _lede(study: Study, values: dict[str, Any]) -> str:
    """The answer in words, no stronger than the interval allows."""
    a, b = study.collection.classes
    test = values["test"]
    low, high = test["interval95"]
    n, g = test["n_images"], test["n_groups"]
    said = f"On {n} scans of {g} {_groups(study, g)} it had never seen, the network named the right population of "
    said += f"{_percent(test['image_accuracy'])} (95 % interval {_percent(low)} to {_percent(high)}). "
    chance = max(np.bincount(study.data.labels)) / len(study.data)
    outer, p = values["all_images_by_folds"], values["permutation"]
    every = outer.get("interval95", [0.0, 1.0])
    if low > chance:
        said += f"{a.capitalize()} and {b} differ."
    elif high < chance:
        said += "That is worse than guessing: what is learned from some groups is wrong for others."
    elif every[0] > chance:
        said += f"The test alone does not exclude guessing ({_percent(chance)}). "
        said += f"Checked on every image once, always with a network that had not seen its {_groups(study, 1)}, "
        said += f"it is right on {_percent(outer['image_accuracy'])} ({_percent(every[0])} to {_percent(every[1])}): "
        said += f"{a} and {b} differ."
    else:
        said += f"That does not exclude guessing ({_percent(chance)})"
        if p["p"] is not None and p["p"] < 0.01:
            said += f", but their hand-made morphology differs (labels shuffled: p = {p['p']:.2g})."
        else:
            said += f": these scans do not show that {a} and {b} differ."
    best = max(values["baselines"], key=lambda k: values["baselines"][k]["image_accuracy"])
    other = values["baselines"][best]["image_accuracy"]
    if other >= test["image_accuracy"]:
        how = "better" if other > test["image_accuracy"] else "as well"
        said += f" The {BASELINES[best]} does {how} ({_percent(other)})."
    for name, r in values["applied"].items():
        if r.get("fraction") is not None:
            said += f" Of the {name}, {_percent(r['fraction'])} are called {a} ({_percent(r['interval95'][0])} to "
            said += f"{_percent(r['interval95'][1])}), of the {a} in the test {_percent(r['fraction_of_reference'])}."
            if r["equivalence"].get("equivalent") is False:
                said += f" That they are like the {a} is not shown."
    if not values["real"]:
        said += " These scans are simulated: the numbers say that the software works, and nothing about any sample."
    return said


def _groups(study: Study, n: int) -> str:
    if study.collection.grouped:
        return "group" if n == 1 else "groups"
    return "file" if n == 1 else "files"


def _answers(values: dict[str, Any]) -> list[Fact]:
    test, real = values["test"], values["real"]
    facts = [
        Fact(
            "images told apart",
            test["image_accuracy"],
            _pair(test["interval95"]),
            percent=True,
            real=real,
            note=f"{test['n_images']} images, {test['n_groups']} groups",
        ),
        Fact(
            "tiles told apart",
            test["tile_accuracy"],
            _pair(test["tile_interval95"]),
            percent=True,
            real=real,
            note=f"{test['n_tiles']} tiles",
        ),
    ]
    for key, label in BASELINES.items():
        b = values["baselines"][key]
        facts.append(Fact(label, b["image_accuracy"], _pair(b["interval95"]), percent=True, real=real, note="images"))
    return facts


def _scans(study: Study) -> Section:
    c = study.collection
    images: list[Image] = []
    for label in (*c.classes, *c.applied):
        mine = c.of(label)
        images += [c.images[mine[k]] for k in np.linspace(0, len(mine) - 1, min(THUMBNAILS, len(mine))).astype(int)]
    figure = figures.scan_thumbnails(
        [i.height for i in images],
        [i.pixel_size for i in images],
        [i.entry.label for i in images],
        [i.group[:28] for i in images],
        c.unit,
    )
    rows: list[list[Any]] = []
    for label in (*c.classes, *c.applied):
        members = [c.images[i] for i in c.of(label)]
        batches = {i.entry.batch for i in members} - {None}
        use = "compared" if label in c.classes else "judged only"
        rows.append([label, len(members), len({i.group for i in members}), len(batches) or None, use])
    return Section(
        "The scans",
        [
            Picture(figure, f"Scans of each population, levelled ({c.channel}).", "Scans with scale bars"),
            Table(
                ["population", "images", "groups", "batches", "use"],
                rows,
                "What was compared",
                note="A group is what must not be on both sides of a split: donor, session or file.",
            ),
        ],
    )


def _result(study: Study, found: dict[str, Any], values: dict[str, Any], claims: Sequence[Claim]) -> Section:
    test = values["test"]
    rows = [figures.Score("network", test["image_accuracy"], _pair(test["interval95"]), "ours")]
    outer = values["all_images_by_folds"]
    if "image_accuracy" in outer:
        rows.append(
            figures.Score("network, every image once", outer["image_accuracy"], _pair(outer["interval95"]), "ours")
        )
    for key, label in (("random_forest", "random forest"), ("morphology", "morphology")):
        b = values["baselines"][key]
        rows.append(figures.Score(label, b["image_accuracy"], _pair(b["interval95"])))
    columns = ["learner", "images right", "95 %", "tiles", "groups", "balanced", "AUROC"]
    table = [_row("network", test)]
    if "image_accuracy" in outer:
        table.append(_row("network, every image once", outer))
    table += [
        _row(label, values["baselines"][key])
        for key, label in (
            ("random_forest", "random forest on pixels"),
            ("morphology", "morphology, logistic regression"),
        )
    ]
    published = [[k.source, k.note, k.metric, _percent(k.value, 1)] for k in claims]
    blocks: list[Block] = [
        Picture(
            figures.score_figure(rows),
            "Share of test images named rightly, with 95 % intervals over groups.",
            "Accuracies of the network and the baselines with intervals",
        ),
        Table(
            columns,
            table,
            "The test",
            note=f"{'Real' if values['real'] else 'Simulated'} scans; "
            f"{test['n_images']} test images of {test['n_groups']} groups. “Every image once” is cross-validation over "
            "all images; the architecture was chosen on most of them.",
        ),
        Picture(
            figures.confusion_figure(np.array(test["confusion"]), study.collection.classes),
            "Test images: what they are and what the network calls them.",
            "Confusion matrix",
        ),
    ]
    if published:
        note = "Other scans, other cells, tiles counted as independent: beside, not against, the numbers above."
        blocks.append(
            Table(["source", "of", "metric", "published"], published, "Published for this protocol", note=note)
        )
    return Section("Can they be told apart?", blocks)


def _row(name: str, r: dict[str, Any]) -> list[Any]:
    between = f"{_percent(r['interval95'][0])}–{_percent(r['interval95'][1])}"
    tile = _percent(r["tile_accuracy"], 1) if "tile_accuracy" in r else None
    auroc = None if r["auroc"] is None else f"{r['auroc']:.3f}"
    return [
        name,
        _percent(r["image_accuracy"], 1),
        between,
        tile,
        _percent(r["group_accuracy"]),
        _percent(r["balanced_accuracy"], 1),
        auroc,
    ]


def _learning(study: Study, found: dict[str, Any]) -> Section:
    best = found["best"]
    histories = [
        {
            "train_accuracy": h["accuracy"],
            "train_loss": h["loss"],
            "validation_accuracy": h["val_accuracy"],
            "validation_loss": h["val_loss"],
        }
        for h in found["architectures"][best]["histories"]
    ]
    chosen = {name: a["tile_accuracy"] for name, a in found["architectures"].items()}
    blocks: list[Block] = [
        Picture(
            figures.training_figure(histories, study.protocol.stop_at_accuracy),
            f"{best.capitalize()} on each random grouping of the images that are not held out.",
            "Training and validation accuracy against the epoch",
        ),
        Picture(
            figures.architecture_figure(chosen),
            "What the architecture was chosen by: tiles of the validation images.",
            "Validation accuracy of each architecture",
        ),
    ]
    curve = found["curve"]
    if len(curve["n_images"]) > 1:
        drawn = {
            name: _curve(curve["n_images"], curve[key])
            for key, name in (("network", "network"), ("random_forest", "random forest"), ("morphology", "morphology"))
        }
        blocks.append(
            Picture(
                figures.learning_curve_figure(drawn),
                "Balanced accuracy on validation images against the number of images learned from",
                "Learning curves of network, forest and morphology",
            )
        )
    return Section("How it was learned", blocks)


def _curve(images: list[int], values: list[list[float]]) -> figures.Curve:
    means = [float(np.mean(v)) for v in values]
    spread = [1.96 * float(np.std(v, ddof=1)) / np.sqrt(len(v)) if len(v) > 1 else 0.0 for v in values]
    low = [max(0.0, m - s) for m, s in zip(means, spread, strict=True)]
    high = [min(1.0, m + s) for m, s in zip(means, spread, strict=True)]
    if len(images) < 4 or min(len(v) for v in values) < 2:  # too little to be carried on
        return figures.Curve(images, means, low, high)
    further = [images[-1], 2 * images[-1], 4 * images[-1]]
    return figures.Curve(images, means, low, high, (further, [float(v) for v in extrapolate(images, means, further)]))


def _doubt(study: Study, found: dict[str, Any], values: dict[str, Any]) -> Section:
    p, cross = found["permutation"], values["cross_batch"]
    blocks: list[Block] = []
    if len(p["null"]):
        among = "between groups" if p["level"] == "groups" else "among the images of each group"
        blocks.append(
            Picture(
                figures.permutation_figure(p["null"], p["observed"], p["p"]),
                f"Balanced accuracy of the morphology baseline, cross-validated, with labels shuffled {among}.",
                "Accuracies with shuffled labels",
            )
        )
    if p["network_balanced_accuracy"]:
        said = ", ".join(_percent(v) for v in p["network_balanced_accuracy"])
        blocks.append(
            Text(
                f"The network, learning shuffled labels, is right on {said} of the test: near one half when "
                "nothing leaks from one side to the other."
            )
        )
    if "pairs" in cross:
        rows = [_batch_row(f"{name}, by itself", r) for name, r in values["within_batch"].items()]
        rows += [_batch_row(name, r) for name, r in cross["pairs"].items()]
        note = "By itself: in folds over the groups of one batch. The arrows are the test that counts: other days, "
        columns = ["learned on → asked on", "images", "groups", "network", "95 %", "AUROC", "morphology"]
        blocks.append(Table(columns, rows, "Batch by batch", note=note + "donors and tips."))
    else:
        blocks.append(Warning(f"No cross-batch test: {cross['reason']}."))
    if values["test"]["n_groups"] < FEW:
        blocks.append(Warning(f"Only {values['test']['n_groups']} independent groups were tested. See every interval."))
    return Section("How far to believe it", blocks)


def _batch_row(name: str, r: dict[str, Any]) -> list[Any]:
    if "reason" in r:
        return [f"{name}: {r['reason']}", *[None] * 6]
    between = f"{_percent(r['interval95'][0])}–{_percent(r['interval95'][1])}"
    hand = _percent(r["morphology"]["image_accuracy"], 1) if "morphology" in r else None
    auroc = None if r["auroc"] is None else f"{r['auroc']:.2f}"
    return [name, r["n_images"], r["n_groups"], _percent(r["image_accuracy"], 1), between, auroc, hand]


def _applied(study: Study, found: dict[str, Any], why: dict[str, Any], values: dict[str, Any]) -> list[Section]:
    out = []
    a, b = study.collection.classes
    test = study.data.at(study.test)
    for name, r in why["applied"].items():
        if "reason" in r and r["n"] == 0:
            out.append(Section(f"Are the {name} like the {a}?", [Warning(r["reason"])]))
            continue
        scores = np.asarray(found["test"]["scores"])
        shown = {
            f"{a}, test": _test_scores(scores, test.labels == 0),
            f"{b}, test": _test_scores(scores, test.labels == 1),
            name: figures.Applied(r["scores"], r["fraction"], _pair(r["interval95"])),
        }
        blocks: list[Block] = [
            Facts(
                [
                    Fact(
                        f"called {a}",
                        r["fraction"],
                        _pair(r["interval95"]),
                        percent=True,
                        real=values["real"],
                        note=f"{r['n']} images, {r['n_groups']} groups",
                    )
                ]
            ),
            Picture(
                figures.applied_figure(shown, (a, b)),
                f"Where the {name} lie between {a} and {b}.",
                f"Scores of {name} beside both populations",
            ),
        ]
        if "verdict" in r["equivalence"]:
            blocks.append(_applied_table(name, r, a, b))
            blocks.append(
                Text(
                    f"Equivalence with {a} on map {r['map']}, counted in {r['equivalence']['counted']}: "
                    f"{r['equivalence']['verdict']} (p = {r['equivalence']['p']:.2g}). A large p of Welch's test alone "
                    "would not show that two populations are alike."
                )
            )
        out.append(Section(f"Are the {name} like the {a}?", blocks))
    return out


def _test_scores(scores: np.ndarray, mine: np.ndarray) -> figures.Applied:
    scores = scores[mine]
    return figures.Applied(scores.tolist(), float((scores < 0.5).mean()) if len(scores) else None)


def _applied_table(name: str, r: dict[str, Any], a: str, b: str) -> Table:
    rows = []
    for other in (a, b):
        for unit in ("images", "groups"):
            w = r["welch"][f"against_{other}"][unit]
            if w is not None:
                rows.append(
                    [
                        f"{name} against {other}",
                        unit,
                        f"{w['n'][0]}, {w['n'][1]}",
                        f"{w['t']:.2f}",
                        f"{w['dof']:.1f}",
                        _p(w["p"]),
                        _effect(w),
                    ]
                )
    return Table(
        ["comparison", "counted", "n", "t", "d.o.f.", "p", "effect g (95 %)"],
        rows,
        f"Welch's test on the mean of feature map {r['map']}",
        note="Tiles of one image and images of one group are not independent: believe the rows counted in groups.",
    )


def _maps(study: Study, why: dict[str, Any]) -> Section:
    c, m = study.collection, why["maps"]
    shown = m["shown"]
    by = {label: m["means"][c.of(label)][:, shown] for label in (*c.classes, *c.applied) if len(c.of(label))}
    rows = []
    for r in m["rows"]:
        g = r["groups"]
        rows.append(
            [
                f"map {r['map']}",
                f"{r['images']['t']:.2f}",
                _p(r["images"]["p"]),
                _effect(r["images"]),
                _p(g["p"]) if g else None,
                _effect(g) if g else None,
            ]
        )
    example = why["example"]
    a, b = c.classes
    return Section(
        "What the first layer sees",
        [
            Picture(
                figures.feature_map_figure(example["tile"], example["maps"], pixel_size=c.pixel_size),
                f"A test tile of {b} and what each filter of the first layer makes of it.",
                "First-layer feature maps",
            ),
            Picture(
                figures.map_histogram_figure(by, [f"map {k + 1}" for k in shown]),
                "Mean of the two maps that differ most, one value per image.",
                "Histograms of feature-map means",
            ),
            Table(
                ["map", "t", "p", "effect g (95 %)", "p, groups", "effect, groups"],
                rows,
                f"{a} against {b}, map by map",
                note="Welch's test over images, and over the means of groups. The maps were shaped by most of these "
                "images, so a small p describes them and proves nothing more.",
                folded=True,
            ),
        ],
    )


def _where(study: Study, why: dict[str, Any], values: dict[str, Any]) -> Section:
    c, cam = study.collection, why["cam"]
    labels = np.asarray(cam["labels"])
    half = CAM_TILES // 2
    chosen = np.concatenate([np.flatnonzero(labels == k)[:half] for k in (0, 1)])
    titles = [c.classes[int(labels[i])] for i in chosen]
    blocks: list[Block] = []
    for key, name in (("review", "The review's recipe"), ("grad_cam", "Grad-CAM")):
        figure = figures.cam_figure(cam["tiles"][chosen], cam[f"{key}_maps"][chosen], titles, c.pixel_size, c.classes)
        blocks.append(Picture(figure, f"{name}: test tiles, and where the evidence lies.", "Class activation maps"))
    d = cam["grad_cam_deletion"]
    blocks.append(
        Picture(
            figures.deletion_figure(d[0], d[1], d[2], (d[3], d[4]), (d[5], d[6])),
            "Does the network need what the map marks? Its score as the marked places are blurred away (Grad-CAM).",
            "Deletion curve against the same maps moved elsewhere",
        )
    )
    rows = []
    for key, name in (("review", "review's recipe"), ("grad_cam", "Grad-CAM")):
        e = values["explanation"][key]
        own, truth = e["deletion_area_of_fitted_layer"], e["agreement_with_true_holes"]
        rows.append(
            [
                name,
                _triple(e["deletion_area"]),
                _triple(own) if own else None,
                f"{e['left_after_randomising']:.2f}",
                _triple(truth) if truth else None,
            ]
        )
    columns = [
        "map",
        "deletion above control",
        "same, fitted layer",
        "left after random weights",
        "AUROC on true holes",
    ]
    note = (
        "Deletion should be above zero: the network needs the marked places more than the same map moved elsewhere. "
        "The review's maps explain a layer fitted for them, right on "
        f"{_percent(cam['head_accuracy'])} of the tiles it was fitted to, which may decide otherwise than the network. "
        "What is left is the rank correlation with the maps of random weights, and should be near zero. True holes are "
        f"known for simulated scans only: evidence for {c.classes[0]} against the holes that were drawn."
    )
    blocks.append(Table(columns, rows, "Do the maps mean anything?", note=note))
    doubts = _map_doubts(values["explanation"])
    if doubts:
        blocks.append(Warning(f"These maps are not to be read as reasons: {'; '.join(doubts)}."))
    return Section("Where on the images", blocks)


def _map_doubts(explanation: dict[str, Any]) -> list[str]:
    """Which checks the class activation maps fail, in words."""
    said = []
    for key, name in (("review", "the review's"), ("grad_cam", "Grad-CAM's")):
        e = explanation[key]
        low, truth = e["deletion_area"][1], e["agreement_with_true_holes"]
        if low is None or low <= 0:
            said.append(f"{name} mark nothing that the network needs")
        if truth and None not in truth and truth[1] <= 0.55 and truth[2] >= 0.45:
            said.append(f"{name} do not find the true holes")
        if e["left_after_randomising"] is not None and abs(e["left_after_randomising"]) > 0.5:
            said.append(f"{name} hardly depend on what was learned")
    return said


def _protocol(study: Study, found: dict[str, Any], values: dict[str, Any]) -> Section:
    p, c = study.protocol, study.collection
    px = f"{c.pixel_size[1] * 1e9:.3g} nm" if c.pixel_size else "unknown size"
    rows: list[list[Any]] = [
        ["held out for the test", f"{_percent(p.holdout)} of the images, in whole groups ({len(study.test)} images)"],
        [
            "random groupings of the rest",
            f"{p.groupings}, {_percent(1 - p.validation)} to learn, {_percent(p.validation)} to choose",
        ],
        ["tiles", f"{c.tile} × {c.tile} pixels of {px}; {len(study.data.tiles[0])} per image"],
        ["scale", "each scan's own median and robust spread, clipped at five"],
        ["augmentation", f"{len(p.symmetries)}-fold: {', '.join(p.symmetries)}"],
        [
            "training, Table 1's architectures",
            f"batches of {p.batch}, Adam {p.lr:g}, to {_percent(p.stop_at_accuracy)} of training accuracy or "
            f"{p.epochs} epochs" + (f" of {p.steps} batches, or as many as hold every tile" if p.steps else ""),
        ],
        [
            "training, the modern one",
            f"the same batches, Adam {p.modern_lr:g} falling to zero in {p.modern_epochs} epochs",
        ],
        ["architectures", "; ".join(f"{n} ({a['parameters']} weights)" for n, a in found["architectures"].items())],
        ["chosen", found["best"]],
        [
            "random forest",
            f"{values['baselines']['random_forest']['trees']} trees, chosen of "
            f"{', '.join(map(str, p.forest_trees))} by {p.forest_folds}-fold cross-validation over groups",
        ],
        ["seconds", f"{values['seconds']:.0f}"],
    ]
    return Section("The protocol", [Table(["step", "what was done"], rows, f"Protocol “{p.name}”")])


def _provenance(study: Study, values: dict[str, Any]) -> Section:
    c = study.collection
    learn = {int(study.compared[i]) for i in study.dev}
    compared = set(map(int, study.compared))
    rows = [
        [
            i.entry.name,
            i.entry.label,
            i.group,
            i.entry.batch,
            "learn" if k in learn else ("test" if k in compared else "judged"),
            i.digest[:12],
        ]
        for k, i in enumerate(c.images)
    ]
    note = f"The first {LISTED} of {len(rows)}; all are in scans.csv." if len(rows) > LISTED else "Also in scans.csv."
    blocks: list[Block] = [
        Table(
            ["file", "population", "group", "batch", "use", "SHA-256"],
            rows[:LISTED],
            "Every scan",
            note=note,
            folded=True,
        )
    ]
    if c.broken:
        blocks.insert(0, Table(["file", "reason"], [list(b) for b in c.broken], "Left out, and why"))
    return Section("Provenance", blocks)


LISTED = 300  # rows of a table that a page can bear


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _p(p: float | None) -> str | None:
    if p is None:
        return None
    return "< 10⁻¹⁰" if p < 1e-10 else f"{p:.2g}"


def _effect(w: dict[str, Any]) -> str:
    low, high = w["effect_interval95"]
    return f"{w['effect']:.2f} ({low:.2f} to {high:.2f})"


def _triple(v: Sequence[float | None]) -> str:
    return " ".join(
        "–" if x is None else (f"{x:.2f}" if i == 0 else f"{'(' if i == 1 else 'to '}{x:.2f}{')' if i == 2 else ''}")
        for i, x in enumerate(v)
    )
