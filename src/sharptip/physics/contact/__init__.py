"""Contact mechanics: what force a tip feels that is pressed into a sample. One law per file, all in LAWS.

>>> from sharptip.physics.contact import LAWS, Tip
>>> hertz, tip = LAWS["paraboloid"], Tip(radius=5e-6)
>>> force = hertz.force(500e-9, 1e3, tip)  # newtons, at 500 nm and 1 kPa
>>> f"{force:.3g}", f"{hertz.modulus(500e-9, force, tip):.0f}"
('1.41e-09', '1000')
"""

from . import blunted, cone, dmt, jkr, layer, paraboloid, pyramid, sphere
from .law import SYMBOLS, Law, Tip
from .ting import ting

_FILES = (
    (paraboloid.LAW, sphere.LAW, cone.LAW, pyramid.LAW, pyramid.BILODEAU, blunted.CONE, blunted.PYRAMIDAL),
    (layer.BONDED, layer.FREE, layer.PARABOLOID_LAYER, layer.CONE_LAYER),
    (jkr.LAW, dmt.LAW),
)
LAWS: dict[str, Law] = {law.name: law for laws in _FILES for law in laws}

__all__ = ["LAWS", "SYMBOLS", "Law", "Tip", "ting"]
