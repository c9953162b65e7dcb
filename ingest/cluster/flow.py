"""The pipeline as Ray Data runs it: read, then embed."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any

from ingest.cluster.actors import Embedding, EmbeddingPlan, Reading, ReadingPlan
from ingest.cluster.parcels import Errand, Parcel, packed, parcels_in
from ingest.cluster.session import Resources
from ingest.errors import IngestError
from retrievers.errors import RetrieverError


class RayFlow:
    """Errands in, parcels out, in any order. Ray repeats what a process or a machine that dies has had in hand.

    Args:
        resources: of the cluster.
        reading: how files are read.
        embedding: what embeds them, on GPUs where the cluster has any; None for text only.
        readers: processes that read files at most; 0 leaves it to Ray.
    """

    def __init__(
        self, resources: Resources, reading: ReadingPlan, embedding: EmbeddingPlan | None, *, readers: int = 0
    ) -> None:
        self._resources, self._reading, self._embedding = resources, reading, embedding
        self._readers = readers

    def __call__(self, errands: Iterable[list[Errand]]) -> Generator[Parcel]:
        """What comes of the errands.

        Raises:
            IngestError, RetrieverError: what a process of the cluster could not go on with.
        """
        try:
            dataset = self._dataset(errands)
            tables = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
            with closing(tables):  # here, not by the collector: what fails at a stop is nobody's matter
                for table in tables:
                    yield from parcels_in(table)
        except Exception as error:  # noqa: BLE001 - fate: ends the run, as what it was where it was raised
            raise _cause(error) from None

    def _dataset(self, errands: Iterable[list[Errand]]) -> Any:
        import ray.data

        share = min(1.0, self._resources.cpus / 2) or 1.0  # on one processor both stages get a process, too
        read = ray.data.from_arrow([packed(each) for each in errands]).map_batches(
            Reading,
            fn_constructor_args=(self._reading,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self._readers or None),
            num_cpus=share,
        )
        if self._embedding is None:
            return read
        has_gpu = self._resources.gpus > 0
        return read.map_batches(
            Embedding,
            fn_constructor_args=(self._embedding.on(has_gpu=has_gpu),),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=None),
            **({"num_gpus": 1} if has_gpu else {"num_cpus": share}),
        )


def _cause(error: BaseException) -> BaseException:
    """What a process of the cluster has raised, without the wrapping that Ray has put around it."""
    seen: BaseException | None = error
    while seen is not None and not _is_ours(seen):
        seen = getattr(seen, "cause", None) or seen.__cause__
    return seen or error


def _is_ours(error: BaseException) -> bool:
    """Not a class that Ray has made of one of ours and of its own."""
    return isinstance(error, IngestError | RetrieverError) and "Ray" not in type(error).__name__
