"""What does the instrument make of a surface: where does it really measure, and what does it add?

Each artefact is one function of `(rng, z, sq, settings)` that returns the new image, what it drew and what is
known to be true about it; `scan_it` runs them in the order in which they happen in an instrument. Heights are
metres, arrays (y, x) with x the fast axis, `sq` is the rms roughness of the clean image, to which sizes are
relative. Every artefact draws from a stream of its own, so two runs with the same rng that differ in one setting
differ in that artefact alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft, signal
from scipy.ndimage import map_coordinates

from .tip import dilate, double

Record = dict[str, Any]
Truth = dict[str, np.ndarray]
Range = tuple[float, float]


@dataclass(frozen=True)
class Settings:
    """How likely each artefact is (0 to 1) and between which bounds its strength is drawn.

    Heights are in units of the clean image's rms roughness Sq, lengths along the line in pixels.
    """

    line_time: float = 0.004  # s per line and direction; high-speed AFM, 2 s for 512 lines
    drift: float = 0.5
    drift_velocity: Range = (0.0, 0.2)  # px per line
    creep: Range = (0.0, 3.0)  # px per decade of time
    nonlinearity: float = 0.3
    nonlinearity_amplitude: Range = (0.0, 0.02)  # of the scan width
    tip_change: float = 0.02
    tip_change_shift: Range = (2.0, 8.0)  # px between the old apex and its new twin
    tip_change_offset: Range = (0.0, 0.5)  # Sq
    feedback: float = 1.0
    climb: Range = (0.4, 1.0)  # fraction of the error made good per pixel, going up
    fall: Range = (0.15, 1.0)  # the same going down: a tip that parachutes
    overshoot: float = 0.2
    damping: Range = (0.3, 1.0)  # ζ of the second-order lag
    background: float = 1.0
    tilt: Range = (0.0, 4.0)  # Sq from edge to edge, along x and y
    bow: Range = (0.0, 2.0)  # Sq at the edge
    line_tilt: Range = (0.0, 0.05)  # Sq at the edge, drawn anew for each line
    line_offsets: float = 1.0
    offset_walk: Range = (0.0, 0.05)  # Sq, step of the random walk
    offset_white: Range = (0.0, 0.3)  # Sq
    jump_rate: Range = (0.0, 0.01)  # jumps per line
    scars: float = 0.3
    scar_rate: Range = (0.0, 0.05)  # per line
    scar_length: Range = (10.0, 40.0)  # px, mean of an exponential
    scar_height: Range = (0.5, 5.0)  # Sq
    spikes: float = 0.2
    spike_rate: Range = (0.0, 1e-4)  # per pixel
    saturation: float = 0.02
    saturation_quantile: Range = (0.97, 1.0)  # heights above this quantile are clipped
    lost_lines: float = 0.0
    lost_rate: Range = (0.0, 0.02)  # per line
    noise: float = 1.0
    white: Range = (0.005, 0.2)  # Sq
    flicker: Range = (0.0, 0.1)  # Sq, 1/f along time
    hum: float = 0.2
    hum_amplitude: Range = (0.0, 0.1)  # Sq
    interference: float = 0.2
    interference_amplitude: Range = (0.0, 0.2)  # Sq, slow wave down the slow axis
    quantisation: float = 1.0
    bits: tuple[int, ...] = (16,)


QUIET = Settings(
    drift=0, nonlinearity=0, tip_change=0, feedback=0, overshoot=0, background=0, line_offsets=0, scars=0, spikes=0,
    saturation=0, lost_lines=0, noise=0, hum=0, interference=0, quantisation=0,
)  # fmt: skip  # a perfect instrument; switch on what is wanted with dataclasses.replace

Artefact = Callable[[np.random.Generator, np.ndarray, float, Settings], tuple[np.ndarray, Record, Truth]]


def scan_it(
    rng: np.random.Generator,
    surface: np.ndarray,
    pixel_size: float,
    settings: Settings,
    *,
    tip: np.ndarray | None = None,
    margin: int = 0,
) -> tuple[dict[str, np.ndarray], Truth, Record]:
    """Scan a surface: image by the tip, sample where the scanner goes, and add the artefacts in order.

    surface: (y, x) in metres, with `margin` pixels on every side that only drift and the tip reach.
    Returns
    - images: `height` and `height_error` (surface under the tip less height), each (y, x) in metres without margin;
    - truth: `surface` as it would be seen by a perfect tip and instrument at the same places, `position` (2, y, x):
      where on `surface` (pixels, margin included) each pixel was taken, and what each artefact knows;
    - record: per artefact `on` and what was drawn, all JSON-able.
    """
    streams = dict(zip(("position", "tip_change", *ARTEFACTS), rng.spawn(len(ARTEFACTS) + 2), strict=True))
    shape = (surface.shape[0] - 2 * margin, surface.shape[1] - 2 * margin)
    position, record = positions(streams["position"], shape, settings)
    position += margin
    truth: Truth = {"position": position, "surface": sample(surface, position)}

    felt = truth["surface"] if tip is None else sample(dilate(surface, tip), position)
    sq = float(felt.std())
    felt, record["tip_change"] = _tip_change(streams["tip_change"], felt, surface, position, tip, sq, settings)
    height = felt
    for name, artefact in ARTEFACTS.items():
        stream = streams[name]
        on = bool(stream.random() < getattr(settings, name))
        record[name] = {"on": on}
        if on:
            height, drawn, known = artefact(stream, height, sq, settings)
            record[name] |= drawn
            truth |= known
        if name == "overshoot":
            error = felt - height  # what the loop did not follow; later artefacts are not the loop's
    record["sq"], record["pixel_size"], record["line_time"] = sq, pixel_size, settings.line_time
    return {"height": height, "height_error": error}, truth, record


def sample(image: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The image at `position` (2, y, x) in pixels, by linear interpolation; the image is mirrored at its edges."""
    whole = np.rint(position)
    if np.array_equal(whole, position):
        rows, columns = whole.astype(int)
        if rows.min() >= 0 and columns.min() >= 0 and rows.max() < image.shape[0] and columns.max() < image.shape[1]:
            return image[rows, columns]
    return map_coordinates(image, position, order=1, mode="mirror")


