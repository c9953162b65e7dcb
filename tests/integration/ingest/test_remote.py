"""Files behind URLs: fsspec's file system in memory, and a local server that is not always well."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ingest.commands import Options, run_paths
from ingest.errors import SourceError
from ingest.remote import shown
from ingest.report import json_of
from ingest.sources import find
from ingest.spool import Spool
from ingest.types import Failure, SourceFile
from retrievers.embedded import EmbeddedRetriever
from retrievers.errors import ConfigError
from retrievers.settings import load

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    return tmp_path


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


def ingest(*paths: str, sync: bool = False, **ingest_settings: Any) -> Any:
    settings = load(flags={"embedder": {"spec": "none"}, "ingest": {"workers": 1, **ingest_settings}})
    report = run_paths(paths, options=Options(settings=settings), rebuild=False, sync=sync)
    return json.loads(json_of(report))


def indexed() -> dict[str, str]:
    reader = EmbeddedRetriever(Path(".rlm-search/index"))
    return {item.source: reader.get(item.doc_id).content for item in reader.scan()}


def test_what_lies_in_a_bucket_is_read_once_and_again_when_it_changes(memory: Any, here: Path) -> None:
    memory.pipe({"/bucket/in/a.txt": b"The crane.", "/bucket/in/sub/b.md": b"# Yard", "/bucket/.hidden/c.txt": b"no"})
    first = ingest("memory://bucket")
    memory.pipe("/bucket/in/a.txt", b"The other crane.")
    second = ingest("memory://bucket")

    assert (first["files"]["read"], second["files"]["read"], second["files"]["unchanged"]) == (2, 1, 1)
    assert indexed() == {"memory://bucket/in/a.txt": "The other crane.", "memory://bucket/in/sub/b.md": "# Yard"}
    assert list((here / "spool").rglob("*.*")) == []


def test_a_pattern_may_stand_in_a_url(memory: Any) -> None:
    memory.pipe({"/b/x/a.txt": b"a", "/b/x/b.md": b"b", "/b/y/c.txt": b"c"})
    assert [item.source for item in find(["memory://b/x/*.txt"])] == ["memory://b/x/a.txt"]
    assert [item.source for item in find(["memory://b/**/*.txt"], exclude=["y"])] == ["memory://b/x/a.txt"]
    with pytest.raises(SourceError, match="memory://nowhere cannot be read: there is no such file"):
        find(["memory://nowhere"])


def test_a_scheme_that_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(SourceError, match="nosuch://bucket/x cannot be opened"):
        find(["nosuch://user:hunter2@bucket/x"])


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(ConfigError, match=r"pip install 'rlm-search\[cloud\]'"):
        find(["s3://bucket/x"])


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:pw@host/a.txt", "https://host/a.txt"),
        ("https://host/a.txt?X-Amz-Signature=0a&page=2", "https://host/a.txt?page=2"),
        ("https://host/a?b=c%20d", "https://host/a?b=c%20d"),
        ("s3://key:secret@bucket/a", "s3://bucket/a"),
    ],
)
def test_a_url_is_shown_without_its_credentials(url: str, clean: str) -> None:
    assert shown(url) == clean


def test_what_lies_there_unread_is_bounded_and_removed_when_it_is_read(memory: Any, here: Path) -> None:
    memory.pipe({f"/b/{n:03}.txt": b"x" * 1000 for n in range(50)})
    files = [item for item in find(["memory://b"]) if isinstance(item, SourceFile)]
    most = 0
    with Spool(file_bytes=1 << 20, held_bytes=3000) as spool:
        for file in spool.ready(iter(files), lambda _: None):
            assert file.spooled is not None
            assert file.spooled.read_bytes() == b"x" * 1000
            most = max(most, len([path for path in (here / "spool").rglob("*") if path.is_file()]))
            spool.done(file)
    assert 1 <= most <= 4
    assert list((here / "spool").iterdir()) == []


Answer = Callable[[str, int], tuple[int, bytes]]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that asks `answer` for status and body, by path and number of earlier requests for its content."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            times = sum(path == f"GET {self.path}" for path in asked) if self.command == "GET" else 1
            status, body = answer(self.path, times)
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "text/plain")
            self.send_header("ETag", f'"{hash(body)}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_listing_of_a_server_is_followed_and_a_busy_server_is_asked_again() -> None:
    pages = {
        "/in/": b'<a href="?C=N">sort</a> <a href="a.txt">a</a> <a href="sub/">sub</a> <a href="/out.txt">out</a>',
        "/in/sub/": b'<a href="b.txt">b</a> <a href="gone.txt">gone</a> <a href="../">up</a>',
        "/in/a.txt": b"The crane.",
        "/in/sub/b.txt": b"The yard.",
    }

    def answer(path: str, times: int) -> tuple[int, bytes]:
        body = pages.get(path)
        if body is None:
            return 404, b""
        return (503, b"") if path.endswith("b.txt") and times == 0 else (200, body)

    with serving(answer) as (server, _):
        first = ingest(f"{server}/in/")
        second = ingest(f"{server}/in/")
        assert indexed() == {f"{server}/in/a.txt": "The crane.", f"{server}/in/sub/b.txt": "The yard."}
    assert (first["files"]["read"], second["files"]["unchanged"], second["files"]["failed"]) == (2, 2, 1)
    assert [(group["kind"], group["count"]) for group in first["failures"]] == [("vanished", 1)]


def test_what_is_gone_from_a_bucket_goes_with_sync_and_what_is_left_out_stays(memory: Any, here: Path) -> None:
    memory.pipe({f"/b/in/{name}": name.encode() for name in ("a.txt", "b.txt", "sub/c.txt", "d.md")})
    memory.pipe("/b/other.txt", b"other")
    (here / "local.txt").write_text("b.txt")  # the same content as in the bucket
    ingest("memory://b", "local.txt")
    memory.rm(["/b/in/b.txt", "/b/in/sub/c.txt", "/b/other.txt"])

    assert ingest("memory://b/in")["removed"] == 0
    synced = ingest("memory://b/in", sync=True, exclude=["*.md"])

    assert (synced["removed"], synced["files"]["unchanged"]) == (1, 1)
    assert sorted(indexed()) == ["local.txt", *(f"memory://b/{name}" for name in ("in/a.txt", "in/d.md", "other.txt"))]


def test_a_bucket_that_lists_nothing_any_more_takes_nothing_with_it(memory: Any) -> None:
    memory.pipe({"/b/in/a.txt": b"a", "/b/in/b.txt": b"b"})
    ingest("memory://b")
    memory.rm("/b/in", recursive=True)
    memory.makedirs("/b/in")
    with pytest.raises(SourceError, match="memory://b lists nothing, and the index holds 2 files of it") as refused:
        ingest("memory://b", sync=True)
    assert "ingest forget memory://b" in refused.value.hint
    assert len(indexed()) == 2


def test_a_server_that_is_ill_takes_nothing_with_it() -> None:
    names = ("stays", "gone", "ill", "below/c")
    pages = {"/in/": "".join(f'<a href="{name}.txt">x</a>' for name in names[:3]).encode()}
    pages["/in/"] += b'<a href="below/">x</a>'
    pages |= {"/in/below/": b'<a href="c.txt">c</a>', **{f"/in/{name}.txt": name.encode() for name in names}}

    def answer(path: str, _: int) -> tuple[int, bytes]:
        status = {"/in/ill.txt": 500, "/in/below/": 503, "/in/below/c.txt": 403}.get(path, 200) if is_ill else 200
        return (status, pages[path]) if path in pages else (404, b"")

    is_ill = False
    with serving(answer) as (server, _):
        ingest(f"{server}/in/")
        is_ill = True
        pages["/in/"] = b'<a href="stays.txt">x</a><a href="below/">x</a>'
        del pages["/in/gone.txt"]
        report = ingest(f"{server}/in/", sync=True)
        assert set(indexed()) == {f"{server}/in/{name}.txt" for name in ("stays", "ill", "below/c")}
    assert (report["removed"], [group["kind"] for group in report["failures"]]) == (1, ["unreadable"])


def test_names_in_a_bucket_may_hold_what_means_something_in_a_url(memory: Any) -> None:
    names = ("a#1.txt", "a#2.txt", "what?.txt", "100%.txt")
    memory.pipe({f"/b/{name}": name.encode() for name in names})
    ingest("memory://b")
    assert indexed() == {f"memory://b/{name}": name for name in names}
    assert ingest("memory://b", sync=True)["files"]["unchanged"] == 4


def test_credentials_of_a_url_are_in_no_file_and_no_report(here: Path) -> None:
    with serving(lambda path, _: (403 if "b.txt" in path else 200, b"The crane.")) as (server, asked):
        host = server.removeprefix("http://")
        url = f"http://user:hunter2@{host}/a.txt?token=hunter3&page=1"
        report = ingest(url)
        (here / "list").write_text(f"http://user:hunter2@{host}/b.txt\n")
        settings = load(flags={"embedder": {"spec": "none"}, "ingest": {"workers": 1}})
        failed = run_paths((), options=Options(settings=settings, listed="list"), rebuild=False)
    assert any("token=hunter3" in path for path in asked)
    assert list(indexed()) == [f"http://{host}/a.txt?page=1"]
    assert [group.kind for group in failed.failures] == ["unreadable"]
    written = b"".join(path.read_bytes() for path in Path(".rlm-search").rglob("*") if path.is_file())
    assert b"hunter" not in written + json.dumps(report).encode() + repr(failed).encode()


def test_a_remote_file_that_is_too_large_is_refused_though_its_size_was_not_known(memory: Any) -> None:
    memory.pipe("/b/a.txt", b"x" * 2_000_000)
    (file,) = find(["memory://b/a.txt"])
    assert isinstance(file, SourceFile)
    failures: list[Failure] = []
    with Spool(file_bytes=1_000_000) as spool:
        assert list(spool.ready(iter([replace(file, size=0)]), failures.append)) == []
    assert [failure.kind for failure in failures] == ["too-large"]
