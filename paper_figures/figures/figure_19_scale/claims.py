"""What figure 19 shows, beyond the paper."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, Verdict
from paper_figures.figures.figure_19_scale.compute import growth
from paper_figures.figures.figure_19_scale.measure import LOCAL
from paper_figures.options import Numbers


def _counted(name: str) -> str:
    return "pieces of regions met" if name in LOCAL else "regions"


def claims(numbers: Numbers) -> list[Claim]:
    """Costs of every decoder, and how they grow."""
    lines = [
        f"{name}: {numbers['regions'][i]:,.0f} {_counted(str(name))}, set-up "
        f"{numbers['set_up'][i]:.2f} s, {1e3 * numbers['datum'][i]:.1f} ms a datum, "
        f"{numbers['memory'][i]:.2f} GB"
        for i, name in enumerate(numbers["names"])
        if not str(name).startswith("random")
    ]
    random = numbers["regions"][np.char.startswith(numbers["names"], "random")]
    return [
        Claim(
            "not in the paper: what log p(x) and the posterior cost on trained decoders",
            "; ".join(lines),
            Verdict.OWN,
        ),
        Claim(
            "not in the paper: how a datum's time grows with the regions R, where as many of them "
            "matter",
            f"as R to the power of {growth(numbers):.2f} on random networks of "
            f"{random.min():,.0f} to {random.max():,.0f} regions",
            Verdict.OWN,
        ),
    ]
