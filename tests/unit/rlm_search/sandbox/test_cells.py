from __future__ import annotations

import io
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search.sandbox.cells import CellAborted, Cells, CellTimeout, Clock, Output
from rlm_search.sandbox.namespace import Namespace


@given(st.lists(st.text(max_size=30), max_size=40), st.integers(min_value=2, max_value=40))
def test_output_keeps_head_and_tail_and_counts_everything(pieces: list[str], limit: int) -> None:
    output, whole = Output(limit), "".join(pieces)
    for piece in pieces:
        output.write(piece)
    half = limit // 2
    assert output.length == len(whole)
    if len(whole) <= 2 * half:
        assert output.value() == whole
    else:
        assert output.value().startswith(whole[:half])
        assert output.value().endswith(whole[-half:])
        assert f"… {len(whole) - 2 * half:,} of {len(whole):,} characters left out …" in output.value()


def test_output_is_a_text_stream() -> None:
    output = Output(100)
    print("a", 1, file=output, flush=True)
    assert (output.value(), output.writable(), output.encoding, output.isatty()) == ("a 1\n", True, "utf-8", False)
    with pytest.raises(TypeError, match="must be str, not bytes"):
        output.write(b"x")  # type: ignore[arg-type]  # what is tested
    output.clear()
    assert (output.value(), output.length) == ("", 0)


def run(cells: Cells, code: str, seconds: float = 5) -> dict[str, Any]:
    return cells.run(code, seconds)


def test_the_last_expression_is_shown_and_kept_as_underscore(cells: Cells) -> None:
    assert run(cells, "x = 2\nx + 1")["stdout"] == "3\n"
    assert run(cells, "_ * 2")["stdout"] == "6\n"
    assert run(cells, "None")["stdout"] == ""
    assert run(cells, "print('a'); 'b'")["stdout"] == "a\n'b'\n"
    assert run(cells, "")["ended"] == "ok"


def test_a_long_value_is_shown_by_its_ends(cells: Cells) -> None:
    out = run(cells, "'a' * 9_000 + 'z'")["stdout"]
    assert len(out) < 4_100
    assert "… 5,003 of 9,003 characters left out …" in out
    assert out.endswith("az'\n")


def test_stderr_and_stdout_are_one_text(cells: Cells) -> None:
    out = run(cells, "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")["stdout"]
    assert out == "a\nb\nc\n"


def test_a_traceback_shows_the_frames_of_cells_only(cells: Cells) -> None:
    run(cells, "def parse(s):\n    return int(s)")
    error = run(cells, "x = 1\njson.loads('1')\nlist(map(parse, ['no']))")["error"]
    assert error == (
        "Traceback (most recent call last):\n"
        "  cell 2, line 3\n"
        "    list(map(parse, ['no']))\n"
        "  cell 1, line 2, in parse\n"
        "    return int(s)\n"
        "ValueError: invalid literal for int() with base 10: 'no'"
    )


def test_a_syntax_error_points_at_the_place(cells: Cells) -> None:
    assert run(cells, "ok = 1\n  x = = 2")["error"].startswith("  cell 1, line 2\n    x = = 2\n")
    assert run(cells, "x = = 2")["error"] == "  cell 2, line 1\n    x = = 2\n        ^\nSyntaxError: invalid syntax"
    assert "SyntaxError: source code" in run(cells, "a\0b")["error"]
    assert "SyntaxError" in run(cells, "eval('1 +')")["error"]


def test_causes_notes_and_long_messages_are_told_short(cells: Cells) -> None:
    error = run(cells, "try: {}['k']\nexcept KeyError as e: raise ValueError('v') from e")["error"]
    assert error.endswith("  caused by KeyError: 'k'\nValueError: v")
    error = run(cells, "e = ValueError('x' * 50_000)\ne.add_note('look here')\nraise e")["error"]
    assert "(50,000 characters)" in error
    assert error.endswith("'look here'")
    assert len(error) < 2_500
    error = run(cells, "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E")["error"]
    assert error.endswith("E: (its message cannot be shown)")


def test_what_was_assigned_before_an_error_is_kept(cells: Cells) -> None:
    assert run(cells, "a = 1\nb = a / 0\nc = 3")["ended"] == "raised"
    assert run(cells, "a, 'b' in globals(), 'c' in globals()")["stdout"] == "(1, False, False)\n"


@pytest.mark.parametrize("code", ["raise SystemExit(2)", "exit()", "raise KeyboardInterrupt", "raise GeneratorExit"])
def test_leaving_is_contained(code: str, cells: Cells) -> None:
    result = run(cells, code)
    assert result["ended"] == "raised"
    assert result["error"]


def test_the_soft_limit_stops_the_cell_and_keeps_its_variables(cells: Cells) -> None:
    result = run(cells, "n = 0\nwhile True: n += 1", 0.05)
    assert result["ended"] == "timeout"
    assert "ran for 0.05 s" in result["error"]
    assert "while True: n += 1" in result["error"]
    assert run(cells, "n > 0")["stdout"] == "True\n"


def test_the_alarm_rings_again_for_a_cell_that_swallows_it(cells: Cells) -> None:
    code = "try:\n    while True: pass\nexcept BaseException: pass\nwhile True: pass"
    assert run(cells, code, 0.05)["ended"] == "timeout"


def test_a_paused_clock_does_not_ring(clock: Clock) -> None:
    clock.start(0.02)
    clock.pause()
    sum(range(3_000_000))
    clock.stop()


def test_memory_errors_and_aborts_are_told(cells: Cells, names: Namespace) -> None:
    assert "MemoryError" in run(cells, "raise MemoryError")["error"]

    def abort() -> None:
        raise CellAborted

    names.offer({"abort": abort})
    assert run(cells, "try: abort()\nexcept Exception: pass")["error"] == "stopped by the host"


def test_a_cell_may_await_at_its_top_level(cells: Cells) -> None:
    code = "import asyncio\nasync def f(): return 7\nx = await f()\nawait asyncio.gather(f(), f())"
    assert run(cells, code)["stdout"] == "[7, 7]\n"


def test_streams_that_were_put_elsewhere_are_back_in_the_next_cell(cells: Cells) -> None:
    run(cells, "import sys, io\nsys.stdout = io.StringIO()\nprint('lost')")
    assert run(cells, "print('seen')")["stdout"] == "seen\n"
    assert not isinstance(sys.stdout, io.StringIO)


def test_a_function_of_the_session_that_is_overwritten_is_put_back_with_a_note(cells: Cells, names: Namespace) -> None:
    names.offer({"search": lambda: "found"})
    assert "note: search is a function of this session" in run(cells, "search = 1")["stdout"]
    assert run(cells, "search()")["stdout"] == "'found'\n"


def test_future_imports_of_ours_do_not_reach_the_cell(cells: Cells) -> None:
    assert run(cells, "def f(a: int): ...\nf.__annotations__")["stdout"] == "{'a': <class 'int'>}\n"


def test_time_that_did_not_stand_still_is_taken_off(clock: Clock) -> None:
    clock.start(5)
    clock.pause()
    late = None
    try:
        clock.resume(5)
        time.sleep(2)
    except CellTimeout as error:
        late = error
    finally:
        clock.stop()
    assert late is not None
