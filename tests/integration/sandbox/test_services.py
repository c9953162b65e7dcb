"""The worker in sandboxes that are services of others, over stand-ins for their libraries, not on the real ones."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrievers.errors import ConfigError
from rlm_search.assemble import sandbox_factory
from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.remote import SERVICES, remote_sandbox
from rlm_search.sandbox.testing import SandboxContract
from rlm_search.settings import SandboxSettings
from rlm_search.types import Sandbox
from tests.integration.sandbox.arena import holds_elsewhere
from tests.integration.sandbox.service_stand_ins import ASKED, LIVING, REFUSES, STAND_INS

pytestmark = pytest.mark.integration

_HARDEST = "daytona"


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service whose library is a stand-in; at the end none of its sandboxes is left."""
    name = str(request.param)
    library, make = STAND_INS[name]
    monkeypatch.setitem(sys.modules, library, make())
    ASKED.clear()
    yield name
    assert eventually(lambda: not LIVING)
    REFUSES.clear()


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize("service", SERVICES if os.environ.get("RLM_SEARCH_TEST_SLOW") else [_HARDEST], indirect=True)
class TestServices(SandboxContract):
    """`RLM_SEARCH_TEST_SLOW` holds all of them to the contract, else the one that is hardest to speak through."""

    @pytest.fixture
    def sandbox(self, service: str) -> Iterator[Sandbox]:
        with remote_sandbox(service) as sandbox:
            yield sandbox


def test_the_worker_confines_itself_there_and_has_nothing_of_the_environment(service: str) -> None:
    with remote_sandbox(service) as sandbox:
        holds_elsewhere(sandbox)


def test_megabytes_travel_both_ways(service: str) -> None:
    text = "größer, \x00 and 😀 " * 200_000
    with remote_sandbox(service) as sandbox:
        sandbox.start({}, {"text": text})
        assert sandbox.execute("len(text)", timeout=60).stdout == f"{len(text)}\n"
        assert sandbox.get("text") == text


def test_a_sandbox_that_has_to_be_killed_is_ended_there_and_made_again(service: str) -> None:
    with remote_sandbox(service) as sandbox:
        sandbox.start({})
        sandbox.execute("x = 41", timeout=20)
        [first] = LIVING
        assert sandbox.execute("max(range(10**12))", timeout=0.2).ended == "killed"
        assert eventually(lambda: not Path(f"/proc/{first}").exists())
        assert sandbox.execute("x + 1", timeout=20).stdout == "42\n"


def test_what_the_service_says_where_it_gives_none_is_told(service: str) -> None:
    REFUSES.append("no credit is left")

    def begin_and_run(sandbox: ConfinedSandbox) -> None:  # it is noticed in the one or the other
        sandbox.start({})
        sandbox.execute("1", timeout=20)

    with remote_sandbox(service) as sandbox, pytest.raises(SandboxError, match="no credit is left"):
        begin_and_run(sandbox)


def test_settings_name_service_and_image_and_the_network_is_closed(service: str) -> None:
    sandbox = sandbox_factory(SandboxSettings(spec=service, image="own:2", memory_mb=64))()
    assert isinstance(sandbox, ConfinedSandbox)
    with sandbox:
        sandbox.start({})
        assert sandbox.execute("1 + 1", timeout=20).stdout == "2\n"
    [asked] = ASKED
    assert asked["image"] == "own:2"
    assert asked["timeout"] == 3_600  # the service ends it where nobody else does
    assert not asked.get("network")


def test_closing_before_it_has_started_leaves_none(service: str) -> None:
    sandbox = remote_sandbox(service)
    sandbox.start({})
    sandbox.close()
    assert eventually(lambda: not LIVING)


@pytest.mark.parametrize("name", SERVICES)
def test_without_its_library_it_is_said_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, SERVICES[name][1], None)
    with pytest.raises(ConfigError, match=rf"pip install 'rlm-search\[{name}\]'"):
        sandbox_factory(SandboxSettings(spec=name))


CALLS: dict[str, dict[str, tuple[str, ...]]] = {
    "modal": {
        "modal:Sandbox.create": ("app", "image", "timeout", "block_network", "cpu", "memory"),
        "modal:Sandbox.exec": ("text",),
        "modal:Sandbox.terminate": (),
        "modal:App.lookup": ("create_if_missing",),
        "modal:Image.from_registry": ("tag",),
        "modal.io_streams:StreamWriter.write": ("data",),
        "modal.io_streams:StreamWriter.drain": (),
        "modal.io_streams:StreamReader.__iter__": (),
    },
    "e2b": {
        "e2b:Sandbox.create": ("template", "timeout", "allow_internet_access"),
        "e2b:Sandbox.kill": (),
        "e2b.sandbox_sync.commands.command:Commands.run": ("cmd", "background", "stdin", "timeout", "retain_output"),
        "e2b.sandbox_sync.commands.command:Commands.send_stdin": ("pid", "data"),
    },
    "daytona": {
        "daytona:Daytona.create": ("params", "timeout"),
        "daytona:Sandbox.delete": (),
        "daytona._sync.process:Process.create_session": ("session_id",),
        "daytona._sync.process:Process.execute_session_command": ("session_id", "req"),
        "daytona._sync.process:Process.send_session_command_input": ("session_id", "command_id", "data"),
        "daytona._sync.process:Process.get_session_command_logs_async": (
            *("session_id", "command_id", "on_stdout", "on_stderr"),
        ),
    },
    "prime": {
        "prime_sandboxes:AsyncSandboxClient.create": ("request",),
        "prime_sandboxes:AsyncSandboxClient.wait_for_creation": ("sandbox_id",),
        "prime_sandboxes:AsyncSandboxClient.open_process": ("sandbox_id", "command"),
        "prime_sandboxes:AsyncSandboxClient.delete": ("sandbox_id",),
        "prime_sandboxes.process:AsyncSandboxProcess.write_stdin": ("data",),
    },
}
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "daytona": {
        "CreateSandboxFromImageParams": ("image", "network_block_all", "ttl_minutes"),
        "SessionExecuteRequest": ("command", "run_async", "suppress_input_echo"),
    },
    "prime": {"CreateSandboxRequest": ("name", "docker_image", "memory_gb", "timeout_minutes")},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SERVICES)
def test_the_real_library_takes_these_calls(name: str) -> None:
    """`RLM_SEARCH_TEST_SERVICES=required` makes a library that is not installed a failure."""
    library = SERVICES[name][1]
    if importlib.util.find_spec(library) is None and os.environ.get("RLM_SEARCH_TEST_SERVICES") != "required":
        pytest.skip(f"{library} is not installed")
    for target, arguments in CALLS[name].items():
        module, _, path = target.partition(":")
        found: object = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        parameters = inspect.signature(found).parameters  # type: ignore[arg-type]  # a function
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        assert takes_all or set(arguments) <= set(parameters), target
    for model, fields in FIELDS.get(name, {}).items():
        assert set(fields) <= set(getattr(importlib.import_module(library), model).model_fields)
