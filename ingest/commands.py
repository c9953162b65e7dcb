"""What the commands do, without their printing: settings to parts, parts to a run, a run to a report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ingest import executors, passwords, reembedding, state, syncing, watching
from ingest.addresses import url_of
from ingest.causes import group
from ingest.confining import confinement_of, folders_of, notes_of
from ingest.entries import FailedFile
from ingest.estimate import Estimate, estimate
from ingest.executors import open_pool
from ingest.facts import Facts, open_facts
from ingest.finding import Finding, failed_files, folders_to_sync, folders_to_watch
from ingest.forgetting import Forgotten, forget
from ingest.looking import known_to, look, open_whole
from ingest.members import MemberCounts
from ingest.parsers import elements, ocr
from ingest.pipeline import IngestRun
from ingest.progress import Progress, Silent
from ingest.reading import reader_of
from ingest.relocating import relocate
from ingest.remote_syncing import remote_sync
from ingest.report import OCR_IS_OFF, WHAT_IT_MEANS, IndexCounts, IngestReport, Tally
from ingest.settings import IngestSettings, cache_folder, usable_cpus
from ingest.spool import Spool
from ingest.state import OpenIndex, open_index, open_rebuilt
from ingest.status import Status, read_status
from ingest.types import Failure, ParserOptions, SourceFile
from ingest.writing import Batching, tell_the_rest
from retrievers import registry
from retrievers.errors import ConfigError, IndexLocked
from retrievers.protocols import Embedder, MarksDuplicates, RetrieverProtocol, Scans
from retrievers.settings import EmbedderSettings, IndexSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the flags of a run come to.

    Attributes:
        passwords: tried on encrypted files, before those that the settings name.
        listed: a file that names further paths to read, `-` for stdin, "" for none.
        is_null: they are separated by NUL, not by line breaks.
        progress: called when the run begins.
        stopping: within it, a signal calls the function that it is given, and the block then ends with an exception.
    """

    settings: Settings
    passwords: Sequence[str] = field(default=(), repr=False)
    listed: str = ""
    is_null: bool = False
    progress: Callable[[], Progress] = Silent
    stopping: Callable[[Callable[[], None]], AbstractContextManager[None]] = lambda _: nullcontext()

    @property
    def url(self) -> str:
        """Where the index is."""
        return index_url(self.settings)


def index_url(settings: Settings) -> str:
    """Where the index is, as the settings say."""
    return settings.table("index", IndexSettings).url


def run_paths(paths: Sequence[str | Path], *, options: Options, rebuild: bool, sync: bool = False) -> IngestReport:
    """Read files and folders into the index.

    Args:
        paths: files, folders, patterns and URLs.
        options: of the run.
        rebuild: into a fresh index that takes the place of the old one.
        sync: remove the documents of files that are gone from below `paths`.

    Raises:
        SourceError: a path is missing.
        Stopped: by a signal.
    """
    synced, urls = folders_to_sync(paths, options.listed) if sync else ([], [])
    find = _finding(paths, options)
    found = find.files()
    executors.check(options.settings.table("ingest", IngestSettings), options.url, rebuild=rebuild)
    embedder = _embedder(options, rebuild=rebuild)
    opening = open_rebuilt if rebuild else open_index
    opened = opening(options.url, embedder, options.settings)
    count = find.count if find.is_countable else None
    return _run(
        found,
        options,
        embedder,
        opened,
        count=count,
        roots=find.roots(),
        synced=synced,
        urls=urls,
        is_wide=find.is_wide,
    )


def watch_paths(paths: Sequence[str | Path], *, options: Options) -> Iterator[IngestReport]:
    """Read files and folders into the index, and again whenever they change; a signal ends it.

    Yields a report of the first run, and of every other that changed something.

    Raises:
        SourceError: a path is missing, now or later.
        Stopped: by a signal.
    """
    own = state.folders_of(options.url)
    find = _finding(paths, options).files
    is_first = True
    roots = folders_to_watch(paths, options.listed)
    for _ in watching.changes(roots, find, own, options.stopping):
        try:
            report = run_paths(paths, options=options, rebuild=False, sync=True)
        except IndexLocked:
            if is_first:
                raise
            continue  # another command is at it: what it leaves is read with the next change
        if is_first or report.documents or report.removed or report.files.failed:
            yield report
        is_first = False


