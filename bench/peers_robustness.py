"""The scripts of misbehaving.txt through one peer, each in a process forked for it. Run by the peer's own interpreter.

PYTHON -m bench.peers_robustness pyrlm|rlms TITLE…      outcomes by title, as JSON; null where a limit cannot be told
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.misbehaving import QUESTION, TEXT, Dialect, Outcome, Script, Talker, scripts
from bench.peers_sandbox import forked

LIMITS = {"pyrlm": {"steps", "subcalls", "tokens"}, "rlms": {"steps", "tokens", "seconds"}}
"""What each can be told to limit."""


def pyrlm(script: Script) -> Outcome:
    from pyrlm_runtime import RLM, Context, Policy
    from pyrlm_runtime.adapters.base import ModelResponse, estimate_usage
    from pyrlm_runtime.policy import PolicyError

    def finish(expression: str) -> list[str]:
        value = _literal(expression)
        if value is not None:
            return [f"FINAL: {value}"]
        return [f"```python\nfinished = {expression}\n```", "FINAL_VAR: finished"]

    talker = Talker(script, Dialect("python", "P", "llm_batch", finish))

    class Adapter:
        def __init__(self, say: Callable[[list[dict[str, str]]], Any]) -> None:
            self._say = say

        def complete(self, messages: list[dict[str, str]], *, max_tokens: int = 512, temperature: float = 0.0) -> Any:
            said = self._say(messages)
            prompt = "\n".join(message["content"] for message in messages)
            meta = {"finish_reason": "length" if said.is_cut else "stop"}
            return ModelResponse(text=said.text, usage=estimate_usage(prompt, said.text), meta=meta)

    limits = script.limits
    policy = Policy(
        max_steps=int(limits.get("steps", 20)),
        max_subcalls=int(limits.get("subcalls", 200)),
        max_total_tokens=int(limits["tokens"]) if "tokens" in limits else None,
    )
    rlm = RLM(
        adapter=Adapter(lambda messages: talker.say(_told(messages))),
        subcall_adapter=Adapter(lambda messages: talker.answer_as_sub(messages[-1]["content"])),
        policy=policy,
        repl_exec_timeout=1.0,
    )
    try:
        output, _ = rlm.run(QUESTION, Context.from_text(TEXT))
    except PolicyError as error:
        return Outcome("out_of_budget", about=repr(error))
    if output.strip() in ("", "NO_ANSWER", "LOOP_COLLAPSED"):  # its own words for none
        return Outcome("failed", about=output)
    return Outcome("answered", output)


def rlms(script: Script) -> Outcome:
    import rlm.core.rlm as core
    from rlm.clients.base_lm import BaseLM
    from rlm.core.types import ModelUsageSummary, UsageSummary
    from rlm.utils import exceptions

    def finish(expression: str) -> list[str]:
        return [f'```repl\nanswer["content"] = {expression}\nanswer["ready"] = True\n```']

    talker = Talker(script, Dialect("repl", "context", "llm_query_batched", finish))

    class Client(BaseLM):  # type: ignore[misc]  # which has no types
        def __init__(self, name: str, say: Callable[[Any], Any]) -> None:
            super().__init__(name)
            self._say = say
            self._usage = ModelUsageSummary(0, 0, 0)

        def completion(self, prompt: Any) -> str:
            said = self._say(prompt)
            asked = prompt if isinstance(prompt, str) else "\n".join(m["content"] for m in prompt)
            self._usage = ModelUsageSummary(
                self._usage.total_calls + 1,
                self._usage.total_input_tokens + len(asked) // 4,
                self._usage.total_output_tokens + len(said.text) // 4,
            )
            return str(said.text)

        async def acompletion(self, prompt: Any) -> str:
            return self.completion(prompt)

        def get_usage_summary(self) -> Any:
            return UsageSummary(model_usage_summaries={self.model_name: self._usage})

        def get_last_usage(self) -> Any:
            return self._usage

    clients = {
        "root": Client("root", lambda messages: talker.say(_told(messages))),
        "sub": Client("sub", lambda prompt: talker.answer_as_sub(str(prompt))),
    }
    core.get_client = lambda backend, kwargs: clients[kwargs["model_name"]]
    limits = script.limits
    runtime = core.RLM(
        backend="openai",
        backend_kwargs={"model_name": "root"},
        other_backends=["openai"],
        other_backend_kwargs=[{"model_name": "sub"}],
        max_iterations=int(limits.get("steps", 20)),
        max_tokens=int(limits["tokens"]) if "tokens" in limits else None,
        max_timeout=limits.get("seconds", 60.0),
    )
    spent = (exceptions.BudgetExceededError, exceptions.TimeoutExceededError, exceptions.TokenLimitExceededError)
    try:
        answer = runtime.completion(TEXT, root_prompt=QUESTION).response
    except spent as error:
        return Outcome("out_of_budget", about=repr(error))
    return Outcome("answered" if answer.strip() else "failed", answer)


RUNTIMES = {"pyrlm": pyrlm, "rlms": rlms}


def outcome_of(run: Callable[[Script], Outcome], script: Script) -> Outcome:
    """The outcome of a script in a process of its own: died where that ended, hung where it did not."""

    def work(say: Callable[[bytes], object]) -> None:
        try:
            outcome = run(script)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what its user is given
            outcome = Outcome("error", about=repr(error)[:200])
        say(json.dumps(asdict(outcome)).encode("ascii")[:60_000])

    said, is_over, _ = forked(work)
    if said:
        return Outcome(**json.loads(said))
    return Outcome("died" if is_over else "hung")


def _told(messages: Any) -> str:
    """What came since the model's last reply."""
    last = max((n for n, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    return "\n".join(message["content"] for message in messages[last + 1 :])


def _literal(expression: str) -> str | None:
    with contextlib.suppress(ValueError, SyntaxError):
        value = ast.literal_eval(expression)
        return value if isinstance(value, str) else None
    return None


def main() -> None:
    """Run the scripts that are named, or all."""
    name, *titles = sys.argv[1:]
    every = scripts()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where they leave their caches
        for title in titles or every:
            script = every[title]
            can = script.limits.keys() <= LIMITS[name]
            found[title] = asdict(outcome_of(RUNTIMES[name], script)) if can else None
    print(json.dumps(found))


if __name__ == "__main__":
    main()
