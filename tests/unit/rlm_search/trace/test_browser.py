"""The tree of a run, and walking through it in a terminal (textual's own pilot presses the keys)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, Static, Tree

from rlm_search.trace.browser import TraceBrowser
from rlm_search.trace.events import CellFinished, CellStarted, ModelCalled, RunFinished, RunStarted, Searched
from rlm_search.trace.jsonl import read_events
from rlm_search.trace.trace import Trace
from rlm_search.trace.tree import Entry, tree_of
from tests.unit.rlm_search.trace.test_views import tell_a_run

RECORDED = Path(__file__).parents[1] / "cassette.jsonl"


def outline(entry: Entry, depth: int = 0) -> list[str]:
    """The labels up to the first colon, indented."""
    head = entry.label.partition(":")[0].partition(" with")[0].partition(" “")[0].partition(" ")[0]
    return [f"{'  ' * depth}{head}", *(line for child in entry.children for line in outline(child, depth + 1))]


def test_what_code_did_lies_below_its_cell_and_a_sub_run_below_the_cell_that_asked_for_it() -> None:
    top = tree_of(read_events(RECORDED))
    second = top.children[1]

    assert outline(top)[:6] == ["run", "  step", "    root", "    code", "      es_search", "  step"]
    assert outline(second) == [
        "step", "  root", "  code", "    sub-run", "      step", "        root", "        code", "          es_search",
        "          cited", "    sub", "    sub",
    ]  # fmt: skip
    assert top.label.endswith("→ answered")


def test_every_event_of_a_run_is_in_its_tree_once() -> None:
    for events in (list(read_events(RECORDED)), list(tell_a_run().events)):
        in_tree = [event for entry in tree_of(events).walk() for event in entry.events]

        assert sorted(event.seq for event in in_tree) == [event.seq for event in events]


def test_a_run_that_was_cut_off_is_shown_as_far_as_it_went() -> None:
    events = list(read_events(RECORDED))
    for length in range(1, len(events)):
        assert len([e for entry in tree_of(events[:length]).walk() for e in entry.events]) == length


def test_details_hold_all_of_an_event() -> None:
    top = tree_of(tell_a_run().events)
    [cell] = [entry for entry in top.walk() if isinstance(entry.events[:1], list) and entry.label.startswith("code")]

    assert "hits = es_search('passengers')\nprint(hits)" in cell.details
    assert "x" * 5000 in cell.details
    search = cell.children[0].details
    assert '"year": 2019' in search
    assert "report-7" in search


def browse(entry: Entry, walk: Callable[[TraceBrowser, Pilot[None]], Awaitable[None]]) -> None:
    async def run() -> None:
        app = TraceBrowser(entry)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await walk(app, pilot)

    asyncio.run(run())


def details_of(app: TraceBrowser) -> str:
    return str(app.query_one("#details", Static).content)


def cursor_of(app: TraceBrowser) -> str:
    node = app.query_one(Tree).cursor_node
    return "" if node is None else str(node.label)


async def search(app: TraceBrowser, pilot: Pilot[None], words: str) -> None:
    await pilot.press("slash")
    app.query_one(Input).value = words
    await pilot.press("enter")


def test_arrows_walk_and_the_right_side_follows_and_enter_and_e_unfold() -> None:
    async def walk(app: TraceBrowser, pilot: Pilot[None]) -> None:
        tree = app.query_one(Tree)
        assert "How many passengers?" in details_of(app)
        await pilot.press("down", "down")
        assert cursor_of(app).startswith("root: openai:m")
        assert "── text ──\nI search." in details_of(app)
        await pilot.press("down")
        assert "print(hits)" in details_of(app)
        folded = tree.last_line
        await pilot.press("enter")
        unfolded = tree.last_line
        await pilot.press("e")
        assert folded < unfolded < tree.last_line

    browse(tree_of(tell_a_run().events), walk)


def test_a_search_goes_to_each_place_that_holds_the_words_folded_or_not() -> None:
    async def walk(app: TraceBrowser, pilot: Pilot[None]) -> None:
        found = app.query_one("#found", Static)
        await search(app, pilot, "YARD paid")
        await pilot.pause()
        first = cursor_of(app)
        assert str(found.content).startswith("1 of ")
        assert "yard paid" in details_of(app).lower()
        await pilot.press("n")
        await pilot.pause()
        assert cursor_of(app) != first
        await pilot.press("N")
        await pilot.pause()
        assert cursor_of(app) == first
        await search(app, pilot, "zebra")
        assert str(found.content) == "nothing found"
        await pilot.press("slash", "x", "escape")
        assert not app.query_one(Input).has_class("open")
        await pilot.press("q")

    browse(tree_of(read_events(RECORDED)), walk)


HOSTILE = ["[bold red]not markup[/]", "[/nothing]", "\x1b[2Jgone", "[@click=app.quit]x[/]", "[", "\x9b31m"]


def test_text_of_a_run_is_text_and_nothing_else() -> None:
    trace = Trace()
    trace.emit(RunStarted(question="?", model="m"))
    for text in HOSTILE:
        trace.emit(ModelCalled(tier="root", model=text, prompt=text, text=text))
        trace.emit(CellStarted(code=text))
        trace.emit(Searched(function="es_search", query=text, hits=[{"doc_id": text}]))
        trace.emit(CellFinished(stdout=text, shown=text, error=text, ended="raised"))
    trace.emit(RunFinished(status="answered", answer={"text": HOSTILE[0]}))

    async def walk(app: TraceBrowser, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        for text in HOSTILE:
            shown = text.replace("\x1b", " ").replace("\x9b", " ")
            for _ in range(3):
                app.query_one(Tree).action_cursor_down()
                await pilot.pause()
                assert shown in details_of(app)
                assert shown.strip() in cursor_of(app)
        assert app.is_running

    browse(tree_of(trace.events), walk)
