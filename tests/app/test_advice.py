"""What the command line says where something is asked for that is not there: its own options, before any work."""

import numpy as np
import pytest
from tests.app.test_cli import sharptip

from sharptip import io
from sharptip.core.scan import scan_of


@pytest.fixture
def both(tmp_path):
    """Two channels, one of them both ways."""
    scan = scan_of(np.arange(72.0).reshape(8, 9) * 1e-9, 1e-9, name="both")
    scan = scan.assign_coords(direction=("direction", ["forward", "backward"], {"units": "1"}))
    scan["phase"] = (("direction", "y", "x"), np.zeros((2, 8, 9)), {"units": "rad"})
    io.write(scan, tmp_path / "both.zarr")
    return tmp_path / "both.zarr"


def test_convert_says_all_that_is_missing_at_once_and_checks_the_request_before_the_target(both, tmp_path):
    said = sharptip("convert", both, tmp_path / "a.gsf", code=1).stderr
    assert "choose it with --channel: height, phase; and with --direction: forward, backward" in said
    (tmp_path / "there.gsf").write_text("x")
    said = sharptip("convert", both, tmp_path / "there.gsf", "--channel", "phaze", code=1).stderr
    assert f"{both}: there is no channel 'phaze'" in said


def test_clean_names_the_file_the_options_and_what_the_suffix_is_for(both, tmp_path):
    said = sharptip("clean", both, "--out", tmp_path / "a.gsf", "--channel", "phase", code=1).stderr
    assert "choose it with --direction: forward, backward" in said
    sharptip("clean", both, "--out", tmp_path / "a.gsf", "--channel", "phase", "--direction", "backward")
    said = sharptip("clean", both, "--out", tmp_path / "b.mp4", code=1).stderr
    assert "isel" not in said
    assert ".mp4 holds a film" in said
    said = sharptip("clean", both, "--out", tmp_path / "b.gsf", "--suffix", "nc", code=2).stderr
    assert "leave --suffix out" in " ".join(said.replace("│", " ").split())
