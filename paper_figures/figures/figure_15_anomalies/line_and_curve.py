"""Why a curve may be the worse detector though it is the better density: on breast cancer."""

from __future__ import annotations

import numpy as np

from fast import DeepGenerativeOutlierDetector
from paper_figures.figures.figure_15_anomalies.detectors import area, fitted
from paper_figures.figures.figure_15_anomalies.splits import Split
from paper_figures.options import Numbers

#: A line, which is probabilistic PCA, and a curve.
SHAPES = ((), (16,))
#: Where 1 in 400 of the prior lies beyond, and the step over which a slope is taken there.
_END, _STEP = 3.0, 0.01


class Shapes(Split):
    """Data on which a line and a curve are fitted; its runs have files of their own."""

    @property
    def name(self) -> str:
        """As it names files."""
        return f"{super().name}_line_and_curve"


def run(job: Shapes, seed: int) -> Numbers:
    """Fit both to the same data, with equal noise of all features.

    Parameters
    ----------
    job : Shapes
        Data, and the class that is normal.
    seed : int
        Of the split and of the fits.

    Returns
    -------
    Numbers
        shapes (2, 4): of each of SHAPES the area under the ROC curve on the judging part; the mean
        log p of what it learned from and of new normal data, nats; and the longest of its slopes
        dx/dz at both ends.
    """
    parts = job.parts(seed)
    ends = _END * np.array([-1.0, 1.0])
    inner = (_END - _STEP) * np.array([-1.0, 1.0])
    rows = []
    for hidden in SHAPES:
        detector = DeepGenerativeOutlierDetector(
            1, hidden, noise="isotropic", n_init=2, max_iter=20, random_state=seed
        )
        fitted(detector, parts.train)
        image = detector.dgn_.network
        slopes = np.linalg.norm(image(ends[:, None]) - image(inner[:, None]), axis=1) / _STEP
        rows.append(
            [
                area(*map(detector.score_samples, parts.judging)),
                detector.score(parts.train),
                detector.score(parts.judging[0]),
                slopes.max(),
            ]
        )
    return {"shapes": np.array(rows)}
