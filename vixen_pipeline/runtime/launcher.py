"""Become another program, and end when the supervisor ends, however it ends.

Run as a script: `python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT…`. It asks the kernel for a
TERM at the parent's death (Linux; elsewhere the next start cleans up), gives the signals their
default meaning back, and executes the program in its own place. Standard library only.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel knew of our wish
        sys.exit(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
