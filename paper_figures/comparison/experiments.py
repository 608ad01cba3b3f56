"""The experiments of Sec. 4.3 that are compared: figures 4 to 7, 10 and 11 show them."""

from __future__ import annotations

from dataclasses import replace

from paper_figures.comparison.experiment import Experiment
from paper_figures.data_sets import digits
from paper_figures.methods.recipe import UPDATES, Recipe, published_rates

#: The published code's updates for images: 75 epochs, as it calls them, of 500.
_IMAGE_UPDATES = 37_500


def _circle(widths: tuple[int, ...], continued_iterations: int) -> tuple[Experiment, ...]:
    """The noisy circle with 500 points, from the paper's noise and from one near the data's.

    The tuned autoencoder is what figure 10 found best for each: far from the data's noise a KL
    whose weight rises, near it eight draws of z.
    """
    falling = Recipe("vae tuned", 0.01, UPDATES, falling=True)
    tuned = {0.55: replace(falling, warm_up=0.25), 0.2: replace(falling, samples=8)}
    return tuple(
        Experiment(
            data="circle",
            widths=widths,
            n=500,
            n_held_out=500,
            start="random",
            start_deviation=deviation,
            em_iterations=300,
            mle_iterations=1000,
            continued_iterations=continued_iterations,
            recipes=(*published_rates(), recipe),
            checked=20,
        )
        for deviation, recipe in tuned.items()
    )


#: Figures 4 and 5, and in quick mode how many starts both have.
CIRCLE = _circle((1, 8, 2), continued_iterations=300)
CIRCLE_QUICK_STARTS = 3
#: Figure 4b: the same with another hidden layer.
DEEPER_CIRCLE = _circle((1, 8, 8, 2), continued_iterations=0)
#: Figure 6.
COSINE = (
    Experiment(
        data="cosine",
        widths=(1, 8, 8, 2),
        n=500,
        n_held_out=500,
        start="matched",
        start_deviation=0.55,
        em_iterations=300,
        mle_iterations=1000,
        continued_iterations=0,
        recipes=(
            *published_rates(),
            Recipe("vae tuned", 0.01, UPDATES, falling=True, warm_up=0.25),
        ),
        checked=20,
    ),
)
#: Figure 7. The paper says "3-layer", and counts affine layers: [1, 8, 8, 784], as in its published
#: code. Where three is read as hidden layers it is [1, 8, 8, 8, 784]: both are here.
DIGITS = tuple(
    Experiment(
        data="digits",
        widths=(1, *hidden, digits.SIDE**2),
        n=1000,
        n_held_out=500,
        start="matched",
        start_deviation=0.4,
        em_iterations=100,
        mle_iterations=300,
        continued_iterations=0,
        recipes=(
            *published_rates(_IMAGE_UPDATES),
            Recipe("vae tuned", 0.002, _IMAGE_UPDATES, falling=True, start_deviation=0.12),
        ),
        checked=2,
    )
    for hidden in ((8, 8), (8, 8, 8))
)
