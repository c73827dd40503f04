"""`sharptip`: the command line. Every command is a thin door to a function; its help is that function's text.

Nothing heavy is imported before a command needs it: `sharptip info FILE` answers in half a second.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import __version__
from ..core.errors import ChannelError, ScaleError, ScanError, SharptipError, StudyError, WriteError
from .listing import Listing, printable, what_is_wrong, width
from .progress import Pace

# Threads that spin long while they wait make training several times slower as soon as another program wants a core; a
# short spin costs a few per cent on a quiet machine. To be said before torch is imported; the user's own word counts.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

app = typer.Typer(
    help="Learning from scanning probe microscopy: files to answers in real units, with the evidence beside them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# A path that is read. Whether it can be is told by what reads it, by name, and stops no other of many.
Taken = partial(typer.Argument, readable=False)
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result is written.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for a program.")]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        help="For files that say no physical size: WIDTH or HEIGHT,WIDTH of the whole image in metres (2e-6), "
        "or 'unknown' to keep pixels.",
    ),
]
ChannelOption = Annotated[str, typer.Option("--channel", help="The channel that is used.")]
GroupsOption = Annotated[
    str | None,
    typer.Option(
        "--groups",
        help="What belongs together (donor, session): a CSV table with file, group and maybe batch; or a regular "
        "expression with a bracket around the group's part of the file name.",
    ),
]


def main() -> None:
    """Run the command line; our own errors are one line on stderr and exit code 1."""
    warnings.showwarning = lambda message, *_, **__: _once(f"sharptip: {message}")
    try:
        app()
    except SharptipError as error:
        _complain(error)
        sys.exit(1)


@cache
def _once(said: str) -> None:
    """A warning on stderr; that of a file that is read twice is said once."""
    typer.echo(said, err=True)


def _complain(error: SharptipError) -> None:
    """One of our own errors on stderr, with the option that mends it where Python's argument has another name."""
    hint = ""
    if isinstance(error, ScaleError):
        hint = ". Here: --size 2e-6 (metres), or --size unknown"
    elif "size=(" in str(error):
        hint = ". Here: --size 2e-6 (metres)"
    typer.echo(f"sharptip: {_for_commands(str(error))}{hint}", err=True)


def _for_commands(said: str) -> str:
    """A message with the options of the command line in place of Python's arguments.

    >>> _for_commands(".gsf holds one channel; choose it with channel=: height, phase")
    '.gsf holds one channel; choose it with --channel: height, phase'
    """
    return re.sub(r"\b(size|channel|direction|frame|speed|fps)=(?=[:,; ]|$)", r"--\1", said)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def info(
    file: Annotated[Path, Taken(help="A file as the instrument wrote it, or a folder of them.")],
    as_json: Json = False,
    size: SizeOption = None,
) -> None:
    """What is in a file: format, channels with units and ranges, pixel size, size. Of a folder: a line for each file.

    What is cut off, could not be read or shows nothing is said; files of a folder that are broken are named in the end,
    those that are plainly no scans (README, fit.py) are passed over. A narrow window gets two lines for each file.
    """
    from .. import io
    from ..batch.sources import is_folder

    if is_folder(file):
        _info_of_folder(file, as_json)
        return
    found = io.describe(file, size="unknown" if size is None else _size(size))
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else _told(file, found))


