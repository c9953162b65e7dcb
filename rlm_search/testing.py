"""Small real parts for tests of what is built on this package: a sandbox in this process, a retriever in memory."""

from __future__ import annotations

import io
import json
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from retrievers.errors import DocumentNotFound, FilterError
from retrievers.protocols import FilterLike
from retrievers.types import Hit, RetrievedDocument, pages_of
from rlm_search.errors import ToldToModel
from rlm_search.models.cassette import Cassette, Departure
from rlm_search.sandbox.functions import HostFunction
from rlm_search.sandbox.guest import revive, short
from rlm_search.sandbox.mapping import taking_functions
from rlm_search.sandbox.plain import NotPlain, plain
from rlm_search.types import Execution

__all__ = ["Cassette", "Departure", "InProcessSandbox", "MemoryRetriever"]


class InProcessSandbox:
    """Runs code in this very process, with all that this means: for scripts of one's own in tests, never for a model's.

    It starts in no time and behaves as the confined one does: plain data both ways, a host function's exception
    raised once the cell has ended. Time-outs are not enforced.
    """

    def __init__(self) -> None:
        self.closed = False
        self._namespace: dict[str, Any] = {}
        self._given: set[str] = set()
        self._stubs: dict[str, Callable[..., Any]] = {}
        self._stop: Exception | None = None

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin a session."""
        self._namespace = {"__name__": "__main__", "json": json, "re": re, **_revived(dict(variables or {}))}
        for name, function in functions.items():
            self._stubs[name] = self._stub(HostFunction.of(name, function))
            self._namespace[name] = taking_functions(
                name, lambda name, args, kwargs: self._stubs[name](*args, **kwargs)
            )
        self._given = set(self._namespace)

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run one cell; `timeout` is not enforced."""
        self._stop, out, started, error = None, io.StringIO(), time.monotonic(), ""
        self._namespace["print"] = lambda *values, **options: print(*values, **{**options, "file": out})  # noqa: T201
        try:
            exec(compile(code, "<cell>", "exec"), self._namespace)  # noqa: S102  # what this class is for
        except Exception as raised:  # noqa: BLE001  # told to the model: whatever its code raises
            error = "".join(traceback.format_exception_only(raised)).strip()
        if self._stop is not None:
            raise self._stop
        text = out.getvalue()
        return Execution(
            stdout=text,
            stdout_length=len(text),
            error=error,
            seconds=time.monotonic() - started,
            ended="raised" if error else "ok",
        )

    def get(self, name: str) -> Any:
        """A variable as plain data; KeyError if there is none, ValueError if it is not plain data."""
        try:
            return plain(self._namespace[name])
        except NotPlain as error:
            raise ValueError(str(error)) from None

    def set(self, name: str, value: Any) -> None:
        """Bind a variable."""
        self._namespace[name] = _revived(value)

    def variables(self) -> dict[str, str]:
        """The names that were assigned, each with its type and value."""
        own = {name: value for name, value in self._namespace.items() if name not in {*self._given, "print"}}
        return {name: f"{type(v).__name__}: {short(v, 60)}" for name, v in own.items() if not name.startswith("_")}

    def close(self) -> None:
        """End the session."""
        self.closed = True

    def _stub(self, function: HostFunction) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                result = function.invoke(plain(list(args), whole=False), plain(kwargs, whole=False))
            except ToldToModel:
                raise
            except Exception as error:
                self._stop = error
                raise
            return _revived(result)

        return call


def _revived(value: Any) -> Any:
    return json.loads(json.dumps(value), object_hook=revive)


class MemoryRetriever:
    """The four methods over a few documents held in memory: pages are separated by form feeds, hits are sentences.

    Args:
        documents: text by id.
        metadata: metadata by id, which filters of equality compare with.
    """

    def __init__(self, documents: Mapping[str, str], metadata: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._documents = dict(documents)
        self._metadata = dict(metadata or {})

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """Sentences by the share of the query's words that they hold."""
        wanted = set(_words(query))
        passing = [doc_id for doc_id in self._documents if self._passes(doc_id, filters)]
        hits = [hit for doc_id in passing for hit in self._hits(doc_id, wanted)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.doc_id, hit.start))[:top_k]

    vector_search = search
    hybrid_search = search

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document."""
        if doc_id not in self._documents:
            raise DocumentNotFound(f"no document {doc_id!r}")
        text = self._documents[doc_id]
        return RetrievedDocument(
            doc_id=doc_id,
            content=text,
            title=doc_id.replace("-", " ").capitalize(),
            source=f"{doc_id}.txt",
            pages=_pages(text),
            metadata=self._metadata.get(doc_id, {}),
        )

    def _hits(self, doc_id: str, wanted: set[str]) -> Iterator[Hit]:
        document = self.get(doc_id)
        for match in re.finditer(r"[^.\f]+\.?", document.content):
            shared = wanted & set(_words(match.group()))
            if shared:
                yield Hit(
                    doc_id=doc_id,
                    chunk_id=f"{doc_id}#c{match.start()}",
                    preview=" ".join(match.group().split()),
                    score=len(shared) / len(wanted),
                    start=match.start(),
                    end=match.end(),
                    pages=pages_of(document.pages, match.start(), match.end()),
                    title=document.title,
                    source=document.source,
                    metadata=document.metadata,
                )

    def _passes(self, doc_id: str, filters: FilterLike) -> bool:
        if filters is None:
            return True
        metadata = self._metadata.get(doc_id, {})
        known = {key for fields in self._metadata.values() for key in fields}
        wanted: Mapping[str, Any] = filters if isinstance(filters, Mapping) else {}
        if unknown := [key for key in wanted if key not in known]:
            raise FilterError(f"unknown field {unknown[0]!r}", hint=f"there are: {', '.join(sorted(known))}")
        return all(metadata.get(key) == value for key, value in wanted.items())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _pages(text: str) -> tuple[int, ...]:
    if "\f" not in text:
        return ()
    starts = [0]
    with suppress(ValueError):
        while True:
            starts.append(text.index("\f", starts[-1]) + 1)
    return tuple(starts)
