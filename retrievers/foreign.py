"""The border of a retriever of one's own: whatever it raises becomes an error of ours, without its message."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrievers.errors import DocumentNotFound, RetrieverError, RetrieverFailed

_OURS = ("retrievers.", "rlm_search.", "ingest.")


@contextmanager
def guarded(retriever: object, *, doc_id: str = "") -> Iterator[None]:
    """Let errors of ours pass, and make `RetrieverFailed` of others, where the retriever is not one of ours.

    Args:
        retriever: what is called: an instance, or the class or factory that makes it.
        doc_id: which document `get` is asked for; then a `KeyError` says that there is none.

    Raises:
        DocumentNotFound: the retriever does not have the document.
        RetrieverFailed: it raised something else; the message names the class, the hint the line.
    """
    try:
        yield
    except RetrieverError:
        raise
    except Exception as error:
        if _place(retriever)[0].startswith(_OURS):
            raise  # a fault of ours
        if doc_id and isinstance(error, KeyError):
            raise DocumentNotFound(f"no document `{doc_id}`") from error
        kind = type(error).__name__
        raise RetrieverFailed(
            f"the retriever {':'.join(_place(retriever))} failed: {kind}", hint=_line(error, retriever), kind=kind
        ) from error


def _place(retriever: object) -> tuple[str, str]:
    found = retriever if hasattr(retriever, "__qualname__") else type(retriever)
    return getattr(found, "__module__", ""), getattr(found, "__qualname__", "")


def _line(error: Exception, retriever: object) -> str:
    """Where it was raised: the innermost line of the retriever's own module, else of anything."""
    frames = traceback.extract_tb(error.__traceback__)
    module = _place(retriever)[0].rpartition(".")[2]
    own = [frame for frame in frames if Path(frame.filename).stem == module] or list(frames)
    return f"raised at {Path(own[-1].filename).name}:{own[-1].lineno}, in {own[-1].name}" if own else ""
