"""The worker within bubblewrap: the command line everywhere; the contract and attacks where it is installed."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_search.assemble import sandbox_factory
from rlm_search.errors import SandboxError
from rlm_search.sandbox import bubblewrap
from rlm_search.sandbox.bubblewrap import bubblewrapped_sandbox, ring, ringed
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import nursery
from rlm_search.sandbox.protocol import SandboxLimits
from rlm_search.sandbox.testing import SandboxContract
from rlm_search.settings import SandboxSettings
from rlm_search.types import Sandbox
from tests.integration.sandbox.arena import Arena, arena, attacks
from tests.integration.sandbox.test_attacks import PYTHONS
from tests.integration.sandbox.test_ordinary_user import NOBODY, copied

pytestmark = pytest.mark.integration

is_here = pytest.mark.skipif(
    shutil.which("bwrap") is None or bool(bubblewrap.holds_here()), reason="bubblewrap is not installed, or cannot work"
)
ATTACKS = attacks()
EVERY = 1 if os.environ.get("RLM_SEARCH_TEST_ATTACKS") == "all" else 12


@pytest.fixture(scope="module")
def field() -> Iterator[Arena]:
    with arena() as made:
        yield made


@is_here
class TestBubblewrapped(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with bubblewrapped_sandbox() as sandbox:
            yield sandbox


def test_the_ring_has_no_network_no_processes_and_a_few_folders_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    words = ring("/opt/python/bin/python3.12")
    line = " ".join(words)
    assert words[0] == "/usr/bin/bwrap"
    assert words[-1] == "--"
    for wanted in (
        *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--new-session", "--clearenv", "--cap-drop ALL"),
        *("--ro-bind /usr /usr", "--ro-bind /opt/python/lib /opt/python/lib", "--remount-ro /", "--proc /proc"),
    ):
        assert wanted in line
    assert not {"--bind", "--dev-bind", "--share-net", "--cap-add", "--setenv"} & set(words)
    assert "/etc" not in line
    assert "/home" not in line.replace(str(Path(__file__).parents[3]), "")


def test_as_root_it_leaves_what_the_worker_gives_up_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    words = ring()
    added = {word for before, word in itertools.pairwise(words) if before == "--cap-add"}
    assert added == {"CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT"}
    assert words.index("--cap-drop") < words.index("--cap-add")


def test_where_it_is_missing_or_does_not_work_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(bubblewrap, "holds_here", lambda: "")
    with pytest.raises(SandboxError, match="not installed") as missing:
        bubblewrapped_sandbox().start({})
    assert "apt install bubblewrap" in missing.value.hint
    monkeypatch.setattr(bubblewrap, "holds_here", lambda: "No permissions to create a new namespace")
    with pytest.raises(SandboxError, match="No permissions to create") as refused:
        bubblewrapped_sandbox().start({})
    assert "sandbox.bubblewrap = false" in refused.value.hint


@is_here
def test_every_step_of_the_worker_holds_within_and_the_host_sees_it() -> None:
    with bubblewrapped_sandbox() as sandbox, ConfinedSandbox() as bare:
        for one in (sandbox, bare):
            one.start({})
            one.execute("1", timeout=30)
        assert sandbox.confinement == bare.confinement
        assert sandbox.pid is not None
        namespaces = ("net", "pid", "mnt", "ipc", "uts")
        own = {name: os.readlink(f"/proc/{os.getpid()}/ns/{name}") for name in namespaces}
        if os.geteuid() == 0:  # else the worker cannot be looked at so closely
            assert all(os.readlink(f"/proc/{sandbox.pid}/ns/{name}") != own[name] for name in namespaces)


@is_here
def test_without_the_worker_s_own_walls_the_ring_still_keeps_files_network_and_processes() -> None:
    ways = {*Path(__file__).resolve().parents, *Path(os.path.realpath(sys.executable)).parents}  # to what it is shown
    hidden = [path for path in ("/etc", "/var", "/tmp", "/sys", "/boot") if Path(path) not in ways]
    code = (
        "import os, socket\n"
        f"found = [path for path in {hidden} if os.path.exists(path)]\n"
        "try: os.mkdir('/new'); found.append('mkdir')\nexcept OSError: pass\n"
        "try: socket.create_connection(('127.0.0.1', PORT), 1); found.append('connect')\nexcept OSError: pass\n"
        "print(found, len([p for p in os.listdir('/proc') if p.isdigit()]) < 6)"
    )
    with arena() as field:
        command = [*ring(), os.path.realpath(sys.executable), "-I", "-S", "-c", f"PORT = {field.port}\n{code}"]
        done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=True)
        assert field.visitors == []
    assert done.stdout == "[] True\n"


@is_here
@pytest.mark.parametrize("name", list(ATTACKS)[::EVERY])
def test_an_attack_is_contained(name: str, field: Arena) -> None:
    attack = ATTACKS[name]
    limits = SandboxLimits(memory_bytes=256 * 1024 * 1024, grace_seconds=0.5)
    with bubblewrapped_sandbox(limits) as sandbox:
        sandbox.start(field.functions())
        begun = sandbox.execute(f"{field.prelude(os.getpid(), nursery().pids[0])}\nkept = 41", timeout=30)
        assert begun.ended == "ok"
        done = [sandbox.execute(cell, timeout=attack.seconds) for cell in attack.cells]
        assert field.reached("".join(one.stdout + one.error for one in done)) == []
        if not attack.spoils_itself:
            assert sandbox.execute("kept + 1", timeout=30).stdout == "42\n"
        pid = sandbox.pid
    assert not Path(f"/proc/{pid}").exists()


@is_here
def test_a_ring_ends_with_its_host() -> None:
    script = (
        "import os, signal\nfrom rlm_search.sandbox.bubblewrap import bubblewrapped_sandbox\n"
        "sandbox = bubblewrapped_sandbox()\nsandbox.start({})\nsandbox.execute('1', timeout=30)\n"
        "print(sandbox.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    pid = int(done.stdout)
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    assert not Path(f"/proc/{pid}").exists()


@is_here
def test_the_setting_puts_the_worker_into_the_ring() -> None:
    sandbox = sandbox_factory(SandboxSettings(spec="confined", bubblewrap=True))()
    assert isinstance(sandbox, ConfinedSandbox)
    with sandbox:
        sandbox.start({})
        assert sandbox.execute("1 + 1", timeout=30).stdout == "2\n"
        status = Path(f"/proc/{sandbox.pid}/status").read_text()
    assert len(next(line for line in status.splitlines() if line.startswith("NSpid")).split()) == 3


@is_here
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; the other tests ran as a user")
def test_an_ordinary_user_has_a_ring_too() -> None:
    with tempfile.TemporaryDirectory(prefix="python-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder)
        python = copied(home)
        script = (
            "import os\nassert os.geteuid() != 0\nfrom rlm_search.sandbox.bubblewrap import bubblewrapped_sandbox\n"
            "with bubblewrapped_sandbox() as sandbox:\n    sandbox.start({'double': lambda n: 2 * n})\n"
            "    print(sandbox.execute('double(21)', timeout=30))\n    print(sandbox.confinement)\n"
        )
        done = subprocess.run(
            [str(python), "-B", "-c", script],
            env={"PYTHONPATH": f"{home / 'src'}:{home / 'site'}", "PYTHONHOME": folder, "PATH": os.environ["PATH"]},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    if "No permissions" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("this kernel gives ordinary users no namespaces")
    assert "stdout='42\\n'" in done.stdout, done.stderr
    assert "'seccomp': 'held'" in done.stdout


@is_here
@pytest.mark.parametrize("python", PYTHONS)
def test_each_interpreter_runs_within(python: str) -> None:
    with ConfinedSandbox(launch=functools.partial(ringed, python)) as sandbox:
        sandbox.start({})
        assert sandbox.execute("1 + 1", timeout=30).stdout == "2\n"
        assert sandbox.confinement["seen"] == "held" or os.geteuid() != 0
