"""rng → (scan, truth): surfaces, tips, scanner artefacts, and the populations of cytoskeletons of the main study."""

from .cytoskeleton import Donor, cytoskeleton
from .population import Sample, image, population
from .scanner import QUIET, Settings, scan_it

__all__ = ["QUIET", "Donor", "Sample", "Settings", "cytoskeleton", "image", "population", "scan_it"]
