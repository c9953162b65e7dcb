"""What pyrlm-runtime 1.0.3 has beyond its README: every public name, its REPL, formatter and further arguments."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rlm_search.compat.pyrlm_runtime import RLM, Context, PythonREPL, RouterConfig, SmartRouter, TraceFormatter
from rlm_search.compat.pyrlm_runtime.adapters import FakeAdapter
from rlm_search.errors import ConfigError, ModelUnavailable

THEIRS = """
    AsyncElasticsearchRetriever AsyncRetrieverProtocol Context DocIndexStoreProtocol DocInfo DocumentCache
    DocumentPolicy DocumentPolicyError ElasticsearchRetriever ExecResult ExecutionProfile FileCache ListwiseReranker
    MaxPDFsExceeded MaxPagesExceeded MaxRecursionExceeded MaxStepsExceeded MaxSubcallsExceeded MaxTablesExceeded
    MaxTokensExceeded ModelAdapter ModelResponse PageInfo PageReaderProtocol Policy PolicyError PythonREPL QueryRewriter
    RLM RerankerProtocol RetrieverProtocol RouterConfig RouterResult SmartRouter TournamentReranker Trace TraceFormatter
    TraceStep Usage create_doc_tools ndcg_at_k recall_at_k union_pool
"""


def has_genai() -> bool:
    try:
        return importlib.util.find_spec("google.genai") is not None
    except ModuleNotFoundError:
        return False


def test_every_public_name_of_theirs_is_there() -> None:
    ours = import_module("rlm_search.compat.pyrlm_runtime")
    assert [name for name in THEIRS.split() if not hasattr(ours, name)] == []


MODULES = {
    "adapters": "AzureOpenAIAdapter FakeAdapter FakeRule GenericChatAdapter ModelAdapter OpenAICompatAdapter Usage",
    "cache": "FileCache",
    "context": "Context",
    "doctools": "DEFAULT_LABELS create_doc_tools",
    "env": "ExecResult MontyREPL PythonREPL REPLProtocol",
    "env_monty": "MontyLimits MontyREPL",
    "events": "RLMEvent RLMEventListener",
    "multiquery": "QueryRewriter union_pool",
    "policy": "Policy PolicyError count_tokens estimate_tokens get_context_limit",
    "prompts": "BASE_SYSTEM_PROMPT SUBCALL_SYSTEM_PROMPT",
    "rerank": "ListwiseReranker RerankerProtocol TournamentReranker ndcg_at_k recall_at_k",
    "retrieval": "AsyncElasticsearchRetriever AsyncRetrieverProtocol ElasticsearchRetriever RetrieverProtocol",
    "rich_trace": "RichTraceListener",
    "router": "ExecutionProfile RouterConfig RouterResult SmartRouter TraceFormatter",
    "trace": "Trace TraceStep",
}


@pytest.mark.parametrize(("module", "names"), MODULES.items())
def test_their_modules_hold_their_names(module: str, names: str) -> None:
    ours = import_module(f"rlm_search.compat.pyrlm_runtime.{module}")
    assert [name for name in names.split() if not hasattr(ours, name)] == []


def test_a_repl_keeps_variables_calls_functions_and_tells_what_it_holds() -> None:
    with PythonREPL() as repl:
        repl.set("rows", [1, 2, 3])
        repl.set("ctx", Context.from_text("a long text"))
        repl.set("double", lambda value: value * 2)
        assert repl.exec("total = sum(rows)\nprint(double(total), ctx.len_chars())").stdout == "12 11\n"
        failed = repl.exec("unknown")
        assert "NameError" in str(failed.error)
        repl.set("late", "text")
        assert (repl.get("total"), repl.get("late"), repl.get("nothing")) == (6, "text", None)
        assert "total (int" in repl.show_vars()
        assert "total = int" in repl.describe_state()
        with pytest.raises(ConfigError, match="set it before the first cell"):
            repl.set("later", print)


def test_an_empty_repl_says_so_and_long_output_is_cut() -> None:
    with PythonREPL(stdout_limit=5) as repl:
        assert repl.describe_state() == "No user variables available."
        assert repl.show_vars().startswith("No variables created yet")
        assert repl.exec("print('x' * 10)").stdout == "xxxxx...<truncated>"
        assert repl.exec("  \n").error is None


def test_the_other_repl_is_the_same_with_limits() -> None:
    from rlm_search.compat.pyrlm_runtime.env import MontyLimits, MontyREPL, REPLProtocol

    with MontyREPL(limits=MontyLimits(max_duration_secs=1.0)) as repl:
        assert isinstance(repl, REPLProtocol)
        repl.exec("words = 'a b'.split()")
        assert repl.get("words") == ["a", "b"]
    assert MontyLimits().to_dict()["max_duration_secs"] == 5.0


def test_traces_and_results_are_formatted() -> None:
    script = ["```python\nfound = re.search('colour', P)\nprint(llm_query('x'))\n```", "FINAL: blue"]
    adapter = FakeAdapter(script=["red", *script])
    adapter.add_rule("You are a sub-LLM", "said")
    router = SmartRouter(adapter, config=RouterConfig(baseline_threshold=20))
    small = router.run("Which colour?", Context.from_text("It is red."))
    large = router.run("Which colour?", Context.from_text("The colour is blue. " * 10))

    shown = TraceFormatter(show_timing=False)
    lines = shown.format(large.trace).splitlines()
    assert "repl_exec | regex: colour" in lines[2]
    assert lines[-1].startswith("Summary: Total: 4 steps, 2 root_call, 1 subcall, 1 repl_exec")
    table = shown.format_table([small, large]).splitlines()
    assert [row.split(" | ")[1].strip() for row in (table[0], *table[2:])] == ["method", "baseline", "rlm"]
    assert shown.format_table([]) == "No results to display."
    compared = shown.format_comparison(small, large)
    assert "Output: red" in compared
    assert "Output: blue" in compared


def test_a_direct_call_is_told_the_system_prompt_that_was_configured() -> None:
    adapter = FakeAdapter(script=["red"])
    config = RouterConfig(baseline_system_prompt="Be a painter.", auto_calibrate=True)
    SmartRouter(adapter, config=config).run("Which colour?", Context.from_text("It is red."))
    assert adapter.call_log[0][0] == {"role": "system", "content": "Be a painter."}


@pytest.mark.parametrize(("share", "kinds"), [(0.5, 1), (None, 0)])
def test_a_share_of_the_window_is_where_compaction_begins(share: float | None, kinds: int) -> None:
    adapter = FakeAdapter(script=["```python\nprint(P)\n```", "```python\nprint(P[1:])\n```", "FINAL: yes"])
    adapter.add_rule("You sum up your own work", "So far nothing.")
    rlm = RLM(adapter, compaction=True, compaction_threshold_pct=share, compaction_model_context_limit=3_000)
    _, trace = rlm.run("Is it?", Context.from_text("It is. " * 2_000))
    assert sum(step.kind == "compaction" for step in trace.steps) == kinds


def test_arguments_that_change_nothing_are_taken() -> None:
    rlm = RLM(
        FakeAdapter(script=["FINAL: yes"]),
        rlm_diagnostics=True,
        log_truncate_code=10,
        auto_finalize_reject_limit=3,
        recursive_subcall_max_steps=2,
        subcall_guard_steps=1,
    )
    assert rlm.run("Is it?", Context.from_text("It is."))[0] == "yes"


def test_tokens_are_estimated_and_windows_known() -> None:
    from rlm_search.compat.pyrlm_runtime.policy import count_tokens, estimate_tokens, get_context_limit

    assert estimate_tokens("four char") == 3
    assert count_tokens([{"role": "user", "content": "four char"}, {"role": "user", "content": ""}]) == 3
    assert get_context_limit("gpt-4.1") > 1_000_000
    assert get_context_limit("nobody-knows-it") == 128_000


@pytest.mark.skipif(has_genai(), reason="the library of Google is installed")
def test_vertex_without_its_library_says_what_to_install() -> None:
    from rlm_search.compat.pyrlm_runtime.adapters import VertexAIAdapter

    with pytest.raises(ConfigError, match="any-llm"):
        VertexAIAdapter("my-project", model="gemini-2.5-pro")


def test_an_embedding_provider_that_is_not_there_is_refused_at_once() -> None:
    from retrievers.errors import ConfigError as RetrieverConfigError
    from rlm_search.compat.pyrlm_runtime import ElasticsearchRetriever

    with pytest.raises(RetrieverConfigError, match="no embedding provider 'vertexai'"):
        ElasticsearchRetriever("http://127.0.0.1:9", "k", "i", embedding_provider="vertexai")


def test_a_model_that_is_away_is_an_error_and_no_text() -> None:
    class Away:
        def complete(self, messages: object, *, max_tokens: int = 512, temperature: float = 0.0) -> None:
            raise ModelUnavailable("nobody is there")

    with pytest.raises(ModelUnavailable):
        RLM(Away()).run("Is it?", Context.from_text("It is."))  # type: ignore[arg-type]


class Shelf:
    """Two documents with pages."""

    def __init__(self) -> None:
        from rlm_search.compat.pyrlm_runtime import DocInfo, PageInfo

        pages = [PageInfo(page_num=n, char_count=20, table_count=n, headings=["Head"]) for n in range(4)]
        self.docs = [
            DocInfo(doc_id="a", path="a.pdf", file_hash="aa", title="Annual report", num_pages=4, pages=pages),
            DocInfo(doc_id="b", path="b.pdf", file_hash="bb", title="Letter", num_pages=4, pages=pages),
        ]
        self.read: list[int] = []

    def search(self, query: str, top_k: int = 10) -> list[Any]:
        return [doc for doc in self.docs if query.lower() in doc.title.lower()][:top_k]

    def get(self, doc_id: str) -> Any:
        return next((doc for doc in self.docs if doc.doc_id == doc_id), None)

    def get_by_path(self, path: str) -> Any:
        return next((doc for doc in self.docs if doc.path == path), None)

    def list_all(self) -> list[Any]:
        return self.docs

    def read_pages(self, path: str, pages: list[int]) -> dict[int, str]:
        self.read += pages
        return {page: f"Text of page {page + 1} of {path}." for page in pages}

    def extract_table(self, path: str, page: int, table_num: int) -> str:
        return "| 1 |" if (page, table_num) == (1, 0) else ""


def test_document_tools_over_a_store_of_ones_own_read_within_the_policy(tmp_path: Path) -> None:
    from rlm_search.compat.pyrlm_runtime import DocumentCache, DocumentPolicy, create_doc_tools

    shelf, policy = Shelf(), DocumentPolicy(max_total_pages=3, max_table_extractions=1)
    tools = create_doc_tools(shelf, shelf, DocumentCache(tmp_path), policy)
    cell = """```python
print(list_pdfs())
path = resolve_doc_path("annual")
print(read_pdf_pages(path, [1, 2]), read_pdf_pages("a", [2]), read_pdf_pages(path, [3, 4]))
print(extract_table(path, 2), extract_table(path, 2), extract_table(path, 3))
print(search_in_pdf(path, "PAGE 2"), search_in_pdf("b", "page"), get_pdf_info("b")[:9], get_pdf_info("nobody"))
FINAL(search_corpus_structured("letter")[0]["doc_id"])
```"""
    answer, trace = RLM(FakeAdapter(script=[cell]), doc_tools=tools).run("Which?", Context.from_text("x"))
    shown = str(trace.steps[-1].stdout)
    assert answer == "b"
    assert "1. Annual report (4 pages, 6 tables)" in shown
    assert "<!-- Page 2 -->\nText of page 2 of a.pdf." in shown
    assert "[DOCUMENT LIMIT]: at most 3 pages may be read, and 2 are" in shown
    assert shown.count("| 1 |") == 2
    assert "[TABLE LIMIT]: at most 1 tables" in shown
    assert "--- Page 2 ---\n...Text of page 2" in shown
    assert "'page' is on no page of Letter that was read" in shown
    assert "There is no document 'nobody'" in shown
    assert shelf.read == [0, 1]
    assert policy.get_counters() == {"pdfs_opened": 1, "pages_read": 2, "tables_extracted": 1}
    policy.reset()
    assert set(policy.get_counters().values()) == {0}
