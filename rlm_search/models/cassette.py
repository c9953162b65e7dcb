"""A recorded run as a model: it says again what the models of that run said, and refuses whatever departs from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rlm_search import errors
from rlm_search.errors import ConfigError, ModelError, ModelRejected, RlmError
from rlm_search.trace.events import AnyEvent, ModelCalled, RunStarted
from rlm_search.trace.jsonl import read_events
from rlm_search.types import CallOptions, Completion, Message, Usage

_SHOWN = 60
_TORN = 100


class Departure(RlmError):
    """A run asks what the recorded one did not ask; the message says where the two differ."""


class Cassette:
    """The calls of models that recorded runs made, each played once, to whoever asks the same.

    The same is the end of the last message that the trace keeps, and its length; the rest of a conversation follows
    from the calls before. Calls that are made at once find their replies in any order. Errors are raised again.

        cassette = Cassette("runs/20261121-063105-4f2a9c.jsonl")
        rlm = RLM(model=cassette.model, sub_model=cassette.sub_model, retriever=…)
        assert rlm.run(cassette.question).text == cassette.answer["text"]
        assert cassette.unplayed == []

    Args:
        paths: traces, as `ask` records them or `JsonlWriter` writes them.
        normalised: makes prompts comparable, e.g. by taking out what changes from run to run; both are given to it.

    Attributes:
        question: of the first run.
        model: plays the root models.
        sub_model: plays the sub-models.

    Raises:
        ConfigError: a file cannot be read, is no trace, or holds no call of a model.
    """

    def __init__(self, *paths: Path | str, normalised: Callable[[str], str] = str) -> None:
        events = [event for path in paths for event in read_events(Path(path))]
        self._calls = [event for event in events if isinstance(event, ModelCalled)]
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        if started is None or not self._calls:
            raise ConfigError(f"no call of a model is recorded in {', '.join(map(str, paths)) or 'no file'}")
        self.question = started.question
        self.answer = _answer(events)
        self.model = Player(self, started.model, "root")
        self.sub_model = Player(self, started.sub_model or started.model, "sub")
        self._normalised = normalised
        self._lock = threading.Lock()

    @property
    def unplayed(self) -> list[ModelCalled]:
        """The calls that nobody has asked for yet, in their order."""
        with self._lock:
            return list(self._calls)

    def take(self, prompt: str, tier: str) -> ModelCalled:
        """The recorded call with this prompt; it is not played again.

        Raises:
            Departure: there is none, or no more.
        """
        asked = self._normalised(prompt)
        with self._lock:
            for wanted in (tier, "sub" if tier == "root" else "root"):  # `llm_query(model=…)` may choose the other
                for number, call in enumerate(self._calls):
                    if call.tier == wanted and self._is_same(call, asked, len(prompt)):
                        return self._calls.pop(number)
            raise Departure(self._difference(asked, tier), hint="record the run again, if it is meant to differ")

    def _is_same(self, call: ModelCalled, asked: str, length: int) -> bool:
        recorded = self._normalised(call.prompt)
        if self._normalised is not str:
            is_cut = call.prompt_characters > len(call.prompt)  # perhaps in the middle of what is taken out
            return asked.endswith(recorded[_TORN:] if is_cut else recorded)
        return asked.endswith(recorded) and length == (call.prompt_characters or length)

    def _difference(self, asked: str, tier: str) -> str:
        expected = next((call for call in self._calls if call.tier == tier), None)
        if expected is None:
            return f"the recorded run has no more {tier} call, and this one asks: {_shown(asked, 0)}"
        recorded = self._normalised(expected.prompt)
        tail = asked[-len(recorded) :] if len(asked) > len(recorded) else asked
        at = next((n for n, (a, b) in enumerate(zip(tail, recorded, strict=False)) if a != b), 0)
        return (
            f"a {tier} call departs from the recorded run (step {expected.step}): "
            f"recorded {_shown(recorded, at)}, asked {_shown(tail, at)}"
        )


class Player:
    """One tier of a cassette, as a model."""

    def __init__(self, cassette: Cassette, name: str, tier: str) -> None:
        self.name = name
        self._cassette = cassette
        self._tier = tier

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """What was said to this prompt.

        Raises:
            Departure: the recorded run did not ask this.
            ModelError: it was an error then.
        """
        call = self._cassette.take(messages[-1].content if messages else "", self._tier)
        if call.error:
            raise _error_of(call)
        if options.on_text is not None:
            options.on_text(call.text)
        usage = Usage(
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            calls=1,
            cost_usd=call.cost_usd,
            cached_tokens=call.cached_tokens,
        )
        return Completion(
            text=call.text,
            usage=Usage() if call.cached else usage,
            model=call.model,
            finish_reason=call.finish_reason,
        )


def read_cassette(path: Path) -> Player:
    """The models of a recorded run as one model, for both tiers.

    Raises:
        ConfigError: it is no recorded run.
    """
    return Cassette(path).model


def _error_of(call: ModelCalled) -> ModelError:
    kind = getattr(errors, call.error_type, ModelRejected)
    known = isinstance(kind, type) and issubclass(kind, ModelError)
    return kind(call.error) if known else ModelRejected(call.error)


def _answer(events: Iterable[AnyEvent]) -> dict[str, object]:
    from rlm_search.trace.replay import answer_of

    return answer_of(events) or {}


def _shown(text: str, at: int) -> str:
    start = max(at - _SHOWN // 3, 0)
    return repr(f"{'…' if start else ''}{text[start : start + _SHOWN]}{'…' if start + _SHOWN < len(text) else ''}")
