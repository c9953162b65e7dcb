"""Host functions from inside a cell: arguments checked, errors told, budgets kept, big results without deadlock."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

from retrievers.types import Hit, Page
from rlm_search.errors import BudgetExceeded, ToldToModel
from rlm_search.sandbox.confined import ConfinedSandbox

pytestmark = pytest.mark.integration


def search(
    query: str, top_k: int = 10, filters: Mapping[str, Any] | None = None, mode: Literal["a", "b"] = "a"
) -> dict[str, Any]:
    """Find passages.

    The best come first.
    """
    hits = [
        Hit(
            doc_id=f"report-{n}-0a1b2c3d",
            chunk_id=f"report-{n}-0a1b2c3d#p{n}",
            preview=f"{query} " * 60,
            score=1 / (n + 1),
            end=400,
            pages=(n + 1,),
            title=f"Annual report {n}",
            source=f"reports/{n}.pdf",
            metadata={"year": 2010 + n},
        )
        for n in range(top_k)
    ]
    return {"__type__": "Hits", "items": hits}


def run(sandbox: ConfinedSandbox, code: str, timeout: float = 10) -> str:
    execution = sandbox.execute(code, timeout=timeout)
    return execution.stdout + execution.error


def test_a_hit_list_prints_as_a_table_that_shows_all_ten(begin: Any) -> None:
    out = run(begin({"search": search}), "hits = search('tax')\nprint(hits)")
    assert len(out) < 4_000
    for n in range(10):
        assert f"report-{n}-0a1b2c3d" in out


def test_hits_read_as_mappings_and_as_objects_and_slices_stay_tables(begin: Any) -> None:
    sandbox = begin({"search": search})
    out = run(
        sandbox, "h = search('tax', top_k=3)\nprint(h[1].doc_id, h[1]['score'], h[1].pages, h[0].metadata['year'])"
    )
    assert out == "report-1-0a1b2c3d 0.5 [2] 2010\n"
    assert run(sandbox, "type(h[:2]).__name__, len(h[:2]), [x.doc_id[:8] for x in h][0]") == "('Hits', 2, 'report-0')\n"
    assert sandbox.get("h")[0]["doc_id"] == "report-0-0a1b2c3d"


def test_a_hit_goes_back_as_a_dict(begin: Any) -> None:
    got: list[Any] = []

    def cite(hit: dict[str, Any], quote: str) -> str:
        got.append((hit, quote))
        return "[1]"

    sandbox = begin({"search": search, "cite": cite})
    assert run(sandbox, "cite(search('tax', top_k=1)[0], 'tax tax')") == "'[1]'\n"
    hit, quote = got[0]
    assert (hit["doc_id"], hit["pages"], quote) == ("report-0-0a1b2c3d", [1], "tax tax")


def test_a_document_prints_its_head_and_goes_back_without_its_text(begin: Any) -> None:
    got: list[Any] = []
    document = {"__type__": "Document", "doc_id": "d", "title": "T", "content": "word " * 100_000, "pages": [0]}
    sandbox = begin({"get": lambda: document, "take": got.append})
    out = run(sandbox, "d = get()\ntake(d)\nprint(d)\nprint(len(d.content), d[:9])")
    assert "500,000 characters" in out
    assert len(out) < 1_000
    assert out.endswith("500000 word word\n")
    assert got == [{"doc_id": "d", "title": "T", "pages": [0]}]


def test_pages_join_their_text_and_failures_are_falsy(begin: Any) -> None:
    pages = [Page(doc_id="d", number=n, label="", start=0, end=1, text=f"page {n}") for n in (1, 2)]
    answers = ["yes", {"__type__": "Failed", "reason": "timed out"}]
    sandbox = begin({"pages": lambda: {"__type__": "Pages", "items": pages}, "batch": lambda prompts: answers})
    assert run(sandbox, "pages().text") == "'page 1\\npage 2'\n"
    out = run(
        sandbox, "r = batch(['a', 'b'])\nprint([bool(x) for x in r], r[1].reason, r[1], isinstance(r[1], Failed))"
    )
    assert out == "[True, False] timed out Failed: timed out True\n"


BAD_CALLS = {
    "search()": "TypeError: search(): missing a required argument: 'query'. It is search(query: str",
    "search('a', 1, None, 'a', 5)": "too many positional arguments",
    "search('a', k=3)": "unexpected keyword argument 'k'",
    "search(5)": "query must be str, not int",
    "search('a', top_k='3')": "top_k must be int, not str",
    "search('a', top_k=True)": "top_k must be int, not bool",
    "search('a', filters=['x'])": "not list of str",
    "search('a', mode='c')": "mode must be",
    "search(None)": "query must be str, not None",
    "search(search('a')[0])": "not dict (a hit or a document: give one of its fields)",
    "search('a', filters={'x': object()})": "of type object, which is not plain data",
    "search(b'x')": "of type bytes",
    "search('a', filters={'x': float('nan')})": "is nan",
    "x = []; x.append(x); search('a', filters={'x': x})": "deep",
    "batch('one string')": "prompts must be Sequence[str], not str",
    "batch(['a', 3])": "prompts must be",
    "search('a', filters={(1, 2): 3})": "keys must be strings",
}


@pytest.mark.parametrize("code", BAD_CALLS)
def test_a_wrong_call_is_told_to_the_model_as_a_type_error(code: str, begin: Any) -> None:
    def batch(prompts: Sequence[str]) -> list[str]:
        return list(prompts)

    execution = begin({"search": search, "batch": batch}).execute(code, timeout=5)
    assert "TypeError: " in execution.error
    assert BAD_CALLS[code] in execution.error
    assert "cell 1, line 1" in execution.error


def test_help_shows_signature_and_description(begin: Any) -> None:
    out = run(begin({"search": search}), "help(search)\nprint(search.__name__)")
    assert out.startswith("search(query: str, top_k: int = 10, filters: Mapping[str, Any] | None = None")
    assert "The best come first." in out


def test_plain_data_of_every_kind_arrives_as_it_is_written(begin: Any) -> None:
    got: list[Any] = []
    sandbox = begin({"take": got.append})
    code = """
