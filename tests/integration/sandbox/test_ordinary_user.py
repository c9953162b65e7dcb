"""The same attacks where the host is an ordinary user, who shares that user with its workers.

When the tests run as root, they run once more as nobody, with a copy of the interpreter that nobody can read.
`RLM_SEARCH_TEST_ATTACKS=all` runs all of them so, else every ninth; workers also on the interpreters that
`RLM_SEARCH_TEST_PYTHONS` names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.sandbox.test_attacks import PYTHONS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; the other tests ran as a user"),
]
ROOT = Path(__file__).parents[3]
NOBODY = 65_534
NEEDED = {"msgspec", "_pytest", "pytest", "pluggy", "py.py", "iniconfig", "packaging", "pygments"}
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "site-packages", "ensurepip", "config-*", "*.a"
)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Path]:
    """A copy of this interpreter, of what is installed and of the tests, readable by everybody."""
    with tempfile.TemporaryDirectory(prefix="python-") as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        yield copied(Path(folder))


def copied(home: Path) -> Path:
    python = copied_interpreter(sys.executable, home)
    for package in ("confinement", "retrievers", "rlm_search", "tests/integration/sandbox", "bench"):
        shutil.copytree(ROOT / package, home / "src" / package, ignore=shutil.ignore_patterns("__pycache__"))
    installed = Path(sysconfig.get_path("purelib"))
    shutil.copytree(installed, home / "site", ignore=_all_but(NEEDED))
    return python


def copied_interpreter(python: str, home: Path) -> Path:
    """The program with its library, where everybody can read it."""
    ask = (
        "import os, sys, sysconfig as s; print(s.get_path('stdlib'), os.path.realpath(sys.executable), sys.base_prefix)"
    )
    told = subprocess.run([python, "-Ic", ask], capture_output=True, text=True, check=True)
    library, program, prefix = map(Path, told.stdout.split())
    shutil.copytree(library, home / "lib" / library.name, ignore=LEFT_OUT)
    (home / "bin").mkdir()
    copy = home / "bin" / library.name
    there = bytes(prefix / "lib") + b"\0"  # where its shared library lies, if it has one: workers have no environment
    here = b"$ORIGIN/../lib"
    copy.write_bytes(program.read_bytes().replace(b"\0" + there, b"\0" + here.ljust(len(there), b"\0")))
    copy.chmod(0o755)
    for shared in (prefix / "lib").glob("libpython*.so*"):
        shutil.copy(shared, home / "lib")
    return copy


def _all_but(wanted: set[str]) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return set(names) - wanted if Path(folder).name == "site-packages" else set()

    return ignored


def test_attacks_are_contained_where_the_host_is_an_ordinary_user(interpreter: Path) -> None:
    home = interpreter.parents[1]
    script = (
        "import os, sys, pytest\n"
        "from tests.integration.sandbox import test_attacks as attacks\n"
        "assert os.geteuid() != 0\n"
        "class Sampled:\n"
        "    def pytest_collection_modifyitems(self, items):\n"
        "        items[:] = [i for n, i in enumerate(items) if n % int(sys.argv[1]) == 0]\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--import-mode=importlib', '-x', '-m', 'integration',\n"
        "    '-c', os.devnull, '--rootdir', sys.argv[2], '-W', 'ignore', attacks.__file__], plugins=[Sampled()]))\n"
    )
    every = "1" if os.environ.get("RLM_SEARCH_TEST_ATTACKS") == "all" else "9"
    others = [str(copied_interpreter(other, home / f"other-{n}")) for n, other in enumerate(PYTHONS[1:])]
    scratch = home / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    done = subprocess.run(
        [str(interpreter), "-B", "-c", script, every, str(home / "src")],
        env={
            "PYTHONPATH": f"{home / 'src'}:{home / 'site'}",
            "PYTHONHOME": str(home),
            "TMPDIR": str(scratch),
            "HOME": str(scratch),
            "LD_LIBRARY_PATH": str(home / "lib"),
            "RLM_SEARCH_TEST_PYTHONS": ":".join(others),
        },
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=3_000,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
