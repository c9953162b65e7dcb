"""The command `rlm-search`: ask, search, show, replay."""

from __future__ import annotations

import sys

try:
    from rlm_search.cli.commands import main
except KeyboardInterrupt:  # pressed before there is anything that could say so better
    sys.stderr.write("interrupted\n")
    sys.exit(130)

__all__ = ["main"]
