"""`RLM_REPL`: a context, a query, a text."""

from __future__ import annotations

import sys
from typing import Any

from rlm_search import rlm
from rlm_search.compat.opening import opened
from rlm_search.compat.rlm.exceptions import response_of
from rlm_search.trace.live import PlainProgress
from rlm_search.types import Limits

_QUERY = "Read the context in the session, and answer the question that it holds."


class RLM_REPL:  # noqa: N801  # rlm-minimal's name
    """Completions by a loop, with models of OpenAI or of a server that OPENAI_BASE_URL names.

    Args:
        api_key: by default OPENAI_API_KEY.
        model: writes the code.
        recursive_model: answers `llm_query` and `llm_batch`, whose prompts are asked at once.
        max_iterations: steps at most.
        enable_logging: tell each step on stderr.

    Raises:
        ConfigError: a missing credential.
    """

    def __init__(
        self,
        api_key: str | None = None,
        model: str = "gpt-5",
        recursive_model: str = "gpt-5",
        max_iterations: int = 20,
        *,
        enable_logging: bool = False,
    ) -> None:
        self._rlm = rlm.RLM(
            model=opened(f"openai:{model}", key=api_key),
            sub_model=opened(f"openai:{recursive_model}", key=api_key),
            limits=Limits(steps=max_iterations, depth=0),
            listeners=[PlainProgress(sys.stderr)] if enable_logging else (),
        )

    def completion(self, context: Any, query: str | None = None) -> str:
        """The answer to a query about a context: a text, messages, or other data.

        Raises:
            NoAnswerError: there is none.
            ModelError, SandboxError: a part is broken.
        """
        return response_of(self._rlm.run(query or _QUERY, context=context))
