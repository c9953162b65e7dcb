"""Where an index keeps its journal, who holds it, and opening both for a run: in place, or beside for a rebuild."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.intents import Intents
from ingest.journal import Journal
from ingest.settings import IngestSettings, state_folder
from ingest.sharding import Shard, parse_shard
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.errors import ConfigError, IndexLocked, IndexMissing, RetrieverError
from retrievers.protocols import Embedder, IndexWriter, KeepsLedger, Publishes, Refuses
from retrievers.settings import Settings

JOURNAL_FILE = "journal.db"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex:
    """An index that this process writes to, with its journal."""

    writer: IndexWriter
    journal: Journal
    is_known: bool  # the journal knows all that the index holds
    shard: Shard | None = None  # the part of the files that this process reads


def is_server(url: str) -> bool:
    """The index is no folder of this machine."""
    return _SCHEME.match(url) is not None


def journal_path(url: str, shard: Shard | None = None) -> Path:
    """Beside an embedded index; for servers in the state folder, by a hash of the URL, one for each shard."""
    if is_server(url):
        part = f"-{shard.number}-of-{shard.count}" if shard else ""
        return state_folder() / "journals" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}{part}.db"
    return Path(url) / JOURNAL_FILE


def shard_of(settings: Settings | None) -> Shard | None:
    """The part of the files that the settings name; None is all of them.

    Raises:
        ConfigError: it is no part of a whole.
    """
    return parse_shard(settings.table("ingest", IngestSettings).shard) if settings else None


def recorded_embedder(url: str, settings: Settings | None = None) -> RecordedEmbedder | None:
    """What the index at `url` was built with; None for an index without vectors.

    Raises:
        ConfigError: there is something else than an index.
        IndexMismatch: a newer version wrote it.
        EngineUnavailable: the server does not answer.
    """
    if is_server(url):
        from retrievers import registry

        name, dimensions = registry.recorded_embedder(url, settings)
        return RecordedEmbedder(name=name, dimensions=dimensions) if name else None
    from retrievers.embedded.layout import read_manifest

    _mend_swap(Path(os.path.abspath(url)))
    manifest = read_manifest(Path(url))
    return RecordedEmbedder(name=manifest.embedder, dimensions=manifest.dimensions) if manifest.embedder else None


def require_index(url: str, settings: Settings | None = None) -> None:
    """Check that there is an index that this version reads.

    Raises:
        ConfigError: there is none.
        IndexMismatch: a newer version wrote it.
    """
    recorded_embedder(url, settings)


def own_embedder_spec(url: str, settings: Settings | None = None) -> str:
    """The spec of the embedder that the index was built with, "" for an index that is still to be made.

    Raises:
        ConfigError: that embedder reaches the network or loads a foreign model, so it has to be named.
    """
    from retrievers.embedders import LOCAL_EMBEDDERS, spec_of

    if is_server(url):
        try:
            recorded = recorded_embedder(url, settings)
        except IndexMissing:
            return ""
    else:
        _mend_swap(Path(os.path.abspath(url)))
        if not _has_manifest(Path(url)):
            return ""
        recorded = recorded_embedder(url)
    if recorded is None:
        return "none"
    if recorded.name.startswith(LOCAL_EMBEDDERS):
        return spec_of(recorded.name)
    raise ConfigError(
        f"the index {url} was built with the embedder {recorded.name}",
        hint="name it: --embedder SPEC, or spec = SPEC in the table [embedder] of rlm-search.toml",
    )


def has_index(url: str, settings: Settings | None = None) -> bool:
    """There is an index to go on with."""
    if not is_server(url):
        return _has_manifest(Path(url))
    try:
        recorded_embedder(url, settings)
    except IndexMissing:
        return False
    return True


def folders_of(url: str) -> tuple[Path, ...]:
    """Folders that belong to the index: never read as sources."""
    if is_server(url):
        return ()
    folder = Path(os.path.abspath(url))
    return (folder, _building(folder), _replaced(folder))


@contextmanager
def open_index(url: str, embedder: Embedder | None, settings: Settings | None = None) -> Iterator[OpenIndex]:
    """The index and its journal for writing, made if there are none; closed in the right order.

    Raises:
        RetrieverError: the index cannot be opened for writing.
        JournalError: the journal cannot be used.
    """
    from retrievers.registry import open_writer

    _refuse_class(url)
    shard = shard_of(settings)
    path = journal_path(url, shard)
    if is_server(url):
        with _open_on_server(url, embedder, settings, path) as index:
            yield replace(index, shard=shard)
        return
    _mend_swap(Path(os.path.abspath(url)))
    if Path(url).is_file():
        raise ConfigError(f"{url} is a file, an index is a folder", hint="name a folder with --index")
    with ExitStack() as stack:
        writer = open_writer(url, embedder=embedder)
        closing = stack.enter_context(_Closing(writer))
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(lock(path, url))
        journal = stack.enter_context(Journal(path))
        yield OpenIndex(writer=writer, journal=journal, is_known=_is_known(journal, writer, embedder))
        closing.in_peace = True


@contextmanager
def _open_on_server(
    url: str, embedder: Embedder | None, settings: Settings | None, path: Path, *, rebuild: bool = False
) -> Iterator[OpenIndex]:
    """The lock comes first: the writer changes how the index is refreshed."""
    from retrievers.registry import open_writer

    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(lock(path, url))
        writer = open_writer(url, embedder=embedder, settings=settings, rebuild=rebuild)
        closing = stack.enter_context(_Closing(writer))
        journal = stack.enter_context(Journal(path))
        yield OpenIndex(writer=writer, journal=journal, is_known=_is_known(journal, writer, embedder))
        if isinstance(writer, Publishes) and rebuild:
            writer.publish()
        closing.in_peace = True


@contextmanager
def open_rebuilt(url: str, embedder: Embedder | None, settings: Settings | None = None) -> Iterator[OpenIndex]:
    """A fresh index, built beside the one at `url` and put in its place when the block ends well.

    On a server it is a new version behind the same alias.

    Readers of the old one see it whole until then. A block that fails leaves the unfinished index where it is, and the
    next rebuild goes on with it.
    """
    if is_server(url):
        journal = journal_path(url)
        building = journal.with_suffix(".rebuilding.db")
        with lock(journal, url), _open_on_server(url, embedder, settings, building, rebuild=True) as index:
            yield index
        building.replace(journal)
        return
    _refuse_class(url)
    folder = Path(os.path.abspath(url))
    _mend_swap(folder)
    _check_replaceable(folder)
    with ExitStack() as stack:
        if folder.exists():
            stack.enter_context(lock(journal_path(url), url))
        _discard_foreign(_building(folder), embedder)
        with open_index(str(_building(folder)), embedder) as index:
            yield index
        _swap(folder)


def _is_known(journal: Journal, writer: IndexWriter, embedder: Embedder | None) -> bool:
    """Whether the journal knows all that the index holds, after it has heard what others have written to it."""
    if not isinstance(writer, KeepsLedger):
        return not journal.is_new
    with journal.transaction():
        heard = journal.ledger.catch_up(writer)
        if heard and embedder is not None:
            journal.holdings.mark_all_vectors(except_for=writer.missing_vectors())
    if journal.ledger.author in heard and not isinstance(writer, Refuses):
        Intents(journal.path).clear()  # it was killed between index and journal, and the index has it all
    return not journal.ledger.is_partial


def _refuse_class(url: str) -> None:
    from retrievers.registry import names_class

    if names_class(url):
        raise ConfigError(
            f"the index {url} is a class, which can be asked and not written to",
            hint=f"name a folder with --index, or ./{url} where it is one",
        )


@contextmanager
def lock(journal: Path, url: str) -> Iterator[None]:
    """Hold the journal for this process; the kernel lets go of it when the process ends, however it ends.

    Raises:
        IndexLocked: another process holds it.
    """
    with _lock_file(journal).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IndexLocked(
                f"another `ingest` is writing to {url}", hint="wait for it; `ingest status` shows how far it is"
            ) from None
        yield


def is_locked(journal: Path) -> bool:
    """A run is going on."""
    try:
        with _lock_file(journal).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_file(journal: Path) -> Path:
    return journal.with_suffix(".lock")


@dataclass(slots=True)
class _Closing:
    """Closes a writer; after a failure what its `close` has to say on top would only hide the cause."""

    writer: IndexWriter
    in_peace: bool = False

    def __enter__(self) -> _Closing:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.writer.close()
        except Exception:  # fate: ends the run with one line, unless an earlier failure does
            if self.in_peace:
                raise


def _building(folder: Path) -> Path:
    return folder.with_name(folder.name + ".rebuilding")


def _replaced(folder: Path) -> Path:
    return folder.with_name(folder.name + ".replaced")


def _has_manifest(folder: Path) -> bool:
    from retrievers.embedded.layout import MANIFEST

    return (folder / MANIFEST).exists()


def _check_replaceable(folder: Path) -> None:
    """A rebuild removes a folder: only an index, never somebody's documents."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not _has_manifest(folder):
        raise ConfigError(f"{folder} is no index, so it is not replaced", hint="name another folder with --index")
    from retrievers.embedded.layout import refuse_foreign

    refuse_foreign(folder)


def _discard_foreign(building: Path, embedder: Embedder | None) -> None:
    """What a stopped rebuild has left is no use to one with another embedder, nor is what cannot be read."""
    if _has_manifest(building) and not _was_built_with(building, embedder):
        shutil.rmtree(building)


def _was_built_with(folder: Path, embedder: Embedder | None) -> bool:
    try:
        recorded = recorded_embedder(str(folder))
    except RetrieverError:
        return False
    return (recorded.name if recorded else "") == (embedder.name if embedder else "")


def _mend_swap(folder: Path) -> None:
    """A crash between the two renames of a swap left no index in place: the old one comes back."""
    if not folder.exists() and _replaced(folder).exists():
        _replaced(folder).rename(folder)


def _swap(folder: Path) -> None:
    shutil.rmtree(_replaced(folder), ignore_errors=True)
    if folder.exists():
        folder.rename(_replaced(folder))
    _building(folder).rename(folder)
    shutil.rmtree(_replaced(folder), ignore_errors=True)
