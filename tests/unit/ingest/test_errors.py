"""Errors travel between processes with all that they know."""

from __future__ import annotations

import pickle

import pytest

from ingest.errors import (
    DocumentFailed,
    EmbedError,
    IngestError,
    JournalError,
    ParseError,
    SourceError,
    UnsupportedFormat,
)


@pytest.mark.parametrize(
    "error",
    [
        SourceError("no such path", hint="check it"),
        JournalError("the journal is locked"),
        UnsupportedFormat("rtf files are not read"),
        ParseError("a password is needed", kind="encrypted", hint="remove it"),
        EmbedError("away"),
    ],
)
def test_an_error_survives_pickling(error: IngestError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.hint, copy.exit_code, copy.transient) == (
        str(error),
        error.hint,
        error.exit_code,
        error.transient,
    )
    assert getattr(copy, "kind", None) == getattr(error, "kind", None)


def test_a_failed_document_has_the_kind_of_its_class_unless_it_is_said() -> None:
    assert (DocumentFailed("x").kind, UnsupportedFormat("x").kind, EmbedError("x").kind) == (
        "broken",
        "unsupported",
        "embed",
    )
    assert ParseError("x", kind="timeout").kind == "timeout"
