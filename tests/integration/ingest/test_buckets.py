"""`s3://` and `gs://` by the real libraries, against servers on this machine that speak what the clouds speak."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from retrievers.embedded import EmbeddedRetriever
from tests.integration.ingest.corpus import ingest

MODULES = ("s3fs", "gcsfs", "moto", "flask_cors", "gcp_storage_emulator")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, MODULES)),
        reason="the extra `emulators` is not installed (`make integration` installs it)",
    ),
]

SECRET = "hunter2hunter2"
FETCHED = re.compile(r"GET /(?:download/\S*|bucket/\S+)")


@dataclass(frozen=True, kw_only=True)
class Store:
    """A server of buckets: how `ingest` finds it, and where objects go when they are put with plain HTTP."""

    scheme: str
    server: str
    environment: Mapping[str, str]
    log: Path

    def make(self, bucket: str) -> None:
        if self.scheme == "s3":
            self._ask("PUT", f"/{bucket}")
        else:
            self._ask("POST", "/storage/v1/b?project=p", json.dumps({"name": bucket}).encode(), "application/json")

    def put(self, bucket: str, name: str, content: bytes) -> None:
        if self.scheme == "s3":
            self._ask("PUT", f"/{bucket}/{name}", content)
        else:
            self._ask("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}", content)

    def delete(self, bucket: str, name: str) -> None:
        if self.scheme == "s3":
            self._ask("DELETE", f"/{bucket}/{name}")
        else:
            self._ask("DELETE", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")

    def fetched(self) -> int:
        """How often the content of an object was asked for."""
        return len(FETCHED.findall(self.log.read_text()))

    def demand_credentials(self) -> None:
        """From now on a key that nobody was given is refused."""
        self._ask("POST", "/moto-api/reset-auth", b"0")

    def _ask(self, method: str, path: str, body: bytes = b"", content_type: str = "text/plain") -> None:
        signed = {"Authorization": "AWS somebody:somehow"} if self.scheme == "s3" else {}  # strangers overwrite nothing
        request = Request(self.server + path, body or None, {"Content-Type": content_type, **signed}, method=method)
        with urlopen(request, timeout=10):
            pass


@contextmanager
def serving(scheme: str, folder: Path) -> Iterator[Store]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    module, *words = {
        "s3": ("moto.server", "-H", "127.0.0.1", "-p", port),
        "gs": ("gcp_storage_emulator", "start", "-H", "127.0.0.1", "--port", port, "--in-memory"),
    }[scheme]
    server, log = f"http://127.0.0.1:{port}", folder / f"{scheme}.log"
    environment = {
        "s3": {
            "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        "gs": {"STORAGE_EMULATOR_HOST": server},
    }[scheme]
    with log.open("wb") as output:
        command = [sys.executable, "-u", "-m", module, *words]
        with subprocess.Popen(command, stdout=output, stderr=output, cwd=folder) as process:
            try:
                wait_for(server, process)
                yield Store(scheme=scheme, server=server, environment=environment, log=log)
            finally:
                process.kill()


def wait_for(server: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{server}/", timeout=10):
                return
        except URLError as error:
            if hasattr(error, "status"):  # it answers, if only to say no
                return
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < give_up, "the server does not answer"
            time.sleep(0.05)


@pytest.fixture(params=["s3", "gs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with serving(request.param, tmp_path) as store:
        yield store


def report_of(home: Path, store: Store, *arguments: str) -> dict[str, Any]:
    words = ("--index", "i", "--embedder", "none", "--json", "--quiet")  # a slow run tells its progress
    done = ingest(home, *arguments, *words, more=store.environment)
    assert done.stderr == ""  # what the libraries log is not for users
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def indexed(home: Path) -> dict[str, str]:
    return {
        source: item.document.text
        for item in EmbeddedRetriever(home / "i").export()
        for source in item.document.sources
    }


def test_a_bucket_is_read_once_and_then_where_it_changes_and_forgotten_by_url(store: Store, tmp_path: Path) -> None:
    url = f"{store.scheme}://bucket/in"
    store.make("bucket")
    store.put("bucket", "in/a.txt", b"The crane.")
    store.put("bucket", "in/sub/b.md", b"# Yard")
    store.put("bucket", "in/sub/c.txt", b"The quay.")
    store.put("bucket", "out/d.txt", b"Not asked for.")

    first = report_of(tmp_path, store, url)
    fetched = store.fetched()
    second = report_of(tmp_path, store, url)
    assert (first["files"]["read"], second["files"]["read"], second["files"]["unchanged"]) == (3, 0, 3)
    assert store.fetched() == fetched >= 3  # nothing was fetched again
    assert indexed(tmp_path) == {
        f"{url}/a.txt": "The crane.", f"{url}/sub/b.md": "# Yard", f"{url}/sub/c.txt": "The quay."
    }  # fmt: skip

    store.put("bucket", "in/a.txt", b"The other crane.")
    third = report_of(tmp_path, store, url)
    assert (third["files"]["read"], third["files"]["unchanged"]) == (1, 2)
    assert indexed(tmp_path)[f"{url}/a.txt"] == "The other crane."

    ingest(tmp_path, "forget", f"{url}/sub/b.md", "--index", "i")
    assert set(indexed(tmp_path)) == {f"{url}/a.txt", f"{url}/sub/c.txt"}
    store.delete("bucket", "in/sub/c.txt")
    assert report_of(tmp_path, store, url)["removed"] == 0
    assert report_of(tmp_path, store, url, "--sync", "--exclude", "a.txt")["removed"] == 1
    assert set(indexed(tmp_path)) == {f"{url}/a.txt", f"{url}/sub/b.md"}  # it was forgotten, and is there


def test_a_pattern_in_a_bucket_finds_what_it_names(store: Store, tmp_path: Path) -> None:
    store.make("bucket")
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "sub/d.md"):
        store.put("bucket", name, name.encode())
    report = report_of(tmp_path, store, f"{store.scheme}://bucket/sub/**/*.txt")
    assert report["files"]["read"] == 2
    assert set(indexed(tmp_path).values()) == {"sub/b.txt", "sub/deep/c.txt"}


def test_a_bucket_that_is_missing_is_one_line(store: Store, tmp_path: Path) -> None:
    url = f"{store.scheme}://no-such-bucket/in"
    done = ingest(tmp_path, url, "--embedder", "none", "--quiet", code=2, more=store.environment)
    assert done.stderr == f"error: {url} cannot be read: there is no such file\nhint: check the URL\n"


REFUSED = "error: {}://bucket cannot be read: {}\nhint: check the credentials: docs/ingest.md, Remote files\n"


def test_a_key_that_is_refused_and_one_that_is_missing_are_one_line_each(tmp_path: Path) -> None:
    with serving("s3", tmp_path) as store:
        store.make("bucket")
        store.put("bucket", "a.txt", b"The crane.")
        store.demand_credentials()
        refused = ingest(tmp_path, "s3://bucket", "--embedder", "none", "--quiet", code=2, more=store.environment)
        nowhere = {
            "AWS_SHARED_CREDENTIALS_FILE": "none",
            "AWS_CONFIG_FILE": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        keyless = {**store.environment, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", **nowhere}
        missing = ingest(tmp_path, "s3://bucket", "--embedder", "none", "--quiet", code=2, more=keyless)
    assert refused.stderr == REFUSED.format("s3", "access is denied")
    assert missing.stderr == REFUSED.format("s3", "there are no credentials that it can use (NoCredentialsError)")
    assert SECRET not in refused.stdout + refused.stderr


class Refusal(BaseHTTPRequestHandler):
    """What Google's storage answers to those whom it does not know."""

    def do_GET(self) -> None:
        body = b'{"error": {"code": 403, "message": "nobody has storage.objects.list access"}}'
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


def test_google_s_refusal_is_one_line(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            environment = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{server.server_port}"}
            done = ingest(tmp_path, "gs://bucket", "--embedder", "none", "--quiet", code=2, more=environment)
        finally:
            server.shutdown()
            thread.join()
    assert done.stderr == REFUSED.format("gs", "access is denied")
