"""The worker in a container: the command line, and the same contract over a stand-in for the engine.

The stand-in runs what the command line names, with the mounted folders, as a process without a container around it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_search.assemble import sandbox_factory
from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.container import Container, container_sandbox
from rlm_search.sandbox.testing import SandboxContract
from rlm_search.settings import SandboxSettings
from rlm_search.types import Sandbox
from tests.integration.sandbox.arena import holds_elsewhere

pytestmark = pytest.mark.integration

STAND_IN = """#!{python}
import os, signal, sys
words, folder = sys.argv[1:], {folder!r}
if words[0] == "kill":
    os.kill(int(open(os.path.join(folder, words[1])).read()), signal.SIGKILL)
    sys.exit(0)
assert words[0] == "run"
with open(os.path.join(folder, words[words.index("--name") + 1]), "w") as file:
    file.write(str(os.getpid()))
open(os.path.join(folder, "words"), "w").write("\\n".join(words))
mounts = {{}}
for word in words:
    if word.startswith("type=bind,"):
        parts = dict(part.partition("=")[::2] for part in word.split(","))
        mounts[parts["target"]] = parts["source"]
program = words[words.index("--entrypoint") + 3:]
for target, source in mounts.items():
    program = [word.replace(target, source) for word in program]
os.execve(sys.executable, [sys.executable, *program], {{"PATH": "/bin", "IMAGE_SECRET": "canary"}})
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for docker, the first on the path."""
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    script.write_text(STAND_IN.format(python=sys.executable, folder=str(tmp_path)))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return tmp_path


class TestContainer(SandboxContract):
    @pytest.fixture
    def sandbox(self, engine: Path) -> Iterator[Sandbox]:
        with container_sandbox() as sandbox:
            yield sandbox


def test_the_container_has_no_network_no_rights_and_nothing_to_write_to(engine: Path) -> None:
    words = Container(image="mine:1", runtime="runsc").command("some-name", 512 * 1024 * 1024)
    line = " ".join(words)
    assert words[:2] == [str(engine / "bin" / "docker"), "run"]
    for wanted in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--pids-limit 64",
        "--memory 805306368 --memory-swap 805306368",
        "--user 65534:65534",
        "--runtime runsc",
        "--entrypoint python3 mine:1 -I -S -B /opt/rlm-search/rlm_search/sandbox/worker.py container",
    ):
        assert wanted in line
    mounts = [word for word in words if word.startswith("type=bind")]
    assert len(mounts) == 2
    assert all(word.endswith(",readonly") for word in mounts)
    assert not {"--privileged", "--env", "-e", "--publish", "--volume", "-v"} & set(words)


def test_the_worker_confines_itself_inside_too_and_has_nothing_of_the_image(engine: Path) -> None:
    with container_sandbox() as sandbox:
        holds_elsewhere(sandbox)


def test_a_container_that_is_killed_is_gone_and_its_session_is_made_again(engine: Path) -> None:
    with container_sandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("x = 41", timeout=20)
        [first] = [int(file.read_text()) for file in engine.glob("rlm-search-*")]
        assert sandbox.execute("max(range(10**12))", timeout=0.2).ended == "killed"
        assert not Path(f"/proc/{first}").exists()
        assert sandbox.execute("x + 1", timeout=20).stdout == "42\n"
    assert not any(Path(f"/proc/{file.read_text()}").exists() for file in engine.glob("rlm-search-*"))


def test_the_settings_name_engine_image_and_runtime(engine: Path) -> None:
    settings = SandboxSettings(spec="container", image="own:2", runtime="runsc", memory_mb=64)
    sandbox = sandbox_factory(settings)()
    assert isinstance(sandbox, ConfinedSandbox)
    with sandbox:
        sandbox.start({})
        assert sandbox.execute("1 + 1", timeout=20).stdout == "2\n"
    words = (engine / "words").read_text().split("\n")
    assert "own:2" in words
    assert words[words.index("--memory") + 1] == str((64 + 256) * 1024 * 1024)


def test_without_an_engine_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match="no docker and no podman") as caught:
        container_sandbox().start({})
    assert "install one" in caught.value.hint


def test_an_engine_that_refuses_is_a_sandbox_error(engine: Path) -> None:
    (engine / "bin" / "docker").write_text("#!/bin/sh\nexit 125\n")

    def begin_and_run(sandbox: ConfinedSandbox) -> None:  # it is noticed in the one or the other
        sandbox.start({})
        sandbox.execute("1", timeout=5)

    with container_sandbox() as sandbox, pytest.raises(SandboxError, match="does not start"):
        begin_and_run(sandbox)
