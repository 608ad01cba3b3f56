"""What figure 4b says of the paper's claims."""

from __future__ import annotations

from paper_figures.claims_4 import claims

__all__ = ["claims"]
