"""The `[ingest]` table of the settings, and where the state of runs is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ingest.chunkers import LEAST_TOKENS

_PARSING = ("file_pages", "file_characters", "archive_files", "archive_ratio", "archive_mb", "ocr_page_seconds")
_TOLD_TO_WORKERS = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "TESSDATA_PREFIX"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "DO_NOT_TRACK", "SCARF_NO_ANALYTICS"),
    *("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONUTF8", "PYTHONHASHSEED", "PYTHONMALLOC"),
    *("PYTHONWARNINGS", "PYTHONFAULTHANDLER", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"),
    *("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_RCFILE", "COVERAGE_FILE", "COVERAGE_CORE"),
)
_TOLD_TO_WORKERS_BEGIN = "LC_"


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[ingest]`: what is read, by how many processes, and what one file may cost.

    Attributes:
        workers: processes that read files; 0 is one per CPU that this process may use.
        include: glob patterns, matched against name and path; empty takes every file.
        exclude: glob patterns of what is left out, files and whole folders.
        max_tokens: size of a chunk at most.
        near_duplicates: find documents that say the same as another in almost the same words; searches show one.
        flush_documents: documents are searchable after so many, or after `flush_seconds`.
        file_seconds: CPU seconds that one file may cost, and some more for each megabyte.
        file_memory_mb: memory that one file may cost.
        file_size_mb: larger files are not read.
        file_pages: pages that are read of one file at most.
        file_characters: characters that are read of one file at most.
        archive_depth: how deep files are read that lie in files; 0 leaves archives and attachments unread.
        archive_files: files that are read of one archive at most, those of archives inside it included.
        archive_ratio: what unpacks to more than so many times its size is a bomb.
        archive_mb: that are unpacked of one archive at most.
        passwords_file: names a file of passwords, one a line, that are tried on encrypted files; "" is none.
        metadata: names a file of metadata, csv or jsonl, whose rows are joined by path or id; "" is none.
        path_fields: templates of names or paths that give fields, e.g. `{company}_{year:int}_{form}.pdf`.
        id_field: the field of a record (jsonl, json, csv) that is its id; "" is `_id` or `id`.
        title_field: the field that is its title; "" is `title`.
        text_field: the fields that are its text, in order; none is `text`, `content` or `body`.
        ocr: whether pages that are pictures are read: `auto` where a program for it is there, `off`, or `always`, which
            also reads pages that have a text layer, in its place.
        ocr_languages: names of tesseract's language data.
        confine: whether the processes that read files give up network, programs and all other files: `auto` as far as
            this system can, `require` or nothing is read, `off`.
        ocr_page_seconds: CPU seconds that reading one picture may cost.
        unstructured: formats that the extra `unstructured` reads, in place of the light readers.
        executor: where files are read and embedded: `local` is this machine, `ray` a Ray cluster.
        shard: the part of the files that is read, `K/N`, told by a hash of their paths; "" is all of them.
    """

    workers: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_tokens: int = 200
    near_duplicates: bool = True
    flush_documents: int = 1000
    flush_seconds: float = 3.0
    file_seconds: float = 10.0
    file_memory_mb: int = 1024
    file_size_mb: int = 2048
    file_pages: int = 50_000
    file_characters: int = 200_000_000
    archive_depth: int = 5
    archive_files: int = 100_000
    archive_ratio: int = 200
    archive_mb: int = 8192
    passwords_file: str = ""
    metadata: str = ""
    path_fields: tuple[str, ...] = ()
    id_field: str = ""
    title_field: str = ""
    text_field: tuple[str, ...] = ()
    ocr: Literal["auto", "off", "always"] = "auto"
    ocr_languages: tuple[str, ...] = ("eng",)
    ocr_page_seconds: float = 60.0
    unstructured: tuple[str, ...] = ()
    confine: Literal["auto", "require", "off"] = "auto"
    executor: Literal["local", "ray"] = "local"
    shard: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, so that it is said with the name of the setting."""
        if self.workers < 0:
            raise ValueError("workers must be 0 or more - at `$.workers`")
        if self.max_tokens < LEAST_TOKENS:
            raise ValueError(f"max_tokens must be {LEAST_TOKENS} or more - at `$.max_tokens`")
        for name in ("flush_documents", "flush_seconds", "file_seconds", "file_memory_mb", *_PARSING):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0 - at `$.{name}`")


def keep_unstructured_quiet() -> None:
    """Turn off what the library `unstructured` would send and print; to be called before it is imported."""
    os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", UNSTRUCTURED_DISABLE_NOTICE="1", HF_HUB_OFFLINE="1")


def keep_ray_quiet() -> None:
    """Turn off what Ray would send and print; to be called before it is imported."""
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ENABLE_AUTO_CONNECT="0",  # a thread that comes late connects to nothing
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_BACKEND_LOG_LEVEL="fatal",
        RAY_DEDUP_LOGS_SKIP_REGEX="^",  # all lines of the cluster are skipped: they would go to stdout
    )


def ray_address(environment: Mapping[str, str] | None = None) -> str:
    """The Ray cluster that the environment names, "" where it names none."""
    environment = os.environ if environment is None else environment
    return environment.get("RAY_ADDRESS", "")


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where journals of server indexes and traces of unexpected errors lie: `RLM_SEARCH_HOME`/state or the user's."""
    environment = os.environ if environment is None else environment
    if home := environment.get("RLM_SEARCH_HOME"):
        return Path(home) / "state"
    from platformdirs import user_state_path  # a cold command pays for it only here

    return user_state_path("rlm-search")


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where vectors are kept by the hash of their text: `RLM_SEARCH_HOME`/cache or the user's cache folder."""
    environment = os.environ if environment is None else environment
    if home := environment.get("RLM_SEARCH_HOME"):
        return Path(home) / "cache"
    from platformdirs import user_cache_path  # as above

    return user_cache_path("rlm-search")


def tesseract_data_folder(environment: Mapping[str, str] | None = None) -> str:
    """Where the user's language data for tesseract lies; "" is its own place."""
    environment = os.environ if environment is None else environment
    return environment.get("TESSDATA_PREFIX", "")


def worker_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What of the environment the processes that read files are told: no secret, whatever its name."""
    environment = os.environ if environment is None else environment
    told = {
        name: value
        for name, value in environment.items()
        if name in _TOLD_TO_WORKERS or name.startswith(_TOLD_TO_WORKERS_BEGIN)
    }
    # native libraries read these two as they are loaded: a process that forks must have one thread
    return told | {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def wants_plain_output(environment: Mapping[str, str] | None = None) -> bool:
    """The terminal, or its user, does not want it to be drawn on."""
    environment = os.environ if environment is None else environment
    return environment.get("TERM") == "dumb"


def wants_colour(environment: Mapping[str, str] | None = None) -> bool:
    """The user has not said NO_COLOR."""
    environment = os.environ if environment is None else environment
    return not environment.get("NO_COLOR")


def usable_cpus() -> int:
    """CPUs that this process may run on, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
