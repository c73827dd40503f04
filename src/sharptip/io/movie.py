"""A film as a movie (`.mp4`, H.264; `.gif`), with a scale bar, the time, and the colours' scale and unit burnt in.

Around the image, never on it: under it the scale bar and the time of the frame, right of it the colours from the 1st to
the 99th percentile of the whole film, so that the same colour means the same height in every frame. What is
marked as junk or doubtful has a border in the mark's colour and the reason under it; junk does not count in the
percentiles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import WriteError
from ..core.files import write_whole
from ..core.marks import Mark, marks
from ..core.units import say, shown
from .pick import kept_apart, only, regular

if TYPE_CHECKING:
    from PIL.Image import Image

Tell = Callable[[str, int, int], None]

FPS = 10.0  # frames per second where neither these nor a speed are asked for
COLOURS = "inferno"  # dark to bright without a break, read alike by colour-blind eyes
SEEN = (1.0, 99.0)  # percentiles of the film between which the colours lie
_SAMPLED = 2**22  # values from which the percentiles are taken, evenly out of all
_SHALLOW = 0.2  # share of the colours that a frame uses at least, or it is told
_SIDE = 480  # pixels of the longer side of the image, at least; small frames are enlarged
_LARGEST = 4096  # pixels of a side; H.264 has hardly more
_RIGHT, _BELOW, _MARGIN, _LETTERS = 116, 48, 12, 18  # pixels around the image, and height of the letters
_LEAST = (120, 280)  # (height, width) that bar, time and colours need beside the image
_PAPER, _INK, _LOST = (20, 24, 30), (236, 240, 244), (110, 110, 110)  # ground, text, pixels that are NaN
_MARKS = {"junk": (214, 60, 60), "doubtful": (224, 164, 40)}  # colours of marked frames
_NOTE = 44  # pixels under a film with marked frames, for the reason
_REASON = 14  # height of its letters
_NICE = (1, 2, 5)  # lengths of scale bars: these times a power of ten


@dataclass(frozen=True)
class Look:
    """What all frames of a movie share."""

    low: float
    high: float
    unit: str
    image: tuple[int, int]  # (height, width) of the image in the movie, pixels
    bar: tuple[int, str] | None  # length of the scale bar in pixels, and what it says
    palette: np.ndarray  # (256, 3) bytes
    marks: Mapping[int, Mark] = field(default_factory=dict)  # of frames


def write(
    nodes: Mapping[str, Any],
    path: Path,
    *,
    speed: float | None = None,
    fps: float | None = None,
    tell: Tell | None = None,
) -> list[str]:
    """Write the one film there is; returns what the format cannot keep.

    speed: in times the real one; fps: frames per second; 10 of them without either.
    """
    _, scan, film = only(nodes, [("time", "y", "x")], path.suffix)
    rate = _rate(np.asarray(film["time"].values, float), speed, fps)
    look = _look(film, marks(scan))
    pictures = _drawn(film, look, tell)
    encode = _gif if path.suffix.lower() == ".gif" else _mp4
    write_whole(path, lambda temporary: encode(pictures, temporary, rate))
    return ["the numbers themselves (it holds colours)", "header and history", *kept_apart(scan, str(film.name))]


def _rate(times: np.ndarray, speed: float | None, fps: float | None) -> Fraction:
    """Frames per second of the movie."""
    if speed is not None and fps is not None:
        raise WriteError(f"speed={speed:g} and fps={fps:g} are two words for one thing; give one of them")
    rate = FPS if fps is None else fps
    if speed is not None:
        gap = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        if not gap > 0:
            raise WriteError(f"speed={speed:g} needs frames at known times, and theirs do not rise; give fps= instead")
        rate = speed / gap
    if not 1e-3 <= rate <= 240:
        raise WriteError(
            f"{rate:.3g} frames per second are no movie; between 0.001 and 240 are, so choose another speed"
        )
    return Fraction(rate).limit_denominator(1000)


def _look(film: Any, found: Mapping[int, Mark]) -> Look:
    from matplotlib import colormaps

    low, high = _limits(film, [i for i in range(len(film)) if i not in found or found[i].kind != "junk"])
    palette = (colormaps[COLOURS](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    ny, nx = film.sizes["y"], film.sizes["x"]
    if film["x"].attrs["units"] != "m":
        image = _sides(ny, nx)
        return Look(low, high, str(film.attrs["units"]), image, None, palette, found)
    dy, dx = (regular(film, axis, "a movie")[1] for axis in ("y", "x"))
    image = _sides(ny, nx, dy, dx)
    length = _nice(nx * dx / 3)
    bar = round(image[1] * length / (nx * dx)), say(length, "m")
    return Look(low, high, str(film.attrs["units"]), image, bar, palette, found)


def _sides(ny: int, nx: int, dy: float = 1.0, dx: float = 1.0) -> tuple[int, int]:
    """(height, width) of the image in pixels: true to the lengths, no pixel of the film left out if there is room."""
    step = min(dy, dx)
    height, width = ny * dy / step, nx * dx / step
    whole = max(1, int(np.ceil(_SIDE / max(height, width))))
    fit = min(whole, _LARGEST / max(height, width))
    return max(1, round(height * fit)), max(1, round(width * fit))


def _nice(length: float) -> float:
    """The longest of 1, 2, 5 · 10ⁿ that is not above a length."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(n * power for n in _NICE if n * power <= length * (1 + 1e-9)))


