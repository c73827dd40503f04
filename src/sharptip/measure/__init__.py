"""arrays → tables: what can be counted and measured on a scan without learning anything."""

from .morphology import feature_table, network_morphology
from .surface_parameters import PARAMETERS, surface_parameters, surface_values

__all__ = ["PARAMETERS", "feature_table", "network_morphology", "surface_parameters", "surface_values"]
