"""TopoStats' flattening of the arrays in a file, run by TopoStats' own interpreter (see benchmarks/peers.py).

    .peers/topostats/bin/python benchmarks/clean_topostats.py raw.npz cleaned.npz

raw.npz: `images` (n, y, x) in nanometres and `pixel` (n,) in nanometres. cleaned.npz: `levelled` and `smoothed`
(n, y, x), before and after its Gaussian filter, with its default settings and scar removal; `scars`, its mask of them;
`seconds` (n,) of the processor.
Nothing of sharptip is imported here, and this file by nothing of sharptip.
"""

import copy
import logging
import sys
import time
from importlib.resources import files

import numpy as np
import yaml
from topostats.classes import TopoStats
from topostats.filters import Filters

logging.disable(logging.CRITICAL)
settings = yaml.safe_load((files("topostats") / "default_config.yaml").read_text())["filter"]
settings.pop("run")
settings["remove_scars"]["run"] = True

raw = np.load(sys.argv[1])
levelled, smoothed, scars, seconds = [], [], [], []
for i, (image, pixel) in enumerate(zip(raw["images"], raw["pixel"], strict=True)):
    scan = TopoStats(filename=str(i), pixel_to_nm_scaling=float(pixel), img_path=".", image_original=image.copy())
    start = time.process_time()
    filters = Filters(topostats_object=scan, **copy.deepcopy(settings))
    filters.filter_image()
    seconds.append(time.process_time() - start)
    levelled.append(filters.images["final_zero_average_background"])
    smoothed.append(filters.images["gaussian_filtered"])
    found = filters.images["scar_mask"]
    scars.append(np.zeros(image.shape, bool) if found is None else np.asarray(found) > 0)
    print(f"{i + 1}/{len(raw['images'])} {seconds[-1]:.2f} s", file=sys.stderr, flush=True)
np.savez(sys.argv[2], levelled=np.stack(levelled), smoothed=np.stack(smoothed), scars=np.stack(scars), seconds=seconds)
