"""The examples of pyrlm-runtime's README, each as it stands there but for the import line."""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.servers.openai_server import Say
from tests.unit.rlm_search.compat.conftest import Serve

CELL = "```python\nprint(lenP())\n```"


def test_the_quickstart_answers_over_documents(serve: Serve) -> None:
    server = serve(CELL, "FINAL: rivers and rain")

    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import OpenAICompatAdapter

    documents = [
        "Document 1: Very long content...",
        "Document 2: More content...",
    ]
    context = Context.from_documents(documents)
    adapter = OpenAICompatAdapter(model="gpt-4")
    rlm = RLM(adapter=adapter)
    answer, trace = rlm.run("What are the main themes across all documents?", context)

    assert answer == "rivers and rain"
    assert [step.kind for step in trace.steps] == ["root_call", "repl_exec", "root_call"]
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-the-test"
    assert server.completions[0]["model"] == "gpt-4"


def test_the_example_without_an_api_gives_the_summary() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(
        script=[
            "snippet = peek(80)\nsummary = llm_query(f'Summarize: {snippet}')\nanswer = f'Summary -> {summary}'",
            "FINAL_VAR: answer",
        ]
    )
    adapter.add_rule("You are a sub-LLM", "[fake] short summary")
    context = Context.from_text("RLMs treat long prompts as environment state.")
    output, trace = RLM(adapter=adapter).run("Summarize this.", context)

    assert output == "Summary -> [fake] short summary"
    assert [step.kind for step in trace.steps] == ["root_call", "subcall", "repl_exec", "root_call"]


def test_the_live_trace_shows_each_step() -> None:
    from rich.console import Console

    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter
    from rlm_search.compat.pyrlm_runtime.rich_trace import RichTraceListener

    console = Console(file=io.StringIO(), width=100)
    listener = RichTraceListener(console=console)
    adapter = FakeAdapter(
        script=[
            "snippet = peek(40)\nsummary = llm_query(f'Summarize: {snippet}')\nprint(summary)\nanswer = summary",
            "FINAL_VAR: answer",
        ]
    )
    adapter.add_rule("You are a sub-LLM", "[fake] summary")
    output, _ = RLM(adapter=adapter, event_listener=listener).run(
        "Summarize the first chunk.",
        Context.from_text("RLMs treat long prompts as environment state."),
    )

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert output == "[fake] summary"
    assert "Summarize the first chunk." in shown
    assert all(kind in shown for kind in ("root_call", "subcall", "repl_exec", "answer · 4 steps"))


def test_the_azure_example_asks_the_deployment_at_its_endpoint(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(CELL, "FINAL: Falcon 9")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "sk-azure")
    monkeypatch.setenv("OPENAI_ENDPOINT", server.base_url.removesuffix("/v1"))
    monkeypatch.setitem(sys.modules, "dotenv", _dotenv())

    from dotenv import load_dotenv  # type: ignore[import-not-found]

    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import AzureOpenAIAdapter
    from rlm_search.compat.pyrlm_runtime.rich_trace import RichTraceListener

    load_dotenv()
    adapter = AzureOpenAIAdapter(model="gpt-5.1")
    listener = RichTraceListener()
    demo_text = "SpaceX Falcon 9 launched on Jan 6 with $50M revenue. ..."
    output, _ = RLM(adapter=adapter, event_listener=listener).run(
        "Which launch had the largest revenue?",
        Context.from_text(demo_text),
    )

    assert output == "Falcon 9"
    assert server.requests[0].path == "/openai/deployments/gpt-5.1/chat/completions?api-version=2024-10-21"
    assert server.requests[0].headers["api-key"] == "sk-azure"


def _dotenv() -> types.ModuleType:
    module = types.ModuleType("dotenv")
    vars(module)["load_dotenv"] = lambda: True
    return module


def test_every_argument_of_the_reference_is_taken() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter
    from rlm_search.compat.pyrlm_runtime.prompts import BASE_SYSTEM_PROMPT

    adapter = FakeAdapter(script=["print(1)", "FINAL: one"])
    context = Context.from_text("one")
    rlm = RLM(
        adapter,
        policy=None,
        cache=None,
        max_tokens=512,
        system_prompt=BASE_SYSTEM_PROMPT,
        repl_backend="python",
        conversation_history=True,
        max_history_tokens=0,
        retriever=None,
        subcall_adapter=None,
        recursive_subcalls=False,
        max_recursion_depth=2,
        parallel_subcalls=False,
        require_repl_before_final=False,
        require_subcall_before_final=False,
        invalid_response_limit=None,
        fallback_code=None,
    )
    output, _ = rlm.run(query="Your question", context=context)

    assert output == "one"


