"""Source code stays as it is written, and its definitions are headings that say what they are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.chunkers import load
from ingest.parsers import parser_for
from ingest.parsers.code import definitions
from ingest.stages import identify
from ingest.types import DEFAULT_OPTIONS, Parsed, SourceFile

PYTHON = '''"""Fares."""
import abc


@abc.deprecated
class Fare:
    """What a trip costs."""

    def price(self, age):
        def half():
            return 1
        return half() if age < 12 else 2


if True:
    async def main():
        pass
'''
GO = """package main

// Server serves.
type Server struct {
	addr string
}

func (s *Server) Start(ctx context.Context) error {
	if x := 1; x > 0 {
		return nil
	}
	return fmt.Errorf("x")
}
"""
JAVA = """package a;
/** Doc. */
public class Fare extends Base {
    private final int x = call(1);
    /** price */
    @Override
    public static <T> List<T> price(int age) throws IOException
    {
        if (age > 1) {
            foo(age);
        }
        return new Foo() {
        };
    }
}
"""
TYPESCRIPT = """import x from 'y';
export interface Fare { a: number }
export const price = (age: number): number => {
  return age;
};
class Ferry extends Boat {
  async sail(to: string) {
    if (to) {
      go(() => { bar(); });
    }
  }
}
"""
C = """#include <x.h>
/* adds */
static int add(int a, int b)
{
    return a + b;
}
int main(void) {
    while (1) { }
}
"""
SQL = "CREATE TABLE fares (age int);\nselect 1;\ncreate or replace function price(age int)\nreturns int as $$ $$;\n"


def parsed_of(path: Path, text: str) -> Parsed:
    path.write_text(text)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", PYTHON, [("class Fare", 1), ("def price", 2), ("def half", 3), ("def main", 1)]),
        ("python", "print 'old'\ndef f(x):\n    def g():\n", [("def f(x)", 1), ("def g()", 2)]),
        ("go", GO, [("type Server struct", 1), ("func (s *Server) Start(ctx context.Context) error", 1)]),
        (
            "java",
            JAVA,
            [("public class Fare extends Base", 1), ("public static <T> List<T> price(int age) throws IOException", 2)],
        ),
        (
            "typescript",
            TYPESCRIPT,
            [
                ("export interface Fare", 1),
                ("export const price", 1),
                ("class Ferry extends Boat", 1),
                ("async sail(to: string)", 2),
            ],
        ),
        ("c", C, [("static int add(int a, int b)", 1), ("int main(void)", 1)]),
        ("sql", SQL, [("CREATE TABLE fares (age int)", 1), ("create or replace function price(age int)", 1)]),
        ("shell", "set -e\nfare() {\n  echo 1\n}\n", [("fare()", 1)]),
        ("css", "a { b: c }", []),
    ],
)
def test_definitions_are_found_with_their_scope(language: str, text: str, expected: list[tuple[str, int]]) -> None:
    assert [(heading.title, heading.level) for heading in definitions(text, language)] == expected


def test_a_definition_begins_with_what_stands_right_above_it(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path / "fare.py", PYTHON)
    assert parsed.text[parsed.headings[0].start :].startswith("@abc.deprecated\nclass Fare")
    parsed = parsed_of(tmp_path / "fare.java", JAVA)
    assert parsed.text[parsed.headings[1].start :].startswith("    /** price */\n    @Override\n")


def test_it_is_cut_at_definitions_and_each_piece_says_where_it_is(tmp_path: Path) -> None:
    body = "".join(f"        total_{n} = compute_the_price_of_a_ticket({n}, age)\n" for n in range(6))
    text = "".join(f"class Fare{c}:\n    def price(self, age):\n{body}\n\n" for c in "ABC")
    path = tmp_path / "fare.py"
    parsed = parsed_of(path, text)
    file = SourceFile(path=path, source="fare.py", size=0, mtime_ns=0, fingerprint="")
    document = identify(parsed, file)
    chunks = load().chunk(document)
    starts = {chunk.start for chunk in chunks}
    assert {heading.start for heading in parsed.headings if heading.title.startswith("class")} <= starts
    assert all("Fare" in chunk.context for chunk in chunks)
    assert document.title == "fare.py"


def test_a_line_that_a_program_wrote_costs_nothing() -> None:
    assert definitions("function a(){" + "int * & " * 200_000, "javascript") == []
    assert definitions(("a*& " * 70 + "\n") * 200, "c") == []


def test_a_notebook_is_its_cells(tmp_path: Path) -> None:
    text = (
        '{"cells": [{"cell_type": "markdown", "source": ["# Fares\\n", "For all."]}, {"cell_type": "code", "source":'
        ' "price(3)", "outputs": [{"text": ["3 euros\\n"]}, {"data": {"text/plain": "4", "image/png": "AAAA"}}]}]}'
    )
    parsed = parsed_of(tmp_path / "a.ipynb", text)
    assert parsed.text == "# Fares\nFor all.\n\nprice(3)\n\n3 euros\n\n4\n\n"
    assert (parsed.title, [heading.start for heading in parsed.headings]) == ("Fares", [0])
