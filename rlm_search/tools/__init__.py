"""What the model can call in the REPL: every family a file, each offered only where it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from retrievers.rerankers import Reranker
from rlm_search.run import Run
from rlm_search.tools.corpus import CorpusTools
from rlm_search.tools.custom import custom
from rlm_search.tools.delegate import DelegateTools
from rlm_search.tools.documents import DocumentTools
from rlm_search.tools.exhaustive import ExhaustiveTools
from rlm_search.tools.finish import FinishTools
from rlm_search.tools.pages import PageTools
from rlm_search.tools.patterns import PatternTools
from rlm_search.tools.pdfs import DocumentPolicy, PdfTools
from rlm_search.tools.ranking import Ranking
from rlm_search.tools.search import SearchTools

__all__ = [
    "UNTOLD",
    "CorpusTools",
    "DelegateTools",
    "DocumentTools",
    "ExhaustiveTools",
    "FinishTools",
    "PageTools",
    "PatternTools",
    "SearchTools",
    "offered",
]

UNTOLD = frozenset(
    {
        "SUBMIT",
        "documents_to_map",
        "es_hybrid_doc_search",
        "es_find_pages_text",
        "es_get_pages",
        "es_get_pages_text",
        "es_get_text",
        "es_list_logical_doc_ids",
    }
    | {"llm_query_batch", "llm_query_batched", "llm_query_records", "rlm_query_batched", "pick_first_answer"}
    | {"ask", "ask_chunk", "ask_chunks", "ask_chunked", "ask_chunks_first", "llm_batch_json"}
)
"""Other names of what the prompt tells already, for models that know these."""

VARIABLES = frozenset({"P", "ctx", "context", "CONTEXT", "FILES", "answer", "notes", "peek", "tail", "lenP"})
"""What a session has beside functions."""


def offered(
    run: Run,
    delegate: DelegateTools,
    *,
    tools: Sequence[Callable[..., Any]] = (),
    rerankers: Mapping[str, Reranker] | None = None,
    doc_tools: DocumentPolicy | None = None,
) -> Mapping[str, Callable[..., Any]]:
    """The functions of a run by name, in the order in which the prompt lists them.

    Args:
        run: what they belong to.
        delegate: the functions that ask other models, which ranking and mapping use, too.
        tools: the caller's own.
        rerankers: what `rerank=` may name beside the sub-model's.
        doc_tools: offer pyrlm-runtime's document tools, within this policy.

    Raises:
        ConfigError: a tool of the caller's has the name of a function of ours.
    """
    functions: list[Callable[..., Any]] = []
    if run.retriever is not None:
        search = SearchTools(run, run.retriever, Ranking(delegate.llm_batch, rerankers or {}))
        functions += search.functions()
        for family in (CorpusTools, DocumentTools, PatternTools, PageTools):
            functions += family(run, run.retriever).functions()
        functions += ExhaustiveTools(run, run.retriever, delegate, search).functions()
        if doc_tools is not None:
            functions += PdfTools(run, run.retriever, doc_tools).functions()
    functions += delegate.functions()
    functions += FinishTools(run).functions()
    functions += custom(run, tools, {function.__name__ for function in functions} | VARIABLES)
    return {function.__name__: function for function in functions}
