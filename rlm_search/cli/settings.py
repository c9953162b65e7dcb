"""The table `[ask]`, and what the environment says about how to print."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class AskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[ask]`: how `rlm-search ask` asks.

    Attributes:
        require_citations: an answer without a citation that holds is not given; sentences without one are marked.
        verify: the sub-model checks each claim against its quotes; what they do not bear out is marked.
        verifier: the spec of another model for that.
        confirm_usd: dollars that calls made at once may cost without being asked for; 0 asks for nothing.
        runs: the folder that runs are recorded in; "" is `runs` beside the index, `none` records nothing.
        otel: send runs as OpenTelemetry spans to where the variables OTEL_EXPORTER_OTLP_… say.
        otel_content: with prompts, replies, code and queries in them.
    """

    require_citations: bool = False
    verify: bool = False
    verifier: str = ""
    confirm_usd: float = 2.0
    runs: str = ""
    otel: bool = False
    otel_content: bool = False


def state_folder() -> Path:
    """Where runs are kept that have no index on this machine to lie beside."""
    if home := os.environ.get("RLM_SEARCH_HOME"):
        return Path(home)
    from platformdirs import user_state_path  # most commands need it never

    return user_state_path("rlm-search")


def no_colour() -> bool:
    """Whether colours are unwanted: NO_COLOR is set to something."""
    return bool(os.environ.get("NO_COLOR"))


def is_dumb_terminal() -> bool:
    """Whether the terminal can neither colour nor move its cursor."""
    return os.environ.get("TERM") == "dumb"
