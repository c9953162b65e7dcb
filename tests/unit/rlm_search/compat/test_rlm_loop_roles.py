"""rlm-loop's further roles: a context engineer, a verifier, and a compact prompt."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_search.errors import ConfigError
from tests.servers.openai_server import OpenAIServer, Say
from tests.unit.rlm_search.compat.conftest import Serve

TEXT = "\n".join(f"{n:04} the tug made fast at berth {n % 9}" for n in range(500))
CODE = "```python\nprint(llm_query(CONTEXT[:200]))\n```"


def play(body: dict[str, Any]) -> Say:
    system = str(body["messages"][0]["content"])
    if "brief of at most" in system:
        return Say(text="A logbook.")
    if "You check an answer" in system:
        return Say(text="UNSUPPORTED: nothing of the kind")
    if body["model"] == "sub":
        return Say(text="tugs")
    return Say(text="FINAL(Ships.)" if "tugs" in str(body["messages"][-1]) else CODE)


def completed(server: OpenAIServer, **options: Any) -> Any:
    from rlm_search.compat.rlm_loop import RLM
    from rlm_search.compat.rlm_loop.backends import OpenAICompatibleBackend

    backend = OpenAICompatibleBackend(base_url=server.base_url, api_key="x")
    return RLM(backend, model="root", sub_rlm_model="sub", **options).completion(context=TEXT, query="What is it?")


def asked(server: OpenAIServer) -> list[tuple[str, str]]:
    return [(body["model"], str(body["messages"])) for body in server.completions]


def test_a_context_engineer_writes_a_brief_that_stands_before_sub_calls(serve: Serve) -> None:
    server = serve(play)
    result = completed(server, context_engineer_mode="pre_loop", context_engineer_model="engineer")

    calls = asked(server)
    assert [model for model, _ in calls] == ["engineer", "root", "sub", "root"]
    assert "A logbook." in calls[2][1]
    assert "A logbook." not in calls[1][1]
    assert (result.answer, result.success) == ("Ships.", True)


def test_the_brief_is_shared_with_the_root(serve: Serve) -> None:
    server = serve(play)
    completed(server, context_engineer_mode="both", share_brief_with_root=True)

    assert "A logbook." in next(text for model, text in asked(server) if model == "root")


def test_a_verifier_notes_what_is_in_doubt(serve: Serve) -> None:
    server = serve(play)
    result = completed(server, verify=True, verifier_model="judge")

    assert result.answer == "Ships.\n\n[Verification note: nothing of the kind]"
    assert asked(server)[-1][0] == "judge"


def test_a_compact_prompt_is_shorter(serve: Serve) -> None:
    server = serve(play)
    completed(server)
    completed(server, compact_prompt=True)
    first, second = (len(body["messages"][0]["content"]) for body in server.completions if body["model"] == "root"
                     and len(body["messages"]) == 2)  # fmt: skip

    assert second < 0.8 * first


def test_a_mode_that_does_not_exist_is_told(serve: Serve) -> None:
    with pytest.raises(ConfigError, match="no context_engineer_mode 'sometimes'"):
        completed(serve(play), context_engineer_mode="sometimes")