def _draw(rng: np.random.Generator, bounds: Range) -> float:
    return float(rng.uniform(*bounds))


# Where the scanner goes ------------------------------------------------------------------------------------------


def positions(rng: np.random.Generator, shape: tuple[int, int], settings: Settings) -> tuple[np.ndarray, Record]:
    """Pixel positions (2, y, x) that are really visited: the raster with drift, creep and nonlinearity."""
    position = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(float)
    first, second = rng.spawn(2)
    record: Record = {"drift": {"on": bool(first.random() < settings.drift)}}
    if record["drift"]["on"]:
        shift, drawn = drift(first, shape[0], settings)
        position += shift[:, :, None]
        record["drift"] |= drawn
    record["nonlinearity"] = {"on": bool(second.random() < settings.nonlinearity)}
    if record["nonlinearity"]["on"]:
        amplitude = _draw(second, settings.nonlinearity_amplitude) * shape[1]
        position[1] += amplitude * np.sin(np.pi * np.arange(shape[1]) / shape[1])
        record["nonlinearity"]["amplitude"] = amplitude
    return position, record


def drift(rng: np.random.Generator, lines: int, settings: Settings) -> tuple[np.ndarray, Record]:
    """Shift (2, lines) in pixels: v·j + γ·log10(1 + j/j0), each line in one piece."""
    j = np.arange(lines)
    speed, angle = _draw(rng, settings.drift_velocity), _draw(rng, (0, 2 * np.pi))
    creep, creep_angle = _draw(rng, settings.creep), _draw(rng, (0, 2 * np.pi))
    onset = lines / 100  # creep starts with the scan: two decades of time within one image
    ways = np.array([[np.sin(angle), np.sin(creep_angle)], [np.cos(angle), np.cos(creep_angle)]])
    shift = ways @ np.stack([speed * j, creep * np.log10(1 + j / onset)])
    return shift, {"velocity": speed, "angle": angle, "creep": creep, "creep_angle": creep_angle}


# What the tip and the loop do ------------------------------------------------------------------------------------


def _tip_change(
    rng: np.random.Generator,
    felt: np.ndarray,
    surface: np.ndarray,
    position: np.ndarray,
    tip: np.ndarray | None,
    sq: float,
    settings: Settings,
) -> tuple[np.ndarray, Record]:
    """From a random line on, the tip has a second apex, and the height a step."""
    if not rng.random() < settings.tip_change:
        return felt, {"on": False}
    line = int(rng.integers(1, max(felt.shape[0], 2)))
    length, angle = _draw(rng, settings.tip_change_shift), _draw(rng, (0, 2 * np.pi))
    shift = (round(length * np.sin(angle)), round(length * np.cos(angle)))
    offset, step = sq * _draw(rng, settings.tip_change_offset), sq * float(rng.normal())
    out = felt.copy()
    if tip is not None:
        out[line:] = sample(dilate(surface, double(tip, shift=shift, offset=offset)), position[:, line:])
    out[line:] += step
    return out, {"on": True, "line": line, "shift": list(shift), "offset": offset, "step": step}


