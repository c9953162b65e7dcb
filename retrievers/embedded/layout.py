"""The folder of an index: what lies in it, how it is made, recognised, locked and removed.

index.json   format version, embedder, dimensions; written last when the index is made, and never again
text/        the tantivy index
vectors/     the vector files
ledger/      what was written down beside the documents
lock         held by the one writer, with its process id
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec
import tantivy

from retrievers.embedded.ledger import LEDGER
from retrievers.embedded.records import FORMAT, Manifest
from retrievers.embedded.schema import build_schema
from retrievers.errors import ConfigError, IndexLocked, IndexMismatch

MANIFEST: Final = "index.json"
TEXT: Final = "text"
VECTORS: Final = "vectors"
LOCK: Final = "lock"

_TEXT_FILE: Final = re.compile(r"[0-9a-f]{32}\.|meta\.json|\.")
_OURS: Final = {MANIFEST, TEXT, VECTORS, LEDGER, LOCK}
_SYSTEM_MESSAGE: Final = re.compile(r"message: \"([^\"]+)\"")


def read_manifest(path: Path) -> Manifest:
    """What an index was built as.

    Raises:
        ConfigError: there is no index here, or it cannot be read.
        IndexMismatch: a version with another format wrote it.
    """
    try:
        content = (path / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _no_index(path) from None
    except OSError as error:
        raise ConfigError(f"cannot read the index {path}: {error.strerror}") from None
    try:
        version = msgspec.json.decode(content, type=dict[str, object]).get("format")
        if isinstance(version, int) and version != FORMAT:
            newer = "upgrade rlm-search, or " if version > FORMAT else ""
            raise IndexMismatch(
                f"the index {path} has format {version}, this version reads format {FORMAT}",
                hint=f"{newer}build the index again with `ingest --rebuild`",
            )
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError:
        raise ConfigError(
            f"{path} is no index: its {MANIFEST} is damaged or not ours", hint="build it again with `ingest --rebuild`"
        ) from None


def _no_index(path: Path) -> ConfigError:
    if path.is_file():
        return ConfigError(f"{path} is a file, an index is a folder")
    if path.is_dir() and any(path.iterdir()):
        return ConfigError(f"{path} is no index", hint=f"make one with: ingest FOLDER --index {path}/index")
    return ConfigError(f"there is no index at {path}", hint=f"make one with: ingest FOLDER --index {path}")


def open_text(path: Path, text: Path | None = None) -> tantivy.Index:
    """Open the tantivy index; `text` is where its files are linked from, if not in the index itself.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        return tantivy.Index.open(str(text or path / TEXT))
    except (ValueError, OSError) as error:
        raise damaged(path, error) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # tantivy's word for a file that was cut off; no `Exception`
            raise
        raise damaged(path, error) from None


def sweep(path: Path) -> None:
    """Remove lists of deleted rows that no commit names; only with the lock held.

    A killed writer leaves them, and tantivy, which counts on from the last commit, stops at a name that is taken.

    Raises:
        ValueError: what tells the commits is damaged.
    """
    meta = msgspec.json.decode((path / TEXT / "meta.json").read_bytes())
    named = {
        f"{segment['segment_id'].replace('-', '')}.{segment['deletes']['opstamp']}.del"
        for segment in meta["segments"]
        if segment["deletes"]
    }
    for file in (path / TEXT).glob("*.del"):
        if file.name not in named:
            file.unlink(missing_ok=True)


def damaged(path: Path, error: BaseException) -> ConfigError:
    """Files of the index are cut off, missing or not what they were: no trying again helps."""
    return ConfigError(
        f"the index {path} cannot be opened: {_first_line(error)}",
        hint="build it again with `ingest --rebuild`",
    )


def make_index(path: Path, manifest: Manifest) -> None:
    """Make an empty index in a folder that is locked; the manifest comes last, so that a crash leaves none.

    Raises:
        ConfigError: the folder holds something else, or cannot be written to.
    """
    refuse_foreign(path)
    try:
        shutil.rmtree(path / TEXT, ignore_errors=True)
        shutil.rmtree(path / VECTORS, ignore_errors=True)
        shutil.rmtree(path / LEDGER, ignore_errors=True)
        (path / TEXT).mkdir()
        (path / VECTORS).mkdir()
        tantivy.Index(build_schema(), str(path / TEXT))
        _write_durably(path / MANIFEST, msgspec.json.encode(manifest))
    except (ValueError, OSError) as error:
        raise write_failed(path, error) from None


def refuse_foreign(path: Path) -> None:
    """Touch no folder that holds anything but an index: nothing in it is made, overwritten or removed.

    Raises:
        ConfigError: it holds something else.
    """
    if not path.is_dir():
        return
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in _OURS and _is_foreign(entry))
    if (path / TEXT).is_dir():
        foreign += sorted(f"{TEXT}/{e.name}" for e in (path / TEXT).iterdir() if not _TEXT_FILE.match(e.name))
    if _is_foreign_lock(path / LOCK):
        foreign.append(LOCK)
    if foreign:
        raise ConfigError(f"{path} is no index and not empty: it holds {foreign[0]}", hint="name a new folder")


def _is_foreign_lock(lock: Path) -> bool:
    """Ours holds the number of a process, or nothing."""
    if not lock.is_file():
        return lock.exists()
    with lock.open("rb") as file:
        content = file.read(32).strip()
    return bool(content) and not content.isdigit()


def _is_foreign(entry: Path) -> bool:
    """Journals of ingestion may lie beside ours."""
    return not entry.name.startswith(("journal", "."))


def _write_durably(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Lock:
    """The right to write to an index, held until `release` or the end of the process, however it ends.

    Raises:
        IndexLocked: another process holds it.
        ConfigError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise write_failed(path, error) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise IndexLocked(
                f"the index {path} is being written to by process {holder or 'unknown'}",
                hint="wait until it ends; searching works meanwhile",
            ) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:  # a disk without any room
            self.release()
            raise write_failed(path, error) from None

    def release(self) -> None:
        """Let another writer in."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def write_failed(path: Path, error: BaseException) -> ConfigError:
    """One line for a failed write: a full disk, missing rights."""
    return ConfigError(
        f"cannot write the index {path}: {_first_line(error)}",
        hint="nothing that was committed is lost; make room or rights and run the same command again",
    )


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if named := _SYSTEM_MESSAGE.search(str(error)):  # tantivy's errors quote the system's, behind long paths
        return named[1]
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
