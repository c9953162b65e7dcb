"""Typed answers: told to the model, checked, sent back with the reason, and given to the caller as a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from rlm_search import ConfigError
from rlm_search.trace.events import FinishRefused, RunFinished
from rlm_search.typed import Misfit, answer_type

Tell = Callable[..., Any]

SCHEMA = {
    "type": "object",
    "properties": {"knots": {"type": "integer", "minimum": 1}, "where": {"type": "array", "items": {"type": "string"}}},
    "required": ["knots"],
    "additionalProperties": False,
}


class Limit(pydantic.BaseModel):
    knots: int = pydantic.Field(gt=0)
    where: list[str] = []


@dataclass
class Plain:
    knots: int
    where: list[str]


@pytest.mark.parametrize("kind", [SCHEMA, Limit, Plain])
@pytest.mark.parametrize(
    "finish",
    [
        "\nFINAL({'knots': 32, 'where': ['port']})",
        "\nSUBMIT(knots=32, where=['port'])",
        "\nr = {'knots': 32, 'where': ['port']}\nFINAL_VAR('r')",
        '\nFINAL(\'{"knots": 32, "where": ["port"]}\')',
        'FINAL: {"knots": 32, "where": ["port"]}',
        'FINAL:\n```json\n{"knots": 32, "where": ["port"]}\n```',
        "FINAL({'knots': 32, 'where': ['port']})",
        "\nanswer.update(content={'knots': 32, 'where': ['port']}, ready=True)",
    ],
)
def test_an_answer_of_the_type_becomes_its_value(tell: Tell, kind: Any, finish: str) -> None:
    told = tell_typed(tell, kind, finish)
    value = told.answer.value
    assert told.answer.status == "answered"
    assert (value if isinstance(value, dict) else vars(value)) == {"knots": 32, "where": ["port"]}
    assert told.of(RunFinished)[0].answer["value"] == {"knots": 32, "where": ["port"]}


def tell_typed(tell: Tell, kind: Any, *replies: str) -> Any:
    return tell(*replies, retriever=None, answer_type=kind)


def test_a_misfit_is_told_without_the_links_of_pydantic() -> None:
    with pytest.raises(Misfit) as told:
        answer_type(Limit).make({"knots": 0})
    assert "greater than 0" in str(told.value)
    assert "http" not in str(told.value)


@pytest.mark.parametrize("kind", [SCHEMA, Limit])
def test_a_misfit_goes_back_with_the_reason(tell: Tell, kind: Any) -> None:
    told = tell_typed(tell, kind, "\nFINAL({'knots': 0})", "\nFINAL('thirty-two')", "\nFINAL({'knots': 32})")
    assert told.answer.status == "answered"
    first, second = (event.reason for event in told.of(FinishRefused))
    assert "knots" in first
    assert "thirty-two" in second or "object" in second
    assert "JSON schema" in told.model.asked[0].messages[0].content
    assert '"knots"' in told.model.asked[0].messages[0].content


def test_a_model_that_never_fits_fails_with_the_reason_and_its_guess_is_not_passed_on(tell: Tell) -> None:
    told = tell_typed(tell, SCHEMA, *["\nFINAL('32 knots')"] * 3)
    assert (told.answer.status, told.answer.text, told.answer.value) == ("failed", "", None)
    assert "no answer of the type" in told.answer.reason


def test_word_that_there_is_none_needs_no_type(tell: Tell) -> None:
    told = tell_typed(tell, SCHEMA, "\nFINAL('not stated', found=False)")
    assert (told.answer.status, told.answer.value) == ("not_found", None)


@pytest.mark.parametrize(("kind", "given", "value"), [(int, "42", 42), (str, "42", "42"), (list[int], "[1]", [1])])
def test_simple_types_are_read_from_text(kind: Any, given: str, value: Any) -> None:
    assert answer_type(kind).read(given) == value


def test_problems_are_told_in_few_words() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    with pytest.raises(Misfit) as misfit:
        answer_type(schema).read(["x" * 10_000] * 100)
    assert len(str(misfit.value)) < 1_500
    assert "$[0]" in str(misfit.value)


@pytest.mark.parametrize("kind", [{"type": "nonsense"}, lambda x: x])
def test_what_is_no_type_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigError):
        answer_type(kind)


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(answer_type(Limit).schema))["title"] == "Limit"


def test_a_list_of_models_is_a_type(tell: Tell) -> None:
    told = tell(
        "\nFINAL([{'knots': 0}])", "\nFINAL([{'knots': 32}, {'knots': 30}])", retriever=None, answer_type=list[Limit]
    )
    assert told.answer.value == [Limit(knots=32), Limit(knots=30)]
    assert told.of(RunFinished)[0].answer["value"] == [{"knots": 32, "where": []}, {"knots": 30, "where": []}]
