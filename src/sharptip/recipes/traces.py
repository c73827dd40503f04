"""Is this trace worth keeping, which state was it in when, and how often per second does it switch?

For whatever switches between a few levels while it is recorded: telegraph noise of a tunnelling current, dwells of a
cantilever, donor and acceptor of one molecule. A network that has seen simulated traces of all three, and of what is
mistaken for them (`simulate.telegraph`), says which to keep and which state each sample is in; a hidden Markov chain
that starts from there gives levels, rates and their errors (`measure.hidden_markov`). After AutoSiM (Li et al., Nat.
Commun. 11, 5833 (2020)), reference 110 of the review doi 10.3762/bjnano.12.66.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.errors import ChannelError, ScanError, UnitError
from ..core.grid import Axis, Channel, Grid
from ..core.scan import from_grid, label
from ..fit.labelled_traces import traces_of
from ..fit.metrics import auroc
from ..fit.recipe import Example, Options, Port, Recipe
from ..fit.rows import Answers, Rival, Rows, needed
from ..measure.telegraph_traces import DEAD, MOST_STATES, faults_of, plain_chains, scaled, settle, trace_features

NAME = "traces"
DARK = MOST_STATES  # class of a frame in which a pair is bleached or blinks
TOGETHER = 16  # traces of an example
WORST = 3.0  # error of a rate, in ln k, that was not found at all, or is wrong by more: a factor of 20


def rows(scan: xr.Dataset, options: Options) -> Rows:
    """Each trace along `time`, or along `sample` of the part of force curves that options['segment'] names.

    Raises ChannelError, UnitError or ScanError naming what is amiss.
    """
    names = [options["channel"]] + [n for n in [options["second"]] if n in scan.data_vars]
    found = [needed(scan, Port(n, options["unit"], ()), NAME) for n in names]
    along = next((d for d in ("time", "sample") if d in found[0].dims), None)
    if along is None or any(f.dims != found[0].dims for f in found):
        raise ChannelError(
            f"{label(scan)}: {names[-1]!r} has axes {found[-1].dims}; "
            f"recipe {NAME!r} goes along 'time', or 'sample' of force curves"
        )
    dims = tuple(str(d) for d in found[0].dims if d != along)
    values = np.stack([f.transpose(..., along).values.reshape(-1, f.sizes[along]) for f in found], 1).astype(float)
    if "segment" in scan and along == "sample":
        values = np.where(_part(scan, options["segment"])[:, None], values, np.nan)
    dt = _seconds(scan, along, len(values))
    faults = faults_of(values)
    numbers = np.where(np.array([not f for f in faults])[:, None, None], scaled(values), 0).astype(np.float32)
    return Rows(numbers, dims, faults, {"traces": values, "dt": dt})


def _part(scan: xr.Dataset, name: str) -> np.ndarray:
    """(curves, samples) where a curve is in the segment of that name."""
    segments = json.loads(scan.attrs.get("segments", "[]"))
    if name not in segments:
        raise ScanError(f"{label(scan)} has segments {segments} and no {name!r}; say which: --set segment=NAME")
    wanted = [i for i, s in enumerate(segments) if s == name]
    return np.isin(scan["segment"].values, wanted)


def _seconds(scan: xr.Dataset, along: str, n: int) -> np.ndarray:
    """(n,) seconds between samples. Raises UnitError or ScanError."""
    if "time" not in scan.variables:
        raise ScanError(f"{label(scan)} says no time; rates need seconds between samples, as a variable 'time' in 's'")
    time = scan["time"]
    if time.attrs.get("units") != "s":
        raise UnitError(f"{label(scan)}: 'time' is in {time.attrs.get('units')!r}; recipe {NAME!r} needs 's'")
    if scan.sizes[along] < 2:  # no trace that can be judged
        return np.full(n, np.nan)
    steps = np.diff(time.transpose(..., along).values.astype(float), axis=-1).reshape(-1, scan.sizes[along] - 1)
    dt = np.array([float(np.median(s[np.isfinite(s)])) if np.isfinite(s).any() else np.nan for s in steps])
    return np.repeat(dt, n) if len(dt) == 1 else dt


def target(rows: Rows, truth: Answers, options: Options) -> np.ndarray:
    """(n, 2, samples): whether to keep a trace; of one to be kept the class of each sample, dark where no state is."""
    accept = np.asarray(truth["accept"], float)
    kept = (accept == 1)[:, None] & (rows.numbers[:, 2] > 0)
    state = np.asarray(truth.get("state", np.full(kept.shape, np.nan)), float)
    known = np.isfinite(state).any(1)[:, None]
    state = np.where(kept & known, np.where(np.isfinite(state), state, DARK), np.nan)
    state = np.where(np.isfinite(state) & (state < DARK) | _is_pair(rows)[:, None], state, np.nan)
    return np.stack([np.broadcast_to(accept[:, None], state.shape), state], 1).astype(np.float32)


def _is_pair(rows: Rows) -> np.ndarray:
    return (rows.numbers[:, 1] != 0).any(1)


def answer(rows: Rows, output: np.ndarray | None, options: Options) -> Answers:
    assert output is not None
    if output.ndim < 3:  # no trace is sound, and the network was not asked
        output = np.zeros((len(rows.numbers), MOST_STATES + 2, rows.numbers.shape[2]))
    p = 1 / (1 + np.exp(-output[:, 0, 0].astype(float)))
    classes = output[:, 1:].argmax(1)
    guess = np.where((rows.numbers[:, 2] > 0) & (classes < DARK), classes, -1)
    dt = rows.kept["dt"]
    return {"accept": p, **_told(settle(rows.kept["traces"], guess, dt, _dead(dt, options)))}


def _told(found: Any) -> Answers:
    return {
        "state": np.where(found.state >= 0, found.state, np.nan).astype(np.float32),
        "states": found.states.astype(float),
        "level": found.level[:, 0],
        "k12": found.rate[:, 0], "k12_error": found.error[:, 0],
        "k21": found.rate[:, 1], "k21_error": found.error[:, 1],
    }  # fmt: skip


def _dead(dt: np.ndarray, options: Options) -> np.ndarray:
    """(n,) seconds below which a dwell is not seen."""
    return options["dead_samples"] * dt


def chains_alone(scan: xr.Dataset, options: Options) -> Answers:
    """Hidden Markov chains and thresholds on signal to noise, without any network."""
    found = rows(scan, options)
    good, settled = plain_chains(found.kept["traces"], found.kept["dt"], _dead(found.kept["dt"], options))
    sound = found.sound
    return {k: np.where(sound.reshape(-1, *(1,) * (v.ndim - 1)), v, np.nan)
            for k, v in {"accept": good, **_told(settled)}.items()}  # fmt: skip


def network(options: Options) -> Any:
    from ..nets.trace_net import ScatterNet, TraceLSTM, TraceTCN

    kinds = {"tcn": TraceTCN, "lstm": TraceLSTM, "scatter": ScatterNet}
    if options["learner"] not in kinds:
        raise ValueError(f"learner is {options['learner']!r}; it is {', '.join(map(repr, kinds))}")
    return kinds[options["learner"]](classes=MOST_STATES + 1, dropout=options["dropout"])


def loss(answer: Any, target: Any) -> Any:
    from ..nets.trace_net import trace_loss

    return trace_loss(answer, target)


def forest(options: Options) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, min_samples_leaf=3, random_state=options["seed"], n_jobs=1)


def example(rng: np.random.Generator, options: Options) -> Example:
    """Sixteen traces of one kind, good ones and junk, each of a length of its own, in one scan (site, time)."""
    from ..simulate.telegraph import KINDS, telegraph

    kind = str(rng.choice(KINDS, p=(0.4, 0.3, 0.3))) if options["of"] == "any" else options["of"]
    length = int(options["frames"])
    drawn = [telegraph(rng, kind=kind, frames=int(rng.integers(min(200, length), length + 1))) for _ in range(TOGETHER)]
    dt = drawn[0].frame_time  # one axis of time: the rates are taken per frame and brought to it
    traces = np.full((TOGETHER, len(drawn[0].trace), length), np.nan)
    state = np.full((TOGETHER, length), np.nan)
    for i, d in enumerate(drawn):
        traces[i, :, : len(d.states)] = d.trace
        state[i, : len(d.states)] = np.where((d.states >= 0) & d.accept, d.states, np.nan)
    rates = [[d.rate[a, b] * d.frame_time / dt if d.accept and len(d.level) > 1 else np.nan for d in drawn]
             for a, b in ((0, 1), (1, 0))]  # fmt: skip
    accept = np.array([d.accept for d in drawn])
    truth = {"accept": accept.astype(float), "state": state, "k12": np.array(rates[0]), "k21": np.array(rates[1]),
             "states": np.where(accept, [len(d.level) for d in drawn], np.nan)}  # fmt: skip
    names = [options["channel"], options["second"]][: traces.shape[1]]
    axes = {"site": Axis(np.arange(TOGETHER), "1"), "time": Axis.regular(length, dt, "s")}
    channels = tuple(Channel(n, traces[:, i], options["unit"], n, ("site", "time")) for i, n in enumerate(names))
    record = {"records": json.dumps([d.record for d in drawn], default=float)}
    scan = from_grid(Grid(f"{kind} traces", channels, axes, attrs=record), format="simulated")
    return Example(scan, truth, group=f"traces {rng.integers(2**62)}")


def labelled(path: Path, options: Options) -> list[Example]:
    return traces_of(path, options)


def accept_auroc(truth: Answers, said: Answers) -> float:
    known = np.isfinite(truth["accept"]) & np.isfinite(said["accept"])
    return auroc(truth["accept"][known], said["accept"][known])


def accept_accuracy(truth: Answers, said: Answers) -> float:
    known = np.isfinite(truth["accept"]) & np.isfinite(said["accept"])
    return float(((said["accept"] > 0.5) == (truth["accept"] > 0.5))[known].mean())


def state_f1(truth: Answers, said: Answers) -> float:
    """Mean over traces of the mean over their states of F1, frame by frame, on traces that are worth keeping."""
    true, found = truth["state"], said["state"]
    told, known = np.zeros(len(true)), np.isfinite(true)
    for k in range(MOST_STATES):
        is_k, says_k = true == k, (found == k) & known
        both, either = (is_k & says_k).sum(1), is_k.sum(1) + says_k.sum(1)
        told += np.where(is_k.any(1), 2 * both / np.maximum(either, 1), 0.0)
    states = np.sum([(true == k).any(1) for k in range(MOST_STATES)], axis=0)
    return float((told / np.maximum(states, 1))[states > 0].mean()) if states.any() else float("nan")


def states_right(truth: Answers, said: Answers) -> float:
    known = np.isfinite(truth["states"])
    return float((truth["states"] == said["states"])[known].mean()) if known.any() else float("nan")


def _logs(truth: Answers, said: Answers) -> tuple[np.ndarray, np.ndarray]:
    """(|ln(rate / true rate)|, WORST where none was found; its standard error) of traces of two states, rightly
    kept."""
    two = (truth["accept"] == 1) & (said["accept"] > 0.5) & (truth["states"] == 2)
    pairs = [(said[k][two], said[f"{k}_error"][two], truth[k][two]) for k in ("k12", "k21")]
    rate, error, true = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        away, error = np.abs(np.log(rate / true)), error / rate
    known = np.isfinite(true)
    return np.where(away <= WORST, away, WORST)[known], error[known]


def rate_error(truth: Answers, said: Answers) -> float:
    """Median of |ln(k / true k)|: 0.1 is a tenth too fast or too slow."""
    away, _ = _logs(truth, said)
    return float(np.median(away)) if len(away) else WORST


def rate_error_90(truth: Answers, said: Answers) -> float:
    away, _ = _logs(truth, said)
    return float(np.quantile(away, 0.9)) if len(away) else WORST


def rate_covered(truth: Answers, said: Answers) -> float:
    """Share of the rates within 1.96 standard errors (in ln k) of the true ones."""
    away, error = _logs(truth, said)
    return float(((away <= 1.96 * error) & (away < WORST)).mean()) if len(away) else 0.0


RECIPE = Recipe(
    name=NAME,
    question="Is this trace worth keeping, which state was it in when, and how often does it switch?",
    kind="each",
    eats=(Port("current", "A", ("time",)),),
    gives=(
        Port("accept", "1", ()),
        Port("states", "1", ()),
        Port("state", "1", ("time",)),
        Port("level", "A", ("of_state",)),
        Port("k12", "1/s", ()),
        Port("k12_error", "1/s", ()),
        Port("k21", "1/s", ()),
        Port("k21_error", "1/s", ()),
    ),
    example=example,
    rows=rows,
    build=network,
    target=target,
    loss=loss,
    answer=answer,
    features=lambda rows: trace_features(rows.numbers),
    rivals={"random forest": Rival("accept", forest)},
    classical={"hidden markov": chains_alone},
    measures={
        "accept_auroc": accept_auroc,
        "accept_accuracy": accept_accuracy,
        "state_f1": state_f1,
        "states_right": states_right,
        "rate_error median": rate_error,
        "rate_error 90%": rate_error_90,
        "rate_covered": rate_covered,
    },
    labelled=labelled,
    options={
        "channel": "current", "unit": "A", "second": "acceptor", "segment": "pause", "learner": "tcn",
        "of": "any",  # simulated: pair, current, deflection
        "frames": 512, "dead_samples": DEAD, "examples": 120, "epochs": 24, "batch": 32, "lr": 3e-3,
        "schedule": "cosine", "fresh": True, "clip": 1.0, "half": True, "dropout": 0.1,
    },
    noun="traces",
)  # fmt: skip
