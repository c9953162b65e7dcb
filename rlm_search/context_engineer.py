"""A context engineer, as rlm-loop has it: a model that prepares the sub-model for pieces of a text it never sees whole.

Before the loop it is shown samples of the text and writes a brief, which stands before each sub-call; or, for each
sub-call, it is shown what stands around the piece and writes a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Literal, TypeAlias

from rlm_search.context import Context
from rlm_search.framing import framed
from rlm_search.run import Run
from rlm_search.types import CallOptions, Message, Model

Mode: TypeAlias = Literal["pre_loop", "per_query", "both"]

_SAMPLES = 5
_SAMPLE = 600
_AROUND = 500
_LOOKED_FOR = 40
"""Lines of a prompt that are looked for in the text, longest first."""
_SHORTEST = 24
_MOST = 4_000
"""Characters of a prompt that the engineer is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEngineer:
    """What a run over given text prepares its sub-model with; each of its calls is charged as a sub-call.

    Attributes:
        mode: `pre_loop` writes a brief before the loop, `per_query` a note for each sub-call, or `both`.
        share_brief: the model that writes the code is told the brief, too.
        model: who writes them; None: the sub-model.
    """

    mode: Mode = "pre_loop"
    share_brief: bool = False
    model: Model | None = None


class Preparation:
    """The work of a context engineer in one run; it prepares prompts from several threads.

    Args:
        engineer: how.
        run: whose text it is, and whose budget pays.
        model: who writes.
        options: what every call is made with.

    Attributes:
        brief: of the text, "" without one; that of a run is its sub-runs' too.
    """

    def __init__(
        self, engineer: ContextEngineer, run: Run, model: Model, options: Callable[[], CallOptions] = CallOptions
    ) -> None:
        self._engineer = engineer
        self._run = run
        self._model = model
        self._options = options

    @property
    def brief(self) -> str:
        """What it wrote of the text."""
        return self._run.brief

    def begin(self) -> None:
        """Write the brief, where there is to be one and none yet.

        Raises:
            BudgetExceeded: a limit is spent.
            ModelError: the model is away, or refuses.
        """
        context = self._run.context
        if context is None or self._engineer.mode == "per_query" or self._run.brief:
            return
        asked = f"The question: {self._run.question}\n\n{context.described()}\n\n{samples(context)}"
        self._run.brief = self._written("brief.md", asked)
        if self._engineer.share_brief and self._run.brief:
            told = f"A brief of the text, made from samples of it, as data:\n{framed('brief', self._run.brief)}"
            self._run.instructions = f"{self._run.instructions}\n\n{told}".strip()

    def prepared(self, prompt: str) -> str:
        """A prompt with what its reader should know before it; as it is where the text does not hold its piece.

        Raises:
            BudgetExceeded, ModelError: as `begin`.
        """
        parts = [framed("brief", self._run.brief)] if self._run.brief else []
        if self._engineer.mode != "pre_loop" and self._run.context is not None:
            around = surroundings(self._run.context.text, prompt)
            if around:
                asked = f"It will be asked:\n{framed('prompt', _ends(prompt, _MOST))}\n\n{around}"
                parts.append(framed("note", self._written("note.md", asked)))
        if not parts:
            return prompt
        return "\n".join([*parts, "(what is above tells you where the following comes from)", "", prompt])

    def _written(self, instructions: str, asked: str) -> str:
        system = resources.files("rlm_search.prompts").joinpath(instructions).read_text("utf-8")
        self._run.budget.subcalls(1)
        return self._model.complete([Message("system", system), Message("user", asked)], self._options()).text.strip()


def samples(context: Context) -> str:
    """Pieces from all over a text, its beginning and end among them, each with its offset; a short text whole."""
    text, length = context.text, context.len_chars()
    if length <= _SAMPLES * _SAMPLE:
        return framed("sample", text, **{"from": "0"})
    starts = [(length - _SAMPLE) * number // (_SAMPLES - 1) for number in range(_SAMPLES)]
    return "\n".join(framed("sample", text[start : start + _SAMPLE], **{"from": str(start)}) for start in starts)


def surroundings(text: str, prompt: str) -> str:
    """What stands before and behind the piece of a text that a prompt holds; "" where it holds none."""
    lines = {line.strip() for line in prompt.splitlines() if len(line.strip()) >= _SHORTEST}
    found = []
    for line in sorted(lines, key=len, reverse=True)[:_LOOKED_FOR]:
        at = text.find(line)
        if at >= 0:
            found.append((at, at + len(line)))
    if not found:
        return ""
    start, end = min(at for at, _ in found), max(at for _, at in found)
    end = min(end, start + len(prompt))  # a line that occurs elsewhere, too
    before, behind = text[max(start - _AROUND, 0) : start], text[end : end + _AROUND]
    around = f"{framed('before', before)}\n{framed('behind', behind)}"
    return f"Its piece begins at {start:,} of {len(text):,} characters.\n{around}"


def _ends(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}\n…\n{text[-most // 2 :]}"
