"""The isolated parse stage beside a bare PDFium loop over the same reports, in as many processes.

Per row: wall clock and CPU of all processes, pages per second, and the wall clock of the bare loop divided by the
row's: 1 is as fast as bare PDFium. `start` is the time until the first file can be read, once per run and not in the
ratio.
The bare loop opens each file, takes the text of each page as it comes, and drops it. The parse stage hashes the file,
cleans the text, reads metadata, outline and labels, looks for scans, names the language and hands the document over;
the last row also cuts it into chunks. Its processes are confined as those of a run are.

    RLM_SEARCH_TEST_DATA=… python -m bench.parse [--rounds 3] [--processes 2] [--json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.beir import data_folder
from ingest.sources import find
from ingest.types import Confinement, ParsedFile, SourceFile
from ingest.workers import WorkerPool

Row = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="each row is its best of so many")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    files = reports()
    contenders: dict[str, Callable[[list[SourceFile], int], Row]] = {
        "bare PDFium": bare,
        "parsed": parsed,
        "parsed and chunked": chunked,
    }
    rows: dict[str, Row] = {}
    for _ in range(arguments.rounds):  # interleaved, so that a busy minute hits all
        for name, contender in contenders.items():
            row = contender(files, arguments.processes)
            if name not in rows or row["wall"] < rows[name]["wall"]:
                rows[name] = row
    for row in rows.values():
        row["ratio"] = rows["bare PDFium"]["wall"] / row["wall"]
        row["cpu_ratio"] = rows["bare PDFium"]["cpu"] / row["cpu"]
    print(json.dumps(rows) if arguments.json else table(rows, files, arguments.processes))


def reports() -> list[SourceFile]:
    """The largest first, so that no process ends up alone with it."""
    found = find([data_folder() / "financebench" / "pdfs"])
    return sorted((item for item in found if isinstance(item, SourceFile)), key=lambda file: -file.size)


def table(rows: dict[str, Row], files: list[SourceFile], processes: int) -> str:
    lines = [f"{len(files)} reports, {sum(f.size for f in files) / 1e6:.0f} MB, {processes} processes"]
    lines.append(f"{'':<20}{'start s':>9}{'wall s':>9}{'CPU s':>9}{'pages/s':>9}{'ratio':>8}{'by CPU':>8}")
    for name, row in rows.items():
        speed = row["pages"] / row["wall"]
        lines.append(
            f"{name:<20}{row['start']:>9.2f}{row['wall']:>9.2f}{row['cpu']:>9.2f}{speed:>9.0f}"
            f"{row['ratio']:>8.2f}{row['cpu_ratio']:>8.2f}"
        )
    return "\n".join(lines)


def cpu_seconds() -> float:
    """Of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def measured(row: Row) -> Iterator[None]:
    started = time.perf_counter()
    yield
    row["wall"] = time.perf_counter() - started


# The base


def bare(files: list[SourceFile], processes: int) -> Row:
    row: Row = {}
    before, started = cpu_seconds(), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(bare_pages, [str(files[-1].path)] * processes)
        row["start"] = time.perf_counter() - started
        with measured(row):
            row["pages"] = sum(pool.imap_unordered(bare_pages, [str(file.path) for file in files]))
        pool.close()
        pool.join()
    row["cpu"] = cpu_seconds() - before
    return row


def bare_pages(path: str) -> int:
    import pypdfium2.raw as pdfium

    document = pdfium.FPDF_LoadDocument(os.fsencode(path), None)
    count: int = pdfium.FPDF_GetPageCount(document)
    for index in range(count):
        page = pdfium.FPDF_LoadPage(document, index)
        textpage = pdfium.FPDFText_LoadPage(page)
        characters = pdfium.FPDFText_CountChars(textpage)
        buffer = (ctypes.c_ushort * (characters + 1))()
        pdfium.FPDFText_GetText(textpage, 0, characters, buffer)
        bytes(buffer).decode("utf-16-le", "replace")
        pdfium.FPDFText_ClosePage(textpage)
        pdfium.FPDF_ClosePage(page)
    pdfium.FPDF_CloseDocument(document)
    return count


# The stage


def parsed(files: list[SourceFile], processes: int) -> Row:
    return pooled(files, processes, chunk=False)


def chunked(files: list[SourceFile], processes: int) -> Row:
    return pooled(files, processes, chunk=True)


def pooled(files: list[SourceFile], processes: int, *, chunk: bool) -> Row:
    row: Row = {}
    before, started = cpu_seconds(), time.perf_counter()
    confinement = Confinement(read=tuple({os.fsencode(os.path.realpath(file.path.parent)) for file in files}))
    with WorkerPool(processes, options={"chunk": chunk}, confinement=confinement) as pool:
        pages_of(pool, [files[-1]] * processes)
        row["start"] = time.perf_counter() - started
        with measured(row):
            row["pages"] = pages_of(pool, files)
        if pool.lacking:
            sys.exit(f"this system cannot confine what is measured: {pool.lacking}")
    row["cpu"] = cpu_seconds() - before
    return row


def pages_of(pool: WorkerPool, files: list[SourceFile]) -> int:
    pages = 0
    for outcome in pool.run(files):
        if not isinstance(outcome, ParsedFile):
            sys.exit(f"{outcome.source}: {outcome.message}")
        pages += outcome.pages
    return pages


if __name__ == "__main__":
    main()