from dataclasses import dataclass
from enum import Enum
class Mode(Enum): A = "a"
@dataclass
class F: year: int; tags: tuple = ()
class S(str): pass
class D(dict): pass
take([1, -2.5, True, None, "ü\\U0001F600", (1, 2), {3}, range(2), (x for x in "ab"), {"k": 1}.keys(), 10**30])
take([datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3), Mode.A, F(2019, ("x",)), S("s"), D(a=1),
      collections.Counter("aab"), {1: "int key"}, "\\ud83d\\ude00 \\ud800"])
"""
    assert run(sandbox, code) == ""
    assert got[0] == [1, -2.5, True, None, "ü😀", [1, 2], [3], [0, 1], ["a", "b"], ["k"], 10**30]
    day = datetime.date(2020, 1, 2).isoformat()
    expected = [day, f"{day}T03:00:00", "a", {"year": 2019, "tags": ["x"]}, "s", {"a": 1}, {"a": 2, "b": 1}]
    assert got[1] == [*expected, {"1": "int key"}, "😀 \ufffd"]


class NoSuchYear(ToldToModel, ValueError):
    """An error that is a ValueError too."""


def test_an_error_for_the_model_is_raised_in_its_code_and_can_be_caught(begin: Any) -> None:
    def get(doc_id: str) -> str:
        if doc_id == "year":
            raise NoSuchYear("no year 1850")
        raise ToldToModel(f"there is no document {doc_id!r}; search first")

    sandbox = begin({"get": get})
    assert "ToolError: there is no document 'x'; search first" in run(sandbox, "get('x')")
    assert run(sandbox, "try: get('year')\nexcept ValueError as e: print('caught', e)") == "caught no year 1850\n"
    assert (
        run(sandbox, "try: get('x')\nexcept ToolError as e: print('tool', e)")
        == "tool there is no document 'x'; search first\n"
    )


SWALLOWING = {
    "nothing": "spend()\nprint('not reached')",
    "except Exception": "try: spend()\nexcept Exception: pass\nprint('not reached')",
    "bare except": "try: spend()\nexcept: pass",
    "in a loop": "for _ in range(5):\n    try: spend()\n    except BaseException: pass",
    "for ever": "while True:\n    try: spend()\n    except BaseException: pass",
    "without a call": "try: spend()\nexcept BaseException: 0\nwhile True:\n    try: 1\n    except BaseException: 0",
}


@pytest.mark.parametrize("how", SWALLOWING)
def test_a_spent_budget_is_raised_on_the_host_whatever_the_code_catches(how: str, begin: Any) -> None:
    def spend() -> None:
        raise BudgetExceeded("200 sub-calls are spent", kind="subcalls")

    sandbox = begin({"spend": spend})
    started = time.monotonic()
    with pytest.raises(BudgetExceeded, match="200 sub-calls") as caught:
        sandbox.execute(SWALLOWING[how], timeout=30)
    assert caught.value.kind == "subcalls"
    assert time.monotonic() - started < 15
    assert sandbox.execute("1 + 1", timeout=5).stdout == "2\n"


def test_variables_live_after_a_host_function_broke(begin: Any) -> None:
    def broken() -> None:
        raise OSError("disk on fire")

    sandbox = begin({"broken": broken})
    with pytest.raises(OSError, match="disk on fire"):
        sandbox.execute("kept = 41\nbroken()", timeout=5)
    assert run(sandbox, "kept + 1") == "42\n"


def test_the_clock_stands_still_while_the_host_works(begin: Any) -> None:
    sandbox = begin({"slow": lambda: time.sleep(0.6)})
    execution = sandbox.execute("slow(); slow(); 'done'", timeout=0.5)
    assert execution.ended == "ok"
    assert execution.stdout == "'done'\n"
    assert sandbox.execute("slow()\nwhile True: pass", timeout=0.3).ended == "timeout"


def test_calls_of_one_cell_are_limited_in_number_and_bytes(begin: Any) -> None:
    called: list[str] = []
    sandbox = begin({"note": called.append}, calls=5, call_bytes=10_000)
    execution = sandbox.execute("for n in range(50): note(str(n))", timeout=5)
    assert "RuntimeError: a cell may make 5 calls" in execution.error
    assert called == ["0", "1", "2", "3", "4"]
    assert "RuntimeError" in run(sandbox, "note('x' * 20_000)")
    assert run(sandbox, "note('again')") == ""


def test_a_host_function_may_read_and_set_variables_of_the_cell_that_calls_it(begin: Any) -> None:
    sandbox: ConfinedSandbox

    def final(name: str) -> str:
        value = sandbox.get(name)
        sandbox.set("noted", value)
        return f"got {value}"

    sandbox = begin({"FINAL_VAR": final})
    assert run(sandbox, "answer = [1, 2]\nprint(FINAL_VAR('answer'), noted)") == "got [1, 2] [1, 2]\n"
    with pytest.raises(KeyError):
        sandbox.execute("FINAL_VAR('nothing')", timeout=5)


def test_a_host_function_cannot_run_a_cell_of_its_own_session(begin: Any) -> None:
    sandbox: ConfinedSandbox
    sandbox = begin({"nest": lambda: sandbox.execute("1", timeout=1)})
    with pytest.raises(RuntimeError, match="cannot run a cell"):
        sandbox.execute("nest()", timeout=5)
    assert run(sandbox, "1") == "1\n"


def test_a_host_function_may_run_a_session_of_its_own(begin: Any) -> None:
    inner = begin()
    outer = begin({"ask": lambda code: inner.execute(code, timeout=5).stdout})
    assert run(outer, "ask('6 * 7')") == "'42\\n'\n"


def test_big_arguments_and_results_do_not_deadlock(begin: Any) -> None:
    sandbox = begin({"echo": lambda text: text})
    assert run(sandbox, "x = 'ab\\n' * 4_000_000\necho(x) == x") == "True\n"


def test_a_result_that_is_too_long_is_told(begin: Any) -> None:
    sandbox = begin({"all": lambda: "x" * 3_000_000}, message_bytes=2_000_000)
    assert "3,000,0" in run(sandbox, "all()")
    assert run(sandbox, "1") == "1\n"


def test_a_result_larger_than_the_workers_memory_is_a_memory_error_or_a_told_loss(begin: Any) -> None:
    sandbox = begin({"all": lambda: "x" * 100_000_000}, memory_bytes=48 * 1024 * 1024)
    execution = sandbox.execute("len(all())", timeout=10)
    assert execution.ended in ("raised", "crashed")
    assert run(sandbox, "1") == "1\n"


def test_a_result_that_is_no_data_is_an_error_of_the_host(begin: Any) -> None:
    sandbox = begin({"bad": lambda: object()})
    with pytest.raises(TypeError, match="not data"):
        sandbox.execute("bad()", timeout=5)


def test_text_with_lone_surrogates_comes_and_goes(begin: Any) -> None:
    sandbox = begin({"text": lambda: "bad \ud800 text"})
    assert run(sandbox, "print(text())") == "bad \ufffd text\n"


def test_a_finalizer_that_calls_a_tool_cannot_break_the_wire(begin: Any) -> None:
    sandbox = begin({"echo": lambda text: text})
    code = "class F:\n    def __del__(self): echo('from del')\nf = F()\nf.self = f\ndel f\n"
    sandbox.execute(code, timeout=5)
    out = run(sandbox, "import weakref\nfor _ in range(100): x = [F() for _ in range(5)]; echo('y')\n'fine'")
    assert out.endswith("'fine'\n")
    assert run(sandbox, "echo('z')") == "'z'\n"


def test_values_that_are_not_plain_are_described_not_transported(begin: Any) -> None:
    sandbox = begin(variables={"given": {"a": [1, 2]}})
    assert sandbox.get("given") == {"a": [1, 2]}
    run(sandbox, "f = lambda: 1\nnan = float('nan')\nt = (1, {2})")
    assert sandbox.get("t") == [1, [2]]
    for name in ("f", "nan"):
        with pytest.raises(ValueError, match="not plain data"):
            sandbox.get(name)
    with pytest.raises(KeyError):
        sandbox.get("nowhere")
    with pytest.raises(TypeError):
        sandbox.set("x", object())
    assert sandbox.variables() == {
        "given": "dict of 1: {'a': [1, 2]}",
        "f": sandbox.variables()["f"],
        "nan": "float: nan",
        "t": "tuple of 2: (1, {2})",
    }


def test_objects_that_break_when_looked_at_cost_no_session(sandbox: ConfinedSandbox) -> None:
    run(
        sandbox,
        "class Bad(dict):\n    def items(self): raise SystemExit\n    def __repr__(self): raise ValueError\n"
        "bad, many = Bad(a=1), ['x' * 10_000_000] * 90",
    )
    assert sandbox.variables()["bad"] == "Bad of 1: (its repr raises ValueError)"
    assert sandbox.variables()["many"].startswith("list of 90: ['xxx")  # nobody writes out a gigabyte for it
    with pytest.raises(ValueError, match="SystemExit"):
        sandbox.get("bad")
    assert run(sandbox, "len(bad)") == "1\n"


def test_ten_megabytes_travel_both_ways_unchanged(sandbox: ConfinedSandbox) -> None:
    text = ('Zeile mit Umlaut: größer\n\t"quoted" \\ 漢字\u2028' * 250_000)[:10_000_000]
    sandbox.set("context", text)
    assert sandbox.get("context") == text
    assert run(sandbox, "len(context)") == "10000000\n"


def test_a_context_of_up_to_a_hundred_megabytes_travels_both_ways_and_costs_later_cells_nothing(begin: Any) -> None:
    count = 6_000_000 if os.environ.get("RLM_SEARCH_TEST_SLOW") else 1_500_000  # else 25 MB
    text = "größer, longer. " * count
    sandbox = begin(variables={"context": text})
    assert sandbox.execute("len(context)", timeout=60).stdout == f"{len(text)}\n"
    assert sandbox.execute("n = context.count('longer')\nn", timeout=60).stdout == f"{count}\n"
    assert sandbox.get("context") == text
    assert min(sandbox.execute("1", timeout=60).seconds for _ in range(50)) < 0.05


def test_a_variable_larger_than_a_message_is_refused_before_anything_is_sent(begin: Any) -> None:
    sandbox = begin(message_bytes=1_000_000)
    with pytest.raises(ValueError, match="more than a message"):
        sandbox.set("x", "y" * 2_000_000)
    run(sandbox, "big = 'x' * 2_000_000")
    with pytest.raises(ValueError, match="too long to hand over"):
        sandbox.get("big")
    assert "ValueError" in run(begin({"take": len}, message_bytes=1_000_000), "take('x' * 2_000_000)")
    assert run(sandbox, "len(big)") == "2000000\n"
    assert run(sandbox, "1") == "1\n"
