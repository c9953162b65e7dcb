"""Delegating: one prompt or many to the sub-model, and a question to a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from typing import Any

from rlm_search.errors import ContextTooLong, ModelError, ModelRejected
from rlm_search.estimates import Approval, estimate_calls
from rlm_search.run import Run, ToolError
from rlm_search.types import CallOptions, Message, Model

MAX_PROMPTS = 1_000
MAX_CONCURRENT = 16
"""Prompts of one batch under way at once; the limit of the provider is the model's own (`LimitedModel`)."""


class DelegateTools:
    """The functions that ask other models. Sub-calls are charged before they are made.

    Args:
        run: whose budget pays.
        models: by name, as the model may choose them; the first is the one it gets unasked.
        ask: answers a question with a run of its own; None where no deeper run is allowed.
        options: what every call is made with.
        approval: is asked before a batch that costs much.
    """

    def __init__(
        self,
        run: Run,
        models: Mapping[str, Model],
        *,
        ask: Callable[[str], Any] | None = None,
        options: Callable[[], CallOptions] = CallOptions,
        approval: Approval | None = None,
    ) -> None:
        self._run = run
        self._models = models
        self._ask = ask
        self._options = options
        self._approval = approval or Approval()
        self._system = Message("system", resources.files("rlm_search.prompts").joinpath("sub.md").read_text("utf-8"))

    def functions(self) -> list[Callable[..., Any]]:
        """Those that this run may use."""
        return [self.llm_query, self.llm_batch, *([self.rlm_query] if self._ask else [])]

    def llm_query(self, prompt: str, model: str | None = None, max_tokens: int | None = None) -> str:
        """Ask a language model that sees nothing but this prompt: put the question and the text in it."""
        chosen = self._chosen("llm_query", model, max_tokens)
        self._run.budget.subcalls(1)
        try:
            return self._complete(chosen, prompt, max_tokens)
        except ContextTooLong as error:
            raise ToolError(f"llm_query: {_told(error)} ({len(prompt):,} characters)") from None

    def llm_batch(self, prompts: list[str], model: str | None = None, max_tokens: int | None = None) -> list[Any]:
        """Ask many prompts at once; answers in their order. One that failed is a falsy Failed(reason)."""
        chosen = self._chosen("llm_batch", model, max_tokens)
        if len(prompts) > MAX_PROMPTS:
            raise ToolError(f"llm_batch: at most {MAX_PROMPTS:,} prompts at once, not {len(prompts):,}")
        different = list(dict.fromkeys(prompts))
        self._seek_approval(different, chosen)
        self._charge(len(different))
        results = dict(zip(different, self._all(chosen, different, max_tokens), strict=True))
        return [results[prompt] for prompt in prompts]

    def rlm_query(self, question: str) -> Any:
        """Have a question researched in a run of its own, with these tools; its citations count here too."""
        assert self._ask is not None
        self._run.budget.subcalls(1)
        return self._ask(question)

    def _seek_approval(self, prompts: Sequence[str], model: Model) -> None:
        """Go on if the batch is cheap enough, or if whoever asked the question allows it."""
        estimate = estimate_calls(prompts, model)
        if not self._approval.allows(estimate):
            raise ToolError(f"llm_batch: {estimate}: more than may be spent at once; ask fewer, or shorter ones")

    def _charge(self, number: int) -> None:
        left = self._run.budget.subcalls_left()
        if left and number > left:
            raise ToolError(f"llm_batch: {number:,} prompts, and {left:,} sub-calls are left; ask fewer, longer ones")
        self._run.budget.subcalls(number)

    def _all(self, model: Model, prompts: Sequence[str], max_tokens: int | None) -> list[Any]:
        if not prompts:
            return []
        threads = ThreadPoolExecutor(min(len(prompts), MAX_CONCURRENT), thread_name_prefix="llm_batch")
        is_interrupted = False
        try:
            futures = [threads.submit(self._complete, model, prompt, max_tokens) for prompt in prompts]
            return _gathered(futures)
        except BaseException as error:  # Ctrl-C does not wait for servers; a spent budget waits for what is under way
            is_interrupted = not isinstance(error, Exception)
            raise
        finally:
            threads.shutdown(wait=not is_interrupted, cancel_futures=True)

    def _complete(self, model: Model, prompt: str, max_tokens: int | None) -> str:
        options = replace(self._options(), max_tokens=max_tokens)
        return model.complete([self._system, Message("user", prompt)], options).text

    def _chosen(self, function: str, name: str | None, max_tokens: int | None) -> Model:
        if max_tokens is not None and max_tokens < 1:
            raise ToolError(f"{function}: max_tokens must be at least 1")
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise ToolError(f"{function}: there is no model {name!r}; there are: {', '.join(self._models)}")
        return self._models[name]


def _gathered(futures: Sequence[Future[str]]) -> list[Any]:
    """The results in order; a prompt that failed is told, unless every one was refused, or the budget is spent."""
    results: list[Any] = []
    refused: list[ModelError] = []
    for future in futures:
        try:
            results.append(future.result())
        except ModelError as error:
            refused += [error] if isinstance(error, ModelRejected) else []
            results.append({"__type__": "Failed", "reason": _told(error)})
    if len(refused) == len(results):
        raise refused[0]  # no prompt's fault: a key, a name, a server that says no to everything
    return results


def _told(error: ModelError) -> str:
    """What went wrong, without its message, which names servers and accounts."""
    if isinstance(error, ContextTooLong):
        return "the prompt is longer than the model reads; split it"
    return "the model refused this prompt" if isinstance(error, ModelRejected) else "the model did not answer"
