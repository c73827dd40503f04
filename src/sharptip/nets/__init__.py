"""Networks: tensor → tensor, one architecture per file; they know nothing of scans."""

from .build import KINDS, build, discriminative_groups, freeze_until, n_params
from .conv_classifier import ARCHITECTURES, ConvClassifier, map_sizes, modern, shape_chain
from .dense import DeepNet, ShallowNet
from .ensemble import Ensemble

__all__ = [
    "ARCHITECTURES",
    "KINDS",
    "ConvClassifier",
    "DeepNet",
    "Ensemble",
    "ShallowNet",
    "build",
    "discriminative_groups",
    "freeze_until",
    "map_sizes",
    "modern",
    "n_params",
    "shape_chain",
]
