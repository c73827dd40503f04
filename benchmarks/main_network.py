"""One training step of the review's network: sharptip beside plain PyTorch and Keras on TensorFlow.

    python benchmarks/main_network.py [--peers] [--json] [--rounds 3] [--threads 2]

Architecture 1 (five convolutions of 8, 16, 16, 32, 64 filters, dense 256, 617 041 parameters), 24 tiles of 256×256,
forward + backward + Adam. Every variant runs in a process of its own; rounds go through the variants forward, then
backward, so that drift of the machine hits all alike. For each, the minimum, lower quartile and median over all steps;
ratios count, not the absolute figures. `others` is the share of the machine that other processes used during a run:
above a few per cent the figures are of a busy machine, where two threads that spin while they wait for each other lose
many times more than they do on a quiet one (OMP_WAIT_POLICY=PASSIVE is passed on).

naive_torch is the loop as everyone writes it. --peers makes the environment of Keras and TensorFlow (1.3 GB) first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import peers

BATCH, SIZE = 24, 256  # tiles, pixels
FILTERS, DENSE = (8, 16, 16, 32, 64), 256
WARM_UP = 8  # steps before the clock starts: first-call set-up, tracing


def ticks(seconds: list[float]) -> list[float]:
    """Milliseconds from one time to the next, the warm-up left out."""
    return [1e3 * (b - a) for a, b in pairwise(seconds)][WARM_UP:]


# The variants: each trains for a number of steps in the way its users do, and returns milliseconds per step.


def naive_torch(steps: int) -> list[float]:
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for above, here in zip((1, *FILTERS), FILTERS, strict=False):
        layers += [nn.Conv2d(above, here, 3), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(2304, DENSE), nn.ReLU(), nn.Linear(DENSE, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss = nn.BCEWithLogitsLoss()
    x, y = torch.rand(BATCH, 1, SIZE, SIZE), (torch.rand(BATCH, 1) > 0.5).float()
    times = [time.perf_counter()]
    for _ in range(steps):
        optimiser.zero_grad()
        loss(net(x), y).backward()
        optimiser.step()
        times.append(time.perf_counter())
    return ticks(times)


def sharptip(precision: str, steps: int) -> list[float]:
    """Through `train` itself; the clock is read each time it asks for the next batch."""
    sys.path.insert(0, str(peers.ROOT / "src"))
    import numpy as np

    from sharptip.fit.loop import binary_loss, train
    from sharptip.nets import ConvClassifier

    rng = np.random.default_rng(0)
    x = rng.random((BATCH, 1, SIZE, SIZE), dtype=np.float32)
    y = rng.integers(0, 2, BATCH).astype(np.float32)
    times = []

    def batches(epoch, rng):
        for _ in range(steps + 1):
            times.append(time.perf_counter())
            yield x, y

    net = ConvClassifier(FILTERS, (DENSE,), size=SIZE, seed=0)
    history = train(net, batches, binary_loss, epochs=1, precision=precision, device="cpu")
    if history.precision != precision:
        raise SystemExit(f"this CPU has no fast {precision}")
    return ticks(times)


def keras_tf(precision: str, steps: int) -> list[float]:
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if precision == "bf16" else "float32")
    layers = [keras.Input((SIZE, SIZE, 1))]
    for filters in FILTERS:
        layers += [keras.layers.Conv2D(filters, 3, activation="relu"), keras.layers.MaxPooling2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(DENSE, activation="relu")]
    net = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid", dtype="float32")])
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((BATCH, SIZE, SIZE, 1), dtype=np.float32))
    y = tf.constant(rng.integers(0, 2, (BATCH, 1)).astype(np.float32))
    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: times.append(time.perf_counter()))
    net.fit(tf.data.Dataset.from_tensors((x, y)).repeat(steps + 1), callbacks=[clock], verbose=0)
    return ticks(times)


VARIANTS: dict[str, Callable[[int], list[float]]] = {
    "naive_torch": naive_torch,
    "sharptip_fp32": partial(sharptip, "fp32"),
    "sharptip_bf16": partial(sharptip, "bf16"),
    "keras_tf": partial(keras_tf, "fp32"),
    "keras_tf_bf16": partial(keras_tf, "bf16"),
}


# Measuring


def busy_seconds() -> float | None:
    """CPU seconds that the whole machine has worked since it started (Linux)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, stat.read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(variant: str, python: Path | str, steps: int, threads: int) -> dict[str, Any]:
    """One variant in a process of its own: its steps, and what share of the machine others used meanwhile."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    start, busy, ours = time.perf_counter(), busy_seconds(), child_seconds()
    command = [str(python), __file__, "--variant", variant, "--steps", str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{variant} failed:\n{done.stderr[-2000:]}")
    wall, after = time.perf_counter() - start, busy_seconds()
    others = None
    if busy is not None and after is not None:
        others = max(0.0, after - busy - (child_seconds() - ours)) / (wall * (os.cpu_count() or 1))
    return {"ms": json.loads(done.stdout.splitlines()[-1]), "others": others}


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    from importlib.metadata import version

    model, flags = platform.processor(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        facts = dict(line.split(":", 1) for line in cpuinfo.read_text().split("\n\n")[0].splitlines() if ":" in line)
        facts = {k.strip(): v.strip() for k, v in facts.items()}
        model, flags = facts.get("model name", model), facts.get("flags", "")
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "flags": [f for f in wanted if f in flags.split()],
        "python": platform.python_version(),
        "torch": version("torch"),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "not set"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def measure(pythons: dict[str, Path | str], rounds: int, steps: int, threads: int) -> dict[str, Any]:
    """All variants, rounds times, forward and backward in turn."""
    ms: dict[str, list[float]] = {v: [] for v in pythons}
    others: dict[str, list[float]] = {v: [] for v in pythons}
    facts = machine(threads)
    for r in range(rounds):
        for variant in list(pythons) if r % 2 == 0 else reversed(pythons):
            found = run(variant, pythons[variant], steps, threads)
            ms[variant] += found["ms"]
            others[variant] += [] if found["others"] is None else [found["others"]]
            print(f"round {r + 1} {variant}: median {median(found['ms']):.1f} ms", file=sys.stderr)
    result: dict[str, Any] = {f"{v}_ms": round(median(t), 2) for v, t in ms.items()}
    result["steps"] = {
        v: {
            "min": round(min(t), 2),
            "lower_quartile": round(quantiles(t, n=4)[0], 2),
            "median": round(median(t), 2),
            "others": round(max(others[v]), 3) if others[v] else None,
        }
        for v, t in ms.items()
    }
    best = median(ms["sharptip_fp32"])
    result["times_as_fast_as"] = {
        "naive_torch, fp32": round(median(ms["naive_torch"]) / best, 2),
        **{f"{v}, {p}": round(median(ms[v]) / median(ms[o]), 2) for v, o, p in PAIRS if v in ms and o in ms},
    }
    return {**result, "machine": facts}


# Peer, ours, at the same precision.
PAIRS = (
    ("naive_torch", "sharptip_bf16", "bf16"),
    ("keras_tf", "sharptip_fp32", "fp32"),
    ("keras_tf_bf16", "sharptip_bf16", "bf16"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="make the environment of Keras and TensorFlow first")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="steps of each run after the warm-up")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--variant", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.variant:
        print(json.dumps(VARIANTS[chosen.variant](chosen.steps + WARM_UP)))
        return
    keras = peers.make("keras") if chosen.peers else peers.python_of("keras")
    pythons: dict[str, Path | str] = dict.fromkeys(("naive_torch", "sharptip_fp32"), sys.executable)
    if has_bf16():
        pythons["sharptip_bf16"] = sys.executable
    if keras:
        pythons["keras_tf"] = keras
        if has_bf16():
            pythons["keras_tf_bf16"] = keras
    result = measure(pythons, chosen.rounds, chosen.steps, chosen.threads)
    print(json.dumps(result, indent=1) if chosen.json else table(result))


def has_bf16() -> bool:
    """As sharptip decides it, in a process of its own so that torch stays out of this one."""
    code = "import torch; from sharptip.fit.engine import has_fast_bf16 as f; print(f(torch.device('cpu')))"
    environment = os.environ | {"PYTHONPATH": str(peers.ROOT / "src")}
    return (
        "True" in subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
    )


def table(result: dict[str, Any]) -> str:
    lines = [f"{'variant':16}{'min':>8}{'25 %':>8}{'median':>8}  ms per step{'others':>10}"]
    for v, t in result["steps"].items():
        load = "" if t["others"] is None else f"{100 * t['others']:.0f} %"
        lines.append(f"{v:16}{t['min']:8.1f}{t['lower_quartile']:8.1f}{t['median']:8.1f}{'':13}{load:>10}")
    lines += [f"{r:5.2f} times as fast as {v}" for v, r in result["times_as_fast_as"].items()]
    return "\n".join([*lines, ", ".join(f"{k} {v}" for k, v in result["machine"].items())])


if __name__ == "__main__":
    main()
