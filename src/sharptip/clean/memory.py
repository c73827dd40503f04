"""Why does it cost as much to get memory for an image as to work on it? Because it was given back a moment ago.

Arrays as large as an image come and go by the dozen in a step. The C library of Linux gives each one back to the system
as it is freed, and the next one is cleared page by page: a fifth of the time for a scan of 256², more for larger ones.
It stops that for arrays below the largest one that it has seen freed, up to 32 MiB; so it is shown one.
"""

from __future__ import annotations

import numpy as np

LARGEST = 2**25 - 2**16  # bytes; the C library keeps nothing above 32 MiB


def keep() -> None:
    """Let memory of arrays up to LARGEST be used again. Costs no memory: the array is never written to."""
    np.empty(LARGEST, np.uint8)