def estimate_paths(paths: Sequence[str | Path], *, options: Options) -> Estimate:
    """What a run over these paths would read; changes nothing.

    Raises:
        SourceError: a path is missing.
    """
    table = options.settings.table("ingest", IngestSettings)
    find = _finding(paths, options)
    found = find.files()
    embedder = _embedder(options, rebuild=False)
    known = known_to(options.url, options.settings, reader_of(table), find.roots())
    with closing_of(embedder), open_facts(table) as facts, known as is_known:
        return estimate(
            facts.added(found),
            is_known,
            file_bytes=table.file_size_mb << 20,
            processors=usable_cpus(),
            dimensions=embedder.dimensions if embedder else 0,
        )


def _finding(paths: Sequence[str | Path], options: Options) -> Finding:
    table = options.settings.table("ingest", IngestSettings)
    own = state.folders_of(options.url)
    shard = state.shard_of(options.settings)
    return Finding(paths, table, own, listed=options.listed, is_null=options.is_null, shard=shard)


def reembed(*, options: Options) -> IngestReport:
    """Make all vectors of the index anew with another embedder; readers see the old ones until the end.

    Raises:
        ConfigError: no embedder is named, or there is no index.
    """
    state.require_index(options.url, options.settings)
    if not options.settings.table("embedder", EmbedderSettings).spec:
        raise ConfigError("which embedder is to make the vectors?", hint="name it: --embedder SPEC")
    embedder = _embedder(options, rebuild=True)
    reembedding.complete_ledger(options.url, options.settings)
    copy_text = partial(reembedding.copy_text, options.url, options.settings)
    return _run(iter(()), options, embedder, open_rebuilt(options.url, embedder, options.settings), prepare=copy_text)


def run_failed(kinds: Sequence[str], *, options: Options) -> IngestReport:
    """Read failed files again."""
    executors.check(options.settings.table("ingest", IngestSettings), options.url)
    state.require_index(options.url, options.settings)
    embedder = _embedder(options, rebuild=False)
    return _run(None, options, embedder, open_index(options.url, embedder, options.settings), kinds=kinds)


def status_of(settings: Settings) -> Status:
    """What the index holds and what goes on."""
    return read_status(index_url(settings), settings)


def failures_of(settings: Settings, kinds: Sequence[str]) -> list[FailedFile]:
    """The failures that stand."""
    state.require_index(index_url(settings), settings)
    with look(index_url(settings), settings) as journal:
        return list(journal.failures(kinds))


def forget_names(names: Sequence[str], settings: Settings) -> Forgotten:
    """Remove documents by file, folder or id from index and journal.

    Raises:
        SourceError: a name that nothing in the index answers to.
    """
    url = index_url(settings)
    state.require_index(url, settings)
    with open_index(url, state.recorded_embedder(url, settings), settings) as index:
        return forget(names, index)


def _run(
    found: Iterator[SourceFile | Failure] | None,
    options: Options,
    embedder: Embedder | None,
    opened: AbstractContextManager[OpenIndex],
    *,
    kinds: Sequence[str] = (),
    count: Callable[[], int] | None = None,
    roots: Sequence[Path] = (),
    synced: Sequence[Path] = (),
    urls: Sequence[str] = (),
    is_wide: bool = False,
    prepare: Callable[[OpenIndex], None] = lambda _: None,
) -> IngestReport:
    table = options.settings.table("ingest", IngestSettings)
    with (
        closing_of(embedder),
        open_facts(table) as facts,
        opened as index,
        remote_sync(urls) as remote,
        Spool(file_bytes=table.file_size_mb << 20) as spool,
    ):
        prepare(index)
        if index.shard is None:  # else files of other shards would be taken for moved ones
            relocate(roots, index.journal)
        syncing.check_roots(synced, index)
        index.journal.begin_run(embedder.name if embedder else "")
        syncing.drop_shared(synced, index)
        again = index.journal.queue_again(kinds) if found is None else []
        again = [(path, source) for path, source in again if index.shard is None or index.shard.owns(source)]
        files = found if found is not None else failed_files(again)
        parser = parser_options(table, options.passwords)
        local = [path for path, _ in again if not url_of(path)]
        read = roots or folders_of(local)
        index.journal.note_links(roots)
        spool.brings_local = is_wide or bool(local and not read)
        links = index.journal.named_links(local)
        confinement = confinement_of(table, parser, [*read, *links, spool.folder])
        with open_pool(table, parser, confinement, options.settings, embedder) as pool:
            progress = options.progress()
            run = IngestRun(
                writer=index.writer,
                journal=index.journal,
                pool=pool,
                reader=reader_of(table),
                embedder=embedder,
                batching=Batching(documents=table.flush_documents, seconds=table.flush_seconds),
                progress=progress,
                ask_index=not index.is_known,
                shard=index.shard,
                amend=facts.apply,
                spool=spool if table.executor == "local" else None,
            )
            _count_ahead(run.tally, count)
            try:
                with options.stopping(run.stop):
                    tally = run.run(facts.added(remote.noting(files)))
            finally:
                progress.close()
        tally.removed = syncing.drop_gone(synced, index) + remote.drop_gone(index)
        if synced and not urls and not index.is_known:
            with open_whole(options.url, options.settings) as retriever:
                tally.removed += syncing.drop_strays(synced, index, _documents(retriever))
        index.journal.drop_gone()
        tell_the_rest(index.journal, index.writer, index.shard)
        index.journal.end_run()
        return _report(tally, index, options.url, embedder, table=table, facts=facts, notes=notes_of(pool.lacking))


