"""Contract tests for authors of sandboxes: inherit the suite, override its fixture, run pytest.

    from rlm_search.sandbox.testing import SandboxContract

    class TestMySandbox(SandboxContract):
        @pytest.fixture
        def sandbox(self):
            with MySandbox() as sandbox:
                yield sandbox

It asks for what `rlm_search.types.Sandbox` promises to the loop. That code cannot get out is for tests of its own.
"""
# ruff: noqa: D102 - a test's name is its docstring

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rlm_search.errors import BudgetExceeded, ToldToModel
from rlm_search.types import Execution, Sandbox

_SECONDS = 20.0

PLAIN: tuple[Any, ...] = (None, True, 0, -(2**53), 1.5, "", "größer 😀\n", [], [1, [2, {"a": None}]], {"k": {"l": [1]}})
"""Values that must cross unchanged."""


class SandboxContract:
    """What a sandbox must do. Override `sandbox`: one that is not started; end it after the test."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        """The sandbox under test, not started."""
        raise NotImplementedError("override the fixture `sandbox`")

    @pytest.fixture
    def run(self, sandbox: Sandbox) -> Callable[[str], Execution]:
        """Run a cell in a session with the functions `double`, `told` and `spend` and the variable `given`."""

        def double(n: int) -> int:
            """Twice as much."""
            return 2 * n

        def told() -> None:
            raise ToldToModel("search first")

        def spend() -> None:
            raise BudgetExceeded("nothing is left", kind="searches")

        sandbox.start({"double": double, "told": told, "spend": spend}, {"given": [1, 2]})
        return lambda code: sandbox.execute(code, timeout=_SECONDS)

    def test_output_is_captured_and_counted(self, run: Callable[[str], Execution]) -> None:
        execution = run("print('one')\nprint('two')")
        assert (execution.stdout, execution.stdout_length) == ("one\ntwo\n", 8)
        assert (execution.error, execution.ended) == ("", "ok")
        assert execution.seconds > 0

    def test_the_value_of_a_last_expression_is_shown(self, run: Callable[[str], Execution]) -> None:
        assert run("x = 20\nx + 1").stdout == "21\n"

    def test_variables_functions_and_classes_last(self, run: Callable[[str], Execution]) -> None:
        run("n = 1\ndef f(): return n + 1\nclass C: size = 3")
        assert run("print(n, f(), C.size, given)").stdout == "1 2 3 [1, 2]\n"

    def test_a_cell_that_raises_keeps_what_it_assigned(self, run: Callable[[str], Execution]) -> None:
        execution = run("before = 1\nbefore / 0\nafter = 2")
        assert execution.ended == "raised"
        assert "ZeroDivisionError" in execution.error
        assert run("try: after\nexcept NameError: print(before, 'and no more')").stdout == "1 and no more\n"

    def test_an_error_of_syntax_is_told(self, run: Callable[[str], Execution]) -> None:
        assert "SyntaxError" in run("x = = 1").error

    def test_leaving_ends_the_cell_only(self, run: Callable[[str], Execution]) -> None:
        run("kept = 1")
        assert run("raise SystemExit").ended == "raised"
        assert run("kept").stdout == "1\n"

    def test_host_functions_are_called_with_plain_data(self, run: Callable[[str], Execution]) -> None:
        assert run("double(21), double(n=2)").stdout == "(42, 4)\n"

    def test_a_wrong_call_is_a_type_error_of_the_cell(self, run: Callable[[str], Execution]) -> None:
        for code in ("double()", "double('x')", "double(1, 2)"):
            assert "TypeError" in run(code).error

    def test_what_is_told_to_the_model_can_be_caught_by_it(self, run: Callable[[str], Execution]) -> None:
        assert "search first" in run("told()").error
        assert run("try: told()\nexcept Exception as e: print('caught', e)").stdout == "caught search first\n"

    def test_what_the_host_raises_ends_the_cell_whatever_it_catches(
        self, run: Callable[[str], Execution], sandbox: Sandbox
    ) -> None:
        run("kept = 1")
        with pytest.raises(BudgetExceeded, match="nothing is left"):
            run("try: spend()\nexcept Exception: pass\nprint('on')")
        assert sandbox.get("kept") == 1

    def test_host_functions_that_are_overwritten_come_back(self, run: Callable[[str], Execution]) -> None:
        run("double = print = None")
        assert run("print(double(1))").stdout == "2\n"

    @pytest.mark.parametrize("value", PLAIN, ids=repr)
    def test_plain_data_crosses_unchanged(self, value: Any, run: Callable[[str], Execution], sandbox: Sandbox) -> None:
        sandbox.set("x", value)
        run("y = x")
        assert sandbox.get("y") == value

    def test_missing_variables_and_other_objects_are_told_apart(
        self, run: Callable[[str], Execution], sandbox: Sandbox
    ) -> None:
        run("f = lambda: 1")
        with pytest.raises(KeyError):
            sandbox.get("nothing")
        with pytest.raises(ValueError, match="f"):
            sandbox.get("f")

    def test_a_cell_is_stopped_at_its_limit_and_the_session_goes_on(self, sandbox: Sandbox) -> None:
        sandbox.start({})
        sandbox.execute("1", timeout=_SECONDS)
        started = time.monotonic()
        execution = sandbox.execute("while True: pass", timeout=0.3)
        assert execution.ended in ("timeout", "killed")
        assert execution.error
        assert time.monotonic() - started < _SECONDS
        assert sandbox.execute("1 + 1", timeout=_SECONDS).stdout == "2\n"

    def test_time_in_host_functions_does_not_count(self, sandbox: Sandbox) -> None:
        sandbox.start({"wait": lambda: time.sleep(1.0)})
        sandbox.execute("1", timeout=_SECONDS)
        assert sandbox.execute("wait()", timeout=0.5).ended == "ok"

    def test_starting_again_is_a_new_session(self, run: Callable[[str], Execution], sandbox: Sandbox) -> None:
        run("old = 1")
        sandbox.start({}, {"new": 2})
        with pytest.raises(KeyError):
            sandbox.get("old")
        assert sandbox.get("new") == 2

    def test_closing_twice_is_harmless(self, sandbox: Sandbox) -> None:
        sandbox.start({})
        sandbox.close()
        sandbox.close()
