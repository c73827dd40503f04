"""Is the house as its plan says? Import contracts, style, types, and what the pages promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.blocks import blocks

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_imports_go_down_only():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("command", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)])
def test_style_and_types(command):
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("light", ["sharptip.core", "sharptip.io", "sharptip.app.cli"])
def test_what_answers_at_once_imports_nothing_heavy(light):
    heavy = ("torch", "xarray", "pandas", "matplotlib", "sklearn")
    code = f"import {light}, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rooms_that_may_not_know_torch_do_not():
    code = (
        "import sys, sharptip.core.scan, sharptip.io, sharptip.clean, sharptip.simulate.population, sharptip.measure,"
        "sharptip.report.figures; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_readme_s_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks("README.md", "python")
    assert found
    names: dict = {}
    for block in found:
        exec(compile(block, "README.md", "exec"), names)


def test_every_command_the_pages_show_exists():
    from typer.main import get_command

    from sharptip.app.cli import app

    known = get_command(app).commands  # type: ignore[attr-defined]
    shown = 0
    for page in ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.search(r"(?:^|/|&& )sharptip (\w+)(.*)", line.split("#")[0])
                if not match:
                    continue
                shown += 1
                assert match[1] in known, f"{page}: {line}"
                options = {o for p in known[match[1]].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
                for option in re.findall(r"(?<=\s)--[a-z-]+", match[2].split("&&")[0]):
                    assert option in options, f"{page}: {line}"
    assert shown >= 5


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_nothing_is_imported_that_the_licence_forbids():
    forbidden = (
        "AFMReader",
        "topostats",
        "nanite",
        "playNano",
        "gwyddion",
        "cvxopt",
        "torchvision",
        "igor2",
        "gwyfile",
    )
    for file in (ROOT / "src").rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*(?:from|import)\s+([\w.]+)", line)
            assert not (match and match[1].split(".")[0] in forbidden), f"{file}: {line}"
