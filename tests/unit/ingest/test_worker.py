"""A worker hands documents over in portions and says why a file cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.errors import EmbedError, ParseError, UnsupportedFormat
from ingest.types import Limits, Warned
from ingest.wire import Piece
from ingest.worker import cpu_limit, failure, pieces
from retrievers.types import Document, IndexedDocument


def documents(count: int, characters: int) -> Iterator[tuple[IndexedDocument, tuple[Warned, ...]]]:
    for number in range(count):
        text = "x" * characters
        document = Document(id=str(number), source="", title="", text=text, media_type="", content_hash="")
        yield IndexedDocument(document=document, chunks=()), (Warned(source="", kind="empty"),)


@pytest.mark.parametrize(
    ("count", "characters", "sizes"),
    [
        (0, 0, [0]),
        (3, 10, [3]),
        (256, 1, [256, 0]),
        (600, 1, [256, 256, 88]),
        (5, 1_000_000, [2, 2, 1]),
        (1, 9_000_000, [1, 0]),
    ],
)
def test_documents_are_handed_over_in_portions_of_bounded_size(count: int, characters: int, sizes: list[int]) -> None:
    found = [piece for piece in pieces(documents(count, characters)) if isinstance(piece, Piece)]
    assert [len(piece.documents) for piece in found] == sizes
    assert [len(piece.warnings) for piece in found] == sizes
    assert [piece.last for piece in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ParseError("x", kind="encrypted"), "encrypted"),
        (ParseError("x"), "broken"),
        (UnsupportedFormat("x"), "unsupported"),
        (MemoryError(), "memory"),
        (RecursionError("deep"), "broken"),
        (FileNotFoundError(2, "gone"), "vanished"),
        (NotADirectoryError(20, "gone"), "vanished"),
        (PermissionError(13, "no"), "unreadable"),
        (OSError(5, "input/output error"), "unreadable"),
        (OSError("of a library's own"), "broken"),
        (KeyError("x"), "broken"),
    ],
)
def test_each_error_has_its_kind(error: Exception, kind: str) -> None:
    failed = failure(error, 1.5)
    assert (failed.kind, failed.stage, failed.seconds) == (kind, "parse", 1.5)
    assert failed.message


def test_what_the_error_knows_is_kept() -> None:
    failed = failure(EmbedError("the service is away", hint="start it"), 0.0)
    assert (failed.message, failed.hint, failed.transient) == ("the service is away", "start it", True)
    assert failure(PermissionError(13, "no"), 0.0).hint == "check its permissions"


def test_a_larger_file_may_cost_more() -> None:
    def of(size: int) -> float:
        return cpu_limit(size, Limits(cpu_seconds=10, cpu_seconds_per_megabyte=4))

    assert (of(0), of(5_000_000)) == (10, 30)