def _limits(film: Any, good: list[int]) -> tuple[float, float]:
    """Percentiles of the good frames, from values spread evenly over them; a film that hides its frames is told."""
    if film.dtype.kind == "c":
        raise WriteError(f"{film.name!r} is complex, which has no colour; write its magnitude")
    every = max(1, film.size // _SAMPLED)
    frames = (np.asarray(film.isel(time=i).values, float).ravel()[i % every :: every] for i in good or range(len(film)))
    sample = [v[np.isfinite(v)] for v in frames]
    sample = [v for v in sample if v.size]
    if not sample:
        raise WriteError(f"{film.name!r} has no finite value; there is nothing to show")
    low, high = (float(v) for v in np.percentile(np.concatenate(sample), SEEN))
    within = float(np.median([np.ptp(np.percentile(v, SEEN)) for v in sample]))
    if within < _SHALLOW * (high - low):
        told = f"frames span {say(within, film.attrs['units'])}, the film {say(high - low, film.attrs['units'])}"
        warnings.warn(f"{told}, so little will be seen; level it first (sharptip clean)", stacklevel=5)
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1.0), low + 0.5 * (abs(low) or 1.0))


def _drawn(film: Any, look: Look, tell: Tell | None) -> Iterator[Image]:
    """One picture after the other; no more than one is in the memory."""
    times = np.asarray(film["time"].values, float)
    ground = _ground(look)
    for i, t in enumerate(times):
        picture = _frame(np.asarray(film.isel(time=i).values, float), t, times, look, ground)
        yield _noted(picture, i, look)
        if tell is not None:
            tell("drawing frames", i + 1, len(times))


def _frame(values: np.ndarray, t: float, times: np.ndarray, look: Look, ground: Image) -> Image:
    from PIL import Image, ImageDraw

    picture = ground.copy()
    pixels = Image.fromarray(coloured(values, look))
    picture.paste(pixels.resize(look.image[::-1], Image.Resampling.NEAREST), (_MARGIN, _MARGIN))
    height, width = _room(look)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN + width, _MARGIN + height + _BELOW // 2), _clock(t, times), _INK, _font(), anchor="rm")
    return picture


def _noted(picture: Image, i: int, look: Look) -> Image:
    """The picture of frame i with its mark, where it has one: around the image, never on it."""
    from PIL import ImageDraw

    if i not in look.marks:
        return picture
    mark, pen, (height, width) = look.marks[i], ImageDraw.Draw(picture), look.image
    colour = _MARKS[mark.kind]
    edge = _MARGIN // 2
    pen.rectangle(
        (_MARGIN - edge, _MARGIN - edge, _MARGIN + width + edge - 1, _MARGIN + height + edge - 1), None, colour, edge
    )
    top, room = _MARGIN + _room(look)[0] + _BELOW, picture.width - 2 * _MARGIN
    pen.text((_MARGIN, top), mark.kind, colour, _font(_REASON), anchor="lt")
    said, letters = mark.reason, _font(_REASON)
    while letters.getlength(said) > room and len(said) > 1:
        said = f"{said[:-2].rstrip('…')}…"
    pen.text((_MARGIN, top + _REASON + 6), said, _INK, letters, anchor="lt")
    return picture


