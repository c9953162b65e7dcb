"""The examples of rlm-minimal: a needle in a million lines, and a batch, but for the import line as they stand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.servers.openai_server import Say
from tests.unit.rlm_search.compat.conftest import Serve


def generate_massive_context(num_lines: int, answer: str) -> str:
    words = ["blah", "random", "text", "data", "content", "information", "sample"]
    lines = [f"{first} {second}" for first in words for second in words] * (num_lines // 49)
    lines.insert(random.Random(1).randrange(len(lines)), f"The magic number is {answer}")
    return "\n".join(lines)


def test_the_needle_is_found_in_a_million_lines(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve(
        "```repl\nfound = [line for line in context.splitlines() if 'magic' in line]\nprint(found)\n```",
        "```repl\nfinal = found[0].split()[-1]\n```\n",
        "FINAL_VAR(final)",
    )
    answer = "1298418"
    context = generate_massive_context(num_lines=1_000_000, answer=answer)

    from rlm_search.compat.rlm_minimal.rlm_repl import RLM_REPL

    rlm = RLM_REPL(model="gpt-5", recursive_model="gpt-5-nano", enable_logging=True, max_iterations=10)
    query = "I'm looking for a magic number. What is it?"
    result = rlm.completion(context=context, query=query)

    assert result == answer
    assert "step 2" in capsys.readouterr().err
    assert all(len(str(body)) < 20_000 for body in server.completions)


def test_a_batch_is_asked_of_the_recursive_model(serve: Serve) -> None:
    def play(body: dict[str, Any]) -> Say:
        if body["model"] == "gpt-5-nano":
            return Say(text=body["messages"][-1]["content"].removeprefix("Analyze: ").upper())
        return Say(text=CELL)

    cell = """chunks = ["a", "b", "c"]
prompts = [f"Analyze: {chunk}" for chunk in chunks]
results = llm_batch(prompts)  # 3x faster!
FINAL("".join(results))"""
    CELL = f"```repl\n{cell}\n```"  # noqa: N806
    serve(play)

    from rlm_search.compat.rlm_minimal import RLM_REPL

    rlm = RLM_REPL(api_key="sk-given", model="gpt-5", recursive_model="gpt-5-nano")

    assert rlm.completion(context="a b c", query="In capitals?") == "ABC"


def test_an_answer_with_brackets_is_whole(serve: Serve) -> None:
    serve("```repl\nprint(1)\n```", "FINAL(call f(x) (twice), then g())")

    from rlm_search.compat.rlm_minimal import RLM_REPL

    assert RLM_REPL().completion(context="x", query="?") == "call f(x) (twice), then g()"
