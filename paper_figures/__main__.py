"""`python -m paper_figures`."""

import os
import sys


def run() -> int:
    """Run the command on one BLAS thread, unless the environment says otherwise.

    The matrices of the M-step are small; on them more threads cost up to three times the time.
    The number of threads is read when NumPy is first imported, hence the order.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from paper_figures.command import main

    return main()


sys.exit(run())
