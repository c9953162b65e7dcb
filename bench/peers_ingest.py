"""The same reports through what people would use instead: LlamaIndex, LangChain and Haystack, each with Chroma on disk,
txtai, and paper-qa.

Each is used as its tutorials do: its reader of PDFs, its splitter at about the size of our chunks, its own batches, and
the same embedder through its own interface (`hashing` by default, so that what is measured is everything else). Each
runs in a process and a virtual environment of its own, which is made under --cache at the first run; one that does not
install or does not run is told with its reason. Seconds are of the whole process; memory is the peak of PSS summed over
its processes; text is what the reader or the index kept, without white space, divided by what PDFium gives.

    RLM_SEARCH_TEST_DATA=… python -m bench.peers_ingest [--reports 31] [--embedder minilm] [--only NAME] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.environments import CACHE, python_with
from bench.processes import below, proportional

Kept: TypeAlias = dict[str, str]
"""The text of each file by its name, as far as a contender kept it."""

ROOT = Path(__file__).resolve().parents[1]
NEEDS = {
    "LlamaIndex": ("llama-index-core", "llama-index-readers-file", "llama-index-vector-stores-chroma", "pypdf"),
    "LangChain": ("langchain-community", "langchain-text-splitters", "langchain-chroma", "pypdf"),
    "Haystack": ("haystack-ai", "chroma-haystack", "pypdf"),
    "txtai": ("txtai", "pypdf"),
    "paper-qa": ("paper-qa>=5", "pypdf"),
}
QUIET = {"ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False", "DO_NOT_TRACK": "1"}
CHUNK_TOKENS, CHUNK_CHARACTERS, CHUNK_WORDS = 200, 900, 150
SAMPLE_SECONDS = 0.1
LOST_BELOW = 0.9  # of PDFium's text: a file that kept less is counted


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reports", type=int, default=31, help="so many, the smallest first")
    parser.add_argument("--embedder", choices=["hashing", "minilm"], default="hashing")
    parser.add_argument("--only", action="append", help="a contender by name (repeatable)")
    parser.add_argument("--cache", type=Path, default=CACHE / "peers")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:  # where only the contender is installed
        child(arguments.child[0], Path(arguments.child[1]), arguments.embedder)
        return
    reports = smallest(arguments.reports)
    expected, pages = reference(reports)
    rows: dict[str, dict[str, Any]] = {}
    for name in arguments.only or ["rlm-search", *NEEDS]:
        with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
            (Path(folder) / "reports.json").write_text(json.dumps([str(report) for report in reports]))
            rows[name] = contender(name, Path(folder), arguments, expected, pages)
        print(line(name, rows[name]), file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(rows))


def smallest(count: int) -> list[Path]:
    from bench.beir import data_folder

    found = (data_folder() / "financebench" / "pdfs").glob("*.pdf")
    return sorted(found, key=lambda path: (path.stat().st_size, path))[:count]


def solid(text: str) -> int:
    return sum(map(len, text.split()))


def reference(reports: Sequence[Path]) -> tuple[dict[str, int], int]:
    """Characters of each report by bare PDFium, and pages of all."""
    import pypdfium2.raw as pdfium

    characters: dict[str, int] = {}
    pages = 0
    for report in reports:
        document = pdfium.FPDF_LoadDocument(os.fsencode(report), None)
        count = pdfium.FPDF_GetPageCount(document)
        pages += count
        characters[report.name] = sum(solid(page_text(pdfium, document, index)) for index in range(count))
        pdfium.FPDF_CloseDocument(document)
    return characters, pages


def page_text(pdfium: Any, document: Any, index: int) -> str:
    page = pdfium.FPDF_LoadPage(document, index)
    textpage = pdfium.FPDFText_LoadPage(page)
    count = pdfium.FPDFText_CountChars(textpage)
    buffer = (ctypes.c_ushort * (count + 1))()
    pdfium.FPDFText_GetText(textpage, 0, count, buffer)
    pdfium.FPDFText_ClosePage(textpage)
    pdfium.FPDF_ClosePage(page)
    return bytes(buffer)[: 2 * count].decode("utf-16-le", "replace").replace("\0", "")


# --- one contender ---------------------------------------------------------------------------------------------------


def contender(
    name: str, folder: Path, arguments: argparse.Namespace, expected: dict[str, int], pages: int
) -> dict[str, Any]:
    try:
        python = sys.executable if name == "rlm-search" else python_with(arguments.cache / name.lower(), NEEDS[name])
    except (OSError, subprocess.CalledProcessError) as error:
        return {"skipped": f"does not install: {error}"}
    command = [python, "-m", "bench.peers_ingest", "--embedder", arguments.embedder, "--child", name, str(folder)]
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "RLM_SEARCH_HOME": str(folder / "home")}
    before, started = cpu_seconds(), time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(proportional, [process.pid, *below(process.pid)])))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        return {"skipped": (folder / "log").read_text().strip().splitlines()[-1:] or f"status {process.returncode}"}
    told = json.loads((folder / "kept.json").read_text())
    seconds = time.perf_counter() - started - told["counting_seconds"]
    kept = told["characters"]
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds() - before - told["counting_cpu_seconds"],
        "documents_a_second": len(expected) / seconds,
        "pages_a_second": pages / seconds,
        "peak_mb": peak / 1e6,
        "text_kept": sum(kept.values()) / sum(expected.values()),
        "lost": sorted(file for file, count in expected.items() if kept.get(file, 0) < LOST_BELOW * count),
    }


def line(name: str, row: dict[str, Any]) -> str:
    if "skipped" in row:
        return f"{name:<12} skipped: {row['skipped']}"
    return (
        f"{name:<12}{row['seconds']:>8.1f} s {row['cpu_seconds']:>8.1f} CPU s"
        f" {row['documents_a_second']:>7.2f} documents/s {row['pages_a_second']:>7.1f} pages/s"
        f" {row['peak_mb']:>7.0f} MB  text {row['text_kept']:.3f}  lost {', '.join(row['lost']) or 'none'}"
    )


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# --- in the contender's own process and environment ------------------------------------------------------------------


def child(name: str, folder: Path, embedder: str) -> None:
    reports = [Path(path) for path in json.loads((folder / "reports.json").read_text())]
    ways: dict[str, Callable[[Sequence[Path], Path, str], Callable[[], Kept]]] = {
        "rlm-search": rlm_search,
        "LlamaIndex": llama_index,
        "LangChain": lang_chain,
        "Haystack": haystack,
        "txtai": txtai,
        "paper-qa": paper_qa,
    }
    texts = ways[name](reports, folder / "index", embedder)
    started, cpu = time.perf_counter(), time.process_time()
    told: dict[str, Any] = {"characters": {file: solid(text) for file, text in texts().items()}}
    told["counting_seconds"], told["counting_cpu_seconds"] = time.perf_counter() - started, time.process_time() - cpu
    (folder / "kept.json").write_text(json.dumps(told))


def embedding(spec: str) -> Any:
    if spec == "hashing":
        from retrievers.embedders.hashing import HashingEmbedder

        return HashingEmbedder()
    from retrievers.embedders.onnx import OnnxEmbedder

    return OnnxEmbedder()


def by_file(pairs: Iterator[tuple[str, str]]) -> Kept:
    kept: Kept = {}
    for path, text in pairs:
        name = Path(path).name
        kept[name] = f"{kept.get(name, '')}\n{text}"
    return kept


def rlm_search(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    words = [*map(str, reports), "--index", str(index), "--embedder", embedder, "-q"]
    subprocess.run([sys.executable, "-m", "ingest", *words], check=True)

    def texts() -> Kept:
        from retrievers import open_writer

        with contextlib.closing(sqlite3.connect(index / "journal.db")) as journal:
            ids = [row[0] for row in journal.execute("SELECT document_id FROM documents")]
        writer = open_writer(str(index), embedder=embedding(embedder))
        documents = [item.document for id_ in ids if (item := writer.chunks_of(id_))]
        writer.close()
        return by_file((document.source, document.text) for document in documents)

    return texts


def llama_index(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    import chromadb  # type: ignore[import-not-found]
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex  # type: ignore[import-not-found]
    from llama_index.core.embeddings import BaseEmbedding  # type: ignore[import-not-found]
    from llama_index.core.node_parser import SentenceSplitter  # type: ignore[import-not-found]
    from llama_index.vector_stores.chroma import ChromaVectorStore  # type: ignore[import-not-found]

    inner = embedding(embedder)

    class Same(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, vector)) for vector in inner.embed_documents(texts)]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    documents = SimpleDirectoryReader(input_files=[str(path) for path in reports]).load_data()
    collection = chromadb.PersistentClient(str(index)).create_collection("reports")
    VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection)),
        embed_model=Same(embed_batch_size=100),
        transformations=[SentenceSplitter(chunk_size=CHUNK_TOKENS + 56, chunk_overlap=0)],  # it counts metadata, too
    )
    return lambda: by_file((document.metadata["file_name"], document.text) for document in documents)


def lang_chain(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    from langchain_chroma import Chroma  # type: ignore[import-not-found]
    from langchain_community.document_loaders import PyPDFLoader  # type: ignore[import-not-found]
    from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # type: ignore[import-not-found]

    inner = embedding(embedder)

    class Same(Embeddings):  # type: ignore[misc]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, vector)) for vector in inner.embed_documents(texts)]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARACTERS, chunk_overlap=0)
    store = Chroma(collection_name="reports", embedding_function=Same(), persist_directory=str(index))
    pages = []
    for path in reports:
        loaded = PyPDFLoader(str(path)).load()
        pages += loaded
        if chunks := splitter.split_documents(loaded):
            store.add_documents(chunks)
    return lambda: by_file((page.metadata["source"], page.page_content) for page in pages)


def haystack(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    from dataclasses import replace

    from haystack.components.converters import PyPDFToDocument  # type: ignore[import-not-found]
    from haystack.components.preprocessors import DocumentSplitter  # type: ignore[import-not-found]
    from haystack.components.writers import DocumentWriter  # type: ignore[import-not-found]
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore  # type: ignore[import-not-found]

    inner = embedding(embedder)
    converter, splitter = PyPDFToDocument(), DocumentSplitter(split_by="word", split_length=CHUNK_WORDS)
    writer = DocumentWriter(ChromaDocumentStore(persist_path=str(index)))
    documents = []
    for path in reports:
        converted = converter.run(sources=[path])["documents"]
        documents += converted
        chunks = splitter.run(documents=converted)["documents"]
        vectors = inner.embed_documents([chunk.content for chunk in chunks])
        embedded = [
            replace(chunk, embedding=list(map(float, row)), meta={"file_path": path.name})
            for chunk, row in zip(chunks, vectors, strict=True)
        ]
        writer.run(documents=embedded)
    return lambda: by_file((document.meta["file_path"], document.content or "") for document in documents)


def txtai(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    """Its own readers of PDFs fetch models, or need Java: so it is fed by pypdf, in runs of words."""
    from pypdf import PdfReader
    from txtai import Embeddings  # type: ignore[import-not-found]

    inner = embedding(embedder)

    def transform(texts: Sequence[str]) -> Any:
        return inner.embed_documents(texts)

    pages = [(path.name, page.extract_text()) for path in reports for page in PdfReader(path).pages]

    def chunks() -> Iterator[tuple[str, str, None]]:
        for number, (name, text) in enumerate(pages):
            words = text.split()
            for first in range(0, len(words), CHUNK_WORDS):
                yield f"{name} {number} {first}", " ".join(words[first : first + CHUNK_WORDS]), None

    store = Embeddings(method="external", transform=transform, content=True)
    store.index(chunks())
    store.config.pop("transform")  # a function cannot be saved
    store.save(str(index))
    return lambda: by_file(iter(pages))


def paper_qa(reports: Sequence[Path], index: Path, embedder: str) -> Callable[[], Kept]:
    """Its index of a folder asks a language model for the citation of each file: here they are given."""
    import asyncio
    import pickle

    from lmi import EmbeddingModel  # type: ignore[import-not-found]
    from paperqa import Docs, Settings  # type: ignore[import-not-found]

    inner = embedding(embedder)

    class Same(EmbeddingModel):  # type: ignore[misc]
        async def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, vector)) for vector in inner.embed_documents(texts)]

    cutting = {"chunk_chars": CHUNK_CHARACTERS, "overlap": 0}
    settings = Settings(parsing={"multimodal": False, "use_doc_details": False, "reader_config": cutting})
    docs = Docs()

    async def add() -> None:
        for path in reports:
            given = {"citation": path.name, "docname": path.name, "dockey": path.name}
            await docs.aadd(path, **given, settings=settings, embedding_model=Same(name="same"))

    asyncio.run(add())
    index.mkdir()
    (index / "docs.pkl").write_bytes(pickle.dumps(docs))
    return lambda: by_file((text.doc.dockey, text.text) for text in docs.texts)


if __name__ == "__main__":
    main()