def coloured(values: np.ndarray, look: Look) -> np.ndarray:
    """(y, x) numbers → (y, x, 3) bytes; what is NaN is grey."""
    share = (values - look.low) / (look.high - look.low)
    index = (np.clip(np.nan_to_num(share), 0, 1) * 255).round().astype(int)
    return np.where(np.isnan(values)[..., None], np.array(_LOST, np.uint8), look.palette[index]).astype(np.uint8)


def _clock(t: float, times: np.ndarray) -> str:
    """The time of a frame with the digits that tell it from the next."""
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if gap <= 0 or gap >= 1:
        return f"{t:.0f} s" if gap >= 1 and np.allclose(times, np.round(times)) else f"{t:.1f} s"
    return f"{t:.{min(9, int(np.ceil(-np.log10(gap))) + 1)}f} s"


def _ground(look: Look) -> Image:
    """What is the same in every frame: the ground, the colours with their values, the scale bar."""
    from PIL import Image, ImageDraw

    height, width = _room(look)
    size = width + 2 * _MARGIN + _RIGHT, height + _MARGIN + _BELOW + (_NOTE if look.marks else 0)
    picture = Image.new("RGB", (size[0] + size[0] % 2, size[1] + size[1] % 2), _PAPER)  # H.264 wants even sides
    pen, left = ImageDraw.Draw(picture), width + 2 * _MARGIN
    top, bottom = _MARGIN + _LETTERS + 6, _MARGIN + height
    ramp = np.repeat(look.palette[::-1][:, None], _LETTERS, axis=1)
    picture.paste(Image.fromarray(ramp).resize((_LETTERS, max(1, bottom - top))), (left, top))
    factor, unit = shown(max(abs(look.low), abs(look.high)), look.unit)
    pen.text((left, _MARGIN), unit, _INK, _font(), anchor="lt")
    digits = int(np.clip(2 - np.floor(np.log10((look.high - look.low) * factor)), 0, 6))
    for value, at in ((look.high, top), ((look.low + look.high) / 2, (top + bottom) // 2), (look.low, bottom)):
        anchor = "lt" if at == top else "lb" if at == bottom else "lm"
        pen.text((left + _LETTERS + 6, at), f"{value * factor:.{digits}f}", _INK, _font(), anchor=anchor)
    if look.bar is not None:
        at, (length, said) = _MARGIN + height + _BELOW // 2, look.bar
        pen.rectangle((_MARGIN, at - 2, _MARGIN + length, at + 2), fill=_INK)
        pen.text((_MARGIN + length + 8, at), said, _INK, _font(), anchor="lm")
    return picture


def _room(look: Look) -> tuple[int, int]:
    """(height, width) kept for the image: a film of a few lines still has room for its scale and its time."""
    return max(look.image[0], _LEAST[0]), max(look.image[1], _LEAST[1])


def _font(height: int = _LETTERS) -> Any:
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", height)  # has µ, Å, Ω


def _mp4(pictures: Iterator[Image], path: Path, rate: Fraction) -> None:
    try:
        import av
    except ImportError:
        raise WriteError("movies need PyAV: pip install 'sharptip[movies]', or write .gif") from None
    with av.open(str(path), "w") as movie:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = movie.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate)
                stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
                stream.options = {"crf": "16"}
            movie.mux(stream.encode(av.VideoFrame.from_image(picture)))
        movie.mux(stream.encode(None))


def _gif(pictures: Iterator[Image], path: Path, rate: Fraction) -> None:
    from PIL import Image

    first = next(pictures)
    colours = first.quantize(256, dither=Image.Dither.NONE)
    rest = (p.quantize(palette=colours, dither=Image.Dither.NONE) for p in pictures)
    milliseconds = max(20, round(1000 / float(rate) / 10) * 10)  # a GIF counts hundredths; below two, viewers balk
    colours.save(path, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=False)
