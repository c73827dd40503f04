"""The main job on 3610 real STM images: H:Si(100) scans that people called bad against those they did not.

    python benchmarks/tip_state_study.py DATA.npz --out result/ [--json]

DATA.npz is the array file of labelled H:Si(100) images (images, mean_score, session, label_names). A table of frame,
label (bad where the mean score of "Bad" is one half or more) and group (measurement session) is written first, and
`sharptip study` is run on that table; whole sessions are held out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

import numpy as np

from sharptip.study import compare

HALF = 0.5  # of the people who saw an image


def write_table(data: Path, table: Path) -> None:
    """frame, label, group for every image; the file is named relative to the table."""
    with np.load(data, allow_pickle=False) as file:
        names = [str(n) for n in file["label_names"]]
        bad = file["mean_score"][:, next(i for i, n in enumerate(names) if n.startswith("Bad"))] >= HALF
        sessions = file["session"]
    table.parent.mkdir(parents=True, exist_ok=True)
    where = os.path.relpath(data.resolve(), table.resolve().parent)
    with table.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["file", "frame", "label", "group"])
        for i, (is_bad, session) in enumerate(zip(bad, sessions, strict=True)):
            rows.writerow([where, i, "bad" if is_bad else "not_bad", session])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("result"))
    parser.add_argument("--protocol", default="quick", choices=["smoke", "quick", "full"])
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    table = words.out / "table.csv"
    write_table(words.data, table)
    values = compare(
        table, words.out, channel="intensity", unit="arb", size="unknown", protocol=words.protocol,
        tell=lambda what, done, of: None if words.json else print(f"{what} {done}/{of}", end="\r", flush=True),
    )  # fmt: skip
    shown = {
        k: values[k] for k in ("real", "n_images", "n_groups", "test", "baselines", "all_images_by_folds", "seconds")
    }
    print(json.dumps(shown, indent=None if words.json else 1))


if __name__ == "__main__":
    main()
