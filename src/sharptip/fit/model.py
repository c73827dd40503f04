"""The verb: a Model is a recipe and what was learned with it. clean → scale → learner → decode.

model = Model(recipe, epochs=10).fit(seed=0)
answer = model.predict(scan)
table = model.score(examples)
model.save("x.sharptip"); Model.load("x.sharptip")
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..core import registry
from ..core.errors import ModelError, ScanError
from ..core.history import is_simulated, remember
from ..core.scan import channel as channel_of
from ..core.scan import label
from ..data.split import folds, holdout
from . import each
from . import score as scoring
from .beside import Looks, with_others
from .kinds import kind_of
from .prepare import Prepared, prepare, to_tiles
from .recipe import COMMON, Example, Port, Recipe, settled
from .scale import CLIP, Scale
from .storage import load, save

DOUBTS = "doubts"  # beside the answers of a frame, until they are put together
TOGETHER = 8  # frames of a film that go through a network at once
PARTS = 8  # of the groups; each member of an ensemble learns without one of them
WEIGHTS = Path(__file__).parents[1] / "weights"  # trained models that ship, NAME.sharptip


class OutOfRange(UserWarning):
    """A scan is outside of what the model was trained on; its answer is a guess."""


class Model:
    """A recipe with what was learned. Nothing is learned until `fit`; `predict` then leaves its input untouched."""

    def __init__(self, recipe: Recipe | str, **options: Any) -> None:
        chosen: Recipe = registry.get("recipes", recipe) if isinstance(recipe, str) else recipe
        self.options = settled(chosen, options)
        self.recipe = chosen.on_channel(self.options)
        self.classes: tuple[str, ...] = tuple(self.options["classes"])
        self.kind = kind_of(self.recipe, self.classes)
        self.learner: Any = None
        self.baselines: dict[str, Any] = {}
        self.card: dict[str, Any] = {}

    # -- learning ---------------------------------------------------------------------------------------------

    def fit(
        self,
        scans: Sequence[Example] | None = None,
        seed: int = 0,
        on_epoch: Callable[..., Any] | None = None,
        state: str | Path | None = None,
    ) -> Model:
        """Learn from examples, or from simulated ones when none are given. Returns itself.

        state: a file that keeps every epoch of a network; a run that was interrupted goes on from there.
        The same examples and seed give the same model on one machine. Raises ModelError where nothing can be
        learned: one class only, scans of unequal pixel size without a common one, no simulator and no examples.
        """
        examples = list(scans) if scans is not None else self._simulated(seed)
        if not examples:
            raise ModelError(f"recipe {self.recipe.name!r}: there are no examples to learn from")
        if self.recipe.kind == "each":
            return each.learn(self, examples, scans is not None and each.are_real(examples), seed, on_epoch)
        prepared = [prepare(self.recipe, e.scan) for e in examples]
        pixels = [p.pixel_size for p in prepared if p.pixel_size]
        self.card = {
            "real": not any(is_simulated(e.scan) for e in examples) and scans is not None,
            "seed": seed,
            "n_examples": len(examples),
            "n_groups": len({e.group for e in examples}),
            "pixel_size": [float(np.median([p[i] for p in pixels])) for i in (0, 1)] if pixels else None,
            "tile": self._tile([min(p.channels.shape[1:]) for p in prepared]),
        }
        self._learn_scale(prepared)
        x, y, owner = self._tensors(examples, prepared)
        del prepared
        self.learner = self._new_learner(seed)
        if _is_network(self.learner):
            self._take_over()
            self._train(x, y, owner, examples, seed, on_epoch, state)
        else:
            self.kind.learn(self.learner, self._features(x), y)
        if self.recipe.kind != "restore":
            self._learn_baselines(x, y, seed)
        return self

    def _simulated(self, seed: int) -> list[Example]:
        if self.recipe.example is None:
            raise ModelError(f"recipe {self.recipe.name!r} has no simulator; give it real examples")
        children = np.random.SeedSequence(seed).spawn(self.options["examples"])
        return [self.recipe.example(np.random.default_rng(s), self.options) for s in children]

    def _tile(self, sides: list[int]) -> int:
        """Pixels of a tile: as asked for, unless the smallest scan has fewer; a whole scan is brought to it anyway."""
        return int(self.options["tile"] if self.recipe.view == "whole" else min(self.options["tile"], *sides, 1 << 30))

    def _learn_scale(self, prepared: Sequence[Prepared]) -> None:
        own = [Scale.own(p.channels) for p in prepared]
        spreads = np.stack([s.spread for s in own])
        self.card["range"] = [spreads.min(axis=0).tolist(), spreads.max(axis=0).tolist()]
        offset = np.median([s.offset for s in own], axis=0)
        self.card["scale"] = {"offset": offset.tolist(), "spread": np.median(spreads, axis=0).tolist()}

    def _scale(self, prepared: Prepared) -> Scale:
        if self.recipe.scale != "fixed":
            return Scale.own(prepared.channels)
        return Scale(*(np.array(self.card["scale"][k]) for k in ("offset", "spread")))

    def _trained_pixels(self) -> tuple[float, float] | None:
        pixels = self.card["pixel_size"]
        return (pixels[0], pixels[1]) if pixels else None

    def _tiles(self, prepared: Prepared, name: str) -> np.ndarray:
        return to_tiles(self.recipe, prepared, self._scale(prepared), self.card["tile"], self._trained_pixels(), name)

    def _tensors(
        self, examples: Sequence[Example], prepared: Sequence[Prepared]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(x tiles, y truth per tile, index of the example each tile came from)."""
        if self.recipe.kind == "restore":
            pairs = [self._pair(e, p) for e, p in zip(examples, prepared, strict=True)]
            owner = np.repeat(np.arange(len(pairs)), [len(x) for x, _ in pairs])
            return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs]), owner
        x, owner = self._all_tiles(examples, prepared)
        y = np.stack([self.kind.truth(e) for e in examples])[owner]
        self.kind.demand_enough(y)
        return x, y, owner

    def _all_tiles(self, examples: Sequence[Example], prepared: Sequence[Prepared]) -> tuple[np.ndarray, np.ndarray]:
        """(tiles of all examples, index of the example of each)."""
        tiles = [self._tiles(p, label(e.scan)) for e, p in zip(examples, prepared, strict=True)]
        if self.recipe.lines:  # learned and scored on as many lines as a tile has, whatever else was scanned
            side = self.card["tile"]
            short = next((i for i, t in enumerate(tiles) if t.shape[2] < side), None)
            if short is not None:
                raise ModelError(
                    f"{label(examples[short].scan)} has {tiles[short].shape[2]} lines for {side} pixels across; "
                    f"recipe {self.recipe.name!r} learns from whole frames of {side} lines: leave it out"
                )
            tiles = [t[:, :, :side] for t in tiles]
        return np.concatenate(tiles), np.repeat(np.arange(len(tiles)), [len(t) for t in tiles])

    def _pair(self, example: Example, prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
        """Tiles of a scan and of its truth, both in the numbers of the scan's own scale."""
        from ..data.tiles import tiles_of

        scale, tile = self._scale(prepared), self.card["tile"]
        if example.truth is None and self.recipe.itself is None:
            raise ModelError(f"{label(example.scan)} comes without its truth, from which {self.recipe.name!r} learns")
        clip = None if self.recipe.finish else CLIP  # what is put together again in the end is seen whole
        numbers = self._with_first(scale.numbers(prepared.channels, clip), prepared, scale)
        if self.recipe.beside:
            numbers = with_others(numbers, prepared, self._others(example), scale)
        x = np.stack([tiles_of(c, tile) for c in numbers], axis=1)
        if self.recipe.itself:
            return x, x[:, :1]
        shape = prepared.channels.shape[1:]
        truth = [(p, _whole_image(example.truth[p.name], shape)) for p in self.recipe.gives]
        y = np.stack([tiles_of(scale.number(t, p.number, self._eaten(p)), tile) for p, t in truth], axis=1)
        return x, y

    def _with_first(self, numbers: np.ndarray, prepared: Prepared, scale: Scale) -> np.ndarray:
        """(c, y, x): the numbers of the channels, and of the first answer that the recipe has to them."""
        if self.recipe.first is None:
            return numbers
        images = self.recipe.first(np.where(prepared.lost, np.nan, prepared.channels[0]), self.options)
        return np.concatenate([numbers, *(scale.number(image, kind)[None] for image, kind in images)])

    def _others(self, example: Example) -> list[Prepared | None]:
        """The other looks that an example brings, or as many times none."""
        assert self.recipe.beside is not None
        known = example.beside or (None,) * len(self.recipe.beside({}, {}, self.options))
        return [None if scan is None else prepare(self.recipe, scan) for scan in known]

    def _eaten(self, port: Port) -> int:
        """The channel on whose scale a port's numbers are: its own, or the first."""
        names = [p.name for p in self.recipe.eats]
        return names.index(port.name) if port.name in names else 0

    def _batches_made(self, x: np.ndarray, examples: Sequence[Example]) -> Any:
        """(epoch, rng) → batches, for recipes that make them anew in every epoch; None where x and y are all."""
        if self.options["fresh"] and not self.card["real"]:
            return self._fresh
        if self.recipe.itself is None:
            return None
        size, itself = self.options["batch"], self.recipe.itself
        number = self.options.get("tiles", len(x))

        def drawn(epoch: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            rounds = -(-number // len(x))
            order = np.concatenate([rng.permutation(len(x)) for _ in range(rounds)])[:number]
            for i in range(0, len(order), size):
                yield itself(x[order[i : i + size]], rng, self.options)

        return drawn

    def _fresh(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches (x, y) of simulated examples that were never seen before, as many as `examples` says."""
        assert self.recipe.example is not None
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        size = self.options["batch"]
        for child in rng.spawn(self.options["examples"]):
            e = self.recipe.example(child, self.options)
            waiting.append(self._pair(e, prepare(self.recipe, e.scan)))
            if sum(len(x) for x, _ in waiting) >= size:
                x, y = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
                yield x[:size], y[:size]
                waiting = [(x[size:], y[size:])]

    def _take_over(self) -> None:
        """Transfer learning: weights of another model, and which layers keep them."""
        if self.options["start_from"] is not None:
            start = str(self.options["start_from"])
            source = Model.load(start, self.recipe) if start.endswith(".sharptip") else Model.trained(start)
            try:
                self.learner.load_state_dict(source.learner.state_dict())
            except (RuntimeError, AttributeError) as error:
                raise ModelError(f"start_from: {self.options['start_from']} holds another network ({error})") from None
        if self.options["freeze"] is not None:
            from ..nets import freeze_until

            try:
                freeze_until(self.learner, self.options["freeze"])
            except ValueError as error:
                raise ModelError(f"freeze: {error}") from None

    def _new_learner(self, seed: int) -> Any:
        """A fresh learner: what the recipe builds, or as many of it as the ensemble has members."""
        members = self.options["members"]
        learners = [self._build(seed + i) for i in range(members)]
        if members == 1:
            return learners[0]
        if not _is_network(learners[0]):
            raise ModelError(f"recipe {self.recipe.name!r} learns with an estimator; members > 1 is for networks")
        if self.recipe.kind == "restore":
            raise ModelError(f"recipe {self.recipe.name!r} restores; members > 1 is for recipes that judge")
        from ..nets import Ensemble

        return Ensemble(learners, (*((self.card["tile"],) if self.recipe.lines else ()), *self.kind.outputs))

    def _build(self, seed: int) -> Any:
        about = {k: self.card.get(k) for k in ("tile", "input")}
        options = {**self.options, "seed": seed, **about, "classes": self.classes}
        try:
            import torch
        except ModuleNotFoundError:
            return self.recipe.build(options)
        with torch.random.fork_rng(devices=[]):  # the caller's random state is not ours to move
            torch.manual_seed(seed)
            try:
                return self.recipe.build(options)
            except (ValueError, KeyError) as error:
                raise ModelError(f"recipe {self.recipe.name!r} cannot be built with these options: {error}") from error

    def _features(self, x: np.ndarray) -> np.ndarray:
        return self.recipe.features(x) if self.recipe.features else x.reshape(len(x), -1)

    def _counts(self) -> dict[str, int | None]:
        """What is judged: the whole scan, or its first lines, by the name that its scores carry."""
        return {**{f" after {n} lines": n for n in self.recipe.lines}, "": None}

    def _learn_baselines(self, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        for after, n in self._counts().items():
            features = self._features(x[:, :, :n]) if self.recipe.baselines else x
            for name, build in self.recipe.baselines.items():
                estimator = build({**self.options, "seed": seed})
                self.baselines[name + after] = self.kind.learn(estimator, features, y)

    def _train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        owner: np.ndarray,
        examples: Sequence[Example],
        seed: int,
        on_epoch: Any,
        state: str | Path | None,
    ) -> None:
        from .train_network import train_ensemble, train_network

        groups = [e.group or str(i) for i, e in enumerate(examples)]
        strata = [self.kind.stratum(e) if self.recipe.kind != "restore" else "" for e in examples]
        if self.options["members"] > 1:
            members = self.options["members"]
            parts = folds(groups, strata, max(members, PARTS), np.random.default_rng(seed))[:members]
            if len(parts) < members:
                raise ModelError(f"{len(parts)} groups are fewer than members={members}; take fewer members")
            held = [np.isin(owner, out) for _, out in parts]
            histories = train_ensemble(
                self.learner, x, y, self.recipe, self.options, seed, held, self.kind.calibration, on_epoch
            )
            self.card["history"] = [asdict(h) for h in histories]
            return
        validation = None
        if self.options["patience"] is not None:
            _, out = holdout(groups, strata, 0.2, np.random.default_rng(seed))
            validation = np.isin(owner, out)
        drawn = self._batches_made(x, examples)
        history = train_network(self.learner, x, y, self.recipe, self.options, seed, validation, on_epoch, drawn, state)
        self.learner.requires_grad_(True)
        self.card["history"] = asdict(history)

    @classmethod
    def from_network(cls, recipe: Recipe, network: Any, card: dict[str, Any], **options: Any) -> Model:
        """A network that was trained elsewhere (a study, a cluster) as a model; the card says how it was trained."""
        model = cls(recipe, **options)
        missing = {"real", "seed", "n_examples", "n_groups", "pixel_size", "tile", "range", "scale"} - set(card)
        if missing:
            raise ModelError(f"the card of a {recipe.name!r} model lacks {', '.join(sorted(missing))}")
        model.learner, model.card = network, dict(card)
        return model

    def asking(self, **changed: Any) -> Model:
        """What was learned, asked with other options: another channel and its unit, a dead time.

        Raises ModelError for an option that says how the model learns or what it is made of.
        """
        if late := [name for name in changed if name in COMMON or name in ("learner", "classes")]:
            raise ModelError(f"recipe {self.recipe.name!r}: {late[0]!r} is settled in training; train another model")
        asked = Model(self.recipe, **{**self.options, **changed})
        asked.learner, asked.card, asked.baselines = self.learner, self.card, self.baselines
        return asked

    # -- answering --------------------------------------------------------------------------------------------

    def predict(self, scan: xr.Dataset) -> xr.Dataset:
        """scan in SI units → scan in SI units, with the step in its history; the input is untouched.

        Raises ModelError before `fit`, ChannelError or UnitError for a scan the recipe cannot eat. Warns OutOfRange
        for a scan whose size was not seen in training, where the recipe's scale is fixed.
        """
        self._must_be_fitted()
        if not isinstance(scan, xr.Dataset):
            raise ScanError(f"a scan is an xarray.Dataset, this is a {type(scan).__name__}; make one with scan_of")
        if self.recipe.kind == "each":
            about = {"recipe": self.recipe.name, "seed": self.card.get("seed"), **_chosen(self.recipe, self.options)}
            return remember(scan, each.predict(self, scan), "predict", about)
        if self.recipe.kind == "restore":
            answer, prepared = self._restored(scan)
        else:
            prepared = prepare(self.recipe, scan)
            tiles = self._tiles(prepared, label(scan))
            answer = self._judged(self._asked(self.learner, tiles).mean(axis=0))
            self._warn_strange(answer, tiles, label(scan))
        self._warn_outside(prepared, scan)
        return remember(scan, answer, "predict", {"recipe": self.recipe.name, "seed": self.card["seed"]})

    def step(self, scan: xr.Dataset, *, channel: str) -> xr.Dataset:
        """The scan with that channel restored, and what else the answer holds beside it, as a cleaning step gives it.

        Those names begin with the channel's for any channel but the recipe's own. Raises ModelError for a recipe that
        judges or that takes one channel only, and what `predict` raises.
        """
        usual = self.recipe.eats[0].name
        if self.recipe.kind != "restore" or (channel != usual and "channel" not in self.options):
            raise ModelError(f"recipe {self.recipe.name!r} does not restore {channel!r}")
        unit = str(channel_of(scan, channel).attrs.get("units"))
        model = self
        if channel != usual:
            options = {**self.options, "channel": channel, "unit": unit}
            model = Model.from_network(registry.get("recipes", self.recipe.name), self.learner, self.card, **options)
        answer = model.predict(scan)
        names = {str(n): f"{channel}_{n}" for n in answer.data_vars if n != channel and channel != usual}
        found = answer.rename(names).data_vars
        kept = {n: v.assign_attrs(scan[n].attrs) if n == channel else v for n, v in found.items()}
        return scan.assign(kept).assign_attrs(history=answer.attrs["history"])

    def probabilities(self, examples: Sequence[Example]) -> dict[str, np.ndarray]:
        """The model's and every baseline's answers to examples: name → (n, classes).

        With a recipe that answers line by line, the name of an answer to the first n lines ends in ' after n lines'.
        """
        self._must_be_fitted()
        x, owner = self._all_tiles(examples, [prepare(self.recipe, e.scan) for e in examples])
        answers = {"model" + after: p for after, p in self._by_count(self._asked(self.learner, x)).items()}
        for after, n in self._counts().items():
            mine = {
                k: v for k, v in self.baselines.items() if k.partition(" after ")[1:] == after.partition(" after ")[1:]
            }
            features = self._features(x[:, :, :n]) if mine else x
            answers |= {name: self.kind.estimate(estimator, features) for name, estimator in mine.items()}
        of = np.bincount(owner)[:, None]
        return {k: np.stack([np.bincount(owner, q) for q in p.T], axis=1) / of for k, p in answers.items()}

    def line_by_line(self, examples: Sequence[Example]) -> np.ndarray:
        """(n, lines, classes) of a recipe that answers after every line. Raises ModelError for another one."""
        self._must_be_fitted()
        if not self.recipe.lines:
            raise ModelError(f"recipe {self.recipe.name!r} judges whole scans, not line by line")
        x, _ = self._all_tiles(examples, [prepare(self.recipe, e.scan) for e in examples])
        return self._asked(self.learner, x)

    def _by_count(self, p: np.ndarray) -> dict[str, np.ndarray]:
        """(n, lines, k) → (n, k) after each count of lines; (n, k) as it is."""
        return {after: p[:, n - 1 if n else -1] if p.ndim == 3 else p for after, n in self._counts().items()}

    def _asked(self, learner: Any, tiles: np.ndarray) -> np.ndarray:
        """Probabilities (tiles, …) of any learner, averaged over the recipe's symmetries if that was chosen."""
        if not _is_network(learner):
            return self.kind.estimate(learner, self._features(tiles))
        from .train_network import logits

        symmetries = self.recipe.symmetries if self.options["symmetric"] else ("identity",)
        return self.kind.probabilities(logits(learner, tiles, symmetries))

    def _judged(self, p: np.ndarray) -> xr.Dataset:
        """(classes,) or (lines, classes) as an answer."""
        coords = {"label": xr.Variable(("label",), np.array(self.classes), {"units": "1"})}
        if p.ndim == 2:
            coords["line"] = xr.Variable(("line",), np.arange(1, len(p) + 1), {"units": "1"})
        dims = ("line", "label")[2 - p.ndim :]
        answer = xr.Dataset({self.recipe.gives[0].name: xr.Variable(dims, p, {"units": "1"})}, coords=coords)
        last = p[-1] if p.ndim == 2 else p
        if self.recipe.kind == "rate":
            seen = [c for c, v in zip(self.classes, last, strict=True) if v >= 0.5]
            answer.attrs["label"] = ", ".join(seen) or "none"
        else:
            answer.attrs["label"] = self.classes[int(last.argmax())]
        if self.recipe.decide:
            answer.attrs |= self.recipe.decide(p, self.classes)
        return answer

    def _restored(self, scan: xr.Dataset) -> tuple[xr.Dataset, Prepared]:
        """The answer on the scan's own pixels, every frame and direction of it, and the last of them as it was seen."""
        port = self.recipe.eats[0]
        channel_of(scan, port.name)  # refused by name where there is none
        repeats = [str(d) for d in scan[port.name].dims if d not in port.dims]
        places = list(np.ndindex(*(scan.sizes[d] for d in repeats)))
        values: dict[str, np.ndarray] = {}  # of all frames; nothing else of a frame stays in memory
        doubts: list[str] = []
        looks = Looks(self.recipe, scan, {d: scan.sizes[d] for d in repeats}, self.options, keep=4 * TOGETHER)
        for first in range(0, len(places), TOGETHER):
            parts = [dict(zip(repeats, at, strict=True)) for at in places[first : first + TOGETHER]]
            prepared = [looks.at(part) for part in parts]
            found = self._numbers_back(prepared, [looks.beside(part) for part in parts])
            for i, one in enumerate(found, first):
                doubts.append(str(one.pop(DOUBTS, "")))
                for name, image in one.items():
                    values.setdefault(name, np.empty((len(places), *image.shape)))[i] = image
        answer = scan.drop_vars(list(scan.data_vars))
        if self.recipe.doubts:
            answer.attrs["doubts"] = json.dumps(doubts)
            self._warn_doubtful(doubts, label(scan))
        shape = tuple(scan.sizes[d] for d in repeats)
        for port in self.recipe.gives:
            whole = values[port.name].reshape(*shape, *values[port.name].shape[1:])
            answer[port.name] = xr.Variable((*repeats, *port.dims), whole, {"units": port.unit})
        return answer, prepared[-1]

    def _numbers_back(
        self, prepared: Sequence[Prepared], others: Sequence[Sequence[Prepared | None]]
    ) -> list[dict[str, np.ndarray]]:
        """What the network makes of scans of one size, by name and in units; NaN where the scan was."""
        from .train_network import run_network

        scales = [self._scale(p) for p in prepared]
        numbers = np.stack([
            with_others(self._with_first(s.numbers(p.channels, clip=None), p, s), p, beside, s)
            for s, p, beside in zip(scales, prepared, others, strict=True)
        ])  # fmt: skip
        answers = []
        for out, scale, p in zip(run_network(self.learner, numbers, batch=TOGETHER), scales, prepared, strict=True):
            named = {
                port.name: scale.value(image if "x" in port.dims else image[:, 0], port.number, self._eaten(port))
                for port, image in zip(self.recipe.gives, out, strict=True)
            }
            raw = np.where(p.lost, np.nan, p.channels[0])
            if self.recipe.finish:
                named = self.recipe.finish(raw, named, self.options)
            doubt = {DOUBTS: np.array(self.recipe.doubts(raw, named, self.options))} if self.recipe.doubts else {}
            gone = {2: p.lost, 1: p.lost.all(axis=1)}
            answers.append({name: np.where(gone[v.ndim], np.nan, v) for name, v in named.items()} | doubt)
        return answers

    def _warn_strange(self, answer: xr.Dataset, tiles: np.ndarray, name: str) -> None:
        """Say in the answer, and aloud, where a scan looks like nothing that was learned from."""
        if not len(getattr(self.learner, "centre", ())):
            return
        from .train_network import strangeness

        found = strangeness(self.learner, tiles)
        answer.attrs |= {"strangeness": round(found, 3), "unlike": int(found > 1)}
        if found > 1:
            text = f"{name} is unlike the scans that this {self.recipe.name!r} model learned from: a guess"
            warnings.warn(text, OutOfRange, stacklevel=3)

    def _warn_doubtful(self, doubts: Sequence[str], name: str) -> None:
        found = [text for text in doubts if text]
        if found:
            text = f"{name}: {len(found)} of {len(doubts)} answers are doubtful; the first: {found[0]}"
            warnings.warn(text, OutOfRange, stacklevel=4)

    def _warn_outside(self, prepared: Prepared, scan: xr.Dataset) -> None:
        if self.recipe.scale != "fixed":
            return
        low, high = (np.array(v) for v in self.card["range"])
        spread = Scale.own(prepared.channels).spread
        if (spread < low / 2).any() or (spread > high * 2).any():
            text = f"{label(scan)}: its spread {spread} is outside the trained range {low} to {high}"
            warnings.warn(text, OutOfRange, stacklevel=3)

    @property
    def learns_nothing(self) -> bool:
        """Whether the recipe builds no learner with these options, and so needs no `fit`."""
        if self.recipe.kind != "each":
            return False
        try:
            return self._build(0) is None
        except (ModelError, TypeError):  # a network that wants to know the shape of what it will see
            return False

    def _must_be_fitted(self) -> None:
        if self.learner is None and not self.learns_nothing:
            ships = f", or take the one that ships: Model.trained({self.recipe.name!r})" * (
                self.recipe.name in self.that_ship()
            )
            raise ModelError(f"this {self.recipe.name!r} model has learned nothing yet; call fit or Model.load{ships}")

    # -- judging ----------------------------------------------------------------------------------------------

    def score(self, examples: Sequence[Example], *, real: bool = True) -> pd.DataFrame:
        """Metrics on examples beside every baseline and every published claim.

        One row per learner and metric: value, 95 % interval over groups (`low`, `high`), `n`, `groups`, `data`
        ('real' or 'simulated'); claims have no interval and carry their source.
        """
        self._must_be_fitted()
        if not examples:
            raise ModelError("there are no examples to score on")
        if self.recipe.kind == "each":
            return each.score(self, examples, real)
        if self.recipe.kind == "restore":
            rows = scoring.restoration_rows(self, examples, [e.group or str(i) for i, e in enumerate(examples)])
            return scoring.table(self.recipe, rows, real)
        return scoring.judgement_table(self.recipe, self.kind, examples, self.probabilities(examples), real)

    # -- keeping ----------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, baselines: bool = True) -> Path:
        """Weights and a JSON card in one file, never a pickle; whole or not at all. Without baselines it is smaller."""
        self._must_be_fitted()
        network = _is_network(self.learner)
        card = {**self.card, "recipe": self.recipe.name, "options": _plain(self.options), "network": network}
        estimators = {f"baseline-{k}": v for k, v in self.baselines.items() if baselines}
        if not network and self.learner is not None:
            estimators["learner"] = self.learner
        return save(path, card, self.learner.state_dict() if network else {}, estimators)

    @classmethod
    def trained(cls, name: str) -> Model:
        """The trained model that ships with sharptip. Raises ModelError where a recipe has none."""
        file = WEIGHTS / f"{name}.sharptip"
        if not file.exists():
            there = ", ".join(cls.that_ship()) or "none"
            if name not in registry.names("recipes"):
                raise ModelError(
                    f"{name!r} is neither a saved model (NAME.sharptip) nor a recipe; those that ship a model: {there}"
                )
            raise ModelError(
                f"no trained model ships for {name!r} (there are: {there}); "
                f"make one: sharptip train {name} --out {name}.sharptip"
            )
        return cls.load(file)

    @staticmethod
    def that_ship() -> list[str]:
        """Names of the recipes whose trained model ships."""
        return sorted(file.stem for file in WEIGHTS.glob("*.sharptip"))

    @classmethod
    def load(cls, path: str | Path, recipe: Recipe | None = None) -> Model:
        """A saved model. `recipe` is needed only for one that is not registered. Raises ModelError."""
        card, tensors, estimators = load(path)
        try:
            model = cls(recipe or card["recipe"], **card["options"])
            model.card = {k: v for k, v in card.items() if k not in ("format", "recipe", "options", "network")}
            if card["network"]:
                model.learner = model._new_learner(card["seed"])
                model.learner.load_state_dict(tensors)
                model.learner.eval()
            elif not model.learns_nothing:
                model.learner = estimators["learner"]
        except (KeyError, TypeError, RuntimeError) as error:
            raise ModelError(f"{path}: does not fit the recipe it names ({error})") from None
        model.baselines = {k.removeprefix("baseline-"): v for k, v in estimators.items() if k.startswith("baseline-")}
        return model


def _whole_image(truth: xr.DataArray, shape: tuple[int, ...]) -> np.ndarray:
    """A truth (y, x), or (y,) for what belongs to whole lines, as an image."""
    values = np.asarray(truth.values, float)
    return np.broadcast_to(values if values.ndim == 2 else values[:, None], shape)


def _chosen(recipe: Recipe, options: dict[str, Any]) -> dict[str, Any]:
    """The recipe's own options, those of learning aside: what an answer of physics rests on."""
    return {k: v for k, v in _plain(options).items() if k in recipe.options and k not in COMMON}


def _is_network(learner: Any) -> bool:
    return hasattr(learner, "state_dict") and hasattr(learner, "parameters")


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
