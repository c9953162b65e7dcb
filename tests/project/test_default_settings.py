"""config/default.toml lists every setting with the default that the code has, and no other."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from ingest.settings import IngestSettings
from retrievers.settings import (
    TABLES,
    EmbedderSettings,
    IndexSettings,
    RetrieverSettings,
    SearchSettings,
    ServerSettings,
)
from rlm_search.cli.settings import AskSettings
from rlm_search.gates import Gates
from rlm_search.models.settings import ModelSettings, RootModelSettings
from rlm_search.settings import (
    ContextEngineerSettings,
    HistorySettings,
    LimitSettings,
    PromptSettings,
    RouterSettings,
    SandboxSettings,
    ToolSettings,
)

FILE = Path(__file__).parents[2] / "config" / "default.toml"
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "index": IndexSettings,
    "server": ServerSettings,
    "retriever": RetrieverSettings,
    "embedder": EmbedderSettings,
    "search": SearchSettings,
    "ingest": IngestSettings,
    "model": RootModelSettings,
    "sub_model": ModelSettings,
    "context_engineer": ContextEngineerSettings,
    "router": RouterSettings,
    "prompt": PromptSettings,
    "tools": ToolSettings,
    "history": HistorySettings,
    "limits": LimitSettings,
    "gates": Gates,
    "sandbox": SandboxSettings,
    "ask": AskSettings,
}


def test_every_table_is_there() -> None:
    assert set(tomllib.loads(FILE.read_text())) == set(TABLES) == set(STRUCTS)


@pytest.mark.parametrize("table", STRUCTS)
def test_every_key_has_the_default_of_the_code(table: str) -> None:
    written = tomllib.loads(FILE.read_text())[table]

    assert msgspec.convert(written, STRUCTS[table]) == STRUCTS[table]()


@pytest.mark.parametrize("table", STRUCTS)
def test_every_key_of_the_code_is_listed(table: str) -> None:
    section = re.split(r"^\[", FILE.read_text(), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(f"{table}]"))

    listed = re.findall(r"^(?:# )?(\w+) = ", text, flags=re.MULTILINE)

    assert sorted(listed) == sorted(STRUCTS[table].__struct_fields__)


@pytest.mark.parametrize("engine", ["opensearch", "elasticsearch"])
def test_the_file_of_an_engine_lists_the_settings_that_matter_to_it(engine: str) -> None:
    tables = tomllib.loads((FILE.parent / f"{engine}.toml").read_text())

    assert msgspec.convert(tables["server"], ServerSettings) == ServerSettings()
    assert set(tables["server"]) == set(ServerSettings.__struct_fields__)
    assert set(tables["retriever"]) == set(RetrieverSettings.__struct_fields__)
    assert tables["index"]["url"].startswith(f"{engine}://")
