"""`rlm-search search`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.rlm_search.cli.conftest import Command


class Foreign:
    """A retriever as somebody else wrote it: four methods that return dicts."""

    def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[dict[str, Any]]:
        return [{"doc_id": "theirs", "preview": f"about {query}\x1b[2J", "score": 1, "metadata": {"seen": filters}}]

    vector_search = hybrid_search = search

    def get(self, doc_id: str) -> dict[str, Any]:
        return {"doc_id": doc_id, "content": "their text", "metadata": {}}


FOREIGN = f"{__name__}:Foreign"


def test_people_see_rank_title_page_score_source_and_passage(command: Command) -> None:
    ended = command("search", "capital expenditure turbines", "-k", 1)

    first, second, passage, *_ = ended.out.splitlines()
    assert first.startswith(" 1. Northwind annual report, p. 3  ")
    assert second.strip() == "northwind  archive/northwind.txt"
    assert "Capital expenditure for wind turbines" in passage
    assert (ended.code, ended.err) == (0, "")


def test_programs_get_every_field_of_a_hit_and_what_was_asked(command: Command) -> None:
    ended = command("search", "capital expenditure", "--json", "--filter", "year>=2019", "--mode", "lexical")

    found = json.loads(ended.out)
    assert (found["query"], found["mode"], found["filters"]) == (
        "capital expenditure", "lexical", {"year": {"gte": 2019}}
    )  # fmt: skip
    hit = found["hits"][0]
    assert (hit["rank"], hit["doc_id"], hit["pages"], hit["source"]) == (1, "northwind", [3], "archive/northwind.txt")
    assert hit["metadata"]["year"] == 2021
    assert {"chunk_id", "preview", "score", "start", "end", "title"} <= set(hit)


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic"])
def test_each_mode_finds_something(command: Command, mode: str) -> None:
    found = json.loads(command("search", "wind turbines", "--mode", mode, "--json").out)

    assert found["hits"][0]["doc_id"] == "northwind"


def test_conditions_must_all_hold(command: Command) -> None:
    ended = command("search", "report", "--filter", "year=2021", "--filter", "company!=Northwind", "--json")

    assert all(h["metadata"]["company"] != "Northwind" for h in json.loads(ended.out)["hits"])


def test_the_settings_choose_mode_and_number(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text('[search]\nmode = "lexical"\ntop_k = 1\n', encoding="utf-8")

    found = json.loads(command("search", "report", "--json").out)

    assert (found["mode"], len(found["hits"])) == ("lexical", 1)


def test_nothing_found_is_an_exit_code_and_no_result(command: Command) -> None:
    ended = command("search", "zzyzx", "--mode", "lexical")

    assert (ended.code, ended.out) == (3, "")
    assert "nothing in the index matches 'zzyzx'" in ended.err
    assert json.loads(command("search", "zzyzx", "--mode", "lexical", "--json").out)["hits"] == []


def test_a_retriever_of_ones_own_that_returns_dicts_is_searched(command: Command) -> None:
    people = command("search", "money", index=FOREIGN)
    programs = command("search", "money", "--filter", "year=2019", "--json", index=FOREIGN)

    assert "theirs" in people.out
    assert "\x1b" not in people.out
    assert json.loads(programs.out)["hits"][0]["metadata"] == {"seen": {"year": 2019}}


@pytest.mark.parametrize("query", ['"unbalanced', "a AND (", "c++ *?~^", "año: [x TO", "-", "'"])
def test_a_query_never_fails_on_punctuation(command: Command, query: str) -> None:
    assert command("search", "--", query).code in (0, 3)


# --- what can be wrong ------------------------------------------------------------------------------------------------


def test_an_index_that_is_not_there_is_told_with_the_way_to_make_one(command: Command, tmp_path: Path) -> None:
    ended = command("search", "x", index=tmp_path / "none")

    assert ended.code == 5
    assert ended.err.startswith("error: there is no index at")
    assert "hint: make one with: ingest" in ended.err


def test_a_folder_that_is_no_index_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")

    ended = command("search", "x", index=tmp_path / "letters")

    assert ended.code == 5
    assert "no index" in ended.err


def test_an_unknown_field_is_told_with_those_there_are(command: Command) -> None:
    ended = command("search", "x", "--filter", "yeer>=2019")

    assert ended.code == 2
    assert "did you mean `year`" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search"], "Missing argument 'QUERY'"),
        (["search", "x", "--mode", "magic"], "'magic' is not one of"),
        (["search", "x", "--top-k", "0"], "0 is not in the range"),
        (["search", "x", "--filter", "year"], "no condition"),
        (["search", "x", "--jsn"], "No such option"),
        (["serch", "x"], "did you mean `search`"),
        (["xyzzy"], "there are ask, chat, search, show, index, doctor, "),
        (["search", "x", "--config", "none.toml"], "does not exist"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_a_hint(command: Command, words: list[str], told: str) -> None:
    ended = command(*words, index=None)

    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    error, hint = ended.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: rlm-search")


def test_a_setting_that_does_not_exist_is_told_with_its_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text("[search]\ntopk = 1\n", encoding="utf-8")

    ended = command("search", "x")

    assert ended.code == 5
    assert "topk" in ended.err


def test_a_mode_in_the_settings_that_does_not_exist_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text('[search]\nmode = "magic"\n', encoding="utf-8")

    assert "there are hybrid, lexical, semantic" in command("search", "x").err


def test_without_words_the_help_is_shown(command: Command) -> None:
    ended = command(index=None)

    assert ended.code == 2
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["search", "--help"], ["ask", "-h"], ["show", "-h"], ["replay", "-h"]]
)
def test_help_shows_examples(command: Command, words: list[str]) -> None:
    ended = command(*words, index=None)

    assert (ended.code, ended.err) == (0, "")
    assert "rlm-search" in ended.out.partition("Example")[2]


def test_the_version_is_shown(command: Command) -> None:
    assert command("--version", index=None).out.startswith("rlm-search 0.")


@pytest.mark.parametrize("name", ["text/*.fast", "text/*.store", "text/meta.json", "index.json", "vectors/*.f16"])
def test_a_damaged_index_is_told(command: Command, built_index: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(built_index, tmp_path / "damaged")
    for file in (tmp_path / "damaged").glob(name):
        os.truncate(file, 5)

    ended = command("search", "wind", index=tmp_path / "damaged")

    assert (ended.code, ended.out) == (5, "")
    assert "rebuild" in ended.err.splitlines()[-1]


def test_an_index_of_a_newer_version_is_told(command: Command, built_index: Path, tmp_path: Path) -> None:
    shutil.copytree(built_index, tmp_path / "newer")
    manifest = tmp_path / "newer" / "index.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}), encoding="utf-8")

    ended = command("search", "wind", index=tmp_path / "newer")

    assert (ended.code, ended.out) == (5, "")
    assert "newer" in ended.err


class Failing:
    """A retriever whose server is away, and who says so with everything that it knows."""

    def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[dict[str, Any]]:
        raise ConnectionError("https://elastic:hunter2@10.0.0.7 says no")

    vector_search = hybrid_search = search

    def get(self, doc_id: str) -> dict[str, Any]:
        if doc_id == "unknown":
            raise KeyError(doc_id)
        raise ConnectionError("https://elastic:hunter2@10.0.0.7 says no")


@pytest.mark.parametrize("words", [("search", "wind"), ("show", "a"), ("ask", "Where is the wind?", "-q")])
def test_a_retriever_of_ones_own_that_fails_is_named_and_its_message_is_not_told(
    command: Command, words: tuple[str, ...]
) -> None:
    ended = command(*words, index=f"{__name__}:Failing")

    assert ended.code == 6
    assert f"error: the retriever {__name__}:Failing failed: ConnectionError\n" in ended.err
    assert "hint: raised at test_search.py:" in ended.err
    assert "hunter2" not in ended.err + ended.out


def test_a_document_that_a_retriever_of_ones_own_does_not_have_is_not_found(command: Command) -> None:
    ended = command("show", "unknown", index=f"{__name__}:Failing")

    assert (ended.code, ended.err) == (3, "error: no document `unknown`\n")
