"""The examples of the README of alexzhang13/rlm (and its fork), each as it stands there but for the import line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rlm_search.errors import ConfigError
from tests.servers.openai_server import Say
from tests.unit.rlm_search.compat.conftest import Serve

LOOK = "```repl\nprint(context[:200])\n```"
DELEGATE = "```repl\nprint(llm_query('What is it?'))\n```"


def test_limits_go_to_the_constructor(serve: Serve) -> None:
    serve(LOOK, "FINAL(so it is)")

    from rlm_search.compat.rlm import RLM

    rlm = RLM(
        backend_kwargs={"model_name": "gpt-4o"},  # No token limits here
        max_root_tokens=500_000,  # Session limit for root agent
        max_sub_tokens=500_000,  # Session limit for sub-agents
    )

    assert rlm.completion("Is it?").response == "so it is"


def test_limits_among_the_arguments_of_a_backend_are_a_clear_error(serve: Serve) -> None:
    serve("never asked")

    from rlm_search.compat.rlm import RLM

    with pytest.raises(ConfigError, match="`max_root_tokens` is no argument of a backend"):
        RLM(
            backend_kwargs={
                "model_name": "gpt-4o",
                "max_root_tokens": 500_000,  # Don't do this!
            }
        )


def test_a_limit_below_fifty_tokens_is_refused(serve: Serve) -> None:
    serve("never asked")

    from rlm_search.compat.rlm import RLM

    with pytest.raises(ValueError, match="at least 50"):
        RLM(backend_kwargs={"model_name": "gpt-4o"}, max_sub_tokens=49)


def test_the_first_example_prints_powers_of_two(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve("```repl\nFINAL('\\n'.join(str(2**n) for n in range(100)))\n```")

    from rlm_search.compat.rlm import RLM

    rlm = RLM(
        backend="openai",
        backend_kwargs={"model_name": "gpt-5-nano"},
        verbose=True,  # For printing to console with rich, disabled by default.
    )

    print(rlm.completion("Print me the first 100 powers of two, each on a newline.").response)

    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(2**n) for n in range(100)]
    assert "run with openai:gpt-5-nano" in printed.err
    assert server.completions[0]["model"] == "gpt-5-nano"


def test_usage_is_told_by_model(serve: Serve) -> None:
    serve(LOOK, "FINAL(so it is)")

    from rlm_search.compat.rlm import RLM

    result = RLM(backend_kwargs={"model_name": "gpt-4o"}).completion("Is it?")

    used = result.usage_summary.to_dict()["model_usage_summaries"]["openai:gpt-4o"]
    assert used == {"total_calls": 2, "total_input_tokens": 22, "total_output_tokens": 14, "total_cost": 0.0}


@pytest.mark.parametrize(("environment", "library"), [("modal", "modal"), ("prime", "prime_sandboxes")])
def test_environments_that_are_services_need_their_extra(
    serve: Serve, environment: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("never asked")
    monkeypatch.setitem(sys.modules, library, None)

    from retrievers.errors import ConfigError as MissingExtra
    from rlm_search.compat.rlm import RLM

    with pytest.raises(MissingExtra, match=rf"pip install 'rlm-search\[{environment}\]'"):
        RLM(backend_kwargs={"model_name": "x"}, environment=environment, environment_kwargs={})


def test_an_environment_that_there_is_not_is_refused_in_a_sentence(serve: Serve) -> None:
    serve("never asked")

    from rlm_search.compat.rlm import RLM

    with pytest.raises(ConfigError, match="no environment 'moon'"):
        RLM(backend_kwargs={"model_name": "x"}, environment="moon", environment_kwargs={})


def test_sub_calls_go_to_the_cheaper_model(serve: Serve) -> None:
    def play(body: dict[str, Any]) -> Say:
        if "haiku" in body["model"]:
            return Say(text="a list")
        return Say(text="FINAL(a list)" if "a list" in json.dumps(body["messages"][-1]) else DELEGATE)

    server = serve(play)

    from rlm_search.compat.rlm import RLM

    rlm = RLM(
        # Root model (depth=0): Handles main reasoning and planning
        backend="anthropic",
        backend_kwargs={"model_name": "claude-3-5-sonnet-20241022"},
        # Sub-model (depth=1): Handles llm_query() calls
        other_backends=["anthropic"],
        other_backend_kwargs=[{"model_name": "claude-3-haiku-20240307"}],
    )
    result = rlm.completion("""
