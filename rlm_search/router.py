"""Small contexts go straight to the model, large ones through a run: one question, the cheaper of two ways."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, Literal, TypeAlias

from rlm_search.context import Context
from rlm_search.rlm import RLM
from rlm_search.types import Answer

Method: TypeAlias = Literal["direct", "run"]


class Profile(StrEnum):
    """How a run is to go about a large context; the names are those of pyrlm-runtime."""

    DETERMINISTIC_FIRST = "deterministic_first"
    SEMANTIC_BATCHES = "semantic_batches"
    HYBRID = "hybrid"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """An answer and the way that it came: `direct` from the model in one call, or by a `run`."""

    answer: Answer
    method: Method
    profile: Profile
    characters: int

    @property
    def tokens(self) -> int:
        """All tokens that were used."""
        return sum(usage.total_tokens for usage in self.answer.usage.values())


class Router:
    """Chooses by the size of a context.

    Args:
        rlm: answers both ways, with its models, limits and listeners.
        threshold: characters up to which a context goes straight to the model.
        profile: how runs go about theirs, unless a call says otherwise.
    """

    def __init__(self, rlm: RLM, *, threshold: int = 8_000, profile: Profile = Profile.DETERMINISTIC_FIRST) -> None:
        self._rlm = rlm
        self._threshold = threshold
        self._profile = profile

    def run(
        self,
        question: str,
        context: Any,
        *,
        profile: Profile | None = None,
        instructions: str = "",
        answer_type: Any = None,
        **options: Any,
    ) -> Routed:
        """Answer a question about a context: a text, texts, or whatever `RLM.run` takes.

        A model that answers directly says `NOT_FOUND: reason` where the context does not hold the answer. A typed
        answer is always worked out by a run. Takes the options of `RLM.run`.

        Raises:
            ConfigError: the context is none.
            ModelError, SandboxError: as `RLM.run`.
        """
        given = Context.of(context)
        chosen = profile or self._profile
        size = given.len_chars()
        if size <= self._threshold and answer_type is None:
            asked = f"{question}\n\n{instructions}".strip()
            answer = self._rlm.ask(asked, given.text, **options)
            return Routed(answer=answer, method="direct", profile=chosen, characters=size)
        told = f"{instructions}\n\n{_strategy(chosen)}".strip()
        answer = self._rlm.run(question, context=given, instructions=told, answer_type=answer_type, **options)
        return Routed(answer=answer, method="run", profile=chosen, characters=size)


def _strategy(profile: Profile) -> str:
    return resources.files("rlm_search.prompts").joinpath(f"profile_{profile.value}.md").read_text("utf-8").strip()
