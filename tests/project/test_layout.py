"""Rules of the code base that no linter holds."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.project.reading import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "core", "base", "manager"}
FOR_DEVELOPERS = {"dev", "bench", "build-model", "emulators", "fuzz"}
FOR_CLUSTERS = {"ray"}  # 500 MB that are no use on one machine, and whose version is that of the cluster
FOR_SERVICES = {"modal", "prime", "daytona", "e2b"}  # e2b and prime ask for different versions of one library
MOST_LINES = 400
MOST_LINES_OF_TESTS = 500


def kept_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def python_files() -> list[Path]:
    return [path for path in kept_files() if path.suffix == ".py"]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        path for path in python_files() if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES
    ] == []


def test_no_file_is_longer_than_one_can_read() -> None:
    lines = {path: len(path.read_bytes().splitlines()) for path in python_files()}
    long = {path.name: n for path, n in lines.items() if n > (MOST_LINES_OF_TESTS if _is_test(path) else MOST_LINES)}

    assert long == {}


def _is_test(path: Path) -> bool:
    return ROOT / "tests" in path.parents


def test_the_environment_is_read_in_settings_modules_only() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "settings.py" and _reads_environment(path)
    }

    assert readers == set()


def _reads_environment(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv", "environb"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        for node in ast.walk(ast.parse(path.read_bytes()))
    )


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    ours = [path for path in python_files() if not _is_test(path)]  # a test's name is its docstring
    silent = [path for path in ours if path.stat().st_size and not ast.get_docstring(_tree(path))]

    assert silent == []


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_exports_exists_and_is_documented(package: str) -> None:
    module = importlib.import_module(package)

    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{package}.{name}"


def test_no_kept_file_names_a_place_of_one_machine() -> None:
    data_of_ci = "../" + "shared"
    homes = re.compile(r"(?<![\w.])/(?:home/\w|root/|Users/\w|work" + r"/(?:main|shared))")
    strangers = {}
    for path in kept_files():
        if path.suffix in {".pdf", ".docx", ".onnx", ".npz", ".npy"} or path == ROOT / ".ci" / "run":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if data_of_ci in text or homes.search(text):
            strangers[path.relative_to(ROOT).as_posix()] = data_of_ci if data_of_ci in text else "an absolute path"

    assert strangers == {}


def test_an_extra_that_is_named_somewhere_is_declared() -> None:
    declared = set(PYPROJECT["project"]["optional-dependencies"])
    named = set()
    for path in kept_files():
        if path.suffix in {".py", ".md", ".toml"} and not _is_test(path):
            text = path.read_text(encoding="utf-8")
            for extras in re.findall(r"rlm-search\[([a-z,\s-]+)\]", text):
                named |= {extra.strip() for extra in extras.split(",")}
            named |= set(re.findall(r"\bextra=\"([a-z-]+)\"", text))

    assert named <= declared


def test_all_is_every_extra_for_users() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    [line] = extras["all"]

    assert set(re.findall(r"\[(.*)\]", line)[0].split(",")) == set(extras) - {
        "all",
        *FOR_DEVELOPERS,
        *FOR_CLUSTERS,
        *FOR_SERVICES,
    }


def test_importing_the_packages_imports_no_optional_or_heavy_library() -> None:
    heavy = ("torch", "sentence_transformers", "onnxruntime", "pypdfium2", "lxml", "httpx", "rich", "tokenizers")
    code = f"import sys, {', '.join(PACKAGES)}; print([m for m in {heavy!r} if m in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "[]"
