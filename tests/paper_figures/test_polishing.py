"""Figure 18: what is chosen by one set of images and judged by another, on numbers made up."""

from __future__ import annotations

import numpy as np
import pytest

from paper_figures.claims import Verdict
from paper_figures.figures.figure_18_polishing.claims import claims
from paper_figures.figures.figure_18_polishing.compute import chosen
from paper_figures.figures.figure_18_polishing.one_start import Polish

NAME = "made_up"


def numbers(longest):
    """Two starts, two recipes, looks at 2 (which is polished), 3 and 4; EM for two iterations and
    for one. The images that judge are always 1 nat below those that choose, but at the last
    look and the last iteration, where they are 5 below: what judging images say is not to choose.
    """
    vae = np.array([[[2.0, 3.0, 4.0], [1.0, 2.0, longest]]] * 2)
    vae[1, 1, 0] = 9.0  # as short trained as the one that is polished
    em = np.array([[2.0, 5.0, 6.0], [2.0, 4.0, np.nan]])
    less = np.where(np.arange(3) == 2, 5.0, 1.0)
    seconds = np.array([[[20.0, 30.0, 40.0]] * 2] * 2)
    return {
        "names": np.array([NAME]),
        f"{NAME}|vae": np.stack([vae, vae - less], axis=-1),
        f"{NAME}|vae_seconds": seconds,
        f"{NAME}|em": np.stack([em, em - np.where(np.arange(3) == 2, 5.0, 1.0)], axis=-1),
        f"{NAME}|em_seconds": np.array([[0.0, 1.0, 21.0], [0.0, 1.0, np.nan]]),
        f"{NAME}|kl": np.array([[3.0, 4.0, 5.0], [0.5, 1.0, 2.0]]),
    }


def test_what_is_chosen():
    found = chosen(numbers(4.5), NAME)
    np.testing.assert_array_equal(found["before"], [1.0, 1.0])
    np.testing.assert_array_equal(found["em"], [1.0, 3.0])
    np.testing.assert_array_equal(found["em_seconds"], [21.0, 1.0])
    np.testing.assert_array_equal(found["em_in_time"], [4.0, 3.0])  # one iteration in 20 s
    np.testing.assert_array_equal(found["vae"], [-0.5, -0.5])
    np.testing.assert_array_equal(found["vae_seconds"], [20.0, 20.0])


@pytest.mark.parametrize(
    ("longest", "won", "verdict"),
    [(4.5, 2, Verdict.HOLDS), (7.0, 1, Verdict.FAILS), (9.0, 0, Verdict.FAILS)],
)
def test_longer_training_may_win(longest, won, verdict):
    """It ends at its longest less 5, and EM at 1 and 3; where it is chosen at all."""
    claim = claims(numbers(longest))[0]
    assert f"EM ends higher on {won} of 2 starts" in claim.measured
    assert claim.verdict is verdict


def test_time_counts():
    """EM gains 3 and 2 within 20 s, the longer training -1.5 or 3."""
    for longest, sooner in ((4.5, 2), (9.0, 0)):
        claim = claims(numbers(longest))[1]
        assert f"more than it on {sooner} of 2 starts" in claim.measured
        assert claim.verdict is (Verdict.HOLDS if sooner else Verdict.FAILS)


def test_a_tie_is_not_won():
    assert "EM ends higher on 1 of 2 starts" in claims(numbers(6.0))[0].measured


def test_training_that_diverged_is_never_chosen():
    given = numbers(4.5)
    given[f"{NAME}|vae"][:, 1] = -np.inf
    np.testing.assert_array_equal(chosen(given, NAME)["vae"], [-1.0, -1.0])


def test_no_image_is_in_two_sets():
    """Those of MNIST and of scikit-learn; nines that decoders learned from are not new."""
    for images, n in (("fours and nines", (1400, 250, 300)), ("ten classes", (1200, 250, 300))):
        sets = Polish(images=images, widths=(2, 3, 4), n=n).samples()
        assert tuple(map(len, sets)) == n
        rows = {row.tobytes() for part in sets for row in part}
        assert len(rows) == sum(n)