def _kelvin(said: str) -> float:
    """A temperature in kelvin: '293K', '20C', '20 °C', or a number alone from 200 on, which can be kelvin only.

    >>> _kelvin("20C"), _kelvin("4.2 K"), _kelvin("295")
    (293.15, 4.2, 295.0)
    """
    match = re.fullmatch(r"\s*([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)\s*(°?\s*C|K|)\s*", said, re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(
            f"{said!r} is no temperature; give it with its unit: 293K or 20C", param_hint="--temperature"
        )
    number, unit = float(match[1]), match[2].upper()[-1:]
    if not unit and number < 200:
        raise typer.BadParameter(
            f"{said} may be °C or K; say which: --temperature {said.strip()}C or {said.strip()}K",
            param_hint="--temperature",
        )
    kelvin = number + 273.15 if unit == "C" else number
    if not kelvin > 0:
        raise typer.BadParameter(f"{said} lies below the absolute zero", param_hint="--temperature")
    return kelvin


def _info_of_folder(folder: Path, as_json: bool) -> None:
    from .. import io
    from ..batch import beside
    from ..batch.sources import find

    sources = find([folder])
    broken = [(sources.name(path), why) for path, why in sources.closed]
    told = Listing([sources.name(path) for path in sources.files], width())
    if not as_json:
        typer.echo(told.head(), nl=False)
    for path in sources.files:
        try:
            found = io.describe(path, ranges=False)
        except SharptipError as error:
            broken.append((sources.name(path), _without_name(error, path)))
            continue
        if as_json:
            typer.echo(json.dumps({"file": str(path), **found}, ensure_ascii=False))
        else:
            typer.echo(told.of(sources.name(path), found), nl=False)
    for name, why in broken:
        if as_json:
            typer.echo(json.dumps({"file": str(sources.base / name), "error": why}, ensure_ascii=False))
        else:
            typer.echo(f"! {printable(name)}: {printable(why)}")
    n = len(sources.files) + len(sources.closed)
    if not as_json:
        rest = f"; {beside.said(map(sources.name, sources.beside))}" if sources.beside else ""
        typer.echo(printable(f"{n - len(broken)} of {n} files can be read{rest}"))
    if broken:
        raise typer.Exit(1)


@app.command()
def convert(
    files: Annotated[list[Path], Taken(help="Files as the instrument wrote them.")],
    out: Annotated[
        Path,
        typer.Argument(
            help="NAME.zarr or NAME.nc (everything is kept), or .gwy .gsf .tif .mp4 .gif .csv; a folder with --to."
        ),
    ],
    to: Annotated[str | None, typer.Option(help="Suffix of the files written into the folder OUT, e.g. nc.")] = None,
    size: SizeOption = None,
    channel: Annotated[
        str | None, typer.Option(help="The channel that is written; what the numbers of an array or picture are.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="The unit of those numbers.")] = None,
    direction: Annotated[str | None, typer.Option(help="The direction that is written: forward or backward.")] = None,
    frame: Annotated[int | None, typer.Option(help="The frame of a film that is written, from 0.")] = None,
    skip_junk: Annotated[
        bool, typer.Option("--skip-junk", help="Of a film, without the frames that clean has marked as junk.")
    ] = False,
    speed: Annotated[float | None, typer.Option(help="Of a movie, in times the real speed.")] = None,
    fps: Annotated[float | None, typer.Option(help="Of a movie, frames per second; 10 without --speed.")] = None,
    scan_name: Annotated[
        str | None, typer.Option("--scan", help="Of a file that holds several: the name of one, or its number from 0.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what lies there already.")] = False,
) -> None:
    """Write files in another format. What that cannot keep is told; a broken file is named and stops no other."""
    from .. import io
    from ..core.files import is_there, make_folder

    def one(file: Path, target: Path, tell: Callable[[str, int, int], None] | None = None) -> None:
        io.writable(target)
        there = is_there(target)
        if there and target.resolve() == file.resolve():
            raise WriteError(f"{target}: is the raw scan itself, which stays as it is; choose another name")
        scan: Any = io.read(file, size=_size(size), channel=channel, unit=unit)
        which: dict[str, Any] = {"channel": channel, "direction": direction, "frame": frame, "skip_junk": skip_junk}
        try:
            if scan_name is not None:
                scan = io.one_scan(io.scans(file, size=_size(size), channel=channel, unit=unit), scan_name)
            io.check_fits(scan, target, **which)
        except (ChannelError, ScanError, WriteError) as error:
            raise type(error)(str(error) if str(file) in str(error) else f"{file}: {error}") from None
        if there and not overwrite:
            raise WriteError(f"{target}: is there already; --overwrite replaces it")
        io.write(scan, target, **which, speed=speed, fps=fps, tell=tell)

    if to is None:
        if len(files) > 1 or (os.path.isdir(out) and out.suffix != ".zarr"):
            raise typer.BadParameter("say with --to which format the files in this folder have, e.g. --to nc")
        with _Bar("converting") as bar:
            one(files[0], out, bar.to)
        typer.echo(f"{out}")
        return
    suffix = f".{to.lstrip('.').lower()}"
    if suffix not in io.WRITTEN:
        raise typer.BadParameter(f"{to!r} is not written; {', '.join(io.WRITTEN)} are", param_hint="--to")
    make_folder(out)
    broken = 0
    with Pace("converting") as pace:
        for done, (file, target) in enumerate(_beside(files, out, suffix), 1):
            try:
                one(file, target)
            except SharptipError as error:
                broken += 1
                said = _for_commands(str(error))
                pace.say(f"left out: {said}" if str(file) in said else f"left out: {file}: {said}")
            pace.to(done, len(files))
    typer.echo(f"{len(files) - broken} of {len(files)} files converted into {out}")
    if broken:
        raise typer.Exit(1)


def _beside(files: list[Path], out: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Each file with its place in the folder; those that share a stem keep their suffix, and none replaces another."""
    stems = Counter(f.stem for f in files)
    placed = [(f, out / (f"{f.stem}{suffix}" if stems[f.stem] == 1 else f"{f.name}{suffix}")) for f in files]
    for target, n in Counter(t for _, t in placed).items():
        if n > 1:
            raise WriteError(f"{target}: {n} files would be written there; convert the folders one by one")
    return placed


@app.command()
def clean(
    sources: Annotated[
        list[Path], Taken(metavar="SOURCE...", help="Files as the instrument wrote them, or folders of them.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A folder for the cleaned scans; for one file also its name.")
    ],
    steps: Annotated[
        str | None,
        typer.Option(
            help="Steps and chains in order, with options where they are to differ: "
            "spikes,rows:method=matching,polynomial:degree=3; auto, if left out."
        ),
    ] = None,
    channel: Annotated[
        str,
        typer.Option(
            "--channel",
            help="What is cleaned; several with commas, those of them that a file has: height,height_sensor; 'all': "
            "every height, and no current, phase, force …",
        ),
    ] = "height",
    direction: Annotated[
        str | None, typer.Option(help="Of scans recorded both ways the one that is cleaned: forward or backward.")
    ] = None,
    scan: Annotated[
        str | None, typer.Option(help="Of files that hold several: the name of one, or its number from 0.")
    ] = None,
    size: SizeOption = None,
    unit: Annotated[str | None, typer.Option(help="The unit of the numbers of arrays and pictures.")] = None,
    suffix: Annotated[
        str | None, typer.Option(help="Of the files written into a folder: .zarr, if left out, or .nc, .gwy …")
    ] = None,
    learned: Annotated[bool, typer.Option("--learned", help="A trained model in place of the steps.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace what this did not write.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core, if left out.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="tcp://HOST:8786 of a dask scheduler whose workers do it instead.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(min=0.001, help="Minutes for one file, after which it is given up and listed.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Scans that the summary shows before and after.")] = 24,
) -> None:
    """Level, align lines and mend scars, of one scan or of thousands; the same command goes on after a stop.

    A file that cannot be cleaned stops nothing: OUT/summary.csv says what came of each, OUT/summary.html shows it.
    """
    from .. import io
    from ..batch.clean_file import LEARNED, Order, clean_one, names_of
    from ..batch.clean_many import By, clean_many
    from ..batch.sources import is_folder

    if learned and steps:
        raise typer.BadParameter("--learned replaces the steps; leave one of the two out", param_hint="--learned")
    if workers and cluster:
        raise typer.BadParameter("the cluster has its own workers; leave one of the two out", param_hint="--workers")
    if limit and cluster:
        raise typer.BadParameter("a cluster cannot end a worker; leave one of the two out", param_hint="--limit")
    ending = f".{(suffix or 'zarr').lstrip('.').lower()}"
    if ending not in io.WRITTEN:
        known = " or ".join(io.WRITTEN)
        raise typer.BadParameter(f"{ending!r} is not written; use {known}", param_hint="--suffix")
    try:
        chosen = LEARNED if learned else "auto" if steps is None else steps
        names_of(chosen)
    except ScanError as error:
        raise typer.BadParameter(str(error), param_hint="--steps") from None
    order = Order(chosen, channel, _size(size), unit, direction, scan)
    single = len(sources) == 1 and not is_folder(sources[0])
    if single and out.suffix and (out.suffix in io.WRITTEN or not os.path.isdir(out)):
        if limit:
            raise typer.BadParameter("it is for several files, which go into a folder", param_hint="--limit")
        if suffix is not None and ending != out.suffix.lower():
            raise typer.BadParameter(f"{out} says what is written there; leave --suffix out", param_hint="--suffix")
        told = clean_one(sources[0], out, order, overwrite)
        typer.echo("\n".join([f"{out}", *told]))
        return
    if out.suffix in io.WRITTEN:
        raise typer.BadParameter(f"{out} is the name of one scan; several go into a folder", param_hint="--out")
    with Pace("cleaning") as pace:
        try:
            done = clean_many(
                sources, out, order, suffix=ending, overwrite=overwrite, by=By(workers, cluster, limit and 60 * limit),
                pictures=pictures,
                progress=pace.to, say=pace.say,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise WriteError(f"interrupted; what is done is kept in {out}, the same command goes on") from None
    typer.echo(done.told())
    if done.left:
        raise typer.Exit(1)


@app.command()
def measure(
    files: Annotated[list[Path], Taken(help="Scans as the instrument wrote them.")],
    channel: Annotated[
        str, typer.Option("--channel", help="What is measured; several with commas, of which each file has one.")
    ] = "height",
    level: Annotated[Literal["plane", "none"], typer.Option(help="What is taken off before measuring.")] = "plane",
    size: SizeOption = None,
    unit: Annotated[str | None, typer.Option(help="The unit of an array's or picture's numbers.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write a table: file, scan, channel, name, value, unit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Surface parameters (ISO 25178-2 and more) of scans, in SI units. A broken file is named and stops nothing."""
    import pandas as pd

    from .. import io
    from ..core.errors import ScanError
    from ..core.files import write_text
    from ..core.scan import label
    from ..measure import surface_parameters

    tables, failed = [], 0
    names = [name.strip() for name in channel.split(",") if name.strip()]
    for file in files:
        try:
            about = {"channel": names[0], "unit": unit} if size is not None or unit is not None else {}
            for number, scan in enumerate(io.scans(file, size=_size(size), **about)):
                name = str(scan.attrs.get("name", "")) or str(number + 1)
                for one in [c for c in names if c in scan.data_vars] or names[:1]:
                    try:
                        table = surface_parameters(scan, channel=one, level=level)
                    except ScanError as error:
                        raise ScanError(str(error) if str(file) in str(error) else f"{label(scan)}: {error}") from None
                    tables.append(table.assign(file=str(file), scan=name, channel=one))
        except SharptipError as error:
            failed += 1
            _complain(error)
    if csv is not None and tables:
        columns = ["file", "scan", "channel", "name", "value", "unit"]
        write_text(csv, pd.concat(tables)[columns].to_csv(index=False))
    if as_json:
        typer.echo(json.dumps({"level": level, "scans": [_measured(t) for t in tables]}, ensure_ascii=False))
    else:
        for table in tables:
            typer.echo(_table_told(table))
    if failed:
        raise typer.Exit(1)


@app.command()
def fit(
    file: Annotated[Path, Taken(help="Force curves or spectra, as the instrument wrote them.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for table, maps, figures and page; NAME-fit, if left out."),
    ] = None,
    curve: Annotated[str | None, typer.Option(help="The one that is drawn: 17, or ROW,COLUMN of a map.")] = None,
    law: Annotated[
        str | None, typer.Option(help="Of contact mechanics: paraboloid, sphere, cone, pyramid …; needs the tip.")
    ] = None,
    radius: Annotated[float | None, typer.Option(help="Of the tip's apex, or the sphere, in metres: 20e-9.")] = None,
    half_angle: Annotated[float | None, typer.Option(help="Of a cone's or pyramid's side, in degrees: 35.")] = None,
    poisson: Annotated[float | None, typer.Option(help="Poisson's ratio of the sample; 0.5, if left out.")] = None,
    thickness: Annotated[float | None, typer.Option(help="Of the sample on its support, in metres: 2e-6.")] = None,
    spring_constant: Annotated[float | None, typer.Option(help="Of the lever, in N/m, instead of the file's.")] = None,
    sensitivity: Annotated[float | None, typer.Option(help="Of the detector, in m/V, instead of the file's.")] = None,
    temperature: Annotated[
        str | None, typer.Option(help="293K, 20C or 4.2K: gives the spring constant of a thermal tune.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="NAME.sharptip, asked in place of the model that ships.")] = None,
    size: SizeOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace what this did not write.")] = False,
    as_json: Json = False,
) -> None:
    """Fit every curve of a file: a table with units and intervals, maps where there is a grid, figures, a page.

    Curves that cannot be believed are marked, with the reason, and stay in the table.
    """
    import math

    from ..curves.fit_file import fit_file
    from ..curves.fitted import Settings

    settings = Settings(
        spring_constant=spring_constant, sensitivity=sensitivity, law=law, radius=radius, poisson=poisson,
        half_angle=None if half_angle is None else math.radians(half_angle), thickness=thickness,
        temperature=None if temperature is None else _kelvin(temperature), model=model,
    )  # fmt: skip
    with _Bar("fitting") as bar:
        done = fit_file(
            file, out or Path(f"{file.stem}-fit"), settings, curve=curve,
            size="unknown" if size is None else _size(size), overwrite=overwrite, tell=bar.to,
        )  # fmt: skip
    typer.echo(json.dumps(done.values(), ensure_ascii=False) if as_json else done.told())


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the scans, their groups and their truth.")],
    population: Annotated[Literal["demo", "review", "smallest"], typer.Option(help="How many scans.")] = "demo",
    seed: Annotated[int, typer.Option(help="The same seed gives the same scans.")] = 0,
) -> None:
    """Simulated cytoskeleton scans of healthy, exposed and treated cells, written as files."""
    from ..study import demo

    chosen = {"demo": demo.DEMO, "review": demo.REVIEW, "smallest": demo.SMALLEST}[population]
    with _Bar("simulating") as bar:
        scans = demo.write_demo(out, chosen, seed, lambda done, of: bar.to("simulating", done, of))
    typer.echo(f"{scans}")


@app.command()
def study(
    scans: Annotated[
        Path | None,
        typer.Argument(help="Folder with one sub-folder of scans per population, or a CSV table: file, label, group …"),
    ] = None,
    out: Out = Path("result"),
    apply: Annotated[
        list[str] | None,
        typer.Option("--apply", help="A population (its folder or label) that is only judged. Repeatable."),
    ] = None,
    groups: GroupsOption = None,
    reference: Annotated[str | None, typer.Option(help="Which of the two is the reference, e.g. healthy.")] = None,
    channel: ChannelOption = "height",
    unit: Annotated[str, typer.Option(help="The SI unit of the channel.")] = "m",
    size: SizeOption = None,
    pixel_size: Annotated[float | None, typer.Option(help="Bring all scans to pixels of this size, in metres.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller honest protocol, minutes (the default).")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The review's whole protocol, hours on a laptop; resumable.")
    ] = False,
    smoke: Annotated[bool, typer.Option("--smoke", hidden=True)] = False,
    seed: Annotated[int, typer.Option(help="Of every random choice in the study.")] = 0,
    truth: Annotated[Path | None, typer.Option(help="Folder with masks of simulated scans.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Say in every number that the scans are simulated.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Simulate scans first, write them as files, and compare those.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Are two populations of scans different, where and why, and how far to believe it? Writes OUT/report.html.

    Interrupted or killed, the same command goes on from where it was and ends with the same result.
    """
    from dataclasses import replace

    from ..study import PROTOCOLS, compare
    from ..study import demo as demonstration

    if sum((quick, full, smoke)) > 1:
        raise typer.BadParameter("choose one of --quick and --full")
    protocol = replace(PROTOCOLS["full" if full else "smoke" if smoke else "quick"], seed=seed)
    chosen = list(apply or ())
    with _Bar("study") as bar:
        if demo:
            if scans is not None:
                raise typer.BadParameter("--demo makes its own scans; leave the folder out")
            population = demonstration.SMALLEST if smoke else demonstration.DEMO
            scans = demonstration.write_demo(out, population, seed, lambda d, n: bar.to("simulating scans", d, n))
            groups, truth, simulated, chosen = str(out / "groups.csv"), out / "truth", True, ["treated"]
        if scans is None:
            raise typer.BadParameter("name a folder of scans, or use --demo")
        try:
            values = compare(
                scans, out, apply=chosen, groups=groups, reference=reference, channel=channel, unit=unit,
                size=_size(size), pixel_size=pixel_size, protocol=protocol, simulated=simulated, truth=truth,
                tell=bar.to,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise StudyError(f"interrupted; what is done is kept in {out}/work, the same command goes on") from None
    typer.echo(json.dumps(values, ensure_ascii=False) if as_json else _summary(values, out))


@app.command()
def recipes(as_json: Json = False) -> None:
    """The questions that can be asked, with what each eats and gives."""
    from ..core import registry

    rows = []
    for name in registry.names("recipes"):
        r = registry.get("recipes", name)
        rows.append(
            {
                "name": name, "question": r.question, "kind": r.kind, "classes": list(r.classes),
                "eats": [vars(p) for p in r.eats], "gives": [vars(p) for p in r.gives],
                "baselines": [*r.baselines, *r.rivals, *r.classical],
                "claims": [vars(c) for c in r.claims], "options": dict(r.options),
            }
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        eats = ", ".join(f"{p['name']} ({p['unit']})" for p in row["eats"])
        gives = ", ".join(f"{p['name']} ({p['unit']})" for p in row["gives"])
        against = f"; against {', '.join(row['baselines'])}" if row["baselines"] else ""
        typer.echo(f"{row['name']}: {row['question']}\n  {eats} → {gives}{against}")


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder with one sub-folder per class, a CSV table, or labelled arrays (.npz); else simulated."
    ),
]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name; see `sharptip recipes`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model, NAME.sharptip.")],
    data: DataOption = None,
    groups: GroupsOption = None,
    size: SizeOption = None,
    option: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of the recipe. Repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and scans give the same model.")] = 0,
    bare: Annotated[bool, typer.Option("--bare", help="Keep the model without its baselines: a smaller file.")] = False,
) -> None:
    """Train a recipe on scans of yours, or on simulated ones, and keep the model.

    A network that was interrupted goes on with the same command: each epoch is kept in OUT.state until it is done.
    """
    from ..core import registry
    from ..core.files import draft_beside, make_folder
    from ..fit.model import Model
    from ..fit.recipe import settled

    chosen = registry.get("recipes", recipe)
    options = _options(option or [], settled(chosen, {}))
    examples = None
    if data is not None:
        adapted = chosen.on_channel({**settled(chosen, {}), **options})
        examples, classes = _examples(adapted, options, data, groups, size)
        options.setdefault("classes", classes)
    model = Model(chosen, **options)
    state = out.with_name(out.name + ".state")
    make_folder(out.parent)
    with draft_beside(out):
        pass  # a place that cannot be written is told before hours of work
    with _Bar("training") as bar:
        told = lambda history: bar.to("training", len(history.loss), model.options["epochs"])  # noqa: E731
        model.fit(examples, seed, told, state=state)
    model.save(out, baselines=not bare)
    state.unlink(missing_ok=True)
    noun = chosen.noun if chosen.kind == "each" else "scans"
    typer.echo(f"{out}: learned from {model.card['n_examples']} {'real' if model.card['real'] else 'simulated'} {noun}")


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model, NAME.sharptip, or a recipe whose trained model ships.")],
    files: Annotated[list[Path], Taken(help="Scans as the instrument wrote them.")],
    size: SizeOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for answers that are scans (as zarr).")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, such as the channel to look at. Repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a model says of scans. A file that cannot be judged is named and stops nothing."""
    from .. import io
    from ..core.files import make_folder
    from ..core.scan import label

    loaded = _model_named(model)
    loaded = loaded.asking(**_options(option, loaded.options)) if option else loaded
    port = loaded.recipe.eats[0]
    rows, failed = [], 0
    for file in files:
        try:
            scans = io.scans(file, **_about(port, size))
        except SharptipError as error:
            failed += 1
            _complain(error)
            continue
        for i, scan in enumerate(scans):
            try:
                answer = loaded.predict(scan)
            except SharptipError as error:
                failed += 1
                _complain(error)
                continue
            noun = loaded.recipe.noun if loaded.recipe.kind == "each" else ""
            said = _answer_each(answer, noun) if noun else _answer(answer)
            rows.append({"file": str(file), "scan": label(scan), **said})
            if out is not None:
                place = make_folder(out) / (f"{file.stem}.zarr" if len(scans) == 1 else f"{file.stem}-{i}.zarr")
                io.write(answer, place)
                rows[-1]["written"] = str(place)
    if as_json:
        typer.echo(json.dumps({"recipe": loaded.recipe.name, "answers": rows}))
    else:
        alone = Counter(row["file"] for row in rows)
        for row in rows:
            chances = [f"{k} {v}" for k, v in row.items() if k not in ("file", "scan", "answer")]
            typer.echo("\t".join([row["file"] if alone[row["file"]] == 1 else row["scan"], row["answer"], *chances]))
    if failed:
        raise typer.Exit(1)


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A model, NAME.sharptip, or a recipe whose trained model ships.")],
    file: Annotated[Path, Taken(help="A scan as the instrument wrote it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The figure, .png or .svg.")],
    answer: Annotated[
        str | None, typer.Option(help="Whose evidence is shown; the likeliest answer's, if left out.")
    ] = None,
    size: SizeOption = None,
    patches: Annotated[int, typer.Option(min=2, help="Along the shorter side: how fine the map is.")] = 12,
) -> None:
    """Where on a scan is the evidence for an answer? Hides patch after patch and asks again."""
    from .. import io
    from ..clean import plane
    from ..core.files import write_whole
    from ..core.scan import channel, pixel_size
    from ..explain.occlusion import occlusion
    from ..fit.model import Model
    from ..report.figures import evidence_figure
    from ..report.style import save

    if out.suffix not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"{out} is no picture; end it in .png, .svg or .pdf", param_hint="--out")
    loaded = Model.load(model) if model.endswith(".sharptip") else Model.trained(model)
    scan = _first_fitting(io.scans(file, **_about(loaded.recipe.eats[0], size)), loaded.recipe)
    found = occlusion(loaded, scan, answer, patches)
    pixels = None if scan.attrs.get("size") == "unknown" else pixel_size(scan)
    port = loaded.recipe.eats[0]
    shown = channel(plane(scan, channel=port.name), port.name)
    figure = evidence_figure(
        shown.transpose("y", "x").values, found["evidence"].values, pixels, shown.attrs["units"],
        f"{found.attrs['answer']}: {found.attrs['probability']:.0%}",
    )  # fmt: skip
    write_whole(out, partial(save, figure))
    typer.echo(f"{out}: what speaks for {found.attrs['answer']!r} ({found.attrs['probability']:.1%}) in {file}")


@app.command()
def score(
    model: Annotated[
        str, typer.Argument(help="A model, NAME.sharptip, or a recipe's name: learned on the data, fold by fold.")
    ],
    data: DataOption = None,
    groups: GroupsOption = None,
    size: SizeOption = None,
    option: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE of the recipe. Repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated scans, and of the folds.")] = 0,
    folds: Annotated[int, typer.Option(min=2, help="With a recipe's name: parts that the groups are dealt to.")] = 5,
    keep: Annotated[
        Path | None, typer.Option(help="Folder that keeps each fold, so that an interrupted run goes on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How good a model is on scans that it has not seen, beside its baselines and the published claims.

    A recipe's name with --data: every group is judged by a model that learned from the other groups. Without --data:
    fresh simulated scans, judged by the model that ships, or where there is none (or with --set) by one learned first.
    """
    from ..core.history import is_simulated
    from ..fit.crossval import cross_validate
    from ..fit.model import Model

    loaded = Model.load(model) if model.endswith(".sharptip") else None
    if loaded is None and data is None and not option and model in Model.that_ship():
        loaded = Model.trained(model)
    if loaded is None and Model(model, **_options(option or [], Model(model).options)).learns_nothing:
        loaded, option = Model(model, **_options(option or [], Model(model).options)), None
    recipe = loaded.recipe if loaded else Model(model).recipe
    options = loaded.options if loaded else _options(option or [], Model(model).options)
    if loaded and option:
        raise typer.BadParameter("a trained model has its options already; leave --set out")
    if data is not None:
        examples, classes = _examples(recipe, options, data, groups, size)
    else:
        examples, classes = _drawn(loaded or Model(model, **options), seed), None
    real = not any(is_simulated(e.scan) for e in examples)
    if loaded:
        table = loaded.score(examples, real=real)
    elif data is None:
        with _Bar("training") as bar:
            epochs = Model(model, **options).options["epochs"]
            fresh = Model(model, **options).fit(None, seed, lambda h: bar.to("training", len(h.loss), epochs))
        table = fresh.score(examples, real=real)
    else:
        with _Bar("folds") as bar:
            options.setdefault("classes", classes)
            table = cross_validate(recipe, examples, options, k=folds, seed=seed, keep=keep, real=real, tell=bar.to)
    if as_json:
        typer.echo(json.dumps(_scored(recipe, examples, table, real, "model" if loaded or data is None else "folds")))
        return
    typer.echo(table.to_string(index=False, float_format=lambda v: f"{v:.3g}", na_rep=""))


# -- helpers ----------------------------------------------------------------------------------------------------


def _size(text: str | None) -> Any:
    """'2e-6' → 2e-6, '1e-6,2e-6' → (1e-6, 2e-6), 'unknown' stays."""
    if text is None or text == "unknown":
        return text
    try:
        numbers = tuple(float(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no size in metres, such as 2e-6", param_hint="--size") from None
    if len(numbers) > 2 or any(not n > 0 for n in numbers):
        raise typer.BadParameter(f"{text!r} is not WIDTH or HEIGHT,WIDTH in metres", param_hint="--size")
    return numbers[0] if len(numbers) == 1 else numbers


def _options(given: list[str], known: dict[str, Any]) -> dict[str, Any]:
    """NAME=VALUE texts → options, each in the type of its default."""
    out: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise typer.BadParameter(
                f"{text!r}: give NAME=VALUE; names are {', '.join(sorted(known))}", param_hint="--set"
            )
        try:
            out[name] = json.loads(value.lower() if value in ("True", "False", "None") else value)
        except ValueError:
            out[name] = value
    return out


def _examples(recipe: Any, options: dict[str, Any], data: Path, groups: str | None, size: str | None) -> Any:
    from ..fit.labelled import examples_of
    from ..fit.recipe import settled
    from ..study.collect import examples

    if recipe.kind == "restore":
        return _frames(recipe, settled(recipe, options), data, size), ()
    if recipe.kind == "each":
        if recipe.labelled is None:
            raise StudyError(f"recipe {recipe.name!r} learns from simulated {recipe.noun} only; leave --data out")
        return recipe.labelled(data, settled(recipe, options)), tuple(options.get("classes") or recipe.classes)

    if data.suffix == ".npz":
        found, names = examples_of(data, recipe)
        known = tuple(options.get("classes") or recipe.classes)
        return _usable(recipe, found), known if set(names) <= set(known) else names
    found, broken, classes = examples(data, recipe, options.get("classes") or recipe.classes, groups, _size(size))
    for file, reason in broken:
        typer.echo(f"sharptip: left out {file}: {reason}", err=True)
    return _usable(recipe, found), classes


def _frames(recipe: Any, options: dict[str, Any], data: Path, size: str | None) -> list[Any]:
    """Frames of a film, or of every file of a folder, as examples without a truth."""
    from .. import io
    from ..batch.sources import find
    from ..fit.unlabelled import frames_of

    sources = find([data])
    scans, name, files = [], recipe.eats[0].name, sources.files
    for folder, why in sources.closed:
        typer.echo(f"sharptip: left out {folder}: {why}", err=True)
    for file in files:
        try:
            found = io.scans(file, size=_size(size))
        except SharptipError as error:
            if len(files) == 1:
                raise
            typer.echo(f"sharptip: left out {error}", err=True)
            continue
        fitting = [scan for scan in found if name in scan.data_vars]
        if not fitting and len(files) > 1:
            typer.echo(f"sharptip: left out {file}: it has no channel {name!r}", err=True)
        scans += fitting or (found if len(files) == 1 else [])
    return frames_of(scans, recipe, options)


def _usable(recipe: Any, examples: list[Any]) -> list[Any]:
    """Examples that can be judged; the others are named and stop nothing."""
    from ..fit.prepare import usable

    good, broken = usable(recipe, examples)
    for name, reason in broken:
        typer.echo(f"sharptip: left out {reason if name in reason else f'{name}: {reason}'}", err=True)
    if not good:
        raise StudyError(f"none of {len(examples)} scans can be judged; the reasons are above")
    return good


def _model_named(name: str) -> Any:
    """A saved model, one that ships, or a recipe that has nothing to learn."""
    from ..core import registry
    from ..fit.model import Model

    if name.endswith(".sharptip"):
        return Model.load(name)
    if name not in Model.that_ship() and name in registry.names("recipes") and Model(name).learns_nothing:
        return Model(name)
    return Model.trained(name)


def _about(port: Any, size: str | None) -> dict[str, Any]:
    """What a file without a header is told about itself: its size, and what its numbers are taken for."""
    unit = "arb" if port.arbitrary else port.unit
    return {"size": _size(size), **({"channel": port.name, "unit": unit} if size is not None else {})}


def _first_fitting(scans: list[Any], recipe: Any) -> Any:
    """Of several scans in a file the first with the channel that is needed; else the first, to be refused by name."""
    return next((s for s in scans if recipe.eats[0].name in s.data_vars), scans[0])


def _drawn(model: Any, seed: int) -> list[Any]:
    """Simulated examples that no model was trained on."""
    import numpy as np

    if model.recipe.example is None:
        raise StudyError(f"recipe {model.recipe.name!r} has no simulator; give --data")
    streams = np.random.SeedSequence((seed, 1)).spawn(model.options["examples"])
    return [model.recipe.example(np.random.default_rng(s), model.options) for s in streams]


def _scored(recipe: Any, examples: list[Any], table: Any, real: bool, how: str) -> dict[str, Any]:
    """A score table for programs: the model's own numbers by name, the baselines beside them, then every row."""
    from ..fit.score import by_name

    counted = {"n_images": len(examples)}
    if recipe.kind == "each":
        counted = {f"n_{recipe.noun}": sum(len(next(iter(e.truth.values()))) for e in examples)}
    about = {"recipe": recipe.name, "real": real, "judged": "held-out groups" if how == "folds" else "by one model",
             **counted, "n_groups": len({e.group for e in examples})}  # fmt: skip
    named = {**about, **by_name(recipe, table), "rows": json.loads(table.to_json(orient="records"))}
    return _finite(named)


def _finite(value: Any) -> Any:
    """Plain JSON knows no infinity and no NaN: null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _answer_each(answer: Any, noun: str) -> dict[str, Any]:
    """A summary of what was said of many rows: how many, and the median of each number."""
    import numpy as np

    from ..core.units import say

    first = next(iter(answer.data_vars.values()))
    left = len(json.loads(answer.attrs["faults"]))
    n = int(np.prod([answer.sizes[d] for d in first.dims]))
    told = f"{n} {noun}" + (f", {left} of them not judged" if left else "")
    medians = {}
    for name, v in answer.data_vars.items():
        if v.dims == first.dims and v.dtype.kind in "iuf" and np.isfinite(v.values).any():
            medians[str(name)] = say(float(np.nanmedian(v.values)), v.attrs["units"], 4)
    return {"answer": told, **{f"median {k}": v for k, v in medians.items()}}


def _answer(answer: Any) -> dict[str, Any]:
    if "label" in answer.dims:
        name = next(iter(answer.data_vars))
        if "line" in answer.dims:
            answer = answer.isel(line=-1)
        chances = dict(zip(answer["label"].values.tolist(), answer[name].values.tolist(), strict=True))
        decided = {k: answer.attrs[k] for k in ("verdict", "stop_line", "change_line", "unlike") if k in answer.attrs}
        return {"answer": answer.attrs["label"], **decided, **{k: round(v, 4) for k, v in chances.items()}}
    doubts = [text for text in json.loads(answer.attrs.get("doubts", "[]")) if text]
    told = {"doubtful frames": len(doubts), "the first": doubts[0]} if doubts else {}
    return {"answer": ", ".join(f"{k} ({v.attrs['units']})" for k, v in answer.data_vars.items()), **told}


def _measured(table: Any) -> dict[str, Any]:
    """One scan's surface parameters as plain JSON values; what is undefined is null."""
    first = table.iloc[0]
    values = {
        name: {"value": None if value != value else value, "unit": unit}
        for name, value, unit in zip(table["name"], table["value"], table["unit"], strict=True)
    }
    return {"file": first["file"], "scan": first["scan"], "channel": first["channel"], "parameters": values}


def _table_told(table: Any) -> str:
    """The same for people: each value in a unit of its size, with what it means."""
    from ..core.units import say

    first = table.iloc[0]
    lines = [f"{first['file']} · {first['scan']} · {first['channel']}"]
    for name, value, unit, definition in zip(*(table[k] for k in ("name", "value", "unit", "definition")), strict=True):
        told = "undefined" if value != value else say(value, unit, 4)
        lines.append(f"  {name:<17} {told:>16}  {definition}")
    return "\n".join(lines)


def _told(file: Path, found: dict[str, Any]) -> str:
    """`info` for people."""
    from ..core.units import say

    lines = [f"{file}: {found['format']}, {len(found['scans'])} scan{'s' * (len(found['scans']) != 1)}"]
    for scan in found["scans"]:
        shape = " × ".join(f"{n} {d}" for d, n in zip(scan["dims"], scan["shape"], strict=True))
        size = "size unknown"
        if scan["size_m"]:
            size = f"{say(scan['size_m'][0], 'm', 4)} × {say(scan['size_m'][1], 'm', 4)}, pixels of "
            size += f"{say(scan['pixel_size_m'][0], 'm', 4)} × {say(scan['pixel_size_m'][1], 'm', 4)}"
        lines.append(f"  {scan['name'] or 'scan'}: {shape}; {size}")
        lines += [f"    ! {said}" for said in what_is_wrong(scan)]
        for v in scan["variables"]:
            if v["min"] is None:
                said = "no finite value" if v["missing"] else f"in {v['units']}, too large to be looked through"
                lines.append(f"    {v['name']:<20} {said}")
                continue
            told = f"    {v['name']:<20} {_range_told(v['min'], v['max'], v['units'])}"
            told += _doubt(v["name"], v["units"])
            lines.append(told + (f"; {v['missing']:.1%} missing" if v["missing"] and "y" in scan["dims"] else ""))
    return "\n".join(lines)


def _doubt(name: str, unit: str) -> str:
    """What to say of a channel whose name and unit contradict each other. Volts and amperes are signals of anything.

    >>> _doubt("phase_signal", "m"), _doubt("height_signal", "V")
    ('; a doubt: the file says m, and phase is in rad or V', '')
    """
    from ..core.names import UNITS

    base = re.sub(r"_signal(_\d+)?$", "", name)
    if base == name or base not in UNITS or unit in ("V", "A", "arb", "1", *UNITS[base]):
        return ""
    return f"; a doubt: the file says {unit}, and {base} is in {' or '.join(UNITS[base])}"


def _range_told(low: float, high: float, si: str) -> str:
    """A range in a unit of its size, with the digits that tell its ends apart.

    >>> _range_told(1.0, 1.0 + 3e-9, "m"), _range_told(20000.0, 20000.0, "1"), _range_told(-0.0, 0.0, "m")
    ('1 m + 0 to 3 nm', '20000', '0 m')
    """
    from ..core.units import shown

    low, high = low + 0.0, high + 0.0  # no −0
    span, most = high - low, max(abs(low), abs(high))
    if si != "1" and 0 < span < 1e-3 * most:
        (much, its), (small, unit) = shown(most, si), shown(span, si)
        return f"{_digits(low * much)} {its} + 0 to {_digits(span * small)} {unit}"
    factor, unit = shown(most, si)
    ends = dict.fromkeys(_digits(value * factor) for value in (low, high))
    return f"{' to '.join(ends)} {unit}".rstrip()


def _digits(value: float) -> str:
    """Four digits, whole numbers whole."""
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 and value == round(value) else f"{value:.4g}"


def _without_name(error: SharptipError, path: Path) -> str:
    """An error without the file's name, which stands beside it, and without the list of what could have been."""
    return re.sub(rf"^{re.escape(str(path))}( \(\w+\))?: ", "", str(error)).partition(". Known: ")[0]


def _summary(values: dict[str, Any], out: Path) -> str:
    test = values["test"]
    low, high = test["interval95"]
    a, b = values["classes"]
    lines = [
        f"{a} against {b}: {test['image_accuracy']:.1%} of {test['n_images']} test images right "
        f"(95 % interval {low:.0%} to {high:.0%}, {test['n_groups']} groups, "
        f"{'real' if values['real'] else 'simulated'} scans)"
    ]
    for name, r in values["baselines"].items():
        lines.append(f"  {name.replace('_', ' ')}: {r['image_accuracy']:.1%}")
    for name, r in values["applied"].items():
        if r.get("fraction") is not None:
            low, high = r["interval95"]
            lines.append(
                f"  {name}: {r['fraction']:.0%} of {r['n']} images called {a} ({low:.0%} to {high:.0%}), of the {a} in "
                f"the test {r['fraction_of_reference']:.0%}; {r['equivalence'].get('verdict', '')}"
            )
    lines += [f"  ! {w}" for w in values["warnings"]]
    return "\n".join([*lines, f"{out / 'report.html'}  ({values['seconds']:.0f} s)"])


class _Bar:
    """A progress bar on stderr that knows only what it is told; silent where stderr is not a terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def to(self, what: str, done: int, of: int) -> None:
        self._progress.update(self._task, description=what[:28], completed=done, total=max(done, of))

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
