"""The loop, turn by turn: what is run, what is shown, what counts as an answer, and how a run ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from retrievers.errors import EngineUnavailable
from retrievers.types import Hit
from rlm_search import RLM, Completion, ContextTooLong, Limits, Message, ModelRejected, ScriptedModel
from rlm_search.compaction import HistoryPolicy
from rlm_search.testing import InProcessSandbox, MemoryRetriever
from rlm_search.trace.events import (
    CellFinished,
    CellStarted,
    Cited,
    DocumentRead,
    FinishRefused,
    HistoryShortened,
    LimitWarned,
    ModelCalled,
    RunFinished,
    RunStarted,
    Searched,
)

SEARCH = "\nhits = es_search('wind knots limit')"
CITED = "\nm = cite(hits[0], 'allowed above 32 knots')\nFINAL(f'32 knots {m}.')"
FIND = "\nhits = es_search('berthing allowed', filters={'year': 2024})"

Tell = Callable[..., Any]


def test_a_question_is_searched_cited_and_answered(tell: Tell) -> None:
    told = tell(FIND, CITED)
    answer = told.answer
    assert (answer.status, answer.text, answer.steps) == ("answered", "32 knots [1].", 2)
    assert answer.citations[0].doc_id == "rules"
    assert answer.citations[0].pages == (2,)
    assert [(s.function, s.query, s.hits) for s in answer.searches] == [("es_search", "berthing allowed", 1)]
    assert answer.usage["root"].calls == 2
    assert answer.run_id


# --- what counts as an answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", ["\nFINAL('35 knots')", "FINAL: 35 knots", "\nx = '35'\nFINAL_VAR('x')"])
def test_an_answer_before_any_search_is_sent_back(tell: Tell, finish: str) -> None:
    told = tell(finish, FIND, CITED)
    assert told.answer.text == "32 knots [1]."
    assert "not searched yet" in told.of(FinishRefused)[0].reason


def test_a_model_that_never_searches_fails_and_its_guess_is_not_passed_on(tell: Tell) -> None:
    told = tell("FINAL: 35 knots", "FINAL: 35 knots", "FINAL: it is 35 knots")
    assert (told.answer.status, told.answer.text) == ("failed", "")
    assert "without searching" in told.answer.reason


def test_not_found_has_to_be_searched_for_too(tell: Tell) -> None:
    told = tell("NOT_FOUND: nothing", "\nes_search('gust')", "\nFINAL('The archive does not say.', found=False)")
    assert (told.answer.status, told.answer.text) == ("not_found", "The archive does not say.")
    assert told.answer.searches[0].query == "gust"
    assert len(told.of(FinishRefused)) == 1


def test_reading_counts_as_looking(tell: Tell) -> None:
    assert tell("\nes_get('rules')", "FINAL: 32 knots").answer.status == "answered"


def test_made_up_markers_go_back_once_and_are_then_dropped_and_listed(tell: Tell) -> None:
    told = tell(FIND, "\nm = cite(hits[0], 'above 32 knots')\nFINAL(f'32 {m}, 35 [7].')", "\nFINAL(f'32 {m}, 35 [7].')")
    assert told.answer.text == "32 [1], 35."
    assert told.answer.rejected == ("[7]",)
    assert [c.marker for c in told.answer.citations] == ["[1]"]
    assert "[7]" in told.of(FinishRefused)[0].reason


def test_a_corrected_answer_has_nothing_rejected(tell: Tell) -> None:
    told = tell(SEARCH, "\nFINAL('35 knots [7].')", "\nFINAL('35 knots.')")
    assert (told.answer.text, told.answer.rejected) == ("35 knots.", ())


def test_where_citations_are_required_an_answer_without_is_not_returned(tell: Tell) -> None:
    finish = "\nFINAL('35 knots')"
    told = tell(SEARCH, finish, finish, finish, require_citations=True)
    assert (told.answer.status, told.answer.text, told.answer.citations) == ("failed", "", ())
    assert "citations are required" in told.answer.reason


def test_where_citations_are_required_not_found_needs_none(tell: Tell) -> None:
    assert tell(SEARCH, "\nFINAL('nothing', found=False)", require_citations=True).answer.status == "not_found"


def test_an_answer_of_a_cell_that_raised_does_not_count(tell: Tell) -> None:
    told = tell(FIND, "\nFINAL('35 knots')\n1 / 0", CITED)
    assert told.answer.text == "32 knots [1]."
    assert "its cell failed, so the answer was not taken" in told.shown


def test_a_variable_is_the_answer(tell: Tell) -> None:
    assert (
        tell(FIND, "\nm = cite(hits[0], 'above 32 knots')\ntext = f'32 {m}'\nFINAL_VAR('text')").answer.text == "32 [1]"
    )
    assert tell(FIND, "\ntext = '32'", "FINAL_VAR: text").answer.text == "32"
    assert tell(FIND, "\ntext = 'Paris'\nFINAL_VAR(text)").answer.text == "Paris"
    assert tell(FIND, "\ntext = '32'", "So.\nFINAL(text)").answer.text == "32"
    assert tell(FIND, "So.\nFINAL(Paris)").answer.text == "Paris"
    assert tell(FIND, "\nFINAL_VAR(['a', 'b'])").answer.text == "a\nb"


@pytest.mark.parametrize("finish", ["FINAL(answer)", "FINAL_VAR: answer", "\nFINAL(answer)", "\nFINAL_VAR('answer')"])
def test_the_form_that_answers_are_put_into_is_what_it_holds(tell: Tell, finish: str) -> None:
    told = tell(FIND, finish, "\nanswer['content'] = '32 knots'", finish)
    assert told.answer.text == "32 knots"
    assert "is empty" in told.shown


def test_an_unknown_variable_is_told_with_the_names_there_are(tell: Tell) -> None:
    told = tell(FIND, "\nresult = '32'\nFINAL_VAR('results')", "\nFINAL_VAR('result')")
    assert told.answer.text == "32"
    assert "no variable 'results'" in told.shown
    assert "- result: str" in told.shown


def test_words_in_brackets_are_the_answer_where_no_variable_is_meant(tell: Tell) -> None:
    assert tell(FIND, "FINAL(yes)").answer.text == "yes"
    assert tell(FIND, "FINAL(3-5)").answer.text == "3-5"
    assert tell(FIND, "FINAL(example.com)").answer.text == "example.com"
    assert tell(FIND, "\nn = 16", "FINAL(n * 2)").answer.text == "32"
    assert tell(FIND, "\nn = 16", "FINAL(str(n * 2))").answer.text == "32"


def test_a_word_that_looks_like_a_slip_is_told_once_and_then_taken(tell: Tell) -> None:
    told = tell(FIND, "\nwind_limit = '32'", "FINAL(wind_limits)", "FINAL(wind_limit)")
    assert told.answer.text == "32"
    assert "no variable 'wind_limits'" in told.shown
    assert tell(FIND, "FINAL(max_depth)", "FINAL(max_depth)").answer.text == "max_depth"


def test_a_finish_that_comes_to_nothing_again_and_again_ends_the_run(tell: Tell) -> None:
    told = tell(FIND, *["FINAL_VAR: result"] * 9)
    assert (told.answer.status, told.answer.steps) == ("failed", 7)
    assert "the same 6 times in a row" in told.answer.reason


@pytest.mark.parametrize("value", ["object()", "''", "'  '"])
def test_a_variable_that_is_no_answer_is_told(tell: Tell, value: str) -> None:
    told = tell(FIND, f"\nx = {value}\nFINAL_VAR('x')", "FINAL: 32")
    assert told.answer.text == "32"
    assert "cannot be an answer" in told.shown or "is empty" in told.shown


def test_data_becomes_text(tell: Tell) -> None:
    assert tell(FIND, "\nFINAL({'limit': 32})").answer.text == '{"limit": 32}'
    assert tell(FIND, "\nFINAL(32)").answer.text == "32"


def test_an_endless_answer_is_sent_back(tell: Tell) -> None:
    told = tell(FIND, "\nFINAL('x' * 200_000)", "FINAL: 32")
    assert told.answer.text == "32"
    assert "200,000 characters" in told.shown


def test_an_empty_answer_is_none(tell: Tell) -> None:
    told = tell(FIND, "\nFINAL('  ')", "FINAL:", "FINAL: 32")
    assert told.answer.text == "32"
    assert told.shown.count("answer is empty") == 2


# --- what is run and shown -------------------------------------------------------------------------------------------


def test_ten_hits_are_all_seen_when_printed(tell: Tell) -> None:
    many = MemoryRetriever({f"report-{n}": "The wind was strong today. " + "Filler text. " * 50 for n in range(30)})
    told = tell("\nhits = es_search('strong wind')\nprint(hits)", "FINAL: 32", retriever=many)
    for rank in range(1, 11):
        assert f"\n{rank:>2}. report-" in told.shown
    assert "not shown" not in told.shown


def test_long_output_is_shown_head_and_tail_with_its_true_length(tell: Tell) -> None:
    told = tell(SEARCH, "\nprint('A' * 30_000 + 'THE END')", "FINAL: 32", output_characters=1_000)
    shown = told.model.asked[-1].prompt
    assert "30,008 characters" in shown
    assert shown.count("A") < 1_100
    assert "THE END" in shown
    assert len(told.of(CellFinished)[1].stdout) == 30_008


def test_text_of_a_document_cannot_close_the_frame_it_is_shown_in(tell: Tell) -> None:
    told = tell("\nprint(es_get('trap').content)", "FINAL: 32")
    assert told.model.asked[-1].prompt.count("</output>") == 1


def test_silence_is_answered(tell: Tell) -> None:
    assert "nothing was printed" in tell(SEARCH, "FINAL: 32").shown


def test_blocks_run_in_order_and_end_with_the_first_that_fails(tell: Tell) -> None:
    reply = (
        "```python\nes_search('wind')\nprint('one')\n```\n```python\nprint(1/0)\n```\n```python\nprint('three')\n```"
    )
    told = tell(reply, "FINAL: 32")
    assert len(told.of(CellStarted)) == 2
    assert "one" in told.shown
    assert "ZeroDivisionError" in told.shown
    assert "1 further block(s) of your reply were not run" in told.shown


def test_an_answer_beside_code_is_ignored_and_the_model_told(tell: Tell) -> None:
    told = tell("```python\nes_search('wind')\n```\nFINAL: 35 knots, as the output shows", "FINAL: 32")
    assert told.answer.text == "32"
    assert "beside code was not taken" in told.shown


def test_prose_is_told_how_to_go_on_and_ends_after_a_while(tell: Tell) -> None:
    told = tell("I think.", "Therefore.", "I am.", "Still.")
    assert told.answer.status == "failed"
    assert "without code" in told.answer.reason
    assert "```python" in told.shown


def test_a_reply_cut_in_its_code_is_told_so(tell: Tell) -> None:
    told = tell(Completion(text="```python\nprint('", finish_reason="length"), SEARCH, "FINAL: 32")
    assert "cut off" in told.shown
    assert len(told.of(CellStarted)) == 1


def test_a_model_whose_code_always_fails_ends(tell: Tell) -> None:
    told = tell(*["\n1/0"] * 12, limits=Limits(steps=None))
    assert told.answer.status == "failed"
    assert "failed 9 times in a row" in told.answer.reason


def test_variables_can_be_listed(tell: Tell) -> None:
    told = tell("\nhits = es_search('wind')\nx = 42\nSHOW_VARS()", "FINAL: 32")
    assert "- x: int: 42" in told.shown


def test_what_is_left_of_the_budget_can_be_asked(tell: Tell) -> None:
    told = tell("\nes_search('wind')\nprint(budget().searches, budget().steps)", "FINAL: 32", limits=Limits(searches=9))
    assert "8 19" in told.shown


def test_the_model_is_told_what_stands_in_the_archive_and_what_it_can_call(tell: Tell) -> None:
    system = tell(SEARCH, "FINAL: 32").model.asked[0].messages[0].content
    assert "- es_hybrid_search(query: str, top_k=10, filters=None, " in system
    assert "- cite(" in system
    assert "es_count" not in system  # this retriever cannot count
    assert len(system) < 6_500  # some 1,500 tokens


# --- budgets ---------------------------------------------------------------------------------------------------------


def test_out_of_steps_the_last_draft_is_returned_with_its_status(tell: Tell) -> None:
    draft = "\nm = cite(hits[0], 'above 32 knots')\nFINAL(f'32 knots {m}, or 35 [9].')"
    told = tell(FIND, draft, limits=Limits(steps=2))
    answer = told.answer
    assert (answer.status, answer.text, answer.rejected) == ("out_of_budget", "32 knots [1], or 35.", ("[9]",))
    assert "steps" in answer.reason


def test_out_of_budget_without_a_draft_there_is_no_text_but_what_was_cited(tell: Tell) -> None:
    told = tell(FIND, "\ncite(hits[0], 'above 32 knots')", limits=Limits(steps=2))
    assert (told.answer.status, told.answer.text) == ("out_of_budget", "")
    assert told.answer.citations[0].quote == "above 32 knots"


def test_a_guess_made_before_looking_is_no_draft(tell: Tell) -> None:
    assert tell("FINAL: 35", limits=Limits(steps=1)).answer.text == ""


def test_a_budget_spent_inside_a_cell_ends_the_run_whatever_the_cell_catches(tell: Tell) -> None:
    greedy = (
        "\nfor n in range(9):\n    try:\n        es_search('x')\n    except BaseException:\n        pass\nFINAL('x')"
    )
    told = tell(greedy, limits=Limits(searches=3))
    assert told.answer.status == "out_of_budget"
    assert len(told.answer.searches) == 3
    assert told.of(CellFinished)[-1].error == "BudgetExceeded"


def test_near_a_limit_the_model_is_told_once_to_wrap_up(tell: Tell) -> None:
    told = tell(*[SEARCH] * 3, "\nFINAL('32')", limits=Limits(steps=4))
    assert told.shown.count("Almost at the limit `steps`") == 1
    assert [(w.kind, w.used, w.limit) for w in told.of(LimitWarned)] == [("steps", 3, 4)]


def test_tokens_end_a_run(tell: Tell) -> None:
    told = tell(*[SEARCH] * 10, limits=Limits(root_tokens=3_000, steps=None))
    assert told.answer.status == "out_of_budget"
    assert "root_tokens" in told.answer.reason
    assert told.answer.usage["root"].total_tokens <= 3_000


def test_each_run_has_the_whole_budget(retriever: MemoryRetriever) -> None:
    model = ScriptedModel(["```python\nes_search('wind')\n```", "FINAL: 32"] * 2)
    rlm = RLM(model=model, retriever=retriever, sandbox=InProcessSandbox, limits=Limits(steps=2, searches=1))
    first, second = rlm.run("one?"), rlm.run("two?")
    assert (first.status, second.status) == ("answered", "answered")
    assert first.run_id != second.run_id
    assert "one?" not in str(model.asked[-1].messages)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_a_model_that_refuses_is_an_error_and_the_trace_is_closed(retriever: MemoryRetriever) -> None:
    events: list[Any] = []
    rlm = RLM(model=ScriptedModel([]), retriever=retriever, sandbox=InProcessSandbox, listeners=[events.append])
    with pytest.raises(ModelRejected):
        rlm.run("What?")
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].status, events[-1].answer["text"]) == ("failed", "")


def test_an_engine_that_is_away_ends_the_run(retriever: MemoryRetriever) -> None:
    class Away(MemoryRetriever):
        def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
            raise EngineUnavailable("the engine does not answer")

    cell = "```python\ntry:\n    es_search('x')\nexcept Exception:\n    pass\nFINAL('guess')\n```"
    events: list[Any] = []
    rlm = RLM(model=ScriptedModel([cell]), retriever=Away({}), sandbox=InProcessSandbox, listeners=[events.append])
    with pytest.raises(EngineUnavailable):
        rlm.run("What?")
    assert events[-1].answer["reason"] == "the engine does not answer"


def test_a_conversation_too_long_for_the_model_is_shortened_and_goes_on(retriever: MemoryRetriever) -> None:
    replies = iter(
        ["```python\nes_search('wind')\nprint('x' * 7_000)\n```", "```python\nprint('y' * 100)\n```", "FINAL: 32"]
    )

    def reply(messages: Sequence[Message]) -> str | Exception:
        if sum(len(m.content) for m in messages) > 12_500:
            return ContextTooLong("too long")
        return next(replies)

    model = ScriptedModel(reply)
    assert RLM(model=model, retriever=retriever, sandbox=InProcessSandbox).run("What?").text == "32"
    assert model.asked[-1].messages[1].content == "What?"


def test_a_conversation_that_cannot_be_shortened_is_an_error(retriever: MemoryRetriever) -> None:
    rlm = RLM(model=ScriptedModel([ContextTooLong("too long")]), retriever=retriever, sandbox=InProcessSandbox)
    with pytest.raises(ContextTooLong):
        rlm.run("What?")


# --- the trace -------------------------------------------------------------------------------------------------------


def test_the_events_of_a_run_are_complete(tell: Tell) -> None:
    told = tell(FIND, "\nes_get('rules')\ntry:\n    cite('rules', 'not in there')\nexcept ValueError:\n    pass", CITED)
    kinds = [type(event) for event in told.events]
    assert kinds == [
        RunStarted,
        *(ModelCalled, CellStarted, Searched, CellFinished),
        *(ModelCalled, CellStarted, DocumentRead, Cited, CellFinished),
        *(ModelCalled, CellStarted, Cited, CellFinished),
        RunFinished,
    ]
    assert [event.seq for event in told.events] == list(range(1, len(kinds) + 1))
    assert {event.run_id for event in told.events} == {told.answer.run_id}
    assert [event.step for event in told.of(ModelCalled)] == [1, 2, 3]
    searched = told.of(Searched)[0]
    assert searched.filters == {"year": 2024}
    assert searched.hits[0]["doc_id"] == "rules"
    assert told.of(Cited)[0].reason
    assert told.of(Cited)[1].marker == "[1]"
    assert told.events[-1].answer["text"] == "32 knots [1]."


def test_a_search_that_failed_is_in_the_trace_too(tell: Tell) -> None:
    told = tell("\nes_search('wind', filters={'yeer': 2024})", "FINAL: 32")
    assert told.of(Searched)[0].error == "ToolError"
    assert "unknown field 'yeer' (there are: year)" in told.shown


# --- sub-runs --------------------------------------------------------------------------------------------------------


def test_a_sub_run_shares_evidence_and_citations_and_spends_its_parents_budget(tell: Tell) -> None:
    told = tell(
        "\nanswer = rlm_query('How late was Kittiwake?')\nprint(answer)",
        "\nhits = es_search('days late')",
        "\nm = cite(hits[0], 'She was 77 days late')\nFINAL(f'77 days {m}.')",
        "\nm = cite('log', 'The yard paid 378,000')\nFINAL(f'{answer} It paid {m}.')",
    )
    assert told.answer.text == "77 days [1]. It paid [2]."
    assert [c.doc_id for c in told.answer.citations] == ["log", "log"]
    assert (told.answer.usage["root"].calls, told.answer.usage["sub"].calls) == (2, 2)
    assert len(told.sandboxes) == 2
    runs = told.of(RunStarted)
    assert (runs[1].parent, runs[1].depth) == (told.answer.run_id, 1)


def test_a_sub_run_that_finds_nothing_is_falsy(tell: Tell) -> None:
    told = tell(
        "\nanswer = rlm_query('Wages?')\nprint(bool(answer), answer)",
        "\nes_search('wages')",
        "NOT_FOUND: nothing on wages",
        "\nes_search('wages')",
        "NOT_FOUND: nothing",
    )
    assert "False Failed: not found" in told.shown
    assert told.answer.status == "not_found"


def test_no_deeper_than_the_limit(tell: Tell) -> None:
    told = tell("\nrlm_query('x')", SEARCH, "FINAL: deep", SEARCH, "FINAL: 32", limits=Limits(depth=1))
    assert "- rlm_query(" in told.model.asked[0].messages[0].content
    assert "- rlm_query(" not in told.model.asked[1].messages[0].content


# --- without documents -----------------------------------------------------------------------------------------------


def test_without_a_retriever_it_is_a_plain_repl(tell: Tell) -> None:
    told = tell("\nprint(6 * 7)", "FINAL: 42 [1]", retriever=None)
    assert (told.answer.status, told.answer.text) == ("answered", "42 [1]")
    assert "es_search" not in told.model.asked[0].messages[0].content


def test_a_long_conversation_is_summed_up_and_notes_survive_it(tell: Tell) -> None:
    told = tell(
        "\nnotes = ['the limit is 32 knots']\nprint('a' * 6_000)",
        "\nprint('b' * 6_000)",
        "I looked at a and b.",
        "\nes_search('wind')\nFINAL(notes[0])",
        history=HistoryPolicy(mode="compact", tokens=2_500),
    )
    assert told.answer.text == "the limit is 32 knots"
    [shortened] = told.of(HistoryShortened)
    assert (shortened.mode, shortened.summary) == ("compact", "I looked at a and b.")
    assert shortened.tokens_after < shortened.tokens_before
    assert "the limit is 32 knots" in told.shown
    assert "aaaa" not in told.shown
    assert told.answer.usage["root"].calls == 4
