"""What the model can call in the REPL: every family a file, each offered only where it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from retrievers.rerankers import Reranker
from rlm_search.run import Run
from rlm_search.tools.corpus import CorpusTools
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
)
"""Other names of what the prompt tells already, for models that know these."""


def offered(
    run: Run,
    delegate: DelegateTools,
    *,
    rerankers: Mapping[str, Reranker] | None = None,
    doc_tools: DocumentPolicy | None = None,
) -> Mapping[str, Callable[..., Any]]:
    """The functions of a run by name, in the order in which the prompt lists them.

    Args:
        run: what they belong to.
        delegate: the functions that ask other models, which ranking and mapping use, too.
        rerankers: what `rerank=` may name beside the sub-model's.
        doc_tools: offer pyrlm-runtime's document tools, within this policy.
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
    return {function.__name__: function for function in functions}
