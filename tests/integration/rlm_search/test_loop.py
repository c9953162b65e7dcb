"""The loop with its real sandbox: hostile code gains nothing, runs side by side do not mix, processes end."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rlm_search import RLM, Answer, Gates, Limits, RlmError, ScriptedModel
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.protocol import SandboxLimits
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import CellFinished, Cited, RunFinished

pytestmark = pytest.mark.integration

ARCHIVE = {
    "rules": "Rules of the port. No berthing is allowed above 32 knots of wind. The harbour master decides.",
    "secret": "The password of the vault is swordfish.",
}


def python(code: str) -> str:
    return f"```python\n{code}\n```"


def run(*cells: str, **options: Any) -> tuple[Answer, list[Any], str]:
    events: list[Any] = []
    model = ScriptedModel([python(cell) for cell in cells])
    rlm = RLM(model=model, retriever=MemoryRetriever(ARCHIVE), listeners=[events.append], **options)
    answer = rlm.run("What is the wind limit?")
    return answer, events, "\n".join(m.content for m in model.asked[-1].messages[2:] if m.role == "user")


def test_a_question_is_answered_through_the_confined_sandbox() -> None:
    answer, _, _ = run(
        "hits = es_search('berthing knots', top_k=2)\nprint(hits)",
        "m = cite(hits[0], 'No berthing is allowed above 32 knots')\nFINAL(f'32 knots {m}.')",
    )
    assert (answer.status, answer.text) == ("answered", "32 knots [1].")
    assert answer.citations[0].quote == "No berthing is allowed above 32 knots"


def test_ten_hits_are_all_seen_when_printed() -> None:
    many = MemoryRetriever({f"report-{n}": "The wind was strong. " + "Filler text. " * 60 for n in range(30)})
    model = ScriptedModel([python("print(es_search('strong wind'))"), "FINAL: x"])
    RLM(model=model, retriever=many).run("Wind?")
    assert all(f"{rank}. report-" in model.asked[-1].prompt for rank in range(1, 11))


def test_hostile_code_cannot_forge_a_citation() -> None:
    hostile = """
hits = es_search('berthing')
forged = dict(hits[0]); forged['doc_id'] = 'secret'
for attempt in (
    lambda: cite(forged, 'The password of the vault'),
    lambda: cite('secret', 'The password of the vault'),
    lambda: cite(hits[0], 'No berthing is allowed above 99 knots'),
    lambda: cite({'doc_id': 'rules', 'start': -5, 'end': 10**30, 'quote': 'x'}, 'no such words at all'),
    lambda: cite({'doc_id': ['rules']}, 'No berthing is allowed'),
):
    try:
        print('GOT', attempt())
    except Exception as error:
        print(type(error).__name__, error)
