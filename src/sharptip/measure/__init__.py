"""arrays → tables: what can be counted and measured on a scan without learning anything."""

from .morphology import feature_table, network_morphology

__all__ = ["feature_table", "network_morphology"]
