"""Where on the images, and why: feature maps, class activation maps and their sanity, the applied populations.

Everything here describes what the network learned; it does not add to what is known about the populations, and each
part says on which images it rests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from ..data.tiles import resample, tiles_of
from ..explain.cam import fit_cam, grad_cam
from ..explain.feature_maps import feature_maps, map_means, normalised
from ..explain.sanity import agreement, deletion_curve, randomisation_check
from ..explain.statistics import Comparison, cluster_welch, equivalence, welch
from ..explain.unlike import Reference, image_features
from . import learners
from .believe import interval
from .collect import Collection, Image
from .run import Study
from .work import Result

LAYER = "relu1"  # the review's Figures 7 and 8 show the first layer
MARGIN = 0.5  # standard deviations of the reference within which two populations are called equivalent
MAPS_SHOWN = 2  # feature maps that differ most between the populations
PICTURES = 6  # tiles shown under their class activation maps


def explain(study: Study, found: dict[str, Any], truth: Path | None) -> dict[str, Any]:
    """Feature maps, the applied populations, class activation maps and their checks, and what is unlike the rest."""
    net = study.final_network(found["best"], found["final"])
    maps = study.work.do("feature maps", lambda state: _map_means(study, net))
    cams = study.work.do("activation maps", lambda state: _cams(study, net, truth))
    return {
        "maps": feature_map_findings(study, maps["means"]),
        "example": _example_maps(study, net),
        "applied": applied(study, net, maps["means"], found["test"]["scores"]),
        "cam": cams,
        "unlike": unlike(study),
    }


def _map_means(study: Study, net: Any) -> Result:
    """Mean of each first-layer map for every image of the collection, stretched to 0–1 over all of them."""
    tiles = [image.tiles for image in study.collection.images]
    owner = np.repeat(np.arange(len(tiles)), [len(t) for t in tiles])
    means = map_means(net, np.concatenate(tiles)[:, None], LAYER)
    per_image = np.stack([learners.per_image(column, owner, len(tiles)) for column in means.T], axis=1)
    return {"means": normalised(per_image)}


def feature_map_findings(study: Study, means: np.ndarray) -> dict[str, Any]:
    """The populations compared map by map: Welch over images, and over groups. The review's Figure 8 and its tests."""
    c = study.collection
    a, b = c.of(c.classes[0]), c.of(c.classes[1])
    groups = np.array([i.group for i in c.images])
    rows: list[dict[str, Any]] = []
    for k in range(means.shape[1]):
        plain = welch(means[a, k], means[b, k])
        rows.append({"map": k + 1, "images": _plain(plain), "groups": _clustered(means[:, k], groups, a, b)})
    order = np.argsort([-abs(r["images"]["effect"]) if np.isfinite(r["images"]["effect"]) else 0 for r in rows])
    shown = [int(k) for k in order[:MAPS_SHOWN]]
    return {"means": means, "rows": rows, "shown": shown}


def _clustered(values: np.ndarray, groups: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, Any] | None:
    """Welch on the means of groups; None where a side has one group only."""
    if min(len(set(groups[a])), len(set(groups[b]))) < 2:
        return None
    return _plain(cluster_welch(values[a], groups[a], values[b], groups[b]))


def _plain(c: Comparison) -> dict[str, Any]:
    return {
        "difference": c.difference, "t": c.t, "dof": c.dof, "p": c.p, "effect": c.effect,
        "effect_interval95": list(c.effect_interval), "n": list(c.n),
        "bootstrap95": list(c.bootstrap) if c.bootstrap else None,
    }  # fmt: skip


def applied(study: Study, net: Any, means: np.ndarray, tested: np.ndarray) -> dict[str, dict[str, Any]]:
    """Each applied population: how much of it is called like the reference, and whether it is equivalent to it."""
    c = study.collection
    groups = np.array([i.group for i in c.images])
    # compared along the map that tells the two populations apart best
    a, b = c.of(c.classes[0]), c.of(c.classes[1])
    effects = [abs(welch(means[a, k], means[b, k]).effect) for k in range(means.shape[1])]
    k = int(np.argmax(np.where(np.isfinite(effects), effects, 0)))
    reference = tested[study.data.labels[study.test] == 0]
    out = {}
    for name in c.applied:
        chosen = c.of(name)
        if not len(chosen):
            out[name] = {"reason": "none of its scans could be read", "n": 0}
            continue
        tiles = [c.images[i].tiles for i in chosen]
        scores = learners.network_scores(net, tiles)
        owner = np.repeat(np.arange(len(tiles)), [len(t) for t in tiles])
        like = learners.per_image(scores, owner, len(tiles)) < 0.5
        out[name] = {
            "fraction": float(like.mean()),
            "interval95": interval(like, groups[chosen]),
            "fraction_of_reference": float((reference < 0.5).mean()),  # its yardstick: test images of the reference
            "tile_fraction": float((scores < 0.5).mean()),
            "n": len(chosen),
            "n_groups": len(set(groups[chosen])),
            "scores": learners.per_image(scores, owner, len(tiles)),
            "map": k + 1,
            **_against(means[:, k], groups, chosen, a, b, c.classes),
        }
    return out


