"""Picture of figure 4b: as figure 4."""

from __future__ import annotations

from paper_figures.draw_4 import draw

__all__ = ["draw"]
