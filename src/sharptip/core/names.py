"""The one table of channel names, the SI units each may be held in, and how vendors call them."""

from __future__ import annotations

import re

# name → SI units it may have (the first is the usual one); an uncalibrated signal stays in volts.
UNITS: dict[str, tuple[str, ...]] = {
    "height": ("m",),
    "height_sensor": ("m",),
    "height_error": ("m", "V"),
    "deflection": ("m", "V"),
    "amplitude": ("m", "V"),
    "amplitude_error": ("m", "V"),
    "amplitude_spectral_density": ("m/√Hz", "V/√Hz"),
    "phase": ("rad", "V"),
    "frequency": ("Hz",),
    "frequency_shift": ("Hz",),
    "excitation": ("V",),
    "dissipation": ("W", "J", "V"),
    "current": ("A", "V"),
    "log_current": ("1", "A", "V"),
    "bias": ("V",),
    "conductance": ("S", "A/V", "A", "V"),
    "lateral_force": ("N", "m", "V"),
    "force": ("N",),
    "adhesion": ("N", "V"),
    "stiffness": ("N/m",),
    "modulus": ("Pa",),
    "deformation": ("m",),
    "energy_loss": ("J",),
    "peak_force": ("N",),
    "potential": ("V",),
    "piezo_response": ("m", "V", "m/V"),
    "quality_factor": ("1",),
    "resonance": ("Hz",),  # frequency of a resonance that was fitted
    "response_real": ("V", "m", "m/V", "A", "1"),  # complex answer to a drive, along `frequency`
    "response_imag": ("V", "m", "m/V", "A", "1"),
    "temperature": ("K",),
    "lockin_x": ("V", "A", "m"),
    "lockin_y": ("V", "A", "m"),
    "tip_x": ("m",),
    "tip_y": ("m",),
    "piezo": ("m", "V"),
    "intensity": ("arb", "1", "V"),
    "mask": ("1",),
    "scar_mask": ("1",),  # 1 where a streak of the tip hid the surface, which was drawn from the lines beside it
    "substrate": ("1",),  # probability that the level background is seen
    "background": ("m", "V", "A", "rad", "Hz"),  # tilt and bow that were taken off
    "uncertainty": ("m", "V", "A", "rad", "Hz"),  # standard deviation of a restored channel
    "row_offsets": ("m", "V", "A", "rad", "Hz"),  # of each line, taken off
    "row_tilts": ("m", "V", "A", "rad", "Hz"),  # of each line, from its middle to its right end, taken off
    "time": ("s",),  # along `sample` of a curve; as an axis, of the frames of a film
    "separation": ("m",),
    "spring_constant": ("N/m",),
    "sensitivity": ("m/V",),
    "length": ("1",),  # samples of a curve that are its own and no padding
    "segment": ("1",),  # which part of a curve a sample belongs to: its place in the scan's attrs["segments"]
    "row": ("1",),  # of a curve in its map, 0 on top
    "column": ("1",),
}

REPEATS = ("direction", "time", "frequency", "bias", "distance", "site", "curve", "sample", "z")  # promise 4

# A vendor's wording → our name; the first pattern that matches decides. Lower-case, without direction words.
_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"height.*sen|zsensor|^zsnsr|z sensor|z-axis sensor|measured.*height|height \(measured", "height_sensor"),
    (r"height error|error signal|peak force error", "height_error"),
    (r"amplitude error|amp(litude)?.*setpoint error", "amplitude_error"),
    (r"piezo ?response", "piezo_response"),
    (r"spectral density", "amplitude_spectral_density"),
    (r"\bpsd\b", "spectral_density"),
    (r"log ?current", "log_current"),
    (r"freq(uency)?[ _]?shift|oc m1 freq|delta ?f\b|\bdf\b", "frequency_shift"),
    (r"lateral|friction|horizontal deflection|hor\. deflection|hdeflection|^lf$", "lateral_force"),
    (r"adhesion", "adhesion"),
    (r"modulus|young", "modulus"),
    (r"deformation|indentation", "deformation"),
    (r"dissipation|energy loss|energy", "energy_loss"),
    (r"peak ?force", "peak_force"),
    (r"stiffness|slope", "stiffness"),
    (r"potential|kelvin|cpd|surface pot", "potential"),
    (r"quality|q.?factor", "quality_factor"),
    (r"excitation|drive amplitude", "excitation"),
    (r"topo|height|^z$|^z-axis|z-height|^z[ (]", "height"),
    (r"current|^i$|^iprobe", "current"),
    (r"phase|phas", "phase"),
    (r"deflection|vertical|^dfl|^defl$", "deflection"),
    (r"ampl|^mag$|^r$", "amplitude"),
    (r"freq", "frequency"),
    (r"^lock-?in ?x$", "lockin_x"),
    (r"^lock-?in ?y$", "lockin_y"),
    (r"^bias|bias voltage", "bias"),
    (r"di/dv|conductance", "conductance"),
    (r"temperature", "temperature"),
)


def standard(vendor_name: str) -> str:
    """The name a channel has here for what the vendor called it; the vendor's own, made safe, if it is not known.

    >>> standard("Topography"), standard("ZSensor"), standard("LI Demod 1 X")
    ('height', 'height_sensor', 'li_demod_1_x')
    """
    plain = re.sub(r"[_\s]+", " ", vendor_name).strip().lower()
    plain = re.sub(r"\b(re)?trace\b|\bforward\b|\bbackward\b|\((fwd|bwd)\)", "", plain).strip()
    for pattern, name in _PATTERNS:
        if re.search(pattern, plain):
            return name
    safe = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return safe if safe[:1].isalpha() else f"channel_{safe}".rstrip("_")
