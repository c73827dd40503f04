"""BGlib's fits of the spectra in a file, run by BGlib's own interpreter (see benchmarks/peers.py).

    .peers/bglib/bin/python benchmarks/resonance_bglib.py raw.npz fitted.npz

raw.npz: `frequency` (f,) Hz and `spectra` (n, f) complex. fitted.npz, of each way: `WAY` (n, 4) amplitude, frequency,
quality factor and phase, and `WAY_seconds` of processor time for all n, the guess included.

guess     `complex_gaussian`, with which BESHOfitter starts
shipped   BESHOfitter's fit: scipy's least_squares of `_sho_error` by complex steps. `_sho_error` takes moduli, so that
          every complex step has no imaginary part, the gradient is zero, and the guess comes back unchanged.
repaired  the model of BGlib's fitter for sidpy (`SHO_fit_flattened`, real and imaginary part) through scipy's curve_fit
          from the same guess, which is what that fitter runs on each spectrum

The HDF5 machinery around these functions is not needed for arrays; stand-ins take its place, since with it come more
than a gigabyte of packages. Nothing of sharptip is imported here, and this file by nothing of sharptip.
"""

import importlib.util
import sys
import time
import types
import warnings
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from scipy.optimize import curve_fit, least_squares

warnings.simplefilter("ignore")
root = Path(importlib.util.find_spec("BGlib").origin).parent
for name, folder in (
    ("BGlib.be", "be"),
    ("BGlib.be.analysis", "be/analysis"),
    ("BGlib.be.analysis.utils", "be/analysis/utils"),
):
    package = types.ModuleType(name)
    package.__path__ = [str(root / folder)]
    sys.modules[name] = package
for name in (
    "sidpy",
    "sidpy.hdf",
    "sidpy.hdf.hdf_utils",
    "pyUSID",
    "pyUSID.io",
    "pyUSID.io.hdf_utils",
    "pyUSID.io.usi_data",
):
    sys.modules[name] = MagicMock()
sys.modules["BGlib.be.analysis.fitter"] = types.SimpleNamespace(Fitter=object)

from BGlib.be.analysis.be_sho_fitter import _sho_error, complex_gaussian  # noqa: E402
from BGlib.be.analysis.utils.sidpy_sho_fitter import SHO_fit_flattened  # noqa: E402


def guess(y, f):
    return complex_gaussian(y, f)[:4]


def shipped(y, f):
    return least_squares(_sho_error, guess(y, f), args=[y, f], jac="cs").x


def repaired(y, f):
    start = guess(y, f)
    try:
        return curve_fit(SHO_fit_flattened, f, np.hstack([y.real, y.imag]), p0=start)[0]
    except RuntimeError:  # it did not converge
        return start


raw = np.load(sys.argv[1])
out = {}
for way in (guess, shipped, repaired):
    start = time.process_time()
    out[way.__name__] = np.array([way(y, raw["frequency"]) for y in raw["spectra"]])
    out[f"{way.__name__}_seconds"] = time.process_time() - start
np.savez(sys.argv[2], **out)