def test_a_context_has_the_methods_of_the_reference() -> None:
    from rlm_search.compat.pyrlm_runtime import Context

    context = Context.from_documents(["alpha", "beta key", "gamma"], separator="\n---DOC_BOUNDARY---\n")

    assert context.len_chars() == len("alphabeta keygamma") + 2 * len("\n---DOC_BOUNDARY---\n")
    assert (context.num_documents(), context.get_document(1)) == (3, "beta key")
    assert context.document_lengths() == [5, 8, 5]
    assert context.slice(0, 5) == "alpha"
    assert len(context.find(r"k.y", regex=True)) == 1
    assert context.chunk(10, overlap=0)
    assert len(context.chunk_documents(docs_per_chunk=10)) == 1
    assert context.metadata()


def test_a_generic_adapter_sends_and_reads_what_its_functions_say(serve: Serve) -> None:
    server = serve(lambda body: Say(text=f"{body['prompt_is']}!"))

    def my_custom_builder(
        messages: list[dict[str, str]], max_tokens: int, temperature: float | None, model: str | None
    ) -> dict[str, Any]:
        return {"prompt_is": messages[-1]["content"], "model": model, "limit": max_tokens}

    def my_custom_parser(data: dict[str, Any]) -> tuple[str, None]:
        return data["choices"][0]["message"]["content"], None

    from rlm_search.compat.pyrlm_runtime.adapters import GenericChatAdapter

    adapter = GenericChatAdapter(
        base_url=server.base_url,
        path="/chat/completions",
        model="custom-model",
        api_key="your-key",
        payload_builder=my_custom_builder,
        response_parser=my_custom_parser,
        timeout=60.0,
        max_retries=3,
    )
    with adapter as opened:
        said = opened.complete([{"role": "user", "content": "hello"}], max_tokens=99)

    assert said.text == "hello!"
    assert server.completions == [{"prompt_is": "hello", "model": "custom-model", "limit": 99}]
    assert server.requests[0].headers["authorization"] == "Bearer your-key"


def test_a_fake_adapter_follows_its_rules_and_then_its_script() -> None:
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(script=["code step 1", "code step 2", "FINAL_VAR: result"])
    adapter.add_rule(pattern="Summarize", response="This is a summary")
    adapter.add_rule(pattern=r"find.*key", response="key_term", regex=True)

    def said(prompt: str) -> str:
        return adapter.complete([{"role": "user", "content": prompt}]).text

    assert [said("go"), said("Summarize it"), said("find the key"), said("go")] == [
        "code step 1", "This is a summary", "key_term", "code step 2",
    ]  # fmt: skip


def test_an_adapter_of_ones_own_is_asked() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import ModelResponse, Usage

    class MyAdapter:
        def complete(
            self, messages: list[dict[str, str]], max_tokens: int = 512, temperature: float = 0.0
        ) -> ModelResponse:
            return ModelResponse("FINAL: mine" if len(messages) > 3 else "print(P)", Usage(10, 5, 15), "my-model")

    answer, trace = RLM(MyAdapter()).run("Whose?", Context.from_text("mine"))

    assert answer == "mine"
    assert trace.steps[0].usage == Usage(10, 5, 15)


@pytest.mark.parametrize(
    ("limits", "error", "script"),
    [
        ({"max_steps": 2}, "MaxStepsExceeded", ["print(1)", "print(2)", "print(3)"]),
        ({"max_subcalls": 1}, "MaxSubcallsExceeded", ["llm_query('a')\nllm_query('b')"]),
        ({"max_total_tokens": 200}, "MaxTokensExceeded", ["print(1)"] * 20),
    ],
)
def test_a_limit_that_is_spent_is_its_own_error(limits: dict[str, int], error: str, script: list[str]) -> None:
    from rlm_search.compat import pyrlm_runtime
    from rlm_search.compat.pyrlm_runtime import RLM, Context, Policy, PolicyError
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(script=script)
    adapter.add_rule("You are a sub-LLM", "yes")
    rlm = RLM(adapter=adapter, policy=Policy(**limits))

    with pytest.raises(PolicyError) as raised:
        rlm.run("?", Context.from_text("text"))
    assert type(raised.value) is getattr(pyrlm_runtime, error)
    assert raised.value.trace is not None


