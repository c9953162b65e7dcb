"""`rlm-search ask`, with a sandbox that starts no process."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.servers.openai_server import BROKEN, TOO_LONG, WEB_PAGE, OpenAIServer, Raw, Say, error
from tests.unit.rlm_search.cli.conftest import Command, Ended, InProcess

KEY = "sk-this-must-never-be-seen"
QUESTION = "What was capital expenditure?"
FOUND = """```python
hits = es_search("capital expenditure turbines")
marker = cite(hits["items"][0], "came to 35 million")
FINAL(f"35 million {marker}")
```"""
UNCITED = """```python
es_search("capital expenditure")
FINAL("35 million, trust me")
```"""
NOT_FOUND = """```python
es_search("penguins")
FINAL("Nothing about penguins.", found=False)
```"""
AGAIN = """```python
es_search("and again")
```"""


@pytest.fixture(autouse=True)
def without_a_process(world: None, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text(
        f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n[model]\nretry_seconds = 0\n', encoding="utf-8"
    )


Scripted: TypeAlias = Callable[..., Ended]


@pytest.fixture
def scripted(command: Command, tmp_path: Path) -> Scripted:
    """Ask with a model that gives these replies."""

    def call(*words: object, replies: list[str], **options: object) -> Ended:
        script = tmp_path / "script.json"
        script.write_text(json.dumps(replies), encoding="utf-8")
        return command("ask", QUESTION, "--model", f"scripted:{script}", *words, **options)

    return call


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def test_the_answer_is_on_stdout_with_what_each_marker_stands_for(scripted: Scripted) -> None:
    ended = scripted(replies=[FOUND])

    assert ended.code == 0
    assert ended.out == (
        "35 million [1]\n\n[1] Northwind annual report, p. 3  archive/northwind.txt\n    “came to 35 million”\n"
    )


def test_what_it_took_is_on_stderr(scripted: Scripted) -> None:
    ended = scripted(replies=[FOUND])

    assert ended.err.startswith("1 step · 1 search · ")
    assert "run: " in ended.err


def test_quiet_says_nothing_beside_the_answer(scripted: Scripted) -> None:
    assert scripted("--quiet", replies=[FOUND]).err == ""


def test_verbose_says_each_step(scripted: Scripted) -> None:
    ended = scripted("-v", replies=[FOUND])

    assert "es_search “capital expenditure turbines”: " in ended.err
    assert "cited [1] northwind" in ended.err
    assert "finished: answered" in ended.err


def test_programs_get_the_answer_as_one_object(scripted: Scripted) -> None:
    answer = json.loads(scripted("--json", replies=[FOUND]).out)

    assert (answer["question"], answer["text"], answer["status"]) == (QUESTION, "35 million [1]", "answered")
    [citation] = answer["citations"]
    assert (citation["doc_id"], citation["pages"], citation["quote"]) == ("northwind", [3], "came to 35 million")
    assert citation["end"] - citation["start"] == len(citation["quote"])
    assert answer["usage"]["root"]["calls"] == 1
    assert answer["searches"][0]["query"] == "capital expenditure turbines"
    assert answer["model"].startswith("scripted:")
    assert Path(answer["trace"]).exists()


def test_what_the_corpus_does_not_hold_is_an_exit_code(scripted: Scripted) -> None:
    ended = scripted(replies=[NOT_FOUND])

    assert ended.code == 3
    assert "not found" in ended.err


def test_a_spent_limit_is_an_exit_code_with_its_reason(scripted: Scripted) -> None:
    ended = scripted("--max-steps", 2, replies=[AGAIN, AGAIN, FOUND])

    assert ended.code == 7
    assert "out of budget: the limit `steps` is spent" in ended.err


@pytest.mark.parametrize("option", ["--max-searches", "--max-tokens"])
def test_each_limit_can_be_given(scripted: Scripted, option: str) -> None:
    ended = scripted(option, 60 if option == "--max-tokens" else 1, replies=[AGAIN, AGAIN, AGAIN])

    assert ended.code == 7
    assert "is spent" in ended.err


def test_an_answer_without_citations_fails_where_they_are_required(scripted: Scripted) -> None:
    assert scripted(replies=[UNCITED]).code == 0
    ended = scripted("--require-citations", replies=[UNCITED] * 4)

    assert (ended.code, ended.out) == (8, "")
    assert "citations are required" in ended.err


def test_the_settings_can_require_citations(scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "rlm-search.toml"
    path.write_text(path.read_text(encoding="utf-8") + "[ask]\nrequire_citations = true\n", encoding="utf-8")

    assert scripted(replies=[UNCITED] * 4).code == 8


def test_not_found_needs_no_citation(scripted: Scripted) -> None:
    assert scripted("--require-citations", replies=[NOT_FOUND]).code == 3


def test_what_was_searched_for_in_vain_is_listed(scripted: Scripted) -> None:
    ended = scripted(replies=[NOT_FOUND])

    assert ended.out == "Nothing about penguins.\n\nSearched:\n  es_search “penguins”: 0 hits\n"


def test_sentences_without_a_citation_are_marked_where_they_are_required(scripted: Scripted) -> None:
    some = FOUND.replace("35 million {marker}", "35 million {marker}. Nobody was paid twice.")

    assert "twice. [no citation]\n" in scripted("--require-citations", replies=[some]).out
    assert "no citation" not in scripted(replies=[some]).out


def test_claims_are_checked_against_their_quotes_when_asked_to(scripted: Scripted, tmp_path: Path) -> None:
    verifier = tmp_path / "verifier.json"
    verifier.write_text(json.dumps(["UNSUPPORTED: of which year"]), encoding="utf-8")
    ended = scripted("--verify", "--sub-model", f"scripted:{verifier}", "-v", replies=[FOUND])

    assert ended.code == 0
    assert ended.out.startswith("35 million [1] [not supported: of which year]\n")
    assert "unsupported, of which year: “35 million [1]”" in ended.err


def test_checking_claims_needs_a_language_model(command: Command) -> None:
    ended = command("ask", QUESTION, "--verify", "--model", "extractive")

    assert ended.code == 5
    assert "needs a language model" in ended.err


def test_an_answer_can_be_a_page_or_markdown(scripted: Scripted) -> None:
    page = scripted("--format", "html", replies=[FOUND])
    markdown = scripted("--format", "markdown", replies=[FOUND])

    assert page.out.startswith("<!doctype html>")
    assert "<blockquote>came to 35 million</blockquote>" in page.out
    assert markdown.out == (
        f"# {QUESTION}\n\n35 million [^1]\n\n"
        "[^1]: **Northwind annual report, p. 3** archive/northwind.txt “came to 35 million”\n"
    )
    assert json.loads(scripted("--format", "json", replies=[FOUND]).out)["text"] == "35 million [1]"


def test_two_formats_at_once_are_refused(scripted: Scripted) -> None:
    assert scripted("--json", "--format", "html", replies=[FOUND]).code == 2


def test_a_run_that_goes_nowhere_has_failed(scripted: Scripted) -> None:
    ended = scripted(replies=["I do not know."] * 9)

    assert (ended.code, ended.out) == (1, "")
    assert "failed: the model gave" in ended.err


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_run_is_recorded_beside_the_index_and_can_be_told_again(
    scripted: Scripted, command: Command, built_index: Path
) -> None:
    answer = json.loads(scripted("--json", replies=[FOUND]).out)
    trace = Path(answer["trace"])
    told = command("replay", trace, index=None)

    assert trace.parent == built_index.parent / "runs"
    assert trace.name == f"{answer['run_id']}.jsonl"
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert told.code == 0
    assert "es_search “capital expenditure turbines”" in told.out
    assert told.out.rstrip().endswith("“came to 35 million”")


def test_a_run_is_recorded_where_one_says(scripted: Scripted, command: Command, run_file: Path) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    told = json.loads(command("replay", run_file, "--json", index=None).out)

    assert told["question"] == QUESTION
    assert told["answer"]["text"] == "35 million [1]"
    assert told["events"][0]["type"] == "run_started"


def test_the_settings_choose_another_folder_or_none(scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "rlm-search.toml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + '[ask]\nruns = "kept"\n', encoding="utf-8")
    scripted(replies=[FOUND])
    path.write_text(before + '[ask]\nruns = "none"\n', encoding="utf-8")
    second = json.loads(scripted("--json", replies=[FOUND]).out)

    assert len(list((tmp_path / "kept").glob("*.jsonl"))) == 1
    assert second["trace"] == ""


def test_a_folder_that_cannot_be_written_costs_only_the_record(scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "rlm-search.toml"
    path.write_text(path.read_text(encoding="utf-8") + '[ask]\nruns = "/dev/null/runs"\n', encoding="utf-8")

    ended = scripted(replies=[FOUND])

    assert ended.code == 0
    assert "the run is not recorded: cannot write" in ended.err


def test_a_full_disk_is_told_and_the_answer_given(scripted: Scripted) -> None:
    ended = scripted("--trace", "/dev/full", replies=[FOUND])

    assert ended.code == 0
    assert "the record of the run is not complete: No space left" in ended.err


def test_a_trace_that_cannot_be_written_is_told_before_anything_is_asked(scripted: Scripted, tmp_path: Path) -> None:
    ended = scripted("--trace", tmp_path / "script.json" / "run.jsonl", replies=[FOUND])

    assert (ended.code, ended.out) == (5, "")


def test_a_run_that_was_cut_off_is_told_as_far_as_it_went(scripted: Scripted, command: Command, run_file: Path) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    lines = run_file.read_bytes().splitlines(keepends=True)
    run_file.write_bytes(b"".join(lines[:3]) + lines[3][:10])

    told = command("replay", run_file, index=None)

    assert told.code == 0
    assert "cut off before it came to an answer" in told.err


# --- which model ------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Ask with a model that a local server plays."""

    def call(*words: object, server: OpenAIServer, key: str = KEY) -> Ended:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        ended = command("ask", QUESTION, *words)
        assert KEY not in ended.out + ended.err
        return ended

    return call


