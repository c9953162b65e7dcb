"""Where the process `ingest` begins: listens for Ctrl-C before anything slow is imported."""

from __future__ import annotations

from typing import NoReturn

from ingest.signals import STOPPED
from retrievers.interrupts import leave_when_interrupted


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    leave_when_interrupted(STOPPED)
    from ingest.cli import main as command

    command()


if __name__ == "__main__":
    main()
