"""A reply is read as its author meant it: code is run, prose is not, and an answer arrives whole."""

from __future__ import annotations

import pytest

from rlm_search.actions import Reply, TextFinish, read


@pytest.mark.parametrize(
    "reply",
    [
        "Let me look.\n```python\nprint(1)\n```",
        "```py\nprint(1)\n```\nThat should do.",
        "```repl\nprint(1)\n```",
        "```Python3\nprint(1)\n```",
        "```\nprint(1)\n```",
        "~~~python\nprint(1)\n~~~",
        "````python\nprint(1)\n````",
        "```python\nprint(1)",
        "```python\nprint(1)```",
        "  ```python\n  print(1)\n  ```",
        "```{.python}\nprint(1)\n```",
        "<python>\nprint(1)\n</python>",
        "<code>print(1)</code>",
        "<execute>\n```python\nprint(1)\n```\n</execute>",
        '<tool_call>\n{"name": "python", "arguments": {"code": "print(1)"}}\n</tool_call>',
        '<tool_call>{"name": "python", "arguments": "print(1)"}</tool_call>',
        '<function_calls><invoke name="python"><parameter name="code">print(1)</parameter></invoke></function_calls>',
        "<think>I could FINAL(0) now.\n```python\nx\n```</think>\n```python\nprint(1)\n```",
        "print(1)",
        "```python\n>>> print(1)\n```",
    ],
)
def test_code_is_found_however_it_is_wrapped(reply: str) -> None:
    assert read(reply) == Reply(cells=("print(1)",))


def test_several_blocks_run_in_order() -> None:
    reply = "First\n```python\na = 1\n```\nthen\n```python\nb = 2\n```\nand\n~~~\nprint(a, b)\n~~~"
    assert read(reply).cells == ("a = 1", "b = 2", "print(a, b)")


def test_a_fence_inside_of_code_does_not_end_it() -> None:
    assert read('````python\nx = """\n```\ncode\n```\n"""\n````').cells == ('x = """\n```\ncode\n```\n"""',)


@pytest.mark.parametrize(
    "reply",
    [
        "I would search for the word first, then read.",
        "The answer is 42.",
        '```json\n{"a": 1}\n```',
        "```\nno code at all\n```",
        "```\nyes\n```",
        "",
        "x",
        "Use <code>print</code> for that.",
    ],
)
def test_prose_and_data_are_no_code(reply: str) -> None:
    assert read(reply) == Reply()


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("FINAL: 32 knots", "32 knots"),
        ("Having read it all:\nFINAL: 32 knots", "32 knots"),
        ("**FINAL:** 32 knots", "32 knots"),
        ("**FINAL: 32 knots**", "32 knots"),
        ("**FINAL: 32 knots**, or **30**", "32 knots, or **30**"),
        ("```\nFINAL: 32 knots\n```", "32 knots"),
        ("So.\n```\n\nFINAL(32 knots, they say)\n```\nThat is all.", "32 knots, they say"),
        ("```text\nFINAL: 32 knots\n```", "32 knots"),
        ("So.\nFINAL(32 knots)", "32 knots"),
        ("So.\nFINAL(42)", "42"),
        ('So.\nFINAL("32 knots")', "32 knots"),
        ("So.\nFINAL(use f(x) (really) and g())", "use f(x) (really) and g()"),
        ('So.\nFINAL("a) first\\nb) second")', "a) first\nb) second"),
        ('So.\nFINAL("""\nfirst (1)\nsecond :)\n""")', "\nfirst (1)\nsecond :)\n"),
        (
            "FINAL: Do this:\n```python\nprint(1)\n```\nand be happy.",
            "Do this:\n```python\nprint(1)\n```\nand be happy.",
        ),
        ("So.\nFINAL(Do this:\n```python\nprint(1)\n```\n)", "Do this:\n```python\nprint(1)\n```"),
        ("So.\nFINAL(it ends :-( and goes on", "it ends :-( and goes on"),
    ],
)
def test_an_answer_in_text_arrives_whole(reply: str, value: str) -> None:
    finish = read(reply).finish
    assert finish is not None
    assert (finish.kind, finish.value) == ("text", value)
    assert read(reply).cells == ()


@pytest.mark.parametrize("reply", ["FINAL_VAR: answer", "So.\nFINAL_VAR(answer)", "So.\nFINAL_VAR('answer')"])
def test_a_variable_can_be_named_in_text(reply: str) -> None:
    assert read(reply) == Reply(finish=TextFinish(kind="variable", value="answer"))


