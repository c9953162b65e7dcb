"""How a run that came to no answer is told by name of the limit that ended it."""

from __future__ import annotations

import re

from rlm_search.types import Answer


def limit_of(answer: Answer) -> str:
    """The limit that ended a run (`steps`, `root_tokens`, …); "" where none did."""
    found = re.match(r"the limit `(\w+)` is spent", answer.reason) if answer.status == "out_of_budget" else None
    return found[1] if found else ""
