"""What rlms 0.1.3 has beyond its README: persistent sessions, tools that are data, sampling, every public name."""

from __future__ import annotations

import asyncio
import inspect
import json
from importlib import import_module

import pytest

from rlm_search.errors import ConfigError
from tests.unit.rlm_search.compat.conftest import Serve

THEIRS = """
    backend backend_kwargs environment environment_kwargs max_depth max_iterations max_budget max_timeout max_tokens
    max_errors custom_system_prompt other_backends other_backend_kwargs logger verbose persistent custom_tools
    compaction compaction_threshold_pct max_concurrent_subcalls on_subcall_start on_subcall_complete on_iteration_start
    on_iteration_complete sampling_args sub_sampling_args orchestrator user_prologue
"""
NAMES = """
    RLM BudgetExceededError TimeoutExceededError TokenLimitExceededError ErrorThresholdExceededError CancellationError
"""


def test_every_public_name_and_argument_of_theirs_is_there() -> None:
    ours = import_module("rlm_search.compat.rlm")
    assert [name for name in NAMES.split() if not hasattr(ours, name)] == []
    assert [name for name in THEIRS.split() if name not in inspect.signature(ours.RLM).parameters] == []


def test_a_persistent_session_keeps_variables_contexts_and_conversations(serve: Serve) -> None:
    server = serve(
        "```repl\ncount = len(context)\nFINAL(count)\n```",
        "```repl\nprint(context_0, context_1, count, len(history_0), history == history_0)\n```",
        "FINAL(all done)",
        "```repl\nFINAL(context_0 + context + str(len(history_1)))\n```",
    )

    from rlm_search.compat.rlm import RLM

    with RLM(backend_kwargs={"model_name": "gpt-4o"}, persistent=True) as rlm:
        assert rlm.completion("first").response == "5"
        assert rlm.completion("second").response == "all done"
        assert rlm.completion("third").response == "firstthird4"

    shown = json.dumps(server.completions[2]["messages"])
    assert "first second 5 2 True" in shown
    assert "`context_1`" in server.completions[1]["messages"][0]["content"]
    assert "`history_0`" in server.completions[1]["messages"][0]["content"]


def test_a_session_that_was_closed_begins_anew_and_others_share_nothing(serve: Serve) -> None:
    serve("```repl\nx = 1\nFINAL('set')\n```", "```repl\nFINAL('x' in dir())\n```", "```repl\nFINAL('x' in dir())\n```")

    from rlm_search.compat.rlm import RLM

    rlm = RLM(backend_kwargs={"model_name": "gpt-4o"}, persistent=True)
    rlm.completion("first")
    rlm.close()
    assert rlm.completion("second").response == "false"
    rlm.close()
    other = RLM(backend_kwargs={"model_name": "gpt-4o"})
    assert other.completion("third").response == "false"


def test_tools_that_are_data_are_variables_and_told(serve: Serve) -> None:
    server = serve("```repl\nFINAL(double(rates['eur']))\n```")

    from rlm_search.compat.rlm import RLM

    tools = {
        "rates": {"tool": {"eur": 4}, "description": "what a euro is worth"},
        "double": {"tool": lambda value: 2 * value, "description": "Twice as much."},
    }
    assert RLM(backend_kwargs={"model_name": "gpt-4o"}, custom_tools=tools).completion("x").response == "8"
    told = server.completions[0]["messages"][0]["content"]
    assert "`rates` (dict): what a euro is worth" in told
    assert "- double(value): Twice as much." in told

    with pytest.raises(ConfigError, match="neither a function nor plain data"):
        RLM(backend_kwargs={"model_name": "gpt-4o"}, custom_tools={"x": object()})


def test_sampling_of_root_and_sub_model_reaches_their_requests(serve: Serve) -> None:
    server = serve("```repl\nFINAL(llm_query('x'))\n```", "said")

    from rlm_search.compat.rlm import RLM

    rlm = RLM(
        backend_kwargs={"model_name": "gpt-4o"},
        sampling_args={"top_p": 0.5},
        sub_sampling_args={"top_p": 0.9, "seed": 3},
        user_prologue="Think of the sea.",
    )
    assert rlm.completion("x").response == "said"
    root, sub = server.completions
    assert (root["top_p"], sub["top_p"], sub["seed"], "seed" in root) == (0.5, 0.9, 3, False)
    assert "Think of the sea." in root["messages"][0]["content"]