@pytest.mark.parametrize("reply", ["NOT_FOUND: nothing on wages", 'So.\nFINAL("nothing on wages", found=False)'])
def test_that_nothing_was_found_can_be_said_in_text(reply: str) -> None:
    assert read(reply) == Reply(finish=TextFinish(kind="not_found", value="nothing on wages"))


@pytest.mark.parametrize("before", ["So.\n", ""])
def test_what_may_be_words_or_python_says_which_names_it_uses(before: str) -> None:
    word = read(f"{before}FINAL(answer)").finish
    assert word == TextFinish(kind="text", value="answer", call="FINAL(answer)", names=("answer",))
    assert word.is_word
    call = read(f"{before}FINAL(str(x))").finish
    assert call == TextFinish(kind="text", value="str(x)", call="FINAL(str(x))", names=("str", "x"))
    assert not call.is_word


@pytest.mark.parametrize("said", ["3-5", "Paris, France", "1990-01-01", "42", "yes, it is", "p = 0.05"])
def test_words_in_the_brackets_are_no_python_even_where_nothing_else_is_said(said: str) -> None:
    assert read(f"FINAL({said})") == Reply(finish=TextFinish(kind="text", value=said))


@pytest.mark.parametrize("call", ['FINAL(f"{x} knots")', "FINAL(results[0])", "SUBMIT(year=2019)", "FINAL([1])"])
def test_a_finish_that_has_to_be_computed_is_run(call: str) -> None:
    assert read(f"So.\n{call}").cells == (call,)


@pytest.mark.parametrize(
    ("inside", "cell"),
    [
        ("FINAL_VAR: answer", "FINAL_VAR('answer')"),
        ("x = 1\nFINAL_VAR: x", "x = 1\nFINAL_VAR('x')"),
        ("x = 1\nFINAL: it is 32 knots", "x = 1\nFINAL('it is 32 knots')"),
        ("FINAL(answer)", "FINAL(answer)"),
        ("a = 'é'; FINAL_VAR(a)", "a = 'é'; FINAL_VAR('a')"),
        ("FINAL_VAR(a[0])", "FINAL_VAR(a[0])"),
        ("def end(a):\n    FINAL_VAR(a)", "def end(a):\n    FINAL_VAR(a)"),
        ("NOT_FOUND: no such thing", "FINAL('no such thing', found=False)"),
    ],
)
def test_a_finish_inside_of_a_fence_is_a_call(inside: str, cell: str) -> None:
    assert read(f"```python\n{inside}\n```").cells == (cell,)


def test_a_mapping_with_a_similar_annotation_is_left_alone() -> None:
    code = "total: int = 3\nFINALE: str"
    assert read(f"```python\n{code}\n```").cells == (code,)


@pytest.mark.parametrize(
    "reply",
    [
        "```python\nhits = es_search('x')\n```\nFINAL: 42",
        "FINAL(42)\n\n```python\nhits = es_search('x')\n```",
    ],
)
def test_code_beside_a_finish_is_run_and_both_are_reported(reply: str) -> None:
    found = read(reply)
    assert found.cells == ("hits = es_search('x')",)
    assert found.finish == TextFinish(kind="text", value="42")


def test_a_finish_in_a_fence_beside_code_does_not_count() -> None:
    assert read("```python\nprint(1)\n```\n```\nFINAL: 32 knots\n```") == Reply(cells=("print(1)",))


def test_the_word_final_in_a_sentence_is_no_finish() -> None:
    assert read("The FINAL(…) function ends the run, I will call it later.") == Reply()


def test_a_reply_that_was_cut_in_a_block_is_not_run() -> None:
    assert read("```python\nprint('abc", is_cut=True) == Reply(is_cut=True)
    assert read("```python\nprint('abc')", is_cut=True).cells == ("print('abc')",)


def test_code_that_does_not_parse_is_still_run_so_that_the_error_is_told() -> None:
    assert read("```python\nprint(1\n```").cells == ("print(1",)


@pytest.mark.parametrize("reply", ["```python\n" + "(" * 5_000, "\x00```python\n\x00\n```", "FINAL(" + "(" * 20_000])
def test_nonsense_is_read_in_a_moment(reply: str) -> None:
    read(reply)
