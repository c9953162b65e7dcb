"""The journal's changes, as they are written down in the index: by them another journal knows what the index holds.

Every flush takes the rows that have changed since the last one along into the index, in the commit that makes their
documents true. A journal that is new, or belongs to another machine, reads what it has not seen, and is then what it
would be had it been there: so the index is the truth, and a journal can be lost.

What depends on one machine or moment stays out of it: claims, runs, and which documents have vectors, which the index
tells itself.
"""

from __future__ import annotations

import sqlite3
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from ingest.errors import JournalError
from ingest.sketches import buckets_of
from retrievers.protocols import HasLedger, KeepsLedger
from retrievers.types import LedgerEntry

Execute: TypeAlias = Callable[[str, Sequence[Any]], sqlite3.Cursor]

_NAME_OF: Final = "SELECT document_id FROM documents WHERE key = ?"
_ROWS_AT_ONCE: Final = 5_000
_VOID_ABOVE: Final = 50_000  # rows; below, a ledger of void entries costs next to nothing
_VOID_SHARE: Final = 4


class _Table(NamedTuple):
    """A table whose changes are told: its key, its other columns, and when a change counts."""

    name: str
    key: tuple[str, ...]
    others: tuple[str, ...]
    updates: tuple[tuple[str, str], ...]
    inserts: str = "1"

    @property
    def columns(self) -> str:
        return ", ".join(self.key + self.others)


_IN_FLIGHT: Final = "NEW.state NOT IN ('claimed', 'queued')"
_TABLES: Final = (
    _Table(
        "files",
        ("path",),
        (
            *("source", "fingerprint", "size", "state", "reader", "formats", "generation", "kind", "stage", "message"),
            *("hint", "transient", "attempts", "documents", "pages", "warnings", "seconds"),
        ),
        (
            ("fingerprint", _IN_FLIGHT),
            ("state, attempts, reader", f"{_IN_FLIGHT} AND NEW.state <> 'vectors'"),
        ),
        _IN_FLIGHT,
    ),
    _Table(
        "holdings",
        ("path", "key", "source"),
        ("document_id", "title", "generation"),
        (("document_id, title, generation", "1"),),
    ),
    _Table(
        "documents",
        ("key",),
        ("document_id", "reader", "sources", "chunks"),
        (("document_id, reader, sources, chunks", "1"),),
    ),
    _Table("sketches", ("document_id",), ("sketch", "original"), (("original", "1"),)),
)


def _triggers(number: int, table: _Table) -> Iterator[str]:
    def note(row: str) -> str:
        keys = [f"{row}.{column}" for column in table.key] + ["''"] * (3 - len(table.key))
        same = " AND ".join(f"{column} = {key}" for column, key in zip("abc", keys, strict=True))
        values = f"SELECT {number}, {', '.join(keys)}"  # OR IGNORE would give way to what the outer statement says
        unknown = f"NOT EXISTS (SELECT 1 FROM untold WHERE part = {number} AND {same})"  # noqa: S608 - constants
        return f"BEGIN INSERT INTO untold {values} WHERE {unknown}; END;"

    create = f"CREATE TRIGGER IF NOT EXISTS {table.name}_told_of"
    yield f"{create}_insert AFTER INSERT ON {table.name} WHEN {table.inserts} {note('NEW')}"
    yield f"{create}_delete AFTER DELETE ON {table.name} {note('OLD')}"
    if "path" in table.key:
        yield f"{create}_move_from AFTER UPDATE OF path ON {table.name} {note('OLD')}"
        yield f"{create}_move_to AFTER UPDATE OF path ON {table.name} {note('NEW')}"
    for count, (columns, condition) in enumerate(table.updates):
        yield f"{create}_update{count} AFTER UPDATE OF {columns} ON {table.name} WHEN {condition} {note('NEW')}"


