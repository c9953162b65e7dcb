"""What the model can call in the REPL: every family a file, each offered only where it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlm_search.run import Run
from rlm_search.tools.corpus import CorpusTools
from rlm_search.tools.delegate import DelegateTools
from rlm_search.tools.documents import DocumentTools
from rlm_search.tools.exhaustive import ExhaustiveTools
from rlm_search.tools.finish import FinishTools
from rlm_search.tools.pages import PageTools
from rlm_search.tools.patterns import PatternTools
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
        "es_hybrid_doc_search",
        "es_find_pages_text",
        "es_get_pages",
        "es_get_pages_text",
        "es_get_text",
        "es_list_logical_doc_ids",
    }
)
"""Other names of what the prompt tells already, for models that know these."""


def offered(run: Run, delegate: DelegateTools) -> Mapping[str, Callable[..., Any]]:
    """The functions of a run by name, in the order in which the prompt lists them."""
    functions: list[Callable[..., Any]] = []
    if run.retriever is not None:
        for family in (SearchTools, CorpusTools, DocumentTools, PatternTools, PageTools):
            functions += family(run, run.retriever).functions()
        functions += ExhaustiveTools(run, run.retriever, delegate).functions()
    functions += delegate.functions()
    functions += FinishTools(run).functions()
    return {function.__name__: function for function in functions}