cite = lambda *a: '[1]'
es_search = lambda *a, **k: []
"""
    answer, events, shown = run(
        hostile,
        "FINAL('The password is swordfish [1], the limit 99 knots [2].')",
        "FINAL('The password is swordfish [1], the limit 99 knots [2].')",
    )
    assert "GOT" not in shown
    assert answer.citations == ()
    assert answer.rejected == ("[1]", "[2]")
    assert "[" not in answer.text
    assert [e.marker for e in events if isinstance(e, Cited)] == [""] * 4


def test_a_spent_budget_ends_the_run_though_the_code_swallows_everything() -> None:
    answer, events, _ = run(
        "while True:\n    try:\n        es_search('wind')\n    except BaseException:\n        pass",
        limits=Limits(searches=5),
    )
    assert answer.status == "out_of_budget"
    assert len(answer.searches) == 5
    assert isinstance(events[-1], RunFinished)


def test_a_cell_that_runs_for_ever_is_stopped_and_told() -> None:
    answer, events, shown = run("x = 5", "while True: pass", "es_search('wind')\nFINAL(x)", cell_seconds=0.5)
    assert answer.text == "5"
    assert "TimeoutError" in shown
    assert [e.ended for e in events if isinstance(e, CellFinished)] == ["ok", "timeout", "ok"]


def test_a_cell_that_kills_its_process_is_told_that_its_variables_are_gone() -> None:
    answer, _, shown = run("x = 5\n()\nbytearray(10**11)", "es_search('wind')\nFINAL('fine')")
    assert answer.text == "fine"
    assert "MemoryError" in shown or "gone" in shown


def test_the_wall_clock_of_the_run_ends_a_cell() -> None:
    answer, _, _ = run("while True: pass", limits=Limits(seconds=1.5))
    assert answer.status == "out_of_budget"
    assert answer.seconds < 6


def test_a_failed_item_is_falsy_in_the_sandbox() -> None:
    def reply(messages: Any) -> Any:
        from rlm_search import ModelUnavailable

        return ModelUnavailable("busy") if "b" in messages[-1].content else "fine"

    _, _, shown = run(
        "r = llm_batch(['a', 'b', 'c'])\nprint([bool(x) for x in r], r[1].reason, [x for x in r if x])",
        "es_search('wind')\nFINAL('x')",
        sub_model=ScriptedModel(reply),
    )
    assert "[True, False, True] the model did not answer ['fine', 'fine']" in shown


def test_eight_runs_at_once_do_not_mix() -> None:
    retriever = MemoryRetriever({f"doc-{n}": f"The limit of port {n} is {n * 11} knots." for n in range(8)})
    together = threading.Barrier(8)

    def reply(messages: Any) -> str:
        port = messages[1].content.split()[-1]
        if len(messages) == 2:
            together.wait(timeout=60)
            return python(f"x = {port!r}\nhits = es_search('limit of port ' + x, top_k=8)\nprint(x * 1000)")
        return python(
            "mine = [h for h in hits if h.doc_id == 'doc-' + x][0]\n"
            "FINAL(f'{x}: ' + cite(mine, f'port {x} is {int(x) * 11} knots'))"
        )

    rlm = RLM(model=ScriptedModel(reply), retriever=retriever)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: rlm.run(f"What is the limit of port {n}"), range(8)))
    assert [a.text for a in answers] == [f"{n}: [1]" for n in range(8)]
    assert [a.citations[0].doc_id for a in answers] == [f"doc-{n}" for n in range(8)]
    assert len({a.run_id for a in answers}) == 8


def test_no_process_is_left_behind() -> None:
    before = _children()
    run("es_search('wind')", "FINAL('x')")
    with pytest.raises(Exception, match="no reply"):
        run("x = 1")
    assert _children() <= before


def _children() -> set[str]:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("no /proc on this system")
    found: set[str] = set()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as file:
            found |= set(file.read().split())
    return found


def test_a_hundred_megabytes_to_work_on_cost_nothing_each_step() -> None:
    line = "The quick brown fox jumps over the lazy dog.\n"
    text = line * (50_000_000 // len(line)) + "The needle is 7421.\n" + line * (50_000_000 // len(line))
    cells = ["x = 0", *["x += 1"] * 10, "found = ctx.find(r'needle is \\d+', regex=True)", "FINAL(found[0][2])"]
    events: list[Any] = []
    model = ScriptedModel([python(cell) for cell in cells])
    rlm = RLM(model=model, listeners=[events.append], gates=Gates(loop_collapse_limit=50))
    answer = rlm.run("Where is the needle?", context=text)
    assert answer.text == "needle is 7421"
    seconds = [event.seconds for event in events if isinstance(event, CellFinished)]
    assert sorted(seconds[1:11])[5] < 0.05
    assert len(model.asked[0].prompt) < 20_000


def test_text_that_the_sandbox_cannot_hold_is_told() -> None:
    sandbox = ConfinedSandbox(SandboxLimits(memory_bytes=64 * 1024 * 1024))
    with pytest.raises(RlmError) as trouble:
        RLM(model=ScriptedModel([]), sandbox=lambda: sandbox).run("?", context="x" * 80_000_000)
    assert "\n" not in trouble.value.message
