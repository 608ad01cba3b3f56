"""`python -m paper_figures`."""

from __future__ import annotations

import os
import signal
import sys
import threading

#: NumPy and JAX read these when they are first imported. They get one thread each: the matrices are
#: small, and more threads cost up to three times the time. Runs side by side use all cores.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def run() -> int:
    """Run the command with one thread a process, unless the environment says otherwise.

    Returns
    -------
    int
        The command's exit code; 130 if it was interrupted, even while it was importing.
    """
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)
    sys.unraisablehook = _interrupt_again
    try:
        from paper_figures.command import main

        code = main()
        _let_interrupts_end_it()
    except KeyboardInterrupt:
        _let_interrupts_end_it()
        print("\npaper_figures: interrupted; what was done is kept", file=sys.stderr)
        code = 130
    return code


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Send an interrupt once more if it came while a callback ran, such as the garbage collector's.

    An exception raised in a callback cannot be caught: Python prints it and goes on.
    """
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def _let_interrupts_end_it() -> None:
    """Let another Ctrl-C end the process at once, without a traceback.

    To be called when nothing but the exit is left to do.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


# Processes that compute runs side by side import this module too, under another name.
if __name__ == "__main__":
    sys.exit(run())
