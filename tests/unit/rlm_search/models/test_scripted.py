"""The model that says what it was told to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_search.errors import ConfigError, ModelRejected, ModelUnavailable
from rlm_search.models.scripted import Rule, ScriptedModel, read_script
from rlm_search.types import CallOptions, Completion, Message, Usage


def say(model: ScriptedModel, text: str = "hi", options: CallOptions | None = None) -> Completion:
    return model.complete([Message("user", text)], options or CallOptions())


def test_replies_come_in_order_and_the_end_of_the_script_is_told() -> None:
    model = ScriptedModel(["one", "two"], name="play")

    assert [say(model).text, say(model).text] == ["one", "two"]
    with pytest.raises(ModelRejected, match="`play` has no reply to call 3"):
        say(model)


def test_a_function_of_the_messages_replies() -> None:
    def shout(messages: Sequence[Message]) -> str:
        return messages[-1].content.upper()

    assert say(ScriptedModel(shout), "hello").text == "HELLO"


def test_a_rule_that_matches_the_last_message_comes_before_the_replies() -> None:
    model = ScriptedModel(["in turn"], rules=[Rule(pattern=r"weather\b", reply="rain")])

    assert [say(model, "the weather?").text, say(model, "else").text] == ["rain", "in turn"]


def test_a_rule_for_once_matches_once() -> None:
    model = ScriptedModel(["in turn"], rules=[Rule(pattern="x", reply="first", once=True)])

    assert [say(model, "x").text, say(model, "x").text] == ["first", "in turn"]


def test_an_error_in_the_script_is_raised() -> None:
    with pytest.raises(ModelUnavailable):
        say(ScriptedModel([ModelUnavailable("busy")]))


def test_a_completion_in_the_script_keeps_its_usage_and_finish_reason() -> None:
    given = Completion(text="cut", usage=Usage(input_tokens=5, output_tokens=6, calls=1), finish_reason="length")

    assert say(ScriptedModel([given])) == given


def test_what_was_asked_is_kept() -> None:
    model = ScriptedModel(["a"])
    say(model, "question", CallOptions(max_tokens=3))

    [asked] = model.asked
    assert (asked.prompt, asked.options.max_tokens) == ("question", 3)


def test_the_same_texts_always_cost_the_same_tokens() -> None:
    first, second = say(ScriptedModel(["a" * 40])), say(ScriptedModel(["a" * 40]))

    assert first.usage == second.usage
    assert (first.usage.output_tokens, first.usage.calls, first.model) == (10, 1, "scripted")


def test_text_is_passed_on_as_by_a_model_that_streams() -> None:
    heard: list[str] = []
    say(ScriptedModel(["word"]), options=CallOptions(on_text=heard.append))

    assert heard == ["word"]


def test_a_script_is_text_with_lines_of_dashes_between_replies(tmp_path: Path) -> None:
    path = tmp_path / "play.txt"
    path.write_text("```python\nx = 1\n```\n---\nFINAL(1)\n", encoding="utf-8")
    model = read_script(path)

    assert [say(model).text, say(model).text] == ["```python\nx = 1\n```", "FINAL(1)"]
    assert model.name == "scripted:play.txt"


def test_a_script_is_json_lines_with_rules(tmp_path: Path) -> None:
    path = tmp_path / "play.jsonl"
    path.write_text('"one"\n\n{"reply": "rain", "match": "weather"}\n{"reply": "two"}\n', encoding="utf-8")
    model = read_script(path)

    assert [say(model).text, say(model, "weather").text, say(model).text] == ["one", "rain", "two"]


def test_a_script_is_a_json_list(tmp_path: Path) -> None:
    path = tmp_path / "play.json"
    path.write_text('["one", "two"]', encoding="utf-8")

    assert say(read_script(path)).text == "one"


@pytest.mark.parametrize(
    "text", ["{", "[1]", '[{"match": "x"}]', '{"reply": "x"}', '[{"reply": "x", "match": "("}]', "3"]
)
def test_a_file_that_is_no_script_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "play.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=r"play\.json is no script"):
        read_script(path)


def test_a_script_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_script(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_script(tmp_path / "binary.txt")


def test_rules_are_added_as_texts_or_expressions_for_the_last_message_or_the_system() -> None:
    model = ScriptedModel(["in turn"])
    model.add_rule("a+b?", "as a text", regex=False)
    model.add_rule(r"a+b", "as an expression", once=True)
    model.add_rule("sub-model", "to the sub-model", system=True)

    def said(text: str, system: str = "") -> str:
        return model.complete([Message("system", system), Message("user", text)], CallOptions()).text

    assert said("what is a+b?") == "as a text"
    assert said("aaab") == "as an expression"
    assert said("aaab", "you are a sub-model") == "to the sub-model"
    assert said("aaab") == "in turn"
