"""What figure 3 says of the paper's claims."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, checked
from paper_figures.options import Numbers


def claims(numbers: Numbers) -> list[Claim]:
    """Of the one network and its two observations."""
    cell = np.diff(numbers["grid_1"])[0] * np.diff(numbers["grid_2"])[0]
    mass = float(np.exp(numbers["log_density"]).sum() * cell)
    masses = np.trapezoid(numbers["posterior"], numbers["z"])
    modes = [_modes(row) for row in numbers["posterior"]]
    return [
        Claim(
            "(5) is the marginal and (6) the posterior: densities",
            f"on the picture's grid p(x) sums to {mass:.4f}, the two p(z|x) to {masses[0]:.5f} and "
            f"{masses[1]:.5f}",
            checked(abs(mass - 1.0) < 0.01 and bool(np.all(np.abs(masses - 1.0) < 1e-3))),
        ),
        Claim(
            "the posterior is multimodal, which no Gaussian captures (Prop. 2)",
            f"the two posteriors have {modes[0]} and {modes[1]} modes; network and points were "
            "chosen to show it, most posteriors have one",
            checked(max(modes) > 1),
        ),
    ]


def _modes(density: np.ndarray) -> int:
    """Peaks of at least a hundredth of the highest."""
    inner = density[1:-1]
    peaks = (inner > density[:-2]) & (inner >= density[2:])
    return int(np.sum(peaks & (inner > 0.01 * density.max())))
