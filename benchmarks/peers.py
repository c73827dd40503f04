"""Environments of competitors: each in `.peers/NAME` at the top of the repository, from pinned requirements.

    python benchmarks/peers.py keras        # makes it, or says that it is there
    from peers import make, python_of       # in another benchmark

Nothing of sharptip is installed in them and nothing of them in ours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".peers"

REQUIREMENTS: dict[str, list[str]] = {
    "topostats": ["topostats==2.4.2"],
    "nanite": ["nanite==4.2.3", "afmformats==0.18.7"],
    "bglib": ["numpy==2.2.6", "scipy==1.15.3"],
    "keras": ["keras==3.15.0", "tensorflow-cpu==2.21.0", "numpy==2.4.6"],
}
# installed without what they ask for: their benchmark says what stands in for it
BARE: dict[str, list[str]] = {"bglib": ["BGlib==0.0.6"]}


def python_of(name: str) -> Path | None:
    """Its interpreter, or None where the environment has not been made to its end with these requirements."""
    made = PEERS / name / "requirements.txt"
    if made.exists() and made.read_text().split() == [*REQUIREMENTS[name], *BARE.get(name, [])]:
        return PEERS / name / "bin" / "python"
    return None


def make(name: str) -> Path:
    """Make the environment if it is not there; returns its interpreter. Takes minutes and up to 2 GB."""
    if there := python_of(name):
        return there
    place = PEERS / name
    print(f"making {place}: {' '.join(REQUIREMENTS[name])}", file=sys.stderr)
    venv.create(place, with_pip=True, clear=True)
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], check=True, stdout=sys.stderr)
    if name in BARE:
        bare = [python, "-m", "pip", "install", "--quiet", "--no-deps", *BARE[name]]
        subprocess.run(bare, check=True, stdout=sys.stderr)
    (place / "requirements.txt").write_text(
        "\n".join([*REQUIREMENTS[name], *BARE.get(name, [])])
    )  # last: it says that all went well
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the environments of competitors.")
    parser.add_argument("name", nargs="*", choices=[[], *REQUIREMENTS], help="which; all without a name")
    for peer in parser.parse_args().name or REQUIREMENTS:
        print(peer, make(peer))
