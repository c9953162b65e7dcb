"""The documentation names what exists: commands, options, exit codes, keys, links."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ingest.cli import COMMANDS as INGEST_COMMANDS
from ingest.cli import cli as ingest
from rlm_search.cli import main as rlm_search
from scripts import make_docs
from tests.project.reading import ROOT

COMMANDS: dict[str, click.Command] = {"ingest": ingest, "rlm-search": rlm_search}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    """Each command line of a fenced block, comments and assignments before it left out."""
    for page in PAGES:
        if page == make_docs.CLI:
            continue
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for block in (text for language, text in blocks if language in ("", "sh")):
            for line in block.splitlines():
                words = shlex.split(line, comments=True) if line.isascii() or "#" in line or "…" in line else []
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words and words[0] in {*COMMANDS, "make"}:
                    yield f"{page.name}: {line.strip()}", words


@pytest.mark.parametrize(("line", "words"), [pytest.param(*shown, id=shown[0]) for shown in shown_commands()])
def test_a_command_that_the_documentation_shows_can_be_given(line: str, words: list[str]) -> None:
    if words[0] == "make":
        assert words[1] in TARGETS
        return
    if words[0] == "ingest" and words[1] not in {*INGEST_COMMANDS, "--version"}:
        words.insert(1, "run")  # what a bare path means
    result = CliRunner().invoke(COMMANDS[words[0]], [*words[1:], "--help"])

    assert result.exit_code == 0, result.output


def test_the_page_of_commands_is_what_help_says() -> None:
    assert make_docs.CLI.read_text(encoding="utf-8") == make_docs.cli_page(), "run `make docs`"


def test_the_page_of_settings_shows_the_defaults() -> None:
    page = make_docs.CONFIGURATION.read_text(encoding="utf-8")

    assert page == make_docs.configuration_page(page), "run `make docs`"
    assert tomllib.loads(make_docs.DEFAULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", ["ingest", "retrievers", "rlm_search"])
def test_every_exit_code_of_an_error_stands_in_the_table_of_the_readme(package: str) -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    documented = {
        int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")
    }
    errors = inspect.getmembers(importlib.import_module(f"{package}.errors"), inspect.isclass)

    assert {error.exit_code for _, error in errors if hasattr(error, "exit_code")} <= documented


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_target_that_a_developer_needs_is_explained_by_make_help() -> None:
    explained = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))

    assert explained >= {"setup", "fix", "check", "test", "integration", "bench", "demo", "docs", "wheel", "clean"}


def test_a_page_that_the_code_refers_to_exists() -> None:
    named = {
        page
        for folder in ("ingest", "retrievers", "rlm_search", "scripts", "bench", "config")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".toml"}
        for page in re.findall(r"\bdocs/[a-z0-9/_-]+\.md", path.read_text(encoding="utf-8"))
    }

    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    command = ["make", "--directory", str(ROOT), "setup", f"VENV={tmp_path / 'venv'}", "PYTHON=false"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert "needs Python 3.11, 3.12 or 3.13" in line
    assert not (tmp_path / "venv").exists()


def test_the_readme_fits_into_a_window() -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_every_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert all(page.read_text(encoding="utf-8").startswith(f"# {page.name[:4]}:") for page in pages)


def test_what_is_marked_as_an_instruction_is_documented() -> None:
    from rlm_search.instructions import PATTERNS

    page = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())
    assert [pattern.about for pattern in PATTERNS if pattern.about not in page] == []
