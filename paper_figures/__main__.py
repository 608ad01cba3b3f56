"""`python -m paper_figures`."""

import os
import sys

#: Read when NumPy and JAX are first imported. One thread each: the matrices are small, on which
#: more threads cost up to three times the time; and all cores have work from runs side by side.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def run() -> int:
    """Run the command on one thread a process, unless the environment says otherwise."""
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)
    from paper_figures.command import main

    return main()


# Processes that compute runs side by side import this module too, under another name.
if __name__ == "__main__":
    sys.exit(run())
