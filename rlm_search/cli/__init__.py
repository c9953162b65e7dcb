"""The command `rlm-search`: ask, search, show, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.cli.commands import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """Imported on use: the process listens for Ctrl-C before it loads anything slow (`rlm_search.cli.start`)."""
    if name != "main":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlm_search.cli.commands import main as command

    return command
