"""Units at the doors: what a vendor wrote → the SI unit that a scan holds, and back for people.

A units library would cost half a second at start-up, which `sharptip info` does not have; the vendors write
few units, and all of them are a prefix and a base unit, or a quotient or product of those.
"""

from __future__ import annotations

import math
import re

from .errors import UnitError

# Base symbols that scans hold, and what else vendors write for them: symbol → (SI symbol, factor).
_BASE: dict[str, tuple[str, float]] = {
    **{si: (si, 1.0) for si in ("m", "s", "A", "V", "N", "Hz", "K", "rad", "Pa", "W", "J", "C", "F", "S", "T", "g")},
    "Ω": ("Ω", 1.0), "Ohm": ("Ω", 1.0), "ohm": ("Ω", 1.0),
    "Å": ("m", 1e-10), "Ang": ("m", 1e-10), "Angstrom": ("m", 1e-10), "A°": ("m", 1e-10),
    "eV": ("J", 1.602176634e-19),
    "deg": ("rad", math.pi / 180), "°": ("rad", math.pi / 180), "degree": ("rad", math.pi / 180),
    "Deg": ("rad", math.pi / 180), "degrees": ("rad", math.pi / 180), "º": ("rad", math.pi / 180),
    "min": ("s", 60.0), "Volt": ("V", 1.0), "volts": ("V", 1.0), "sec": ("s", 1.0), "meter": ("m", 1.0),
    "√Hz": ("√Hz", 1.0),
}  # fmt: skip
_PREFIX = {
    "a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "~": 1e-6, "m": 1e-3,
    "c": 1e-2, "d": 1e-1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
_SHOWN = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}

DIMENSIONLESS = "1"  # ratios, counts, probabilities
ARBITRARY = "arb"  # the instrument gave a number and no physical unit (camera counts, ADC steps)
PIXEL = "px"  # axes of a scan whose size is unknown and was said to be unknown


def _atom(text: str) -> tuple[float, str, int]:
    """'nm' → (1e-9, 'm', 1); 'm^-1' → (1, 'm', -1)."""
    match = re.fullmatch(r"(.*?[^\d^+-])(?:\^?([+-]?\d))?", text)
    if not match:
        raise _unknown(text)
    symbol, power = match[1], int(match[2] or 1)
    if symbol in _BASE:
        si, factor = _BASE[symbol]
    elif symbol[0] in _PREFIX and symbol[1:] in _BASE:
        si, factor = _BASE[symbol[1:]]
        factor *= _PREFIX[symbol[0]]
    else:
        raise _unknown(text)
    if si == "g":  # the one SI base unit that carries a prefix
        si, factor = "kg", factor * 1e-3
    return factor**power, si, power


def _unknown(text: str) -> UnitError:
    return UnitError(f"unit {text!r} is not understood; nm, Å, pA, mV, nN, kHz, deg, %, N/m are, or arb for none")


def to_si(unit: str) -> tuple[float, str]:
    """Factor and SI unit of a vendor's unit: value in SI = value · factor.

    >>> to_si("nm")
    (1e-09, 'm')
    >>> to_si("pA/mV")
    (1e-09, 'A/V')
    >>> to_si("%")
    (0.01, '1')

    Raises UnitError for a unit that is not understood; a reader then keeps the numbers as they are, in 'arb'.
    """
    text = unit.strip().replace("²", "^2").replace("⁻¹", "^-1").replace("**", "^").replace("sqrt(Hz)", "√Hz")
    if text in ("", "1", "none", "None"):
        return 1.0, DIMENSIONLESS
    if text in ("%", "percent"):
        return 0.01, DIMENSIONLESS
    if text in (ARBITRARY, "a.u.", "arb.", "au", "a. u.", "arb. units", "LSB", "counts"):
        return 1.0, ARBITRARY
    factor, powers = 1.0, dict[str, int]()
    for i, part in enumerate(text.replace(" per ", "/").split("/")):
        for atom in re.split(r"[·*. ]+", part.strip("() ")):
            if atom in ("", "1"):
                continue
            f, si, p = _atom(atom)
            sign = 1 if i == 0 else -1
            factor *= f**sign
            powers[si] = powers.get(si, 0) + sign * p
    return factor, _write(powers)


def _write(powers: dict[str, int]) -> str:
    def join(sign: int) -> str:
        return "·".join(s if abs(p) == 1 else f"{s}^{abs(p)}" for s, p in powers.items() if p * sign > 0)

    above, below = join(1), join(-1)
    if not above and not below:
        return DIMENSIONLESS
    return f"{above or '1'}/{below}" if below else above


def is_si(unit: str) -> bool:
    """True for a unit that a scan may hold: SI without prefix, '1', 'arb' or 'px'.

    >>> is_si("m"), is_si("N/m"), is_si("nm")
    (True, True, False)
    """
    if unit in (DIMENSIONLESS, ARBITRARY, PIXEL):
        return True
    try:
        factor, si = to_si(unit)
    except UnitError:
        return False
    return factor == 1.0 and si == unit


def shown(value: float, unit: str) -> tuple[float, str]:
    """Factor and prefixed unit in which a person reads a value of this size: shown = value · factor.

    >>> shown(3.2e-8, "m")
    (1000000000.0, 'nm')
    >>> shown(0.5, "rad")[1]
    '°'
    """
    if unit == "rad":
        return 180 / math.pi, "°"
    if unit in (DIMENSIONLESS, ARBITRARY, PIXEL) or not re.match(r"[A-Za-zΩ]+", unit) or "^" in unit:
        return 1.0, "" if unit == DIMENSIONLESS else unit
    if not math.isfinite(value) or value == 0:
        return 1.0, unit
    power = max(-18, min(12, 3 * math.floor(math.log10(abs(value)) / 3 + 1e-9)))
    return 10.0**-power, f"{_SHOWN[power]}{unit}"


def say(value: float, unit: str, digits: int = 3) -> str:
    """A value for people: `say(2e-6, "m")` → '2 µm'."""
    factor, name = shown(value, unit)
    return f"{value * factor:.{digits}g} {name}".rstrip()
