"""The measures of bench/loop.py for peers, each by the interpreter that has it.

PYTHON bench/peers_loop.py pyrlm|rlms|dspy        figures as JSON
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.loop_measures import Runtime, Turn, measured


def pyrlm() -> Runtime:
    from pyrlm_runtime import RLM, Context, Policy
    from pyrlm_runtime.adapters import OpenAICompatAdapter
    from pyrlm_runtime.adapters.base import ModelResponse, Usage

    class Adapter:
        def __init__(self, turn: Turn) -> None:
            self._turn, self._said = turn, 0

        def complete(self, messages: Any, *, max_tokens: int = 512, temperature: float = 0.0) -> Any:
            self._said += 1
            return ModelResponse(text=self._turn(self._said - 1), usage=Usage(1, 1, 2))

    def run(turn: Turn, context: str, **options: Any) -> str:
        rlm = RLM(
            Adapter(turn), Policy(max_steps=1_000), auto_finalize_var="finished", loop_collapse_limit=None, **options
        )
        return str(rlm.run("What is it?", Context.from_text(context))[0])

    def with_sub_model(turn: Turn, context: str, url: str) -> str:
        os.environ["LLM_API_KEY"] = "none"
        with tempfile.TemporaryDirectory() as folder:  # its cache is always on
            sub = OpenAICompatAdapter(model="slow", base_url=url)
            return run(turn, context, subcall_adapter=sub, max_concurrent_subcalls=10, cache_dir=folder)

    return Runtime(
        name="pyrlm-runtime",
        imports="from pyrlm_runtime import RLM",
        cell=lambda code: f"```python\n{code}\n```",
        finish=lambda code, expression: f"```python\n{code}\nfinished = {expression}\n```",
        run=run,
        batch="llm_batch(prompts)",
        with_sub_model=with_sub_model,
    )


def rlms() -> Runtime:
    import rlm.core.rlm as core
    from rlm.clients import get_client
    from rlm.clients.base_lm import BaseLM
    from rlm.core.types import ModelUsageSummary, UsageSummary

    class Client(BaseLM):  # type: ignore[misc]  # which has no types
        def __init__(self, turn: Turn) -> None:
            super().__init__("scripted")
            self._turn, self._said = turn, 0

        def completion(self, prompt: Any) -> str:
            self._said += 1
            return self._turn(self._said - 1)

        async def acompletion(self, prompt: Any) -> str:
            return self.completion(prompt)

        def get_usage_summary(self) -> Any:
            return UsageSummary(model_usage_summaries={})

        def get_last_usage(self) -> Any:
            return ModelUsageSummary(1, 1, 1)

    def client(backend: str, given: dict[str, Any]) -> Any:
        return Client(given["turn"]) if "turn" in given else get_client(backend, given)

    core.get_client = client

    def run(turn: Turn, context: str, **options: Any) -> str:
        runtime = core.RLM(backend="openai", backend_kwargs={"turn": turn}, max_iterations=1_000, **options)
        return str(runtime.completion(context, root_prompt="What is it?").response)

    def with_sub_model(turn: Turn, context: str, url: str) -> str:
        sub = {"model_name": "slow", "base_url": url, "api_key": "none"}
        return run(turn, context, other_backends=["openai"], other_backend_kwargs=[sub])

    return Runtime(
        name="rlms",
        imports="from rlm import RLM",
        cell=lambda code: f"```repl\n{code}\n```",
        finish=lambda code, e: f'```repl\n{code}\nanswer["content"] = {e}\nanswer["ready"] = True\n```',
        run=run,
        batch="llm_query_batched(prompts)",
        with_sub_model=with_sub_model,
    )


def dspy() -> Runtime:
    import dspy as library
    from dspy.primitives.local_interpreter import LocalInterpreter

    class Scripted(library.BaseLM):  # type: ignore[misc]  # which has no types
        def __init__(self, turn: Turn) -> None:
            super().__init__("scripted")
            self._turn, self._said = turn, 0

        def forward(self, prompt: Any = None, messages: Any = None, **_: Any) -> Any:
            from types import SimpleNamespace

            self._said += 1
            message = SimpleNamespace(content=self._turn(self._said - 1), role="assistant", tool_calls=None)
            choice = SimpleNamespace(message=message, finish_reason="stop", index=0)
            return SimpleNamespace(
                choices=[choice], usage={"prompt_tokens": 1, "completion_tokens": 1}, model="scripted"
            )

    def run(turn: Turn, context: str, sub_lm: Any = None) -> str:
        module = library.RLM(
            "context -> answer",
            max_iters=1_000,
            max_llm_calls=1_000,
            interpreter_factory=LocalInterpreter,
            sub_lm=sub_lm,
        )
        with library.context(lm=Scripted(turn)):
            return str(module(context=context).answer)

    def with_sub_model(turn: Turn, context: str, url: str) -> str:
        return run(turn, context, library.LM("openai/slow", api_base=url, api_key="none", cache=False))

    def said(code: str) -> str:
        return f"[[ ## reasoning ## ]]\nso\n\n[[ ## code ## ]]\n```python\n{code}\n```\n\n[[ ## completed ## ]]"

    return Runtime(
        name="dspy.RLM, its LocalInterpreter",
        imports="import dspy; dspy.RLM",
        cell=said,
        finish=lambda code, expression: said(f"{code}\nSUBMIT(answer={expression})"),
        run=run,
        batch="llm_query_batched(prompts)",
        with_sub_model=with_sub_model,
        sizes=("1 KB", "1 MB", "10 MB"),
        steps=10,
    )


RUNTIMES: dict[str, Callable[[], Runtime]] = {"pyrlm": pyrlm, "rlms": rlms, "dspy": dspy}


def main() -> None:
    out = sys.stdout  # rlms' runs at once leave another in its place
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where they leave their caches
        figures = measured(RUNTIMES[sys.argv[1]]())
    print(json.dumps(figures), file=out)


if __name__ == "__main__":
    main()