def test_a_model_that_a_server_plays_answers(served: Callable[..., Ended], run_file: Path) -> None:
    with OpenAIServer([Say(text=FOUND)], key=KEY, models=["m"]) as server:
        ended = served("--trace", run_file, server=server)

    assert ended.out.startswith("35 million [1]\n")
    assert "using openai:m (found by OPENAI_API_KEY)" in ended.err
    assert QUESTION in str(server.completions[0]["messages"])
    assert KEY.encode() not in run_file.read_bytes()


def test_a_provider_on_another_machine_is_named_before_anything_is_sent(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://model.invalid/v1")

    ended = command("ask", QUESTION, "--model", "openai:m", "--quiet")

    assert ended.err.splitlines()[0] == (
        "asking OpenAI at model.invalid: the question and passages of your documents go there"
    )
    assert ended.code == 6
    assert "cannot reach OpenAI at model.invalid" in ended.err


@pytest.mark.parametrize(
    ("play", "code", "told"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), 5, "refused the key in OPENAI_API_KEY"),
        (error(404, "The model `m` does not exist", code="model_not_found"), 5, "has no model 'm'"),
        (TOO_LONG, 1, "the prompt is longer than"),
        (BROKEN, 6, "cannot answer now: status 500"),
        (WEB_PAGE, 6, "sent a web page"),
        (Raw(body="{"), 6, "sent broken JSON"),
    ],
)
def test_what_is_wrong_with_a_model_is_one_line_and_an_exit_code(
    served: Callable[..., Ended], play: Raw, code: int, told: str
) -> None:
    with OpenAIServer(lambda _: play, models=["m"]) as server:
        ended = served("--quiet", "--model", "openai:m", server=server)

    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err
    assert len(ended.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("openay:gpt", "did you mean `openai`"),
        ("openai", "OPENAI_API_KEY"),
        ("scripted:none.txt", "cannot read the script"),
        ("none.such:Model", "no module named none"),
    ],
)
def test_a_model_that_cannot_be_opened_is_told(command: Command, spec: str, told: str) -> None:
    ended = command("ask", QUESTION, "--model", spec)

    assert (ended.code, ended.out) == (5, "")
    assert told in ended.err