def test_a_run_that_comes_to_nothing_is_no_text() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context, PolicyError
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    with pytest.raises(PolicyError, match="without code or an answer"):
        RLM(FakeAdapter(script=["I am thinking."] * 9)).run("?", Context.from_text("text"))


def test_a_policy_may_be_used_again() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context, Policy
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    policy = Policy(
        max_steps=2, max_subcalls=200, max_recursion_depth=1, max_total_tokens=200_000, max_subcall_tokens=None
    )
    rlm = RLM(adapter=FakeAdapter(script=["print(1)", "FINAL: a", "print(1)", "FINAL: b"]), policy=policy)

    assert [rlm.run("?", Context.from_text("text"))[0] for _ in range(2)] == ["a", "b"]


def test_a_trace_is_the_same_after_json() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context, Trace
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    rlm = RLM(FakeAdapter(script=["print(1)\n1/0", "FINAL: done"]))
    _, trace = rlm.run("?", Context.from_text("text"))

    assert [(step.step_id, step.code, step.stdout) for step in trace.steps if step.code] == [
        (2, "print(1)\n1/0", "1\n")
    ]
    assert "ZeroDivisionError" in str(trace.steps[1].error)
    assert Trace.from_json(trace.to_json()).steps == trace.steps


def test_steps_of_a_run_that_another_started_have_kinds_of_their_own() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(
        script=[
            "a = rlm_query('sub?', 'some text')\nprint(a)",
            "b = llm_query('x')\nprint(b)",
            "FINAL: in",
            "FINAL: out",
        ]
    )
    adapter.add_rule("You are a sub-LLM", "yes")
    answer, trace = RLM(adapter, recursive_subcalls=True).run("?", Context.from_text("text"))

    assert answer == "out"
    assert [step.kind for step in trace.steps] == [
        "root_call", "sub_root_call", "sub_subcall", "sub_repl_exec", "sub_root_call", "recursive_subcall",
        "repl_exec", "root_call",
    ]  # fmt: skip


def test_a_sub_call_is_answered_from_the_cache(tmp_path: Path) -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context, FileCache
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    def run(rules: int) -> list[bool]:
        adapter = FakeAdapter(script=["print(llm_query('same'))", "FINAL: x"])
        for _ in range(rules):
            adapter.add_rule("You are a sub-LLM", "kept")
        cache = FileCache(root=tmp_path / "cache")
        rlm = RLM(adapter=adapter, cache=cache)
        _, trace = rlm.run("?", Context.from_text("text"))
        return [step.cache_hit for step in trace.steps if step.kind == "subcall"]

    assert (run(1), run(0)) == ([False], [True])


@pytest.mark.parametrize(("length", "method"), [(100, "baseline"), (20_000, "rlm")])
def test_the_router_chooses_by_size(length: int, method: str) -> None:
    from rlm_search.compat.pyrlm_runtime import Context, ExecutionProfile, RouterConfig, SmartRouter
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(script=["Ann"] if method == "baseline" else ["print(lenP())", "FINAL: Ann"])
    query, context = "Who signed?", Context.from_text("x" * length)

    router = SmartRouter(
        adapter,
        config=RouterConfig(baseline_threshold=8000),  # chars
    )
    result = router.run(query, context, profile=ExecutionProfile.DETERMINISTIC_FIRST)

    assert (result.method, result.output) == (method, "Ann")
    assert result.tokens_used > 0
    assert (result.trace.steps[0].kind == "baseline_call") == (method == "baseline")


def test_guards_send_an_early_answer_back() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(script=["FINAL: guess", "print(llm_query('q'))", "FINAL: known"])
    adapter.add_rule("You are a sub-LLM", "yes")
    rlm = RLM(
        adapter=adapter,
        require_repl_before_final=True,
        require_subcall_before_final=True,
        invalid_response_limit=5,
        fallback_code="answer = pick_first_answer(ask_chunks('answer?', ctx))",
    )

    assert rlm.run("?", Context.from_text("text"))[0] == "known"