def _documents(retriever: RetrieverProtocol) -> Iterator[tuple[str, str]]:
    """Id and source of all that the index holds."""
    assert isinstance(retriever, Scans), "all engines that are written to can be walked over"
    return ((found.doc_id, found.source) for found in retriever.scan())


def parser_options(table: IngestSettings, given_passwords: Sequence[str] = ()) -> ParserOptions:
    """What parsers are told, as the settings say.

    Raises:
        ConfigError: the passwords file cannot be read; pages are to be read by OCR, and nothing here can; formats are
            to be read by an extra that is not installed.
    """
    elements.check(table.unstructured)
    return ParserOptions(
        passwords=passwords.gathered(given_passwords, table.passwords_file),
        ocr=ocr.options(table.ocr, table.ocr_languages, table.ocr_page_seconds),
        unstructured=table.unstructured,
        file_pages=table.file_pages,
        file_characters=table.file_characters,
        id_field=table.id_field,
        title_field=table.title_field,
        text_fields=table.text_field,
        archive_depth=table.archive_depth,
        archive_files=table.archive_files,
        archive_ratio=table.archive_ratio,
        archive_bytes=table.archive_mb << 20,
    )


def _count_ahead(tally: Tally, count: Callable[[], int] | None) -> None:
    """Count the files beside the run, so that there is a time left to show."""
    if count is None:
        return

    def set_expected() -> None:
        with suppress(OSError):  # a path went away meanwhile: the run itself tells it
            tally.expected = count()

    threading.Thread(target=set_expected, name="counting", daemon=True).start()


@contextmanager
def closing_of(embedder: Embedder | None) -> Iterator[None]:
    """Closes what the embedder holds open, if it is of the kind that can be closed."""
    try:
        yield
    finally:
        close = getattr(embedder, "close", None)
        if close is not None:
            close()


def _report(
    tally: Tally,
    index: OpenIndex,
    url: str,
    embedder: Embedder | None,
    *,
    table: IngestSettings,
    facts: Facts,
    notes: Sequence[str],
) -> IngestReport:
    documents, chunks, vectors = index.journal.holdings.totals()
    return IngestReport(
        index=url,
        embedder=embedder.name if embedder else "",
        files=tally.files(),
        documents=tally.documents,
        pages=tally.pages,
        chunks=tally.chunks,
        vectors=tally.vectors,
        removed=tally.removed,
        bytes=tally.bytes,
        formats=tally.formats,
        failures=group(index.journal.failures()),
        warnings=tally.warning_groups(WHAT_IT_MEANS | ({"needs-ocr": OCR_IS_OFF} if table.ocr == "off" else {})),
        members=MemberCounts(**tally.members),
        notes=(*_notes(index), *notes),
        metadata=facts.sidecar_counts(index.journal.holdings.is_written_as),
        path_fields=facts.template_counts(),
        holds=IndexCounts(documents=documents, chunks=chunks, vectors=vectors),
        seconds=round(tally.seconds, 3),
        text_seconds=round(tally.text_seconds or tally.seconds, 3),
        embedder_seconds=round(tally.embedder_seconds, 3),
    )


def _notes(index: OpenIndex) -> tuple[str, ...]:
    told = tuple(getattr(index.writer, "warnings", ()))  # not every engine has something to say
    marked = index.journal.near_duplicates.count()
    if marked and isinstance(index.writer, MarksDuplicates):
        many = f"{marked:,} documents are near-duplicates" if marked > 1 else "1 document is a near-duplicate"
        told = (*told, f"{many} of others, and searches show one of each group (field `duplicate_of`)")
    return told


def _embedder(options: Options, *, rebuild: bool) -> Embedder | None:
    """As the settings say; where they are silent, the one that the index was built with."""
    settings = options.settings.table("embedder", EmbedderSettings)
    spec = settings.spec or ("" if rebuild else state.own_embedder_spec(options.url, options.settings))
    embedder = registry.open_embedder(spec, settings)
    if embedder is None:
        return None
    from retrievers.embedders.cached import CachedEmbedder

    return CachedEmbedder(embedder, cache_folder() / "vectors.db")
