"""Numbers of figure 18: trained VAEs, polished and trained longer. Beyond the paper."""

from __future__ import annotations

import numpy as np

from paper_figures.figures.figure_18_polishing.one_start import Polish, run
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import named_runs
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 1, 5
_TEN_CLASSES = Polish(images="ten classes", widths=(2, 64, 64), n=(1200, 250, 300))
_DIGITS = tuple(
    Polish(images="fours and nines", widths=widths, n=(1400, 250, 300))
    for widths in ((2, 64, 784), (2, 256, 784))
)


def _jobs(options: Options) -> tuple[Polish, ...]:
    return (_TEN_CLASSES, *_DIGITS) if options.full else (_TEN_CLASSES,)


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "jobs": [job.record() for job in _jobs(options)],
        "recipes": [recipe.record() for recipe in _TEN_CLASSES.recipes()],
    }


def compute(options: Options) -> Numbers:
    """The arrays of `one_start.run`, named "job|what" with a row a start; names: of the jobs."""
    seeds, jobs = options.seeds(_QUICK_STARTS, _FULL_STARTS), _jobs(options)
    numbers = named_runs(run, jobs, seeds, options.folder)
    return numbers | {"names": np.array([job.name for job in jobs]), "seeds": np.array(seeds)}


def chosen(numbers: Numbers, name: str) -> Numbers:
    """Of every start, what the images that choose chose.

    Parameters
    ----------
    numbers : Numbers
        What `compute` returned.
    name : str
        Of a job.

    Returns
    -------
    Numbers
        before, em, vae (starts,): mean log p(x) of the images that judge, nats, of the VAE that is
        polished, of the iteration of EM and of the look at a longer trained VAE that are best on
        the images that choose. em_in_time: of EM's within the seconds that the latter took.
        em_seconds, vae_seconds (starts,): of EM until then, and of the VAE since it was as long
        trained as the first.
    """
    of = {key: numbers[f"{name}|{key}"] for key in ("vae", "vae_seconds", "em", "em_seconds")}
    starts = np.arange(len(of["em"]))
    best = np.nanargmax(of["em"][:, :, 0], axis=1)
    later = of["vae"][:, :, 1:]
    flat = later[..., 0].reshape(len(starts), -1).argmax(axis=1)
    recipe, look = np.unravel_index(flat, later.shape[1:3])
    seconds = of["vae_seconds"][starts, recipe, 1 + look] - of["vae_seconds"][:, 0, 0]
    # Iterations that were not made are NaN, and in no time.
    in_time = (of["em_seconds"] <= seconds[:, None]).sum(axis=1) - 1
    soon = np.array(
        [np.argmax(row[: last + 1]) for row, last in zip(of["em"][..., 0], in_time, strict=True)]
    )
    return {
        "before": of["vae"][:, 0, 0, 1],
        "em": of["em"][starts, best, 1],
        "em_in_time": of["em"][starts, soon, 1],
        "vae": later[starts, recipe, look, 1],
        "em_seconds": of["em_seconds"][starts, best],
        "vae_seconds": seconds,
    }


def summary(numbers: Numbers) -> Record:
    """Mean log p(x) of images that judge, nats a datum, by data and decoder."""
    return {str(name): _shown(numbers, str(name)) for name in numbers["names"]}


def _shown(numbers: Numbers, name: str) -> Record:
    found: dict[str, Array] = chosen(numbers, name)
    kl = numbers[f"{name}|kl"]
    return {key: values.tolist() for key, values in found.items()} | {
        "exact_kl_of_the_encoder_before_polished_longer": kl.tolist()
    }
