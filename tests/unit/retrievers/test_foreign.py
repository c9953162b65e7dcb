"""What a retriever of one's own raises is told without its message, and blamed on nobody else."""

from __future__ import annotations

import pytest

from retrievers.errors import DocumentNotFound, EngineUnavailable, FilterError, RetrieverFailed
from retrievers.foreign import guarded
from retrievers.redaction import redacted
from retrievers.registry import open_retriever


class Own:
    def get(self, doc_id: str) -> str:
        raise ConnectionError("https://elastic:hunter2@10.0.0.7:9200")


class NeedsServer:
    def __init__(self) -> None:
        raise OSError("password=hunter2")


def test_a_foreign_error_names_the_class_and_the_line_and_not_the_message() -> None:
    with pytest.raises(RetrieverFailed) as caught, guarded(Own()):
        Own().get("a")
    assert str(caught.value) == f"the retriever {__name__}:Own failed: ConnectionError"
    assert caught.value.hint.startswith("raised at test_foreign.py:")
    assert caught.value.exit_code == 6
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_missing_key_means_that_there_is_no_such_document_only_where_one_is_asked_for() -> None:
    with pytest.raises(DocumentNotFound, match="no document `a`"), guarded(Own(), doc_id="a"):
        raise KeyError("a")
    with pytest.raises(RetrieverFailed, match="failed: KeyError"), guarded(Own()):
        raise KeyError("hits")


@pytest.mark.parametrize("error", [FilterError("unknown field"), EngineUnavailable("away")])
def test_errors_of_ours_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), guarded(Own()):
        raise error


def test_a_fault_of_ours_stays_one() -> None:
    from rlm_search.testing import MemoryRetriever

    with pytest.raises(ZeroDivisionError), guarded(MemoryRetriever({})):
        raise ZeroDivisionError


def test_a_retriever_that_cannot_be_made_has_failed() -> None:
    with pytest.raises(RetrieverFailed, match="NeedsServer failed: OSError"):
        open_retriever(f"{__name__}:NeedsServer")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@host/x refused", "https://[secret]@host/x refused"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [secret]"),
        ("connect(password='hunter2', user='a')", "connect(password='[secret]', user='a')"),
        ('{"api_key": "abc-123-def"}', '{"api_key": "[secret]"}'),
        ("password: hunter2", "password: [secret]"),
        ("?X-Amz-Signature=0a1b2c&x=1", "?X-Amz-Signature=[secret]&x=1"),
        ("sk-proj-abcdefghijklmnop1234", "[secret]"),
        ("my value is s3cr3t-value.", "my value is [secret]."),
        ("limits.total_tokens: must be a number", "limits.total_tokens: must be a number"),
        ("set OPENAI_API_KEY, or name another", "set OPENAI_API_KEY, or name another"),
        ("wrote 30 tokens = 4 lines", "wrote 30 tokens = 4 lines"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_PASSWORD", "s3cr3t-value")
    assert redacted(text) == shown
