"""Delegating: one prompt or many to the sub-model, and a question to a run of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from typing import Any, TypeAlias

from rlm_search.context import Context
from rlm_search.errors import ContextTooLong, ModelError
from rlm_search.estimates import Approval, estimate_calls
from rlm_search.run import Run, ToolError
from rlm_search.threads import in_threads
from rlm_search.tools.answering import data_in, failed, gathered, is_answer, schema_type, told
from rlm_search.tools.fitting import cut_to_fit, merging, too_long, with_text
from rlm_search.typed import Misfit
from rlm_search.types import CallOptions, Message, Model

Ask: TypeAlias = tuple[str, str]
"""A prompt, and the text that it is about; "" where it stands in the prompt, or there is none."""

MAX_PROMPTS = 1_000
MAX_CONCURRENT = 16
"""Prompts of one batch under way at once; the limit of the provider is the model's own (`LimitedModel`)."""
MAX_RUNS = 4
"""Runs of `rlm_query_batched` under way at once; each has a sandbox of its own."""
PIECE = 2_000
"""Characters of the pieces that a text is cut into where no size is given."""
_JSON_RULE = "Reply with nothing but JSON"


class DelegateTools:
    """The functions that ask other models. Sub-calls are charged before they are made.

    Args:
        run: whose budget pays.
        models: by name, as the model may choose them; the first is the one it gets unasked.
        ask: answers a question with a run of its own; None where no deeper run is allowed.
        options: what every call is made with.
        approval: is asked before a batch that costs much.
        prepared: makes of a prompt what is sent.
    """

    def __init__(
        self,
        run: Run,
        models: Mapping[str, Model],
        *,
        ask: Callable[[str, str | None], Any] | None = None,
        options: Callable[[], CallOptions] = CallOptions,
        approval: Approval | None = None,
        prepared: Callable[[str], str] = str,
    ) -> None:
        self._run = run
        self._models = models
        self._ask = ask
        self._options = options
        self._approval = approval or Approval()
        self._prepared = prepared
        self._system = Message("system", resources.files("rlm_search.prompts").joinpath("sub.md").read_text("utf-8"))

    def functions(self) -> list[Callable[..., Any]]:
        """Those that this run may use; `UNTOLD` are other names of the first ones."""
        functions: list[Callable[..., Any]] = [self.llm_query, self.llm_batch, self.llm_query_json, self.llm_batch_json]
        functions += [self.rlm_query, self.rlm_query_batched] if self._ask else []
        functions += [self.llm_query_batch, self.llm_query_batched, self.llm_query_records]
        functions += [self.ask, self.ask_chunk, self.ask_chunks, self.ask_chunked, self.ask_chunks_first]
        return [*functions, self.pick_first_answer]

    def llm_query(
        self, prompt: str, model: str | None = None, max_tokens: int | None = None, text: str = "", split: bool = False
    ) -> str:
        """Ask a language model that sees only this; give what it is asked about as text=, with split=True if long."""
        return self._asked("llm_query", prompt, model, max_tokens, text, split=split)

    def llm_batch(
        self,
        prompts: list[str] | str,
        model: str | None = None,
        max_tokens: int | None = None,
        texts: list[str] | None = None,
        split: bool = False,
    ) -> list[Any]:
        """Ask many prompts at once, or one of each of texts=; answers in order. One that failed is a falsy Failed."""
        return self._batch("llm_batch", _asks("llm_batch", prompts, texts), model, max_tokens, split=split)

    def llm_query_json(
        self,
        prompt: str,
        text: str = "",
        schema: dict[str, Any] | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> Any:
        """Ask for JSON, as data; with a JSON schema, data that fits it. A falsy Failed(reason) where none came."""
        return self._json("llm_query_json", [with_text(prompt, text)], schema, model, max_tokens)[0]

    def llm_batch_json(
        self,
        prompts: list[str],
        schema: dict[str, Any] | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> list[Any]:
        """Ask many prompts for JSON at once; data in their order."""
        return self._json("llm_batch_json", prompts, schema, model, max_tokens)

    def rlm_query(self, question: str, context: str | None = None) -> Any:
        """Have a question researched in a run of its own, with these tools; its citations count here too."""
        assert self._ask is not None
        self._run.budget.subcalls(1)
        return self._ask(question, context)

    def rlm_query_batched(self, questions: list[str]) -> list[Any]:
        """Have several questions researched at once, each in a run of its own; answers in their order."""
        assert self._ask is not None
        deeper = self._ask
        self._charge("rlm_query_batched", len(questions))
        return in_threads(MAX_RUNS, [partial(deeper, question, None) for question in questions])

    # -- names that other projects use for the same -------------------------------------------------------------------

    def llm_query_batch(
        self,
        prompts: list[str],
        question: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> list[Any]:
        """Ask many prompts at once; with a question, ask it of each of them as a text."""
        asked = prompts if question is None else [_about(question, text) for text in prompts]
        return self._batch("llm_query_batch", _asks("llm_query_batch", asked), model, max_tokens)

    def llm_query_batched(
        self, prompts: list[str], model: str | None = None, max_tokens: int | None = None
    ) -> list[Any]:
        """The same as llm_batch."""
        return self._batch("llm_query_batched", _asks("llm_query_batched", prompts), model, max_tokens)

    def llm_query_records(
        self, prompt: str, text: str = "", model: str | None = None, max_tokens: int | None = None
    ) -> Any:
        """Ask for records, as a list of dicts."""
        found = self.llm_query_json(prompt, text, None, model, max_tokens)
        if isinstance(found, dict) and "__type__" not in found:
            found = next((value for value in found.values() if isinstance(value, list)), [found])
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else found

    def ask(self, question: str, text: str, max_tokens: int | None = None) -> str:
        """Ask a question about a text."""
        return self._asked("ask", _about(question, text), None, max_tokens)

    def ask_chunk(self, question: str, text: str, max_tokens: int | None = None) -> str:
        """Ask a question about a piece of text."""
        return self._asked("ask_chunk", _about(question, text), None, max_tokens)

    def ask_chunks(
        self,
        question: str,
        chunks: list[Any] | dict[str, Any] | str,
        max_tokens: int | None = None,
        chunk_size: int | None = None,
        overlap: int = 0,
        parallel: bool = True,
    ) -> list[Any]:
        """Ask a question about each piece of text (or of one text, cut into pieces), at once; answers in order."""
        prompts = [_about(question, text) for text in self._pieces("ask_chunks", chunks, chunk_size, overlap)]
        return self._batch("ask_chunks", _asks("ask_chunks", prompts), None, max_tokens)

    def ask_chunked(
        self,
        question: str,
        chunks: list[Any] | dict[str, Any] | str,
        max_tokens: int | None = None,
        chunk_size: int | None = None,
        overlap: int = 0,
        parallel: bool = True,
    ) -> list[Any]:
        """The same as ask_chunks."""
        return self.ask_chunks(question, chunks, max_tokens, chunk_size, overlap, parallel)

    def ask_chunks_first(
        self,
        question: str,
        chunks: list[Any] | dict[str, Any] | str,
        max_tokens: int | None = None,
        chunk_size: int | None = None,
        overlap: int = 0,
    ) -> str | None:
        """Ask about one piece after the other, up to the first that holds an answer; None where none does."""
        for text in self._pieces("ask_chunks_first", chunks, chunk_size, overlap):
            if is_answer(said := self._asked("ask_chunks_first", _about(question, text), None, max_tokens)):
                return said.strip()
        return None

    def pick_first_answer(self, answers: list[Any]) -> str | None:
        """The first of these that is an answer, not an empty or "not stated" one; None where none is."""
        return next((said.strip() for said in answers if is_answer(said)), None)

    # -- how ----------------------------------------------------------------------------------------------------------

    def _asked(
        self,
        function: str,
        prompt: str,
        model: str | None,
        max_tokens: int | None,
        text: str = "",
        *,
        split: bool = False,
    ) -> str:
        chosen, sent = self._chosen(function, model, max_tokens), with_text(prompt, text)
        if why := self._misfit(chosen, sent, max_tokens):
            if text and split:
                return self._in_parts(function, (prompt, text), model, max_tokens)
            raise ToolError(f"{function}: {why}")
        self._run.budget.subcalls(1)
        try:
            return self._complete(chosen, sent, max_tokens)
        except ContextTooLong as error:
            raise ToolError(f"{function}: {told(error)} ({len(sent):,} characters)") from None

    def _misfit(self, model: Model, prompt: str, max_tokens: int | None) -> str:
        return too_long(model, [self._system, Message("user", prompt)], max_tokens)

    def _in_parts(self, function: str, ask: Ask, model: str | None, max_tokens: int | None) -> str:
        """The answer about a text that is too long for one prompt: made of the answers about its parts."""
        prompt, text = ask
        chosen = self._chosen(function, model, max_tokens)
        parts = cut_to_fit(chosen, prompt, text, self._system, max_tokens)
        said = self._batch(function, [(part, "") for part in parts], model, max_tokens)
        for number, answer in enumerate(said, 1):
            if not isinstance(answer, str):
                raise ToolError(f"{function}: part {number} of {len(said)}: {answer['reason']}")
        return self._asked(function, merging(prompt, said), model, max_tokens)

    def _batch(
        self, function: str, asks: Sequence[Ask], model: str | None, max_tokens: int | None, *, split: bool = False
    ) -> list[Any]:
        """Each asked once, however often it is there; what cannot fit is not sent, or in parts where that is wanted."""
        chosen = self._chosen(function, model, max_tokens)
        if len(asks) > MAX_PROMPTS:
            raise ToolError(f"{function}: at most {MAX_PROMPTS:,} prompts at once, not {len(asks):,}")
        different = {ask: with_text(*ask) for ask in asks}
        misfits = {ask: why for ask, sent in different.items() if (why := self._misfit(chosen, sent, max_tokens))}
        fitting = [sent for ask, sent in different.items() if ask not in misfits]
        self._seek_approval(function, fitting, chosen)
        self._charge(function, len(fitting))
        answers = dict(zip(fitting, self._all(chosen, fitting, max_tokens), strict=True))
        for ask, why in misfits.items():
            answers[different[ask]] = self._part_by_part(function, ask, model, max_tokens) if split else failed(why)
        return [answers[different[ask]] for ask in asks]

    def _part_by_part(self, function: str, ask: Ask, model: str | None, max_tokens: int | None) -> Any:
        try:
            return self._asked(function, ask[0], model, max_tokens, ask[1], split=True)
        except ToolError as error:
            return failed(str(error))

    def _json(
        self,
        function: str,
        prompts: list[str],
        schema: dict[str, Any] | None,
        model: str | None,
        max_tokens: int | None,
    ) -> list[Any]:
        """Data from each prompt; those that gave none, or none that fits, are asked once more with the reason."""
        kind = schema_type(function, schema)
        rule = f"{_JSON_RULE} that fits this JSON schema:\n{json.dumps(schema)}" if schema else f"{_JSON_RULE}."
        asked = [f"{prompt}\n\n{rule}" for prompt in prompts]
        found = [data_in(said, kind) for said in self._batch(function, _asks(function, asked), model, max_tokens)]
        wrong = {n: str(data) for n, data in enumerate(found) if isinstance(data, Misfit)}
        again = [f"{asked[n]}\n\nYour last reply was wrong: {problem}" for n, problem in wrong.items()]
        for number, said in zip(wrong, self._batch(function, _asks(function, again), model, max_tokens), strict=True):
            data = data_in(said, kind)
            found[number] = failed(str(data)) if isinstance(data, Misfit) else data
        return found

    def _seek_approval(self, function: str, prompts: Sequence[str], model: Model) -> None:
        """Go on if the batch is cheap enough, or if whoever asked the question allows it."""
        estimate = estimate_calls(prompts, model)
        if not self._approval.allows(estimate):
            raise ToolError(f"{function}: {estimate}: more than may be spent at once; ask fewer, or shorter ones")

    def _pieces(self, function: str, chunks: Any, size: int | None, overlap: int) -> list[str]:
        """What is to be asked about, as texts: a list of texts or of (start, end, text), one text, or the context."""
        text = self._run.context if isinstance(chunks, dict) else None
        if isinstance(chunks, str):
            text = Context.from_text(chunks)
        if text is not None:
            try:
                return [piece for _, _, piece in text.chunk(size or PIECE, overlap)]
            except ValueError as error:
                raise ToolError(f"{function}: {error}") from None
        pieces = [item[-1] if isinstance(item, list) and item else item for item in chunks]
        if not isinstance(chunks, list) or not all(isinstance(piece, str) for piece in pieces):
            raise ToolError(f"{function}: chunks must be texts, a text, or ctx")
        return pieces

    def _charge(self, function: str, number: int) -> None:
        left = self._run.budget.subcalls_left()
        if left and number > left:
            raise ToolError(f"{function}: {number:,} prompts, and {left:,} sub-calls are left; ask fewer, longer ones")
        self._run.budget.subcalls(number)

    def _all(self, model: Model, prompts: Sequence[str], max_tokens: int | None) -> list[Any]:
        def ask(prompt: str) -> Any:
            try:
                return self._complete(model, prompt, max_tokens)
            except ModelError as error:
                return error

        return gathered(in_threads(MAX_CONCURRENT, [partial(ask, prompt) for prompt in prompts]))

    def _complete(self, model: Model, prompt: str, max_tokens: int | None) -> str:
        options = replace(self._options(), max_tokens=max_tokens)
        return model.complete([self._system, Message("user", self._prepared(prompt))], options).text

    def _chosen(self, function: str, name: str | None, max_tokens: int | None) -> Model:
        if max_tokens is not None and max_tokens < 1:
            raise ToolError(f"{function}: max_tokens must be at least 1")
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise ToolError(f"{function}: there is no model {name!r}; there are: {', '.join(self._models)}")
        return self._models[name]


def _about(question: str, text: str) -> str:
    return with_text(f"Question: {question}", text)


def _asks(function: str, prompts: list[str] | str, texts: list[str] | None = None) -> list[Ask]:
    """Each prompt with its text; one prompt with each of the texts."""
    if texts is None:
        if isinstance(prompts, str):
            raise ToolError(f"{function}: prompts must be a list, or give texts=")
        return [(prompt, "") for prompt in prompts]
    each = [prompts] * len(texts) if isinstance(prompts, str) else prompts
    if len(each) != len(texts):
        raise ToolError(f"{function}: {len(each):,} prompts and {len(texts):,} texts; give one of each, or one prompt")
    return list(zip(each, texts, strict=True))
