"""What figure 12 shows, beyond the paper."""

from __future__ import annotations

import numpy as np

from paper_figures.claims import Claim, Verdict, checked, median_and_range, number
from paper_figures.figures.figure_12_digit_plane.compute import summary
from paper_figures.options import Numbers

#: Of pairs of a four and a nine, the share that a useful detector ranks rightly.
_USEFUL = 0.8


def claims(numbers: Numbers) -> list[Claim]:
    """Held-out loss, and telling fours from nines."""
    found = summary(numbers)
    affine = numbers["affine"]
    areas = np.array(found["area_under_the_roc_curve_fours_against_nines"])
    better = int((numbers["mle"][:, 1] < affine[1]).sum())
    return [
        Claim(
            "not in the paper: two latent dimensions on images",
            "with a Gaussian prior of the weights [Appendix H] NLL of held-out fours: "
            f"{median_and_range(numbers['mle'][:, 1], 5)} nats, of an affine generator (PPCA) "
            f"{number(affine[1], 5)}: lower than that on {better} of {len(areas)} starts",
            Verdict.OWN,
        ),
        Claim(
            "the exact likelihood enables anomaly detection (named, not tried, in the paper)",
            f"a held-out four has a higher log p(x) than a nine with probability "
            f"{median_and_range(areas)}; 0.5 is chance, and {_USEFUL} is asked of all starts here",
            checked(bool(areas.min() >= _USEFUL)),
        ),
    ]
