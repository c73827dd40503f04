"""Scans for a study without data: simulated cytoskeletons, written as files first and then read like anyone's.

Two batches of donors, healthy, exposed, and treated cells; with them a table of groups and, because it is simulated,
the true holes of every network.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from .. import io
from ..core.files import make_folder, write_whole
from ..simulate.population import image


@dataclass(frozen=True)
class Population:
    """How many images of each label are drawn for each batch, from how many donors."""

    per_batch: dict[int, dict[str, int]]
    donors: int = 12
    shape: tuple[int, int] = (512, 512)
    pixel_size: float = 4e-9


DEMO = Population({1: {"healthy": 24, "exposed": 24, "treated": 12}, 2: {"healthy": 16, "exposed": 16, "treated": 8}})
SMALLEST = Population(
    {1: {"healthy": 6, "exposed": 6, "treated": 2}, 2: {"healthy": 4, "exposed": 4, "treated": 0}}, donors=4,
    shape=(192, 192), pixel_size=8e-9,
)  # fmt: skip
REVIEW = Population(
    {1: {"healthy": 60, "exposed": 65, "treated": 47}, 2: {"healthy": 51, "exposed": 58, "treated": 59}}, donors=5
)  # as many images as the review had; its 188 and 236 treated tiles are 47 and 59 images


def write_demo(
    folder: Path,
    population: Population = DEMO,
    seed: int = 0,
    on_file: Callable[[int, int], object] = lambda d, n: None,
) -> Path:
    """Write `scans/LABEL/NAME.gwy`, `groups.csv` and `truth/NAME.png` below `folder`; returns `folder/scans`.

    Files that are there already are kept: a demo that was interrupted goes on.
    """
    wanted = [
        (batch, label, index)
        for batch, labels in population.per_batch.items()
        for label, number in labels.items()
        for index in range(number)
    ]
    scans, truth = folder / "scans", folder / "truth"
    for label in {label for _, label, _ in wanted}:
        make_folder(scans / label)
    make_folder(truth)
    rows: dict[tuple[int, str, int], tuple[str, str, str]] = {}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = {pool.submit(_write_one, folder, population, seed, *w): w for w in wanted}
        for done, job in enumerate(as_completed(jobs), start=1):
            rows[jobs[job]] = job.result()
            on_file(done, len(wanted))
    write_whole(folder / "groups.csv", lambda path: _write_table(path, [rows[w] for w in wanted]))
    return scans


def _write_one(
    folder: Path, population: Population, seed: int, batch: int, label: str, index: int
) -> tuple[str, str, str]:
    donors, shape, pixel_size = population.donors, population.shape, population.pixel_size
    name = f"batch-{batch}_{label}-{index:03d}"
    sample = image(seed, label, index, batch=batch, donors=donors, shape=shape, pixel_size=pixel_size)
    file, mask = folder / "scans" / label / f"{name}.gwy", folder / "truth" / f"{name}.png"
    if not (file.exists() and mask.exists()):
        holes = Image.fromarray(np.where(sample.truth["holes"], 255, 0).astype(np.uint8))
        write_whole(mask, lambda path: holes.save(path, format="png"))
        io.write(sample.scan, file)
    return f"{label}/{file.name}", sample.group, sample.batch


def _write_table(path: Path, rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "group", "batch"), *rows])
