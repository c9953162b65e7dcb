"""Settings: TOML files, environment and flags, merged and checked; the tables that all commands share.

Precedence: flag > environment (`RLM_SEARCH_INDEX__URL`) > project file (`rlm-search.toml`, here or in a folder
above) > user file > default. `config/default.toml` lists every key. Only settings modules read the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import msgspec

from retrievers.errors import ConfigError

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
S = TypeVar("S", bound=msgspec.Struct)

TABLES = (
    "index", "server", "retriever", "embedder", "search", "ingest",
    "model", "sub_model", "context_engineer", "router", "prompt", "tools", "history", "limits", "gates", "sandbox",
    "ask",
)  # fmt: skip
"""Every table of the file; which package reads which is told in docs/configuration.md."""

PROJECT_FILE = "rlm-search.toml"
_PREFIX = "RLM_SEARCH_"
_SECRET_NAME = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSWORDS|CREDENTIALS?)(?:_|$)", re.I)
_SHORTEST_SECRET = 6
"""Characters; a shorter value would be taken out of the middle of words."""


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[index]`: where it is."""

    url: str = ".rlm-search/index"


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: how an OpenSearch or Elasticsearch is reached, and how an index that is made on it is cut.

    Credentials come from the environment (or from the file that the variable with `_FILE` behind it names):
    `OPENSEARCH_USER` and `OPENSEARCH_PASSWORD`, or `OPENSEARCH_API_KEY`, or `OPENSEARCH_TOKEN`, or the same with
    `ELASTICSEARCH_`.

    Attributes:
        allowed: names of indexes that may be opened, with `*` and `?`; none is all.
        cloud_id: of a deployment of Elastic's, for URLs without a host: `elasticsearch:///INDEX`.
        user: of basic authentication, where the variable does not say it.
        verify: refuse a certificate that is not trusted.
        ca_file: the authority that signed the server's certificate; "" trusts what the system trusts.
        client_certificate: a file with ours, where the server asks for one.
        client_key: the file with its key.
        aws_region: signs requests for Amazon's service in this region, with the credentials that AWS tools find.
        aws_service: `es`, or `aoss` for its serverless one.
        proxy: the URL of a proxy on the way.
        sniff: ask the server for the other nodes of its cluster, and speak to them too.
        timeout_seconds: of one request.
        connections: to one host at most.
        compress: requests, on slow lines.
        shards: of a new index.
        replicas: of a new index; -1 is one where the cluster has more than one node.
        refresh_seconds: how long a change by others may stay unseen.
        vectors: how a new index keeps them; "" is lucene on OpenSearch and int8_hnsw on Elasticsearch.
        fusion: who mixes the legs of a hybrid search: ours, or server or server-rrf, where the server can.
    """

    allowed: tuple[str, ...] = ()
    cloud_id: str = ""
    user: str = ""
    verify: bool = True
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    aws_region: str = ""
    aws_service: str = "es"
    proxy: str = ""
    sniff: bool = False
    timeout_seconds: float = 30.0
    connections: int = 16
    compress: bool = False
    shards: int = 1
    replicas: int = -1
    refresh_seconds: float = 1.0
    vectors: str = ""
    fusion: str = "ours"


class RetrieverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retriever]`: what holds for every question.

    Attributes:
        must: a filter in dict form that every search, read and count is held to, whatever else is asked.
        fields: of an index on a server that was made by something else: which field is the text, title, vector,
            document, page, source.
        preset: a known layout of another tool in place of `fields`: pyrlm-runtime.
    """

    must: dict[str, Any] = {}
    fields: dict[str, str] = {}
    preset: str = ""


class EmbedderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[embedder]`: what turns text into vectors. "" is the index's own, for a new index `minilm`."""

    spec: str = ""
    base_url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    dimensions: int = 0
    timeout_seconds: float = 60.0
    threads: int = 0


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[search]`: how `rlm-search search` searches when no flag says otherwise."""

    mode: str = "hybrid"
    top_k: int = 10


class Settings:
    """The merged tables of one command, converted to their types on demand, with the origin of each key."""

    def __init__(self, values: Mapping[str, Mapping[str, Any]], origins: Mapping[tuple[str, str], str]) -> None:
        self._values = values
        self.origins = origins

    @classmethod
    def of(cls, tables: Tables | None = None) -> Settings:
        """These tables, and the defaults of all others: nothing is read."""
        return cls(tables or {}, {})

    def table(self, name: str, kind: type[S]) -> S:
        """One table as its struct.

        Raises:
            ConfigError: an unknown key or a value of the wrong type, with where it came from.
        """
        values = dict(self._values.get(name, {}))
        self._refuse_unknown(name, kind, values)
        try:
            return msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            raise self._invalid(name, str(error)) from None

    def given(self, name: str) -> frozenset[str]:
        """The keys of a table that somebody has set, whatever to."""
        return frozenset(self._values.get(name, {}))

    def without(self, name: str) -> Settings:
        """The same with the defaults of one table."""
        return Settings({table: values for table, values in self._values.items() if table != name}, self.origins)

    def _refuse_unknown(self, name: str, kind: type[msgspec.Struct], values: Mapping[str, Any]) -> None:
        for key in values:
            if key not in kind.__struct_fields__:
                origin = self.origins.get((name, key), "")
                raise ConfigError(
                    f"unknown setting `{name}.{key}`{_from(origin)}", hint=_choices(key, kind.__struct_fields__)
                )

    def _invalid(self, name: str, message: str) -> ConfigError:
        text, _, path = message.rpartition(" - at `$.")
        key = path.rstrip("`")
        origin = self.origins.get((name, key.partition("[")[0]), "")
        return ConfigError(f"setting `{name}.{key}` is wrong{_from(origin)}: {text or message}")


def load(
    *,
    flags: Tables | None = None,
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read all sources once and merge them.

    Args:
        flags: table to key to value; None values are flags that were not given.
        config_file: takes the place of the project file; must exist.
        environment: by default the process's.
        folder: where the search for the project file begins, by default the current one.

    Raises:
        ConfigError: a file that cannot be read, is no TOML, or has an unknown table.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[str, str], str] = {}
    for origin, tables in (
        *_files(config_file, environment, folder or Path.cwd()),
        ("the environment", _from_environment(environment)),
        ("the command line", flags or {}),
    ):
        for table, entries in tables.items():
            for key, value in entries.items():
                if value is not None:
                    values.setdefault(table, {})[key] = value
                    origins[table, key] = origin
    return Settings(values, origins)


def secret(name: str, environment: Mapping[str, str] | None = None) -> str:
    """A credential from the variable `name`, or from the file that `name`_FILE points to; "" where there is none.

    Raises:
        ConfigError: the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if environment.get(name):
        return environment[name].strip()
    path = environment.get(f"{name}_FILE", "")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read the file that {name}_FILE names: {error.strerror}") from None


def secret_values(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Values of the variables whose names say that they are secret, for taking them out of what is shown."""
    environment = os.environ if environment is None else environment
    return tuple(
        value.strip()
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value.strip()) >= _SHORTEST_SECRET
    )


def _files(config_file: Path | None, environment: Mapping[str, str], folder: Path) -> list[tuple[str, Tables]]:
    found = []
    user = _user_file(environment)
    if user.is_file():
        found.append((str(user), _read(user)))
    project = config_file or _upward(folder)
    if project is not None:
        found.append((str(project), _read(project)))
    return found


def _user_file(environment: Mapping[str, str]) -> Path:
    if home := environment.get("RLM_SEARCH_HOME"):
        return Path(home) / "config.toml"
    from platformdirs import user_config_path  # a cold command pays for it only here

    return user_config_path("rlm-search") / "config.toml"


def _upward(folder: Path) -> Path | None:
    for candidate in (folder, *folder.parents):
        if (candidate / PROJECT_FILE).is_file():
            return candidate / PROJECT_FILE
    return None


def _read(path: Path) -> Tables:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    for name, table in tables.items():
        if name not in TABLES or not isinstance(table, dict):
            raise ConfigError(f"unknown table `[{name}]` in {path}", hint=_choices(name, TABLES))
    return cast("Tables", tables)


def _from_environment(environment: Mapping[str, str]) -> Tables:
    tables: dict[str, dict[str, Any]] = {}
    for variable, value in environment.items():
        if not variable.startswith(_PREFIX) or "__" not in variable:
            continue
        table, _, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if table not in TABLES:
            raise ConfigError(f"unknown table `{table}` in the variable {variable}", hint=_choices(table, TABLES))
        tables.setdefault(table, {})[key] = _listed(value)
    return tables


def _listed(value: str) -> Any:
    """A variable that holds a JSON list is a list; everything else stays text, which conversion reads."""
    if not value.startswith("["):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _choices(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"


def _from(origin: str) -> str:
    return f" (from {origin})" if origin else ""
