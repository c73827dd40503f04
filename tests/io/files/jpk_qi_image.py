"""A JPK image of a force map: adhesion, slope and heights from curves, its top line not measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

INVALID = 2**31 - 1
NAMES = ("height", "adhesion", "stiffness", "force", "height_sensor")
FANCY = ("Height", "Adhesion", "Slope", "Vertical Deflection", "Height (measured)")
VENDOR = ("height", "adhesion", "slope", "vDeflection", "measuredHeight")
LINES = (
    ("m", -1e-14, 2e-6), ("N", 1e-19, 3e-10), ("N/m", 1e-12, 1e-3), ("N", 2e-20, -1e-10), ("m", 1e-15, 3e-6),
)  # fmt: skip


def counts(channel: int) -> np.ndarray:
    """Row 0 on top; nobody measured it."""
    from tests.io import make_files as images

    out = np.random.default_rng(channel).integers(-(2**30), 2**30, (images.NY, images.NX)).astype(np.int32)
    out[0] = INVALID
    return out


def jpk_qi_image(path: Path) -> None:
    from tests.io import make_files as images

    ny, nx = images.NY, images.NX
    about = [(0x100, 4, [4]), (0x101, 4, [4]), (0x102, 3, [8]), (0x103, 3, [1]), (0x106, 3, [1]), (0x116, 4, [4])]
    about += [(0x8000, 2, "2.0"), (0x8042, 12, [images.WIDTH]), (0x8043, 12, [images.HEIGHT]), (0x8045, 8, [0])]
    pages = [([*about, (0x8050, 2, "thumbnail")], bytes(16))]
    for k, (vendor, fancy, (unit, multiplier, offset)) in enumerate(zip(VENDOR, FANCY, LINES, strict=True)):
        style = f"channel.name : {vendor}\nsegment-style.style : {'retract' if vendor == 'adhesion' else 'extend'}\n"
        page = [(0x100, 4, [nx]), (0x101, 4, [ny]), (0x102, 3, [32]), (0x103, 3, [1]), (0x106, 3, [1]), (0x116, 4, [2])]
        page += [(0x153, 3, [2]), (0x8050, 2, vendor), (0x8051, 8, [0]), (0x8052, 2, fancy), (0x8053, 2, style)]
        page += [(0x8080, 9, [2]), (0x8081, 2, "calibrated")]
        for at, slot in ((0x8090, "raw"), (0x80C0, "calibrated")):
            page += [(at, 2, slot), (at + 0x11, 2, "SignedIntegerWithValidity"), (at + 0x1A, 9, [INVALID])]
            page += [(at + 0x13, 2, "NullScaling" if slot == "raw" else "LinearScaling")]
        page += [(0x80D2, 2, unit), (0x80D4, 12, [multiplier]), (0x80D5, 12, [offset])]
        pages.append((page, counts(k)[::-1].astype(">i4").tobytes()))
    path.write_bytes(images._tiff(pages, ">"))


EXAMPLES = {"jpk_qi_image": (".jpk-qi-image", jpk_qi_image)}
READER = {"jpk_qi_image": "jpk"}
