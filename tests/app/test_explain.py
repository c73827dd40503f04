"""Does `sharptip explain` draw what a user can look at, and refuse what it cannot judge?"""

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from sharptip import io
from sharptip.app.cli import app
from sharptip.core.scan import scan_of


def explain(*words):
    return CliRunner().invoke(app, ["explain", *map(str, words)])


def test_a_figure_beside_the_answer(tmp_path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    z = 2e-9 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 1e-10, (96, 96))
    io.write(scan_of(z, 5e-9), tmp_path / "film.gwy")
    done = explain(
        "regime", tmp_path / "film.gwy", "--out", tmp_path / "why.png", "--patches", 3, "--answer", "islands"
    )
    assert done.exit_code == 0, done.output
    assert "what speaks for 'islands'" in done.output
    pixels = np.asarray(Image.open(tmp_path / "why.png").convert("L"), float)
    assert pixels.std() > 20  # something is drawn


def test_what_cannot_be_explained_is_named(tmp_path):
    io.write(scan_of(np.random.default_rng(0).normal(size=(96, 96)) * 1e-9, 5e-9), tmp_path / "film.gwy")
    done = explain("regime", tmp_path / "film.gwy", "--out", tmp_path / "why.png", "--answer", "crystals")
    assert done.exit_code != 0
    assert "crystals" in str(done.exception or done.output)
    done = explain("judge_nothing", tmp_path / "film.gwy", "--out", tmp_path / "why.png")
    assert done.exit_code != 0
    assert not (tmp_path / "why.png").exists()