def test_batches_run_whatever_parallel_says() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    cell = (
        'results = llm_batch(["Q1?", "Q2?", "Q3?"])\n'
        "chunks = ctx.chunk(4)\n"
        'answers = ask_chunks("Q?", chunks, parallel=True)\nprint(results, answers)\n'
        "answer = len(results) + len(answers)"
    )
    adapter = FakeAdapter(script=[cell, "FINAL_VAR: answer"])
    adapter.add_rule("You are a sub-LLM", "yes")
    rlm = RLM(adapter, parallel_subcalls=True)

    assert rlm.run("?", Context.from_text("12345678"))[0] == "5"


def test_rerankers_and_rewriters_ask_their_adapter() -> None:
    from rlm_search.compat.pyrlm_runtime import (
        ListwiseReranker,
        QueryRewriter,
        TournamentReranker,
        ndcg_at_k,
        recall_at_k,
        union_pool,
    )
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    docs = [{"doc_id": name, "preview": name} for name in "abc"]
    adapter = FakeAdapter(script=["[3] > [1] > [2]", "[2] > [1] > [3]", '{"rewrites": ["one", "two"]}'])

    assert [d["doc_id"] for d in ListwiseReranker(adapter).rerank("q", docs, top_k=2)] == ["c", "a"]
    assert [d["doc_id"] for d in TournamentReranker(adapter).rerank("q", docs, top_k=1)] == ["b"]
    assert QueryRewriter(adapter, n=2, system_prompt="Say it otherwise").rewrite("q") == ["one", "two"]
    assert adapter.call_log[-1] == [
        {"role": "system", "content": "Say it otherwise"},
        {"role": "user", "content": "q"},
    ]
    assert union_pool([docs[:2], docs[1:]]) == docs
    assert (ndcg_at_k(["a"], {"a": 1}), recall_at_k(["b"], {"a": 1})) == (1.0, 0.0)


def test_adapters_for_local_servers_and_any_endpoint_ask_there(serve: Serve) -> None:
    server = serve("one", "two")
    elsewhere = serve("never asked")

    from rlm_search.compat.pyrlm_runtime.adapters import OpenAICompatAdapter

    for model, said in (("llama3", "one"), ("my-model", "two")):
        adapter = OpenAICompatAdapter(
            model=model,
            base_url=server.base_url,
        )
        assert adapter.complete([{"role": "user", "content": "hi"}], max_tokens=9).text == said

    assert [body["model"] for body in server.completions] == ["llama3", "my-model"]
    assert elsewhere.requests == []


def test_an_azure_endpoint_with_a_path_is_a_server_of_openais_protocol(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("yes")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "sk-azure")
    monkeypatch.setenv("OPENAI_ENDPOINT", f"{server.base_url}/")

    from rlm_search.compat.pyrlm_runtime.adapters import AzureOpenAIAdapter

    said = AzureOpenAIAdapter(model="gpt-5.1").complete([{"role": "user", "content": "hi"}])

    assert (said.text, said.usage.total_tokens) == ("yes", 18)
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].headers["api-key"] == "sk-azure"


def test_a_history_of_its_own_length_and_tools_of_ones_own_are_taken() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    adapter = FakeAdapter(script=["print('x' * 7_000)"] * 4 + ["answer = price('tea') + stock()", "FINAL_VAR: answer"])
    rlm = RLM(
        adapter=adapter,
        conversation_history=True,  # Default
        max_history_tokens=4000,  # Optional token budget (0=unlimited)
        loop_collapse_limit=None,
        doc_tools={"price": lambda item: len(item)},
        repl_extensions=lambda rlm, repl, retriever, log: {"stock": lambda: 4},
    )

    assert rlm.run("?", Context.from_text("text"))[0] == "7"
    assert len("".join(turn["content"] for turn in adapter.call_log[-1])) < 4 * 7_000
    assert adapter.call_log[-1][1]["content"].startswith(adapter.call_log[0][1]["content"])


def test_a_variable_that_is_set_finishes_where_it_is_named() -> None:
    from rlm_search.compat.pyrlm_runtime import RLM, Context
    from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter

    rlm = RLM(FakeAdapter(script=["x = 1", "answer = extract_after('key: ')"]), auto_finalize_var="answer")

    assert rlm.run("?", Context.from_text("the key: 77"))[0] == "77"
