"""Paper: figures with scale bars and units, and reports as one HTML file that needs nothing else."""

from .page import Fact, Facts, Page, Picture, Section, Table, Text, Warning, html, write_page
from .style import save

__all__ = ["Fact", "Facts", "Page", "Picture", "Section", "Table", "Text", "Warning", "html", "save", "write_page"]
