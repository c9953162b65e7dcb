"""What a run must have done before its answer counts, and how much nonsense is borne: `[gates]` in the settings."""

from __future__ import annotations

import re
from functools import cached_property

import msgspec

from rlm_search.errors import ConfigError


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The rules by which an answer is taken and a run given up. Raises ConfigError where they mean nothing.

    Attributes:
        require_search_before_final: an answer before anything was searched or read is sent back, where there is a
            retriever.
        require_repl_before_final: an answer before any cell has run through is sent back.
        require_subcall_before_final: an answer before any sub-call is sent back.
        min_steps: an answer before this many steps is sent back.
        invalid_response_limit: replies in a row that may hold neither code nor an answer.
        repl_error_limit: cells in a row that may fail.
        loop_collapse_limit: steps in a row that may be the same, word for word.
        fallback_code: what is run, once, where the run would be given up for want of code or for repeating itself.
        auto_finalize_var: a variable whose value is the answer as soon as a cell has set it to something.
        auto_finalize_min_length: characters that the value must have at least.
        auto_finalize_reject_patterns: regular expressions that the value must not match anywhere.
    """

    require_search_before_final: bool = True
    require_repl_before_final: bool = False
    require_subcall_before_final: bool = False
    min_steps: int = 0
    invalid_response_limit: int = 3
    repl_error_limit: int = 8
    loop_collapse_limit: int = 4
    fallback_code: str = ""
    auto_finalize_var: str = ""
    auto_finalize_min_length: int = 1
    auto_finalize_reject_patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.auto_finalize_var and not self.auto_finalize_var.isidentifier():
            raise ConfigError(f"`auto_finalize_var` is {self.auto_finalize_var!r}, which is no name of a variable")
        for name in ("min_steps", "invalid_response_limit", "repl_error_limit", "loop_collapse_limit"):
            if getattr(self, name) < 0:
                raise ConfigError(f"`{name}` is {getattr(self, name)}", hint="it counts, from 0")
        _ = self._rejected

    def takes(self, value: str) -> bool:
        """Whether the value of `auto_finalize_var` is an answer yet."""
        text = value.strip()
        enough = len(text) >= max(self.auto_finalize_min_length, 1)
        return enough and not any(pattern.search(text) for pattern in self._rejected)

    @cached_property
    def _rejected(self) -> tuple[re.Pattern[str], ...]:
        try:
            return tuple(re.compile(pattern) for pattern in self.auto_finalize_reject_patterns)
        except re.error as error:
            raise ConfigError(f"`auto_finalize_reject_patterns`: {error.pattern!r} is no regular expression") from None
