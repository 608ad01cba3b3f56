"""`python -m paper_figures`."""

from __future__ import annotations

import os
import signal
import sys
import threading

#: Read when NumPy and JAX are first imported. One thread each: the matrices are small, on which
#: more threads cost up to three times the time; and all cores have work from runs side by side.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def run() -> int:
    """Run the command on one thread a process, unless the environment says otherwise. Its exit
    code, or 130 if it was interrupted, be it while it imports what it needs."""
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
    """An interrupt while a callback runs, such as the garbage collector's, is an exception that
    nobody can catch: it comes again a moment later."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def _let_interrupts_end_it() -> None:
    """What is left is to exit: another Ctrl-C may end that at once, but not with a traceback."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


# Processes that compute runs side by side import this module too, under another name.
if __name__ == "__main__":
    sys.exit(run())
