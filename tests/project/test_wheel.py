"""The built wheel, installed into an empty environment, is light, complete and works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project.reading import ROOT

pytestmark = pytest.mark.integration

MOST_MEGABYTES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An environment that has the wheel and nothing else."""

    wheel: Path
    folder: Path
    empty_bytes: int

    @property
    def added_bytes(self) -> int:
        """What the wheel and its dependencies take, compiled files included; pip itself is no part of it."""
        return _bytes_in(self.folder) - self.empty_bytes

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its commands as a user would, far from the checkout."""
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    @property
    def site_packages(self) -> Path:
        """Where its libraries are."""
        return next(self.folder.glob("lib/python3.*/site-packages"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _must([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    [wheel] = folder.glob("*.whl")
    _must([sys.executable, "-m", "venv", str(folder / "venv")])
    empty_bytes = _bytes_in(folder / "venv")
    _must([*pip, "--python", str(folder / "venv" / "bin" / "python"), "install", str(wheel)])
    return Installed(wheel=wheel, folder=folder / "venv", empty_bytes=empty_bytes)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_model_notices_types_and_data_but_no_tests(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()

    for ending in ("/LICENSE", "/NOTICE", "rlm_search/py.typed", "retrievers/py.typed", "ingest/py.typed", ".onnx"):
        assert any(name.endswith(ending) for name in names), ending
    assert {name.split("/")[0] for name in names if "dist-info" not in name} <= {
        "ingest", "retrievers", "rlm_search", "confinement",
    }  # fmt: skip


def test_the_core_install_is_light_and_has_no_torch(installed: Installed) -> None:
    assert installed.added_bytes / 1e6 < MOST_MEGABYTES
    assert not (installed.site_packages / "torch").exists()


@pytest.mark.parametrize("command", ["ingest", "rlm-search"])
def test_a_command_says_its_version(installed: Installed, tmp_path: Path, command: str) -> None:
    done = installed.run(command, "--version", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "0.1.0" in done.stdout


def test_a_folder_is_indexed_and_found_by_words_and_by_meaning(installed: Installed, tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "gulls.md").write_text("# Gulls\n\nHerring gulls open mussels by dropping them on rocks.\n")
    (papers / "tides.txt").write_text("Spring tides follow the full moon by two days.\n")

    done = installed.run("ingest", "papers", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    for mode in ("lexical", "semantic", "hybrid"):
        found = installed.run("rlm-search", "search", "gulls and mussels", "--mode", mode, "--json", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        json.loads(found.stdout)
        assert found.stdout.index("gulls.md") < found.stdout.find("tides.txt") % len(found.stdout), mode


def test_a_question_is_answered_with_a_citation_without_a_model(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "tides.txt").write_text("Spring tides follow the full moon by two days.\n")
    installed.run("ingest", "tides.txt", cwd=tmp_path)

    done = installed.run("rlm-search", "ask", "When do spring tides come?", "--model", "extractive", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "two days" in done.stdout
    assert "[1]" in done.stdout
    assert "tides.txt" in done.stdout


def test_a_retriever_in_the_current_folder_can_be_asked(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text((ROOT / "examples" / "custom_retriever.py").read_text("utf-8"), "utf-8")

    done = installed.run("rlm-search", "search", "bread", "--index", "mine:NotesRetriever", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "bakery" in done.stdout