def test_an_index_that_is_not_there_is_told_before_any_model_is_looked_for(command: Command, tmp_path: Path) -> None:
    ended = command("ask", QUESTION, "--model", "openay:x", index=tmp_path / "none")

    assert ended.code == 5
    assert "there is no index" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["ask", "  "], "the question is empty"), (["ask", "x", "--max-steps", "-1"], "not in the range")],
)
def test_a_question_that_cannot_be_asked_is_a_mistake_of_usage(command: Command, words: list[str], told: str) -> None:
    ended = command(*words)

    assert ended.code == 2
    assert told in ended.err


def test_a_file_that_is_no_run_is_told(command: Command, tmp_path: Path) -> None:
    assert command("replay", tmp_path / "none.jsonl", index=None).code == 5
    assert "is no recorded run" in command("replay", tmp_path / "rlm-search.toml", index=None).err


def test_flags_limit_tiers_and_choose_models_and_history(scripted: Scripted, run_file: Path) -> None:
    ended = scripted(
        "--max-root-tokens", 70_000, "--max-sub-tokens", 5_000, "--max-depth", 0, "--max-cost", 0.5,
        "--history", "trim", "--deeper-model", "extractive", "--native-tools", "--yes",
        "--trace", run_file, replies=[FOUND],
    )  # fmt: skip

    assert ended.code == 0
    limits = json.loads(run_file.read_text().splitlines()[0])["limits"]
    assert {name: limits[name] for name in ("root_tokens", "sub_tokens", "depth", "cost_usd")} == {
        "root_tokens": 70_000, "sub_tokens": 5_000, "depth": 0, "cost_usd": 0.5,
    }  # fmt: skip


