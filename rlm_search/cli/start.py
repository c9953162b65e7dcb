"""Where the process `rlm-search` begins: listens for Ctrl-C before anything slow is imported."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from retrievers.interrupts import leave_when_interrupted, stop_listening


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    leave_when_interrupted("interrupted")
    from rlm_search.cli.commands import main as commands
    from rlm_search.cli.errors import run

    code = run(commands, sys.argv[1:])
    stop_listening(signal.SIGINT)  # all is said: an exception now would only be printed by Python
    sys.exit(code)
