"""The examples of dspy's page of its RLM, but for the import line as they stand."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pydantic
import pytest

from rlm_search.errors import ConfigError
from tests.servers.openai_server import Say
from tests.unit.rlm_search.compat.conftest import Serve


def test_the_first_example_prints_the_answer(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve("```python\nprint(query, len(context))\n```", '```python\nSUBMIT(answer="$5M")\n```')

    from rlm_search.compat import dspy_rlm as dspy

    dspy.configure(lm=dspy.LM("openai/gpt-5"))

    # Create an RLM module
    rlm = dspy.RLM("context, query -> answer")

    # Call it like any other module
    result = rlm(context="...very long document or data...", query="What is the total revenue mentioned?")
    print(result.answer)

    assert capsys.readouterr().out == "$5M\n"
    assert [step["output"] for step in result.trajectory] == ["What is the total revenue mentioned? 32\n", ""]
    assert "What is the total revenue mentioned?" in json.dumps(server.completions[0])


def test_outputs_have_their_types_and_a_misfit_is_sent_back(serve: Serve) -> None:
    server = serve(
        "```python\nSUBMIT(total='many', years=[1999])\n```",
        "```python\nSUBMIT(total=len(rows), years=[row['year'] for row in rows])\n```",
    )

    from rlm_search.compat import dspy_rlm as dspy

    rlm = dspy.RLM("rows: list[dict[str, int]] -> total: int, years: list[int]", lm=dspy.LM("openai/gpt-5"))
    result = rlm(rows=[{"year": 2019}, {"year": 2021}])

    assert (result.total, result.years) == (2, [2019, 2021])
    assert result.toDict() == {"total": 2, "years": [2019, 2021]}
    assert "total" in json.dumps(server.completions[1]["messages"][-1])


def test_tools_and_the_sub_model_are_used(serve: Serve) -> None:
    def play(body: dict[str, Any]) -> Say:
        if body["model"] == "gpt-5-nano":
            return Say(text="blue")
        return Say(text="```python\nSUBMIT(answer=llm_query('Colour?') + str(lookup('x')))\n```")

    serve(play)

    from rlm_search.compat import dspy_rlm as dspy

    def lookup(key: str) -> int:
        """Look a key up."""
        return {"x": 7}[key]

    rlm = dspy.RLM("q -> answer", tools=[lookup], sub_lm=dspy.LM("openai/gpt-5-nano"), lm=dspy.LM("openai/gpt-5"))

    assert rlm(q="?").answer == "blue7"
    assert asyncio.run(rlm.acall(q="?")).answer == "blue7"


@pytest.mark.parametrize("limits", [{"max_iterations": 2}, {"max_llm_calls": 1}])
def test_a_spent_limit_is_an_error_and_no_guess(serve: Serve, limits: dict[str, int]) -> None:
    serve(lambda body: Say(text=f"```python\nprint(llm_query('{len(body['messages'])}'))\n```"))

    from rlm_search.compat import dspy_rlm as dspy
    from rlm_search.compat.rlm import NoAnswerError

    with pytest.raises(NoAnswerError, match="is spent"):
        dspy.RLM("q -> answer", **limits, lm=dspy.LM("openai/gpt-5"))(q="?")  # type: ignore[arg-type]


@pytest.mark.parametrize("signature", ["context", "a -> ", "a -> b: Decimal", "a, -> b c"])
def test_what_is_no_signature_is_told(signature: str) -> None:
    from rlm_search.compat import dspy_rlm as dspy

    with pytest.raises(ConfigError):
        dspy.RLM(signature)


def test_inputs_that_the_signature_does_not_name_are_refused(serve: Serve) -> None:
    serve("never asked")

    from rlm_search.compat import dspy_rlm as dspy

    with pytest.raises(ConfigError, match="wants context, query"):
        dspy.RLM("context, query -> answer", lm=dspy.LM("openai/gpt-5"))(context="x")


def test_a_class_of_fields_is_a_signature(serve: Serve) -> None:
    server = serve(
        "```python\nSUBMIT(people=[{'name': 'Ann'}], count='many')\n```",
        "```python\nSUBMIT(people=[{'name': 'Ann', 'age': len(letter)}], count=1)\n```",
    )

    from rlm_search.compat import dspy_rlm as dspy

    class Person(pydantic.BaseModel):
        name: str
        age: int

    class People(dspy.Signature):
        """Find the people of a letter."""

        letter: str = dspy.InputField(desc="an old one")
        people: list[Person] = dspy.OutputField(desc="all of them")
        count: int = dspy.OutputField()

    result = dspy.RLM(People, lm=dspy.LM("openai/gpt-5"))(letter="Dear Ann")
    assert (result.people, result.count) == ([Person(name="Ann", age=8)], 1)
    assert result.toDict() == {"people": [{"name": "Ann", "age": 8}], "count": 1}
    told = server.completions[0]["messages"][0]["content"]
    assert "Find the people of a letter." in told
    assert "`letter` (an old one)" in told
    assert '"description": "all of them"' in told
    assert "people: " in json.dumps(server.completions[1]["messages"][-1])


def test_a_text_with_instructions_is_a_signature(serve: Serve) -> None:
    server = serve("```python\nSUBMIT(toxic=False)\n```")

    from rlm_search.compat import dspy_rlm as dspy

    signature = dspy.Signature("comment -> toxic: bool", instructions="Mark what insults.")
    assert dspy.RLM(signature, lm=dspy.LM("openai/gpt-5"))(comment="You are great!").toxic is False
    assert "Mark what insults." in server.completions[0]["messages"][0]["content"]


def test_a_class_without_an_output_is_refused() -> None:
    from rlm_search.compat import dspy_rlm as dspy

    with pytest.raises(ConfigError, match="has no output"):

        class Nothing(dspy.Signature):
            letter: str = dspy.InputField()
