"""Delegating: one prompt or many to the sub-model, and a question to a run of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import resources
from typing import Any

from rlm_search.context import Context
from rlm_search.errors import ConfigError, ContextTooLong, ModelError, ModelRejected
from rlm_search.estimates import Approval, estimate_calls
from rlm_search.run import Run, ToolError
from rlm_search.typed import AnswerType, Misfit, answer_type, has_patterns, json_in
from rlm_search.types import CallOptions, Message, Model

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

    def llm_query(self, prompt: str, model: str | None = None, max_tokens: int | None = None) -> str:
        """Ask a language model that sees nothing but this prompt: put the question and the text in it."""
        return self._asked("llm_query", prompt, model, max_tokens)

    def llm_batch(self, prompts: list[str], model: str | None = None, max_tokens: int | None = None) -> list[Any]:
        """Ask many prompts at once; answers in their order. One that failed is a falsy Failed(reason)."""
        return self._batch("llm_batch", prompts, model, max_tokens)

    def llm_query_json(
        self,
        prompt: str,
        text: str = "",
        schema: dict[str, Any] | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> Any:
        """Ask for JSON, as data; with a JSON schema, data that fits it. A falsy Failed(reason) where none came."""
        return self._json("llm_query_json", [_with_text(prompt, text)], schema, model, max_tokens)[0]

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
        return self._batch("llm_query_batch", asked, model, max_tokens)

    def llm_query_batched(
        self, prompts: list[str], model: str | None = None, max_tokens: int | None = None
    ) -> list[Any]:
        """The same as llm_batch."""
        return self._batch("llm_query_batched", prompts, model, max_tokens)

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
        return self._batch("ask_chunks", prompts, None, max_tokens)

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

    def _asked(self, function: str, prompt: str, model: str | None, max_tokens: int | None) -> str:
        chosen = self._chosen(function, model, max_tokens)
        self._run.budget.subcalls(1)
        try:
            return self._complete(chosen, prompt, max_tokens)
        except ContextTooLong as error:
            raise ToolError(f"{function}: {_told(error)} ({len(prompt):,} characters)") from None

    def _batch(self, function: str, prompts: list[str], model: str | None, max_tokens: int | None) -> list[Any]:
        chosen = self._chosen(function, model, max_tokens)
        if len(prompts) > MAX_PROMPTS:
            raise ToolError(f"{function}: at most {MAX_PROMPTS:,} prompts at once, not {len(prompts):,}")
        different = list(dict.fromkeys(prompts))
        self._seek_approval(function, different, chosen)
        self._charge(function, len(different))
        results = dict(zip(different, self._all(chosen, different, max_tokens), strict=True))
        return [results[prompt] for prompt in prompts]

    def _json(
        self,
        function: str,
        prompts: list[str],
        schema: dict[str, Any] | None,
        model: str | None,
        max_tokens: int | None,
    ) -> list[Any]:
        """Data from each prompt; those that gave none, or none that fits, are asked once more with the reason."""
        kind = _answer_type(function, schema)
        rule = f"{_JSON_RULE} that fits this JSON schema:\n{json.dumps(schema)}" if schema else f"{_JSON_RULE}."
        asked = [f"{prompt}\n\n{rule}" for prompt in prompts]
        found = [_data(said, kind) for said in self._batch(function, asked, model, max_tokens)]
        wrong = {n: str(data) for n, data in enumerate(found) if isinstance(data, Misfit)}
        again = [f"{asked[n]}\n\nYour last reply was wrong: {problem}" for n, problem in wrong.items()]
        for number, said in zip(wrong, self._batch(function, again, model, max_tokens), strict=True):
            data = _data(said, kind)
            found[number] = {"__type__": "Failed", "reason": str(data)} if isinstance(data, Misfit) else data
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

        return _gathered(in_threads(MAX_CONCURRENT, [partial(ask, prompt) for prompt in prompts]))

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


def in_threads(most: int, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls, in order, at most so many under way at once; what one raises is raised."""
    if not calls:
        return []
    threads = ThreadPoolExecutor(min(len(calls), most), thread_name_prefix="delegate")
    is_interrupted = False
    try:
        return [future.result() for future in [threads.submit(call) for call in calls]]
    except BaseException as error:  # Ctrl-C does not wait for servers; a spent budget waits for what is under way
        is_interrupted = not isinstance(error, Exception)
        raise
    finally:
        threads.shutdown(wait=not is_interrupted, cancel_futures=True)


def _gathered(results: Sequence[Any]) -> list[Any]:
    """The answers; a prompt that failed is told, unless every one was refused."""
    refused = [error for error in results if isinstance(error, ModelRejected)]
    if results and len(refused) == len(results):
        raise refused[0]  # no prompt's fault: a key, a name, a server that says no to everything
    return [
        {"__type__": "Failed", "reason": _told(result)} if isinstance(result, ModelError) else result
        for result in results
    ]


def is_answer(said: Any) -> bool:
    """Whether a text is an answer, and not word that there is none."""
    return isinstance(said, str) and said.strip().strip("\"'.`").lower() not in _NO_ANSWERS


_NO_ANSWERS = frozenset(
    {"", "no_answer", "no answer", "none", "n/a", "na", "null", "unknown", "not stated", "not found", "not available"}
    | {"not mentioned", "not specified", "i don't know", "no answer found"}
)


def _about(question: str, text: str) -> str:
    return f"Question: {question}\nText:\n{text}"


def _with_text(prompt: str, text: str) -> str:
    return f"{prompt}\n\n{text}" if text else prompt


def _answer_type(function: str, schema: dict[str, Any] | None) -> AnswerType | None:
    if has_patterns(schema):
        raise ToolError(f"{function}: a schema may hold no `pattern` here; check the text in Python")
    try:
        return None if schema is None else answer_type(schema)
    except ConfigError as error:
        raise ToolError(f"{function}: {error.message}") from None


def _data(said: Any, kind: AnswerType | None) -> Any:
    """The data of a reply; a Misfit where it holds none, or none of the type; a failure as it is."""
    if not isinstance(said, str):
        return said
    try:
        data = json_in(said)
        return data if kind is None else kind.make(data)
    except Misfit as misfit:
        return misfit


def _told(error: ModelError) -> str:
    """What went wrong, without its message, which names servers and accounts."""
    if isinstance(error, ContextTooLong):
        return "the prompt is longer than the model reads; split it"
    return "the model refused this prompt" if isinstance(error, ModelRejected) else "the model did not answer"
