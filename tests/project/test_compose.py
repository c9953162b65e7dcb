"""docker-compose.yml is what it says: servers with passwords, on this machine only, healthy, with their data kept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
SERVERS = ("opensearch", "elasticsearch")


def service(name: str) -> str:
    """The lines of a service."""
    found = re.search(rf"(?ms)^  {name}:\n(.*?)(?=^  \w|^\w|\Z)", TEXT)
    assert found is not None, name
    return found[1]


@pytest.mark.parametrize("name", [*SERVERS, "app"])
def test_nothing_starts_that_was_not_asked_for(name: str) -> None:
    assert f"profiles: [{name}]" in service(name)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_locked_and_reachable_from_this_machine_only(name: str) -> None:
    told = service(name)

    assert re.search(r"PASSWORD: \$\{\w+_PASSWORD:\?", told), "without a password it does not start"
    assert re.search(r'ports: \["127\.0\.0\.1:\d+:9200"\]', told)
    assert 'security.enabled: "false"' not in told.replace("http.ssl.enabled", "")
    assert "DISABLE_SECURITY" not in told


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_a_heap_a_health_and_a_place_for_its_data(name: str) -> None:
    told = service(name)
    heap = re.search(r"-Xms(\S+) -Xmx(\S+)", told)

    assert heap is not None
    assert heap[1] == heap[2]
    assert "healthcheck:" in told
    assert f'volumes: ["{name}:/usr/share/{name}/data"]' in told
    assert re.search(rf"(?m)^  {name}:$", TEXT.partition("\nvolumes:\n")[2]), "the volume is declared"


def test_the_container_of_the_program_may_do_little() -> None:
    told = service("app")

    for line in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "USER app"):
        assert line in told


def test_the_example_of_the_environment_names_every_variable() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", TEXT))
    example = Path(__file__).parents[2] / ".env.example"

    assert wanted <= set(re.findall(r"(?m)^#? ?(\w+)=", example.read_text()))


def has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
def test_docker_reads_it() -> None:
    done = subprocess.run(
        ["docker", "compose", "--profile", "*", "--env-file", ".env.example", "config", "--quiet"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