def _against(
    values: np.ndarray, groups: np.ndarray, chosen: np.ndarray, a: np.ndarray, b: np.ndarray, classes: tuple[str, str]
) -> dict[str, Any]:
    """Welch against both populations and equivalence with the reference, counting groups where there are enough."""
    if len(chosen) < 2:
        return {"welch": {"reason": "one image; a comparison needs two"}, "equivalence": {"reason": "one image"}}
    tests = {}
    for name, other in zip(classes, (a, b), strict=True):
        tests[f"against_{name}"] = {
            "images": _plain(welch(values[chosen], values[other])),
            "groups": _clustered(values, groups, chosen, other),
        }
    by_group = min(len(set(groups[chosen])), len(set(groups[a]))) > 1
    units = {"groups_a": groups[chosen], "groups_b": groups[a]} if by_group else {}
    same = equivalence(values[chosen], values[a], MARGIN, **units)
    return {
        "welch": tests,
        "equivalence": {
            "margin_sd": same.margin_sd, "p": same.p, "equivalent": same.equivalent, "verdict": same.verdict,
            "difference": same.difference, "interval90": list(same.interval), "n": list(same.n),
            "counted": "groups" if by_group else "images",
        },
    }  # fmt: skip


def _example_maps(study: Study, net: Any) -> dict[str, np.ndarray]:
    """One test tile of the second population and what each first-layer filter makes of it (Figure 7)."""
    test = study.data.at(study.test)
    tile = test.tiles[int(np.argmax(test.labels))][0]
    return {"tile": tile, "maps": feature_maps(net, tile[None, None], LAYER)[0]}


def _cams(study: Study, net: Any, truth: Path | None) -> Result:
    """Class activation maps of test tiles, by the review's recipe and by Grad-CAM, and whether they mean anything."""
    dev, test = study.data.at(study.dev), study.data.at(study.test)
    x, y, _ = learners.flat(dev.tiles, dev.labels)
    head = fit_cam(net, x[:, None], y)
    chosen = _balanced(learners.flat(test.tiles, test.labels)[1], study.protocol.explained)
    xt, yt, owner = (part[chosen] for part in learners.flat(test.tiles, test.labels))
    tiles, groups = xt[:, None], test.groups[owner]
    result: Result = {"tiles": xt, "labels": yt, "owner": study.test[owner], "head_accuracy": head.accuracy}
    for name, make in (("review", lambda n, t: head.maps(n, t)), ("grad_cam", lambda n, t: grad_cam(n, t))):
        maps = make(net, tiles)
        gone = deletion_curve(net, tiles, maps, groups=groups)
        if name == "review":  # its maps may be true to the layer fitted for them and not to the network
            own = deletion_curve(net, tiles, maps, groups=groups, logits=lambda t: head.logits(net, t))
            result["review_own_deletion_area"] = [own.area.value, own.area.low, own.area.high]
        fades = randomisation_check(net, tiles, make)
        result |= {
            f"{name}_maps": maps.astype(np.float32),
            f"{name}_deletion": np.stack([gone.fractions, gone.important, gone.random, *gone.important_interval,
                                          *gone.random_interval]),
            f"{name}_deletion_area": [gone.area.value, gone.area.low, gone.area.high],
            f"{name}_randomised": [list(fades.layers), fades.correlation.mean(axis=1).tolist()],
        }  # fmt: skip
        holes = _true_tiles(study, truth, study.test[owner], chosen, test) if truth else None
        if holes is not None:
            # evidence for the reference should lie where the true holes are: the sign is turned to say so
            _, mean = agreement(-maps, holes, groups)
            result[f"{name}_agreement"] = [mean.value, mean.low, mean.high]
    return result


def _balanced(labels: np.ndarray, n: int) -> np.ndarray:
    """Indices of n tiles, spread evenly over the test, half of each label where there are enough."""
    parts = []
    for label in (0, 1):
        mine = np.flatnonzero(labels == label)
        parts.append(mine[np.linspace(0, len(mine) - 1, min(len(mine), n // 2)).astype(int)])
    return np.sort(np.concatenate(parts))


def _true_tiles(study: Study, truth: Path, owner: np.ndarray, chosen: np.ndarray, test: Any) -> np.ndarray | None:
    """The true mask under each chosen tile, cut as the tiles were; None where a mask is missing."""
    number = np.concatenate([np.arange(len(t)) for t in test.tiles])[chosen]  # of the tile within its image
    out = []
    for image_index, k in zip(owner, number, strict=True):
        image = study.collection.images[study.compared[image_index]]
        file = truth / f"{image.entry.path.stem}.png"
        if not file.exists():
            return None
        out.append(_cut_mask(image, file, study.collection)[k])
    return np.stack(out)


def _cut_mask(image: Image, file: Path, collection: Collection) -> np.ndarray:
    with Picture.open(file) as picture:
        mask = np.asarray(picture.convert("L"), float) / 255
    if collection.pixel_size and image.scanned_pixel_size:
        mask = resample(mask, image.scanned_pixel_size, collection.pixel_size)
    return tiles_of(mask, collection.tile) > 0.5


def unlike(study: Study) -> dict[str, Any]:
    """Scans that do not look like those that were learned from, by six plain numbers of each image."""
    c = study.collection
    features = np.stack([image_features(i.height) for i in c.images])
    learned = study.compared[study.dev]
    groups = np.array([i.group for i in c.images])
    if len(set(groups[learned])) < 3:
        return {"reason": "fewer than three groups were learned from; what is usual cannot be said", "names": []}
    reference = Reference.fit(features[learned], groups[learned])
    far = reference.unlike(features)
    far[learned] = False
    names = [c.images[i].entry.name for i in np.flatnonzero(far)]
    return {"names": names, "labels": [c.images[i].entry.label for i in np.flatnonzero(far)],
            "asked": int(len(c.images) - len(learned)), "reference": reference.as_dict()}  # fmt: skip