Analyze this dataset by processing each item:
1. Extract key fields from each record
2. Summarize findings
""")

    assert result.response == "a list"
    assert [body["model"] for body in server.completions] == [
        "claude-3-5-sonnet-20241022",
        "claude-3-haiku-20240307",
        "claude-3-5-sonnet-20241022",
    ]


def test_a_logger_writes_what_the_visualizer_reads(serve: Serve, tmp_path: Path) -> None:
    serve(DELEGATE, "fine", "```repl\n1/0\n```", "FINAL(so it is)")

    from rlm_search.compat.rlm import RLM
    from rlm_search.compat.rlm.logger import RLMLogger

    logger = RLMLogger(log_dir=str(tmp_path / "logs"))
    rlm = RLM(backend_kwargs={"model_name": "gpt-4o"}, logger=logger)
    completion = rlm.completion("Is it?", root_prompt="Is it so?")

    [file] = (tmp_path / "logs").glob("rlm_*.jsonl")
    metadata, *iterations = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (metadata["type"], metadata["root_model"], metadata["max_iterations"]) == ("metadata", "openai:gpt-4o", 30)
    assert [entry["iteration"] for entry in iterations] == [1, 2, 3]
    result = iterations[0]["code_blocks"][0]["result"]
    assert (result["stdout"], result["rlm_calls"][0]["response"]) == ("fine\n", "fine")
    assert "ZeroDivisionError" in iterations[1]["code_blocks"][0]["result"]["stderr"]
    assert iterations[2]["final_answer"] == "so it is"
    assert completion.metadata == logger.get_trajectory()


def test_callbacks_are_told_of_iterations_and_sub_runs(serve: Serve) -> None:
    serve("```repl\nprint(rlm_query('sub?', 'text'))\n```", "FINAL(in)", "FINAL(the end)")
    told: list[tuple[Any, ...]] = []

    from rlm_search.compat.rlm import RLM

    rlm = RLM(
        backend_kwargs={"model_name": "gpt-4o"},
        on_iteration_start=lambda depth, number: told.append(("start", depth, number)),
        on_iteration_complete=lambda depth, number, seconds: told.append(("complete", depth, number)),
        on_subcall_start=lambda depth, model, prompt: told.append(("sub", depth, model, prompt)),
        on_subcall_complete=lambda depth, model, seconds, error: told.append(("sub done", depth, error)),
    )
    rlm.completion("Is it?")

    assert told == [
        ("start", 0, 1),
        ("sub", 1, "openai:gpt-4o", "sub?"),
        ("start", 1, 1),
        ("complete", 1, 1),
        ("sub done", 1, None),
        ("complete", 0, 1),
        ("start", 0, 2),
        ("complete", 0, 2),
    ]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"max_iterations": 2}, "NoAnswerError"),
        ({"max_tokens": 60}, "TokenLimitExceededError"),
        ({"max_errors": 1}, "ErrorThresholdExceededError"),
    ],
)
def test_a_completion_that_comes_to_nothing_is_an_error_of_its_kind(
    serve: Serve, limits: dict[str, Any], error: str
) -> None:
    serve(lambda body: Say(text=f"```repl\n{len(body['messages'])}/0\n```"))

    from rlm_search.compat import rlm as module
    from rlm_search.compat.rlm import RLM, NoAnswerError

    with pytest.raises(NoAnswerError) as raised:
        RLM(backend_kwargs={"model_name": "gpt-4o"}, **limits).completion("Is it?")
    assert type(raised.value) is getattr(module, error)


def test_custom_tools_are_called_by_the_name_that_they_were_given(serve: Serve) -> None:
    server = serve("```repl\nFINAL(str(double(21)))\n```")

    from rlm_search.compat.rlm import RLM

    tools = {"double": {"tool": lambda number: 2 * number, "description": "Twice a number."}}
    rlm = RLM(backend_kwargs={"model_name": "gpt-4o"}, custom_tools=tools)

    assert rlm.completion("What is it?").response == "42"
    assert "Twice a number." in json.dumps(server.completions[0])


def test_a_key_that_is_given_is_sent_and_never_logged(serve: Serve, tmp_path: Path) -> None:
    server = serve(LOOK, "FINAL(so it is)")

    from rlm_search.compat.rlm import RLM
    from rlm_search.compat.rlm.logger import RLMLogger

    logger = RLMLogger(log_dir=str(tmp_path))
    arguments = {"model_name": "gpt-4o", "api_key": "sk-given-in-code", "base_url": server.base_url}
    RLM(backend_kwargs=arguments, logger=logger).completion("Is it?")

    assert server.requests[0].headers["authorization"] == "Bearer sk-given-in-code"
    assert "sk-given" not in Path(str(logger.log_file_path)).read_text("utf-8")
