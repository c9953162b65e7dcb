"""Where the files of a run are read and embedded: worker processes of this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from ingest import stages
from ingest.errors import ConfigError
from ingest.settings import IngestSettings, usable_cpus
from ingest.sharding import parse_shard
from ingest.state import is_server
from ingest.types import Confinement, Limits, ParserOptions
from ingest.workers import WorkerPool
from retrievers.embedders import spec_of
from retrievers.protocols import Embedder
from retrievers.settings import EmbedderSettings, Settings

if TYPE_CHECKING:
    from ingest.cluster.pool import ClusterPool


def check(table: IngestSettings, url: str, *, rebuild: bool = False) -> None:
    """Refuse what cannot go together, before anything is opened.

    Raises:
        ConfigError: several machines would write to an index that has one writer; a part would replace the whole.
    """
    shard = parse_shard(table.shard)
    asked = ["--executor ray"] * (table.executor == "ray") + [f"--shard {shard}"] * (shard is not None)
    if asked and not is_server(url):
        raise ConfigError(
            f"{asked[0]} is for several machines, and the index {url} is a folder, which one machine writes to",
            hint="name an index on a server: --index opensearch://… or elasticsearch://…",
        )
    if shard and rebuild:
        raise ConfigError(
            f"--rebuild replaces the whole index, and --shard {shard} is a part of it",
            hint="let all shards fill an index of another name, or rebuild without --shard",
        )


@contextmanager
def open_pool(
    table: IngestSettings,
    parser: ParserOptions,
    confinement: Confinement,
    settings: Settings | None = None,
    embedder: Embedder | None = None,
) -> Iterator[WorkerPool | ClusterPool]:
    """Processes that read files, as the settings say.

    Args:
        table: which executor, how many processes, what a file may cost.
        parser: what parsers are told.
        confinement: what the processes are left.
        settings: those of the embedder, for other machines.
        embedder: of the run; None without vectors. Only a cluster embeds.
    """
    options: dict[str, object] = {
        "max_tokens": table.max_tokens,
        "sketch": table.near_duplicates,
        "parser": msgspec.to_builtins(parser),
    }
    limits = Limits(
        cpu_seconds=table.file_seconds,
        memory_bytes=table.file_memory_mb << 20,
        file_bytes=table.file_size_mb << 20,
    )
    if table.executor == "local":
        workers = table.workers or usable_cpus()
        with WorkerPool(workers, options=options, limits=limits, confinement=confinement) as pool:
            yield pool
        return
    from ingest.cluster.actors import EmbeddingPlan, ReadingPlan
    from ingest.cluster.flow import RayFlow
    from ingest.cluster.pool import ClusterPool
    from ingest.cluster.session import connected

    reading = ReadingPlan(options=options, limits=limits, confinement=confinement, version=stages.version())
    own = (settings or Settings.of()).table("embedder", EmbedderSettings)
    embedding = EmbeddingPlan(spec=own.spec or spec_of(embedder.name), settings=own) if embedder else None
    with (
        connected() as resources,
        ClusterPool(RayFlow(resources, reading, embedding, readers=table.workers)) as cluster,
    ):
        yield cluster