def test_usage_survives_being_plain_data() -> None:
    from rlm_search.compat.rlm.types import ModelUsageSummary, UsageSummary

    summary = UsageSummary({"m": ModelUsageSummary(1, 2, 3, 0.5)})
    assert UsageSummary.from_dict(summary.to_dict()) == summary


def test_errors_tell_their_figures(serve: Serve) -> None:
    serve(*["```repl\n1/0\n```"] * 3, "```repl\nprint(1)\n```")

    from rlm_search.compat.rlm import RLM, ErrorThresholdExceededError, TokenLimitExceededError

    with pytest.raises(ErrorThresholdExceededError) as failed:
        RLM(backend_kwargs={"model_name": "gpt-4o"}, max_errors=2).completion("x")
    assert failed.value.threshold == failed.value.error_count == 2
    with pytest.raises(TokenLimitExceededError) as spent:
        RLM(backend_kwargs={"model_name": "gpt-4o"}, max_tokens=60).completion("x")
    assert spent.value.token_limit == 60
    assert spent.value.tokens_used <= 60


def test_a_completion_survives_being_plain_data(serve: Serve) -> None:
    serve("```repl\nFINAL('so')\n```")

    from rlm_search.compat.rlm import RLM
    from rlm_search.compat.rlm.types import RLMChatCompletion

    done = RLM(backend_kwargs={"model_name": "gpt-4o"}).completion("x")
    assert RLMChatCompletion.from_dict(done.to_dict()) == done


def test_a_client_is_asked_by_itself_and_counts(serve: Serve) -> None:
    server = serve("one", "two")

    from rlm_search.compat.rlm.clients import get_client

    client = get_client("openai", {"model_name": "gpt-4o", "sampling_args": {"top_p": 0.5}})
    assert client.completion("Say one.") == "one"
    assert asyncio.run(client.acompletion([{"role": "user", "content": "Say two."}])) == "two"
    used = client.get_usage_summary()
    assert (client.get_last_usage().total_calls, used.total_input_tokens, used.total_output_tokens) == (1, 22, 14)
    assert used.model_usage_summaries["gpt-4o"].total_calls == 2
    assert server.completions[0]["top_p"] == 0.5


def test_an_environment_runs_code_with_contexts_and_tools() -> None:
    from rlm_search.compat.rlm.environments import LocalREPL, get_environment

    with LocalREPL(context_payload="a text", setup_code="n = 2", custom_tools={"double": lambda x: 2 * x}) as repl:
        assert repl.add_context({"more": [1]}) == 1
        ran = repl.execute_code("print(context, len(context_0), double(n), '[' in context_1)")
        assert (ran.stdout, ran.stderr, ran.final_answer) == ("a text 6 4 True\n", "", None)
        assert "NameError" in repl.execute_code("unknown").stderr
        done = repl.execute_code("answer['content'] = n\nanswer['ready'] = True")
        assert (done.final_answer, "n" in done.locals, repl.get_context_count()) == ("2", True, 2)
    with get_environment("local", {"context_payload": "x"}) as repl:
        assert repl.execute_code("print(context)").stdout == "x\n"
    with pytest.raises(ConfigError, match="no environment 'mars'"):
        get_environment("mars", {})


def test_time_that_is_over_tells_how_much(serve: Serve) -> None:
    serve(*["```repl\nprint(1)\n```"] * 3)

    from rlm_search.compat.rlm import RLM, TimeoutExceededError

    with pytest.raises(TimeoutExceededError) as late:
        RLM(backend_kwargs={"model_name": "gpt-4o"}, max_timeout=0.000001).completion("x")
    assert late.value.timeout == 0.000001
    assert late.value.elapsed > 0
