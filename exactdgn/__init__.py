"""Exact inference for deep generative networks whose layers are piecewise affine.

`import exactdgn` gives what `fast` exports, and its estimators of scikit-learn when they are asked
for: `pip install 'exactdgn[sklearn]'`. `exactdgn.reference` and `exactdgn.oracle` are those
packages, imported when first asked for: the oracle needs `pip install 'exactdgn[oracle]'`.
"""

from typing import TYPE_CHECKING

import fast
from fast import *  # noqa: F403

if TYPE_CHECKING:
    import oracle as oracle
    import reference as reference
    from fast import DeepGenerativeImputer as DeepGenerativeImputer
    from fast import DeepGenerativeModel as DeepGenerativeModel
    from fast import DeepGenerativeOutlierDetector as DeepGenerativeOutlierDetector
    from fast import select_dimension as select_dimension
    from fast import waic as waic
else:  # unseen by a type checker, which would let any name pass

    def __getattr__(name):
        if name == "reference":
            import reference

            return reference
        if name == "oracle":
            import oracle

            return oracle
        if name in fast.ESTIMATORS:
            return getattr(fast, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = "0.1.0"

__all__ = ["__version__"]
__all__ += fast.__all__


def __dir__() -> list[str]:
    return sorted([*globals(), *fast.ESTIMATORS, "oracle", "reference"])