LEDGER_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS untold(
  part INTEGER NOT NULL, a NOT NULL, b NOT NULL, c NOT NULL, PRIMARY KEY(part, a, b, c)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_ends(author TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
""" + "\n".join(trigger for number, table in enumerate(_TABLES) for trigger in _triggers(number, table))
"""Tables of the ledger, and triggers on those of the journal, which have to be there."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """The body of an entry.

    Attributes:
        run: number of the run that wrote it.
        anew: it tells all, and nothing before it counts.
        partial: the index held documents that no entry tells of.
        rows: of each table, those that are there: key and other columns.
        gone: of each table, the keys of those that are not.
    """

    run: int
    anew: bool
    partial: bool
    rows: dict[str, list[list[Any]]]
    gone: dict[str, list[list[Any]]]


class Ledger:
    """The part of the journal that tells the index what has changed in it. Belongs into its transactions."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    @property
    def is_partial(self) -> bool:
        """The index held documents of which neither journal nor ledger knew: it was filled by an older version."""
        return bool(self._fact("partial", 0))

    @property
    def author(self) -> str:
        """Names this journal among all that write to the index."""
        author = str(self._fact("author", ""))
        if not author:
            author = uuid.uuid4().hex
            self._set_fact("author", author)
        return author

    def ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author that the journal has heard."""
        return dict(self._execute("SELECT author, number FROM ledger_ends", ()).fetchall())

    def hear(self, entries: Iterable[LedgerEntry]) -> frozenset[str]:
        """Take over what others have told, in order; returns who they are."""
        heard = set()
        for entry in entries:
            self._take(entry)
            heard.add(entry.author)
        return frozenset(heard)

    def hear_all(self, ledger: HasLedger) -> None:
        """Say what the ledger says, and nothing else."""
        self._clear()
        self.hear(ledger.read_ledger({}))

    def catch_up(self, writer: KeepsLedger) -> frozenset[str]:
        """Make the journal say what the index holds, whoever wrote it.

        Returns:
            The authors of what the journal did not know.
        """
        seen, ends = self.ends(), writer.ledger_ends()
        if any(ends.get(author, 0) < number for author, number in seen.items()):
            self._clear()  # it was of another index of that name, or the ledger was begun anew
            seen = {}
        if not seen and not ends:
            self._begin(writer)
        return self.hear(writer.read_ledger(seen))

    def overhear(self, writer: KeepsLedger) -> tuple[set[str], dict[str, str]]:
        """Take over what others have told meanwhile; all that is to be told must have been told before.

        A ledger that was begun anew is left to the next run, since it would take away what is in flight here.

        Returns:
            The keys of the documents that it is about; and the names under which these stood, as was known here, with
            their keys.
        """
        entries = list(writer.read_ledger(self.ends()))
        told = [_decoded(entry.body) for entry in entries]
        if any(each.anew for each in told):
            return set(), {}
        rows = [row for each in told for part in (each.rows, each.gone) for row in part.get("holdings", ())]
        keys = {str(key) for _, key, *_ in rows}
        known = ((key, self._execute(_NAME_OF, (key,)).fetchone()) for key in keys)
        names = {str(row[0]): key for key, row in known if row}
        self.hear(entries)
        return keys, names

    def _begin(self, writer: KeepsLedger) -> None:
        """The index has no ledger yet: it is new, or older than ledgers."""
        if writer.is_empty:
            self._clear()  # what is known was of an index that was removed
        elif self._is_blank():
            self._set_fact("partial", 1)
        else:
            self._tell_all()

    def entries(self, run: int) -> list[LedgerEntry]:
        """What has changed and was not told; it counts as told when the transaction ends."""
        found = []
        while rows := self._execute("SELECT part, a, b, c FROM untold LIMIT ?", (_ROWS_AT_ONCE,)).fetchall():
            found.append(self._entry(rows, run))
            for row in rows:
                self._execute("DELETE FROM untold WHERE part = ? AND a = ? AND b = ? AND c = ?", row)
        return found

    def all_entries(self, run: int) -> list[LedgerEntry]:
        """All that the journal says, to stand in place of the ledger."""
        self._tell_all()
        found = self.entries(run)
        if found:
            first = msgspec.structs.replace(_decoded(found[0].body), anew=True)
            found[0] = LedgerEntry(author=found[0].author, number=found[0].number, body=_encoded(first))
        self._execute("DELETE FROM ledger_ends WHERE author <> ?", (self.author,))
        self._set_fact("told", sum(self._count(table) for table in _TABLES))
        return found

    @property
    def is_mostly_void(self) -> bool:
        """It tells much more often of changes than there is to be told."""
        told = int(self._fact("told", 0))
        return told > _VOID_ABOVE and told > _VOID_SHARE * sum(self._count(table) for table in _TABLES)

    # --- telling ----------------------------------------------------------------------------------------------------

    def _entry(self, untold: Sequence[tuple[Any, ...]], run: int) -> LedgerEntry:
        rows: dict[str, list[list[Any]]] = {}
        gone: dict[str, list[list[Any]]] = {}
        for part, *key in untold:
            table = _TABLES[part]
            key = key[: len(table.key)]
            where = " AND ".join(f"{column} = ?" for column in table.key)
            row = self._execute(f"SELECT {table.columns} FROM {table.name} WHERE {where}", key).fetchone()  # noqa: S608 - constants
            if row is None:
                gone.setdefault(table.name, []).append(key)
            else:
                rows.setdefault(table.name, []).append(list(row))
        author, number = self.author, int(self._fact("number", 0)) + 1
        self._set_fact("number", number)
        self._set_fact("told", int(self._fact("told", 0)) + len(untold))
        self._execute("INSERT OR REPLACE INTO ledger_ends VALUES(?, ?)", (author, number))
        return LedgerEntry(author=author, number=number, body=_encoded(Told(run, False, self.is_partial, rows, gone)))

    def _tell_all(self) -> None:
        self._execute("DELETE FROM untold", ())
        for number, table in enumerate(_TABLES):
            keys = ", ".join(table.key + ("''",) * (3 - len(table.key)))
            where = " WHERE state NOT IN ('claimed', 'queued')" if table.name == "files" else ""
            self._execute(f"INSERT INTO untold SELECT {number}, {keys} FROM {table.name}{where}", ())  # noqa: S608 - constants

    # --- hearing ----------------------------------------------------------------------------------------------------

    def _take(self, entry: LedgerEntry) -> None:
        told = _decoded(entry.body)
        if told.anew:
            self._clear()
        if told.partial:
            self._set_fact("partial", 1)
        for table in _TABLES:
            for key in told.gone.get(table.name, ()):
                self._forget(table, key)
            for row in told.rows.get(table.name, ()):
                self._put(table, row)
        self._execute("DELETE FROM untold", ())
        self._execute("INSERT OR IGNORE INTO runs(id, pid, started, seen, ended) VALUES(?, 0, 0, 0, 0)", (told.run,))
        self._execute("INSERT OR REPLACE INTO ledger_ends VALUES(?, ?)", (entry.author, entry.number))
        changed = sum(map(len, told.rows.values())) + sum(map(len, told.gone.values()))
        self._set_fact("told", int(self._fact("told", 0)) + changed)

    def _forget(self, table: _Table, key: Sequence[Any]) -> None:
        where = " AND ".join(f"{column} = ?" for column in table.key)
        self._execute(f"DELETE FROM {table.name} WHERE {where}", key)  # noqa: S608 - constants
        if table.name == "sketches":
            self._execute("DELETE FROM buckets WHERE document_id = ?", key)

    def _put(self, table: _Table, row: Sequence[Any]) -> None:
        places = ", ".join("?" * len(row))
        self._execute(f"INSERT OR REPLACE INTO {table.name}({table.columns}) VALUES({places})", row)
        if table.name == "sketches":
            document_id, sketch, _ = row
            for bucket in buckets_of(sketch):
                self._execute("INSERT OR IGNORE INTO buckets VALUES(?, ?)", (bucket, document_id))

    def _clear(self) -> None:
        for name in (*(table.name for table in _TABLES), "buckets", "dirty_buckets", "doubtful", "untold"):
            self._execute(f"DELETE FROM {name}", ())  # noqa: S608 - constants
        self._execute("DELETE FROM ledger_ends", ())
        self._set_fact("told", 0)
        self._set_fact("partial", 0)

    # --- facts ------------------------------------------------------------------------------------------------------

    def _is_blank(self) -> bool:
        return not any(self._count(table) for table in _TABLES)

    def _count(self, table: _Table) -> int:
        return int(self._execute(f"SELECT count(*) FROM {table.name}", ()).fetchone()[0])  # noqa: S608 - a constant

    def _fact(self, name: str, default: Any) -> Any:
        row = self._execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else default

    def _set_fact(self, name: str, value: str | int) -> None:
        self._execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (name, value))


def _encoded(told: Told) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(told), 1)


_decode: Final = msgspec.msgpack.Decoder(Told).decode


def _decoded(body: bytes) -> Told:
    try:
        return _decode(zlib.decompress(body))
    except (zlib.error, msgspec.MsgspecError):
        raise JournalError(
            "the ledger of the index is damaged", hint="build it again with `ingest --rebuild`"
        ) from None
