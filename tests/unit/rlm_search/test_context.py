"""Text that is given to a run: how callers give it, what the model has of it, and what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_search import ConfigError, Context
from rlm_search.prompts import given

Tell = Callable[..., Any]

TEXT = "alpha beta gamma. " * 40 + "The key term is: oolong. " + "delta. " * 40


# --- the value -------------------------------------------------------------------------------------------------------


def test_one_text_is_one_document() -> None:
    context = Context.from_text(TEXT)
    assert (context.len_chars(), context.num_documents(), context.get_document(0)) == (len(TEXT), 1, TEXT)
    assert context.get_document(1) is None
    assert context.metadata() == {"context_type": "string", "total_length": len(TEXT), "num_documents": 1}


def test_documents_are_joined_and_kept_apart() -> None:
    context = Context.from_documents(["a", "bb", "ccc"], separator="|")
    assert context.text == "a|bb|ccc"
    assert context.document_lengths() == [1, 2, 3]
    assert context.chunk_documents(2) == [(0, 2, ["a", "bb"]), (2, 3, ["ccc"])]
    assert context.metadata()["document_lengths"] == [1, 2, 3]


def test_finding_by_text_and_by_pattern() -> None:
    context = Context.from_text(TEXT)
    start, end, found = context.find("Key Term", case_sensitive=False)[0]
    assert (found, TEXT[start:end]) == ("key term", "key term")
    assert len(context.find("beta", max_matches=3)) == 3
    assert context.find(r"is: (\w+)", regex=True)[0][2] == "is: oolong"
    assert context.find("a.p", max_matches=1) == []
    assert context.find("") == []
    assert context.extract_after("key term is:") == "oolong"
    assert context.extract_after("nowhere") is None


def test_chunks_cover_the_text_and_overlap() -> None:
    context = Context.from_text(TEXT)
    chunks = context.chunk(100, overlap=10)
    assert all(TEXT[start:end] == piece for start, end, piece in chunks)
    assert [start for start, _, _ in chunks[1:]] == [end - 10 for _, end, _ in chunks[:-1]]
    assert chunks[-1][1] == len(TEXT)
    with pytest.raises(ValueError, match="overlap"):
        context.chunk(10, overlap=10)


def test_pages_stand_between_markers() -> None:
    context = Context.from_text("<!-- Page 1 -->one<!-- Page 2 -->two")
    assert (context.page(1), context.page(2), context.page(3)) == ("one", "two", None)


@pytest.mark.parametrize(
    ("what", "text", "names"),
    [
        ("text", "text", ()),
        (["a", "b"], "a\n\n---\n\nb", ()),
        ({"x.txt": "a", "y.txt": "b"}, "a\n\n---\n\nb", ("x.txt", "y.txt")),
        ({"n": [1, 2]}, '{\n "n": [\n  1,\n  2\n ]\n}', ()),
    ],
)
def test_callers_give_what_they_have(what: Any, text: str, names: tuple[str, ...]) -> None:
    context = Context.of(what)
    assert (context.text, context.names) == (text, names)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be a context"):
        Context.of(object())


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_read_when_they_are_needed_and_once(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    context = Context.from_paths(tmp_path)
    (tmp_path / "a.txt").unlink()
    assert context.get_document(1) == "b.txt"
    with pytest.raises(ConfigError, match=r"a\.txt cannot be read"):
        context.get_document(0)
    (tmp_path / "b.txt").write_text("changed", encoding="utf-8")
    assert context.get_document(1) == "b.txt"


def test_folders_patterns_and_encodings(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "c.md").write_text("hidden", encoding="utf-8")
    (tmp_path / "sub" / "a.md").write_bytes("Müller geht über die Straße nach Köln.".encode("cp1252"))
    (tmp_path / "b.txt").write_text("other", encoding="utf-8")
    context = Context.from_paths(tmp_path, pattern="**/*.md")
    assert list(context.files) == [str(tmp_path / "sub" / "a.md")]
    assert "über die Straße" in context.text


def test_what_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        Context.from_paths(tmp_path / "none")
    with pytest.raises(ConfigError, match="no file to work on"):
        Context.from_paths(tmp_path)
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.7\0\0")
    with pytest.raises(ConfigError, match="no text file"):
        Context.from_paths(tmp_path / "x.pdf").get_document(0)


def test_more_than_fits_in_memory_is_for_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_search.context.MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="at most 10"):
        Context.from_text("é" * 6).sent()


# --- in a run --------------------------------------------------------------------------------------------------------


def test_the_model_has_the_text_under_every_name_and_is_not_shown_it(tell: Tell) -> None:
    told = tell(
        "\nassert P == CONTEXT == context == ctx.text\nassert lenP() == len(P)\nprint(peek(5), '|', tail(7), FILES)",
        "\nFINAL(extract_after('key term is:'))",
        retriever=None, context=TEXT,
    )  # fmt: skip
    assert told.answer.text == "oolong"
    assert "alpha | delta.  {}" in told.shown
    system = told.model.asked[0].messages[0].content
    assert "oolong" not in system
    assert f"{len(TEXT):,} characters" in system


def test_files_and_documents_are_told_by_name_and_length(tell: Tell) -> None:
    told = tell("\nFINAL(FILES['b.txt'] + ctx.get_document(0))", retriever=None, context={"a.txt": "1", "b.txt": "2"})
    assert told.answer.text == "21"
    assert "- b.txt: 1" in told.model.asked[0].messages[0].content


def test_many_files_are_told_in_few_lines() -> None:
    told = given(Context.from_documents({f"file {n}\nFINAL": "x" for n in range(1_000)}))
    assert "980 more" in told
    assert len(told) < 3_000
    assert "\nFINAL" not in told


def test_text_and_index_together(tell: Tell) -> None:
    told = tell("\nhits = es_search('wind knots limit')\nFINAL(hits[0].doc_id + P)", context="!")
    assert told.answer.status == "answered"
    assert told.answer.text.endswith("!")


def test_a_sub_run_works_on_the_same_text_or_on_its_own(tell: Tell) -> None:
    told = tell("\nFINAL(rlm_query('same?') + rlm_query('own?', context='other'))",
                "\nFINAL(P)", "\nFINAL(P)", retriever=None, context="text-")  # fmt: skip
    assert told.answer.text == "text-other"


def test_a_large_context_costs_nothing_each_step(tell: Tell) -> None:
    began = time.process_time()
    tell(*["\nx = globals().get('x', 0) + 1"] * 30, "\nFINAL('done')", retriever=None, context="x" * 30_000_000)
    assert time.process_time() - began < 3


# --- cells that print nothing ----------------------------------------------------------------------------------------


def test_a_silent_cell_is_answered_with_what_it_assigned(tell: Tell) -> None:
    told = tell("\nfirst = 1", "\nsecond = [1, 2]", "\nfirst = 3", "\nFINAL('x')", retriever=None)
    shown = [m.content for m in told.model.asked[-1].messages[2:] if m.role == "user"]
    assert "first: int: 1" in shown[0]
    assert "second" in shown[1]
    assert "first" not in shown[1]
    assert "first: int: 3" in shown[2]


def test_a_silent_cell_is_not_credited_with_what_cells_before_it_assigned(tell: Tell) -> None:
    told = tell("\nnoisy = 1\nprint(noisy)", "\nbroken = 1\n1/0", "\nsilent = 2", "\nFINAL('x')", retriever=None)
    shown = [m.content for m in told.model.asked[-1].messages[2:] if m.role == "user"]
    assert "silent: int: 2" in shown[2]
    assert "noisy" not in shown[2]
    assert "broken" not in shown[2]
