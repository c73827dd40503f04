"""Ten thousand scans, five in a hundred of them broken in ten ways, cleaned with one command that is killed on its way.

    python benchmarks/clean_many.py --files 10000 --kills 3

Draws small scans and writes them as .gwy, .gsf, .npy and .zarr, runs `sharptip clean`, kills it (SIGKILL) and gives it
again, and counts: every sound file cleaned once and as the same steps clean the drawn numbers, every broken one listed
with a reason, none lost. Prints the counts and the speed.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from sharptip import io
from sharptip.clean import STEPS
from sharptip.core.scan import scan_of

NY, NX, PIXEL = 48, 64, 2e-9
WIDTH = NX * PIXEL
BROKEN = 0.05
FORMATS = (".gwy", ".gsf", ".npy", ".gwy", ".zarr")  # two in five are .gwy


def drawn(i: int) -> np.ndarray:
    """Heights (y, x) in metres: a bump on a tilted plane, lines that do not fit together, one scar and noise."""
    rng = np.random.default_rng(i)
    y, x = np.mgrid[:NY, :NX]
    z = 1e-10 * (rng.normal() * x + rng.normal() * y) + rng.normal(0, 2e-10, (NY, NX)) + rng.normal(0, 1e-9, (NY, 1))
    z += 4e-9 * np.exp(-((x - rng.uniform(15, 50)) ** 2 + (y - rng.uniform(10, 40)) ** 2) / 40)
    z[rng.integers(5, 40), 10:50] += 1e-8
    return z.astype(np.float32).astype(float)  # what .gsf keeps


def write(i: int, file: Path) -> None:
    """One sound scan, in the format of its ending."""
    if file.suffix == ".npy":
        np.save(file, drawn(i))
    elif file.suffix == ".gsf":
        file.write_bytes(gsf(drawn(i)))
    else:
        io.write(scan_of(drawn(i), PIXEL, name=f"scan {i}"), file)


def gsf(z: np.ndarray) -> bytes:
    head = f"Gwyddion Simple Field 1.0\nXRes = {NX}\nYRes = {NY}\nXReal = {WIDTH!r}\nYReal = {NY * PIXEL!r}\n"
    head += "XYUnits = m\nZUnits = m\nTitle = Height\n"
    return head.encode() + b"\0" * (4 - len(head) % 4) + z.astype("<f4").tobytes()


def broken(i: int, folder: Path) -> Path:
    """One file that cannot be cleaned, in one of ten ways. Returns where it is."""
    way = i % 10
    file = (
        folder
        / f"broken-{i:05d}{('.gwy', '.gsf', '.npy', '.sxm', '.gwy', '.gwy', '.npy', '.npy', '.zarr', '.zarr')[way]}"
    )
    rng = np.random.default_rng(i)
    if way == 0:  # nothing in it
        file.write_bytes(b"")
    elif way == 1:  # cut off, as by a full disk
        file.write_bytes(gsf(drawn(i))[: rng.integers(300, 9000)])
    elif way == 2:  # a text under a wrong name
        file.write_text("sample 7, tip 3, 12 °C\n")
    elif way == 3:  # noise
        file.write_bytes(rng.bytes(5000))
    elif way == 4:  # the beginning of a format and nothing after it
        file.write_bytes(b"GWYP" + b"\0" * 100)
    elif way == 5:  # sound, but without the channel
        io.write(scan_of(rng.normal(size=(NY, NX)), PIXEL, channel="phase", unit="rad"), file)
    elif way == 6:  # a line and no image
        np.save(file, rng.normal(size=NX))
    elif way == 7:  # objects that would have to be unpickled
        np.save(file, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    elif way == 8:  # force curves
        io.write(curves(rng), file)
    else:  # one bit of a chunk is wrong
        io.write(scan_of(drawn(i), PIXEL), file)
        chunk = max((p for p in (file / "height").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        data = bytearray(chunk.read_bytes())
        data[len(data) // 2] ^= 4
        chunk.write_bytes(bytes(data))
    return file


def curves(rng: np.random.Generator):  # type: ignore[no-untyped-def]
    import xarray as xr

    values = xr.Variable(("curve", "sample"), rng.normal(size=(3, 50)) * 1e-9, {"units": "m"})
    return xr.Dataset({"height": values}, attrs={"history": "[]", "format": "made", "source": "", "name": "curves"})


def population(folder: Path, n: int) -> tuple[dict[str, int], set[str]]:
    """Files in five folders: (name → number of each sound one, names of the broken ones)."""
    sound, bad = {}, set()
    every = round(1 / BROKEN)
    for i in range(n):
        place = folder / f"day {i % 5}"
        place.mkdir(parents=True, exist_ok=True)
        if i % every == every - 1:
            bad.add(str(broken(i // every, place).relative_to(folder)))
        else:
            file = place / f"scan-{i:05d}{FORMATS[i % len(FORMATS)]}"
            write(i, file)
            sound[str(file.relative_to(folder))] = i
    return sound, bad


def killed_on_its_way(command: list[str], journal: Path, kills: int, n: int) -> tuple[list[float], int]:
    """Run, kill, run again … until it ends: (seconds of each run, exit code of the last)."""
    seconds = []
    for kill in range(kills + 1):
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while kill < kills and child.poll() is None and _done(journal) < n * (kill + 1) / (kills + 1):
            time.sleep(0.02)
        if kill < kills:
            child.send_signal(signal.SIGKILL)
        code = child.wait()
        seconds.append(time.perf_counter() - begun)
        if kill < kills and journal.exists():
            with journal.open("ab") as file:
                file.write(b'{"file": "cut o')  # the worst moment: in the middle of a line
    return seconds, code


def _done(journal: Path) -> int:
    return journal.read_bytes().count(b'"status"') if journal.exists() else 0


def counted(out: Path, sound: dict[str, int], bad: set[str]) -> dict[str, object]:
    """What the summary, the journal and the results say, as counts."""
    with (out / "summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cleaned = {r["file"]: r for r in rows if r["status"] == "cleaned"}
    left = {r["file"]: r["reason"] for r in rows if r["status"] == "left out"}
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_bytes().splitlines() if line.endswith(b"}")]
    times = Counter(line["file"] for line in lines if line.get("status") == "cleaned")
    right = sum(
        _right(out / row["target"], sound[name], row["format"]) for name, row in cleaned.items() if name in sound
    )
    results = len([p for p in out.glob("day */*") if not p.name.startswith(".")])
    return {
        "sound": len(sound), "broken": len(bad), "rows": len(rows), "cleaned": len(set(cleaned) & set(sound)),
        "right": right, "cleaned twice": sum(n > 1 for n in times.values()), "broken listed": len(set(left) & bad),
        "lost": len((set(sound) | bad) - set(cleaned) - set(left)), "wrongly cleaned": len(set(cleaned) & bad),
        "wrongly left out": len(set(left) & set(sound)), "results": results,
        "reasons": dict(Counter(_short(left[name]) for name in sorted(set(left) & bad))),
    }  # fmt: skip


def _short(reason: str) -> str:
    return " ".join(reason.split()[:6])


def _right(target: Path, i: int, format: str) -> bool:
    """Is the result what the same steps make of the drawn numbers, and were they taken once?"""
    found = io.read(target)
    scan = scan_of(drawn(i).astype(np.float32 if format == "gsf" else float), PIXEL)
    for name in ("plane", "rows", "scars"):
        scan = STEPS[name](scan, channel="height")
    done = [entry["step"] for entry in json.loads(found.attrs["history"])]
    close = np.allclose(found["height"].values, scan["height"].values, rtol=0, atol=1e-15)
    return bool(close) and [done.count(s) for s in ("plane", "rows", "scars")] == [1, 1, 1]


def sharptip_clean(folder: Path, out: Path, suffix: str, workers: int, pictures: int = 24) -> list[str]:
    return [
        sys.executable, "-m", "sharptip", "clean", str(folder), "--out", str(out), "--steps", "plane,rows,scars",
        "--size", repr(WIDTH), "--unit", "m", "--suffix", suffix, "--workers", str(workers),
        "--pictures", str(pictures),
    ]  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--files", type=int, default=10_000)
    ask.add_argument("--kills", type=int, default=3)
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--suffix", default=".gwy")
    ask.add_argument("--json", action="store_true")
    asked = ask.parse_args()
    with tempfile.TemporaryDirectory() as where:
        folder, out = Path(where, "scans"), Path(where, "cleaned")
        sound, bad = population(folder, asked.files)
        command = sharptip_clean(folder, out, asked.suffix, asked.workers)
        seconds, code = killed_on_its_way(command, out / "journal.jsonl", asked.kills, asked.files)
        found = counted(out, sound, bad)
    found |= {"exit code": code, "runs": len(seconds), "seconds": round(sum(seconds), 1)}
    found |= {"files per second": round(asked.files / sum(seconds), 1)}
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        if name != "reasons":
            print(f"{name:<18} {value}")
    for reason, n in found["reasons"].items():  # type: ignore[union-attr]
        print(f"  {n:>5}  {reason}")


if __name__ == "__main__":
    main()