def test_a_limit_that_stands_with_a_model_is_sent_to_its_place(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text("[model]\nmax_root_tokens = 500_000\n", encoding="utf-8")
    ended = scripted(replies=[FOUND])

    assert ended.code == 5
    assert "model.max_root_tokens" in ended.err
    assert "`root_tokens` into [limits]" in ended.err


def test_a_limit_of_tokens_that_no_call_fits_into_is_refused(scripted: Scripted) -> None:
    ended = scripted("--max-sub-tokens", 49, replies=[FOUND])

    assert ended.code == 5
    assert "at least 50" in ended.err


# --- text that is given, typed answers -------------------------------------------------------------------------------


def test_files_are_worked_on_without_an_index(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("line one\nkey: oolong", encoding="utf-8")
    (tmp_path / "logs" / "b.txt").write_text("not this", encoding="utf-8")
    reply = "```python\nFINAL(extract_after('key:') + str(len(FILES)) + str('es_search' in globals()))\n```"
    ended = scripted("--context-dir", tmp_path / "logs", "--context-glob", "*.log", replies=[reply], index=None)
    assert (ended.code, ended.out.strip()) == (0, "oolong1False")


def test_files_and_the_index_that_is_named(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("of turbines", encoding="utf-8")
    reply = "```python\nhits = es_search('capital expenditure ' + P)\nFINAL(hits['items'][0]['doc_id'])\n```"
    ended = scripted("--context-file", tmp_path / "a.txt", replies=[reply])
    assert ended.code == 0


def test_the_reader_that_quotes_has_nothing_to_do_with_given_text(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    ended = command("ask", QUESTION, "--model", "extractive", "--context-file", tmp_path / "a.txt", index=None)
    assert ended.code == 5
    assert "needs a language model" in ended.err


def test_an_answer_can_have_to_fit_a_schema(scripted: Scripted, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "required": ["millions"]}', encoding="utf-8")
    reply = "```python\nes_search('capital')\nFINAL({})\n```", "```python\nFINAL({'millions': 35})\n```"
    ended = scripted("--answer-schema", schema, "--json", replies=[*reply])
    assert json.loads(ended.out)["value"] == {"millions": 35}


@pytest.mark.parametrize("text", ["no json", "[1]", '{"type": "nonsense"}'])
def test_a_schema_that_is_none_is_one_line(scripted: Scripted, tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text, encoding="utf-8")
    ended = scripted("--answer-schema", tmp_path / "schema.json", replies=[])
    assert ended.code == 5
    assert "schema" in ended.err
    assert "Traceback" not in ended.err