def feedback(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """First-order lag along the line, slower going down than up."""
    climb = _draw(rng, settings.climb)
    fall = min(climb, _draw(rng, settings.fall))
    return lag(z, climb, fall), {"climb": climb, "fall": fall}, {}


def lag(z: np.ndarray, climb: float, fall: float) -> np.ndarray:
    """y_i = y_{i−1} + g·(z_i − y_{i−1}) along x, with g = `climb` where the step is up and `fall` where it is down.

    Each line starts on the surface. Columns are taken in turn, all lines at once.
    """
    columns = np.ascontiguousarray(z.T)
    out = np.empty_like(columns)
    out[0] = columns[0]
    steeper = np.maximum if climb >= fall else np.minimum  # picks climb·e for e > 0 and fall·e for e < 0
    for i in range(1, len(columns)):
        error = columns[i] - out[i - 1]
        out[i] = out[i - 1] + steeper(climb * error, fall * error)
    return np.ascontiguousarray(out.T)


def overshoot(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """Second-order lag along the line."""
    damping, period = _draw(rng, settings.damping), _draw(rng, (4.0, 12.0))
    return ringing(z, damping, period), {"damping": damping, "period": period}, {}


def ringing(z: np.ndarray, damping: float, period: float) -> np.ndarray:
    """A resonance of damping ζ ≤ 1 and undamped `period` (px) along x, of unit gain.

    After a step it overshoots by exp(−πζ/sqrt(1−ζ²)) of the step, as the continuous oscillator does.
    """
    natural = 2 * np.pi / period
    pole = np.exp(natural * (-damping + 1j * np.sqrt(1 - damping**2)))
    a = np.array([1.0, -2 * pole.real, abs(pole) ** 2])
    b = np.array([a.sum()])
    at_rest = signal.lfilter_zi(b, a)
    return signal.lfilter(b, a, z, axis=1, zi=at_rest[None, :] * z[:, :1])[0]


# What is added to the height -------------------------------------------------------------------------------------


def background(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """Sample tilt and scanner bow, a second-order polynomial, and a small tilt of each line's own."""
    y = np.linspace(-1, 1, z.shape[0])[:, None]
    x = np.linspace(-1, 1, z.shape[1])[None, :]
    tilt = [sq * _draw(rng, settings.tilt) / 2 * rng.choice([-1, 1]) for _ in range(2)]
    bow = [sq * _draw(rng, settings.bow) * rng.choice([-1, 1]) for _ in range(3)]
    shape = tilt[0] * y + tilt[1] * x + bow[0] * y**2 + bow[1] * x**2 + bow[2] * x * y
    wobble = sq * _draw(rng, settings.line_tilt)
    shape = shape + wobble * rng.standard_normal((z.shape[0], 1)) * x
    drawn = {"tilt": [float(v) for v in tilt], "bow": [float(v) for v in bow], "line_tilt": wobble}
    return z + shape, drawn, {"background": shape}


def line_offsets(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """Each line sits a little higher or lower: a random walk, white steps, and now and then a jump that stays."""
    lines = z.shape[0]
    walk, white = sq * _draw(rng, settings.offset_walk), sq * _draw(rng, settings.offset_white)
    rate = _draw(rng, settings.jump_rate)
    jumps = np.where(rng.random(lines) < rate, rng.normal(0, sq, lines), 0.0)
    offsets = np.cumsum(walk * rng.standard_normal(lines) + jumps) + white * rng.standard_normal(lines)
    drawn = {"walk": walk, "white": white, "jump_rate": rate, "jumps": int((jumps != 0).sum())}
    return z + offsets[:, None], drawn, {"line_offsets": offsets}


def scars(rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings) -> tuple[np.ndarray, Record, Truth]:
    """Streaks along the line, 1 to 3 lines thick, that recover exponentially towards their end."""
    rate, mean = _draw(rng, settings.scar_rate), _draw(rng, settings.scar_length)
    out, where, listed = z.copy(), np.zeros(z.shape, bool), []
    for line in np.flatnonzero(rng.random(z.shape[0]) < rate):
        start, thickness = int(rng.integers(z.shape[1])), int(rng.integers(1, 4))
        length = max(2, round(rng.exponential(mean)))
        height = sq * _draw(rng, settings.scar_height) * float(rng.choice([-1, 1]))
        rows, columns = slice(line, line + thickness), slice(start, start + length)
        n = out[rows, columns].shape[1]
        out[rows, columns] += height * np.exp(-np.arange(n) / (length / 2))
        where[rows, columns] = True
        listed.append({"line": int(line), "start": start, "length": length, "height": height, "thickness": thickness})
    return out, {"rate": rate, "mean_length": mean, "scars": listed}, {"scars": where}


def spikes(rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings) -> tuple[np.ndarray, Record, Truth]:
    """Single pixels thrown out by ten to thirty times Sq."""
    rate = _draw(rng, settings.spike_rate)
    number = int(rng.poisson(rate * z.size))
    place = rng.integers(z.size, size=number)
    out, where = z.copy(), np.zeros(z.shape, bool)
    out.flat[place] += sq * rng.uniform(10, 30, number) * rng.choice([-1, 1], number)
    where.flat[place] = True
    return out, {"rate": rate, "number": number}, {"spikes": where}


def saturation(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """The converter's upper end: what is higher than a quantile of the heights is clipped."""
    quantile = _draw(rng, settings.saturation_quantile)
    ceiling = float(np.quantile(z, quantile))
    return np.minimum(z, ceiling), {"quantile": quantile, "ceiling": ceiling}, {"saturated": z > ceiling}


def noise(rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings) -> tuple[np.ndarray, Record, Truth]:
    """White noise, and 1/f noise along time, which runs pixel by pixel and line by line."""
    white, flicker = sq * _draw(rng, settings.white), sq * _draw(rng, settings.flicker)
    added = white * rng.standard_normal(z.shape) + flicker * one_over_f(rng, z.size).reshape(z.shape)
    return z + added, {"white": white, "flicker": flicker}, {}


def one_over_f(rng: np.random.Generator, n: int) -> np.ndarray:
    """n samples of noise whose power falls as 1/frequency, with zero mean and unit standard deviation."""
    if n < 4:
        return np.zeros(n)
    k = np.arange(1, n // 2 + 1)
    spectrum = np.zeros(n // 2 + 1, complex)
    spectrum[1:] = (rng.standard_normal(len(k)) + 1j * rng.standard_normal(len(k))) / np.sqrt(k)
    out = fft.irfft(spectrum, n=n)
    return (out - out.mean()) / out.std()


def hum(rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings) -> tuple[np.ndarray, Record, Truth]:
    """Mains: A·sin(2πft + φ) at 50 or 60 Hz in the time of each pixel."""
    amplitude, phase = sq * _draw(rng, settings.hum_amplitude), _draw(rng, (0, 2 * np.pi))
    frequency = float(rng.choice([50.0, 60.0]))
    line = np.arange(z.shape[0])[:, None] * 2 * settings.line_time  # there and back
    time = line + np.arange(z.shape[1])[None, :] * settings.line_time / z.shape[1]
    drawn = {"amplitude": amplitude, "frequency": frequency, "phase": phase}
    return z + amplitude * np.sin(2 * np.pi * frequency * time + phase), drawn, {}


def interference(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """A slow thermal or electric wave down the slow axis, one to ten periods per image."""
    amplitude, phase = sq * _draw(rng, settings.interference_amplitude), _draw(rng, (0, 2 * np.pi))
    periods = _draw(rng, (1, 10))
    wave = amplitude * np.sin(2 * np.pi * periods * np.arange(z.shape[0]) / z.shape[0] + phase)
    return z + wave[:, None], {"amplitude": amplitude, "periods": periods, "phase": phase}, {}


def quantisation(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """The converter's steps: 2^bits levels over the range of the heights."""
    bits = int(rng.choice(settings.bits))
    low, span = float(z.min()), float(np.ptp(z))
    step = span / (2**bits - 1)
    return (low + step * np.rint((z - low) / step) if step > 0 else z), {"bits": bits, "step": step}, {}


def lost_lines(
    rng: np.random.Generator, z: np.ndarray, sq: float, settings: Settings
) -> tuple[np.ndarray, Record, Truth]:
    """Lines that were never recorded: NaN."""
    rate = _draw(rng, settings.lost_rate)
    lost = np.asarray(rng.random(z.shape[0]) < rate)
    return np.where(lost[:, None], np.nan, z), {"rate": rate, "number": int(lost.sum())}, {"lost_lines": lost}


ARTEFACTS: dict[str, Artefact] = {  # in the order in which they happen; each name is also its probability in Settings
    "feedback": feedback,
    "overshoot": overshoot,
    "background": background,
    "line_offsets": line_offsets,
    "scars": scars,
    "spikes": spikes,
    "saturation": saturation,
    "noise": noise,
    "hum": hum,
    "interference": interference,
    "quantisation": quantisation,
    "lost_lines": lost_lines,
}
