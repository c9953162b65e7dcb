"""A JSON schema that a model wrote: it makes the host fetch nothing, and match no pattern of its making."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from rlm_search.errors import ConfigError
from rlm_search.mapping import schema_of
from rlm_search.typed import Misfit, answer_type, has_patterns

Tell = Callable[..., Any]


def test_a_reference_is_never_fetched() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        kind = answer_type({"$ref": f"http://127.0.0.1:{server.server_port}/schema.json"})
        with pytest.raises(Misfit, match="cannot be followed"):
            kind.read({"a": 1})
        server.shutdown()
    assert asked == []


def test_references_within_a_schema_are_followed() -> None:
    kind = answer_type({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}})
    assert kind.read("3") == 3
    with pytest.raises(Misfit, match="not of type"):
        kind.read("x")


@pytest.mark.parametrize(
    ("schema", "has"),
    [
        ({"type": "string", "pattern": "(a+)+$"}, True),
        ({"anyOf": [{"items": {"pattern": "x"}}]}, True),
        ({"patternProperties": {"(a+)+$": {}}}, True),
        ({"properties": {"pattern": {"type": "string"}}}, False),
    ],
)
def test_patterns_are_found_wherever_they_stand(schema: dict[str, Any], has: bool) -> None:
    assert has_patterns(schema) is has


def test_a_schema_of_the_model_with_a_pattern_is_told(tell: Tell) -> None:
    told = tell("\nllm_query_json('x', schema={'type': 'string', 'pattern': '(a+)+$'})", "\nFINAL('x')", retriever=None)
    assert "no `pattern`" in told.shown
    with pytest.raises(ConfigError, match="no `pattern`"):
        schema_of({"type": "string", "pattern": "(a+)+$"})


def test_fields_by_type_need_no_schema() -> None:
    kind = schema_of({"net income": "float", "names": "list"})
    assert kind is not None
    assert kind.make({"net income": 3, "names": None}) == {"net income": 3.0, "names": None}
    with pytest.raises(Misfit):
        kind.make({"net income": "three", "names": []})
