"""The examples of rlm-loop's README, each as it stands there but for the import line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.servers.openai_server import Say
from tests.unit.rlm_search.compat.conftest import Serve

LOOK = "```python\nprint(len(CONTEXT), re.findall('t.e', CONTEXT)[:1])\n```"


def test_the_anthropic_example_answers_and_sums_up(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(body: dict[str, Any]) -> Say:
        if "haiku" in body["model"]:
            return Say(text="Ships, storms.")
        said = str(body["messages"][-1])
        is_told = "Ships, storms." in said
        return Say(text="FINAL(Ships, storms.)" if is_told else "```python\nprint(llm_query('Summarize'))\n```")

    server = serve(play)
    monkeypatch.chdir(tmp_path)
    Path("large_document.txt").write_text("the sea " * 1_000, "utf-8")

    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import AnthropicBackend

    # Initialize with API key (or set ANTHROPIC_API_KEY env var)
    backend = AnthropicBackend()
    rlm = RLM(
        backend,
        model="claude-sonnet-4-20250514",
        recursive_model="claude-haiku-3-20250813",  # Cheaper model for sub-calls
        verbose=True,
    )

    # Process a large document
    with open("large_document.txt") as f:
        context = f.read()

    result = rlm.completion(context=context, query="What are the main themes discussed in this document?")

    print(result.answer)
    print(rlm.cost_summary())

    assert capsys.readouterr().out.startswith("Ships, storms.\n{'iterations': 2, 'llm_calls': 3, 'sub_rlm_calls': 1")
    assert (result.success, result.error, len(result.history)) == (True, None, 2)
    assert server.requests[0].headers["x-api-key"] == "sk-of-the-test"
    assert [asked.path for asked in server.requests] == ["/v1/messages"] * 3


def test_the_local_example_summarizes(serve: Serve) -> None:
    server = serve(LOOK, "FINAL(It is about the sea.)")
    doc = "the sea"

    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import OpenAICompatibleBackend

    backend = OpenAICompatibleBackend(
        base_url=server.base_url,
        api_key="ollama",
    )
    rlm = RLM(backend, model="llama3.2", verbose=True)

    result = rlm.completion(context=doc, query="Summarize this document")

    assert result.answer == "It is about the sea."
    assert server.requests[0].headers["authorization"] == "Bearer ollama"
    assert (result.stats.iterations, result.stats.total_input_tokens) == (2, 22)


def test_a_completion_can_be_awaited(serve: Serve) -> None:
    serve(LOOK, "FINAL(It is about the sea.)")

    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import OpenAICompatibleBackend

    rlm = RLM(OpenAICompatibleBackend(), model="gpt-4o")

    assert asyncio.run(rlm.acompletion("the sea", "What?")).answer == "It is about the sea."


def test_one_that_comes_to_nothing_says_why_and_is_no_success(serve: Serve) -> None:
    serve(LOOK, LOOK)

    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import OpenAICompatibleBackend

    result = RLM(OpenAICompatibleBackend(), model="gpt-4o", max_iterations=2).completion("the sea", "What?")

    assert (result.success, result.answer) == (False, "")
    assert "steps" in str(result.error)


def test_files_are_there_by_name(serve: Serve) -> None:
    serve("```python\nFINAL(', '.join(sorted(FILES)))\n```")

    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import OpenAICompatibleBackend

    rlm = RLM(OpenAICompatibleBackend(), model="gpt-4o")

    assert rlm.completion({"a.txt": "one", "b.txt": "two"}, "Which?").answer == "a.txt, b.txt"
