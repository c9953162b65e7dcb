"""JSON becomes lines that can be read; each line of JSON lines becomes a document."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import ParseError
from ingest.parsers import json as json_parser
from ingest.parsers import jsonl
from ingest.types import Parsed


def parsed_of(folder: Path, value: Any) -> Parsed:
    path = folder / "a.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    (parsed,) = json_parser.parse(path)
    return parsed


def test_values_are_lines_named_by_their_path(tmp_path: Path) -> None:
    value = {"title": "Log", "ship": {"name": "Heron", "ports": ["A", "B"], "sunk": False, "owner": None}, "n": [1, 2]}
    parsed = parsed_of(tmp_path, value)
    assert parsed.text == "title: Log\nship.name: Heron\nship.ports: A, B\nship.sunk: false\nn: 1, 2"
    assert parsed.title == "Log"


def test_objects_in_a_list_are_set_apart(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, [{"a": 1}, {"a": 2}]).text == "\na: 1\n\na: 2"


def test_a_scalar_is_its_own_text(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, "3").text == "3"


@pytest.mark.parametrize("text", ["{", "no json", '{"a": 1} {"b": 2}', "[" * 200_000, '{"a":' * 200_000])
def test_what_is_no_json_or_nested_beyond_sense_is_broken(tmp_path: Path, text: str) -> None:
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, text)
    assert refused.value.kind == "broken"


def test_a_list_of_records_is_a_document_for_each(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"_id": "a", "title": "A", "text": "one", "year": 2020},\n {"text": "two"}]')
    one, two = json_parser.parse(path)
    assert (one.record_id, one.title, one.text, one.metadata) == ("a", "A", "one", {"year": 2020})
    assert (two.record_id, two.record, two.text) == ("", "2", "two")


def test_records_in_a_file_called_json_are_read_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n')
    assert [(parsed.record_id, parsed.text) for parsed in json_parser.parse(path)] == [("a", "one"), ("b", "two")]


def records_of(folder: Path, *lines: str) -> list[Parsed]:
    path = folder / "a.jsonl"
    path.write_text("\n".join(lines))
    return list(jsonl.parse(path))


def test_a_record_is_a_document_with_its_own_id(tmp_path: Path) -> None:
    one, two = records_of(
        tmp_path,
        '{"_id": "d1", "title": "T", "text": "Body", "year": 2020, "tags": ["a"], "nested": {"x": 1},'
        ' "metadata": {"k": "v"}}',
        '{"id": 7, "text": "Other"}',
    )
    assert (one.record_id, one.record, one.title, one.text) == ("d1", "d1", "T", "Body")
    assert one.metadata == {"k": "v", "year": 2020, "tags": ("a",)}
    assert (two.record_id, two.record, two.title) == ("7", "7", "")


def test_a_record_without_an_id_is_numbered(tmp_path: Path) -> None:
    (_, parsed) = records_of(tmp_path, '{"text": "x"}', "", '{"text": "y"}')[:2]
    assert (parsed.record_id, parsed.record) == ("", "3")


def test_an_empty_record_is_a_document_without_text(tmp_path: Path) -> None:
    (parsed,) = records_of(tmp_path, '{"_id": "e", "title": "", "text": ""}')
    assert (parsed.text, parsed.record_id) == ("", "e")


def test_a_record_of_another_shape_is_written_out(tmp_path: Path) -> None:
    odd, scalar = records_of(tmp_path, '{"question": "Who?", "answer": {"name": "Hale"}}', '["a", "b"]')
    assert odd.text == "question: Who?\nanswer.name: Hale"
    assert scalar.text == "a, b"


def test_the_hash_is_of_the_record_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    one, two, other = records_of(tmp_path, '{"a": 1, "text": "x"}', '{"text":"x","a":1}', '{"text":"x","a":2}')
    assert one.content_hash == two.content_hash != other.content_hash


def test_bad_lines_are_named_after_all_good_ones_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\n{bad\n{"text": "two"}\n\xff\xfe\n' + b"[" * 200_000 + b"\n")
    records = jsonl.parse(path)
    assert [next(records).text, next(records).text] == ["one", "two"]
    with pytest.raises(ParseError, match="3 of its lines are no JSON: 2, 4, 5"):
        next(records)


def test_records_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for number in range(50_000):
            file.write(f'{{"_id": "{number}", "text": "x"}}\n')
    assert [record.record_id for record in islice(jsonl.parse(path), 3)] == ["0", "1", "2"]
