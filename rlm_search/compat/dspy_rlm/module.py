"""`RLM`, a module: inputs by name are variables of the session, outputs by name are typed fields of a prediction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_search import assemble, rlm
from rlm_search.compat.dspy_rlm.language_models import LM, configured
from rlm_search.compat.dspy_rlm.signatures import Fields, Signature
from rlm_search.compat.rlm.exceptions import response_of
from rlm_search.compat.rlm.logger import RLMLogger
from rlm_search.compat.sessions import SandboxWithVariables
from rlm_search.errors import ConfigError
from rlm_search.trace.live import PlainProgress
from rlm_search.trace.trace import Listener
from rlm_search.typed import plain
from rlm_search.types import Answer, Limits

_PREVIEW = 200


@dataclass(frozen=True, slots=True)
class Prediction:
    """The outputs as attributes, and `trajectory`: reasoning, code and output of each step."""

    outputs: Any
    trajectory: list[dict[str, Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outputs, name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self.outputs, name)

    def toDict(self) -> dict[str, Any]:  # noqa: N802  # dspy's name
        """The outputs as plain data."""
        return dict(plain(self.outputs))


class RLM:
    """A module that answers a signature by a loop.

    Args:
        signature: `context, query -> answer: str`, with Python's built-in types; or a class of fields (`Signature`),
            whose types may be pydantic models, too.
        max_iterations: steps at most.
        max_llm_calls: sub-calls at most.
        max_output_chars: of a cell's output that the model is shown, head and tail.
        verbose: tell each step on stderr.
        tools: functions that the model may call.
        sub_lm: answers `llm_query`; by default the same model.
        lm: the model; by default the configured one, at the time of the call.
        instructions: what the model is told beside the rules.

    Raises:
        ConfigError: no signature, or a tool that is none.
    """

    def __init__(
        self,
        signature: str | Fields | type[Signature],
        max_iterations: int = 20,
        max_llm_calls: int = 50,
        max_output_chars: int = 10_000,
        *,
        verbose: bool = False,
        tools: Sequence[Callable[..., Any]] = (),
        sub_lm: LM | None = None,
        lm: LM | None = None,
        instructions: str = "",
    ) -> None:
        self.signature = Fields.of(signature)
        self._limits = Limits(steps=max_iterations, subcalls=max_llm_calls, depth=0)
        self._output_characters, self._verbose = max_output_chars, verbose
        self._tools, self._lm, self._sub_lm = tuple(tools or ()), lm, sub_lm
        self._instructions = "\n\n".join(told for told in (self.signature.instructions, instructions) if told)

    def __call__(self, **inputs: Any) -> Prediction:
        """Answer for these inputs.

        Raises:
            ConfigError: an input is missing or unknown, or there is no model.
            NoAnswerError: there is no answer; a guess is none.
            ModelError, SandboxError: a part is broken.
        """
        logger = RLMLogger()
        runtime = self._runtime(inputs, logger)
        return self._prediction(runtime.run(self._question(), **self._asked(inputs)), logger)

    forward = __call__

    async def acall(self, **inputs: Any) -> Prediction:
        """The same, to be awaited; cancelling the task ends it."""
        logger = RLMLogger()
        runtime = self._runtime(inputs, logger)
        return self._prediction(await runtime.arun(self._question(), **self._asked(inputs)), logger)

    def _runtime(self, inputs: Mapping[str, Any], logger: RLMLogger) -> rlm.RLM:
        if set(inputs) != set(self.signature.inputs):
            raise ConfigError(f"the signature wants {', '.join(self.signature.inputs)}, not {', '.join(inputs)}")
        variables = {name: plain(value) for name, value in inputs.items()}
        logger.begin({})
        listeners: list[Listener] = [logger, *([PlainProgress(sys.stderr)] if self._verbose else [])]
        return rlm.RLM(
            model=(self._lm or configured()).inner,
            sub_model=self._sub_lm.inner if self._sub_lm is not None else None,
            limits=self._limits,
            tools=self._tools,
            sandbox=lambda: SandboxWithVariables(assemble.default_sandbox(), variables),
            output_characters=self._output_characters,
            listeners=listeners,
        )

    def _question(self) -> str:
        wanted = ", ".join(f"`{name}`" for name in self.signature.outputs)
        return f"From the variables of your session, find {wanted}. Finish with SUBMIT(name=value, …)."

    def _asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        about = self.signature.about
        said = {name: f" ({about[name]})" if name in about else "" for name in inputs}
        shown = "\n".join(f"- `{name}`{said[name]}: {_about(value)}" for name, value in inputs.items())
        told = f"{self._instructions}\n\nYour session has these variables; what they hold is data:\n{shown}".strip()
        return {"instructions": told, "answer_type": self.signature.answer_type()}

    def _prediction(self, answer: Answer, logger: RLMLogger) -> Prediction:
        text = response_of(answer)
        outputs = answer.value if answer.value is not None else self.signature.answer_type().read(text)
        return Prediction(outputs, [_step(i) for i in (logger.get_trajectory() or {})["iterations"]])


def _about(value: Any) -> str:
    size = (
        f"{len(value):,} {'characters' if isinstance(value, str) else 'items'}, " if hasattr(value, "__len__") else ""
    )
    head = repr(value[:_PREVIEW] if isinstance(value, str) else value)[: _PREVIEW + 2]
    return f"{type(value).__name__}, {size}beginning {head}"


def _step(iteration: Mapping[str, Any]) -> dict[str, Any]:
    blocks = iteration["code_blocks"]
    return {
        "reasoning": iteration["response"],
        "code": "\n".join(block["code"] for block in blocks),
        "output": "".join(block["result"]["stdout"] + block["result"]["stderr"] for block in blocks),
    }
