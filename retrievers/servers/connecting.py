"""Where a server is and how it is spoken to: from a URL and settings to an address, and from its refusals to errors.

`opensearch://HOST:PORT/INDEX` and `elasticsearch://…` are TLS, except on loopback; `opensearch+http://…` and
`…+https://` say it outright. Several hosts are separated by commas. Credentials come from the environment or a file,
and never stand in a message: a URL that holds some is refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from retrievers.errors import ConfigError, EngineUnavailable, RetrieverError, ServerRefused

_URL: Final = re.compile(
    r"(?P<engine>opensearch|elasticsearch)(\+(?P<how>https?))?://(?P<hosts>[^/]*)/?(?P<index>[^/?#]*)"
)
_HOST: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]@]+)(:(?P<port>\d{1,5}))?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_INDEX: Final = re.compile(r"[a-z0-9][a-z0-9._\-]{0,200}")
_TRANSIENT: Final = (408, 429, 502, 503, 504)
_CREDENTIALS: Final = (401, 403)
_CAUSES: Final = ("expired", "not yet valid", "self-signed", "self signed", "hostname")
_SKEWED: Final = re.compile(r"signature (?:expired|not yet current)|requesttimetooskewed", re.IGNORECASE)
_NEWER: Final = ("media_type_header_exception", "Accept version must be")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server and an index on it, with what it takes to be let in. Its `repr` holds no credential."""

    engine: str
    hosts: tuple[tuple[str, int], ...]
    index: str
    tls: bool
    basic: tuple[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    aws: tuple[str, str] | None = None
    proxy: str = field(default="", repr=False)
    sniff: bool = False
    timeout_seconds: float = 30.0
    connections: int = 16
    compress: bool = False

    @property
    def place(self) -> str:
        """For messages: the first host and the index."""
        host, port = self.hosts[0]
        return f"{host}:{port or 9200}/{self.index}"


def parse_url(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ConfigError: it is none that a server can be found by, or it holds credentials.
    """
    found = _URL.fullmatch(url)
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ConfigError(
            "the URL of the index holds credentials",
            hint="put them into the environment: RLM_SEARCH_SERVER_USER and RLM_SEARCH_SERVER_PASSWORD, or …_API_KEY",
        )
    hosts = [_HOST.fullmatch(host) for host in found["hosts"].split(",")] if found else [None]
    if found is None or not all(hosts):
        raise ConfigError(f"cannot read the URL {url}", hint="write opensearch://HOST:9200/INDEX")
    if not _INDEX.fullmatch(found["index"]):
        raise ConfigError(
            f"{found['index'] or 'no name'} is no name for an index on a server",
            hint="name it behind the host, in lower case: opensearch://HOST:9200/archive",
        )
    named = [(each["host"].strip("[]"), int(each["port"] or 0)) for each in hosts if each]
    on_loopback = all(host in _LOOPBACK for host, _ in named)
    tls = found["how"] == "https" or (found["how"] is None and not on_loopback)
    return Address(engine=found["engine"], hosts=tuple(named), index=found["index"], tls=tls)


def in_cloud(url: str, cloud_id: str) -> str:
    """A URL without a host, `elasticsearch:///INDEX`, as one of the deployment that a cloud id names.

    A cloud id is a label and, in base64, `DOMAIN[:PORT]$DEPLOYMENT[:PORT]$…`.

    Raises:
        ConfigError: the cloud id cannot be read.
    """
    scheme, slashes, index = url.partition(":///")
    if not cloud_id or not slashes:
        return url
    try:
        told = base64.b64decode(cloud_id.rpartition(":")[2], validate=True).decode()
    except ValueError:
        told = ""
    domain, _, deployment = told.partition("$")
    host, _, port = deployment.partition("$")[0].partition(":")
    domain, _, shared_port = domain.partition(":")
    if not domain or not host:
        raise ConfigError("cannot read the cloud id", hint="copy it whole: cloud_id in the table [server]")
    return f"{scheme}://{host}.{domain}:{port or shared_port or 443}/{index}"


def refuse_others(address: Address, allowed: Sequence[str]) -> None:
    """Hold to the list of indexes that may be opened.

    Raises:
        ConfigError: the index is not on it.
    """
    if allowed and not any(fnmatchcase(address.index, pattern) for pattern in allowed):
        raise ConfigError(
            f"the index {address.index} may not be opened", hint="allowed in the table [server] names those that may"
        )


def encoded(lines: Sequence[bytes]) -> bytes:
    """Lines as the body of a bulk or a multi-search."""
    return b"\n".join(lines) + b"\n"


def unreachable(place: str, error: BaseException) -> RetrieverError:
    """The server does not answer, or not as it should."""
    text = str(error)
    if "proxy" in text.lower():
        return EngineUnavailable(f"the proxy before {place} does not let us through", hint="check proxy in [server]")
    if "certificate required" in text.lower().replace("_", " "):
        return ConfigError(
            f"the server {place} asks for a certificate of ours",
            hint="name it: client_certificate and client_key in the table [server]",
        )
    if "wrong version number" in text.lower().replace("_", " "):
        return ConfigError(f"the server {place} speaks no TLS", hint="write …+http:// in its URL")
    if "certificate" in text.lower() or "ssl" in text.lower():
        cause = next((part for part in _CAUSES if part in text.lower()), "")
        named = f" ({cause})" if cause else ""
        clock = ", or mend the clock of this machine" if cause in _CAUSES[:2] else ""
        return ConfigError(
            f"the certificate of {place} is not trusted{named}",
            hint=f"name the authority that signed it with ca_file in [server], or mend the certificate{clock}",
        )
    is_late = "timeout" in type(error).__name__.lower() or "timed out" in text.lower()
    said = "takes too long to answer" if is_late else "does not answer"
    return EngineUnavailable(f"the server {place} {said}", hint="check that it runs and that the address is right")


def stands_for_several(place: str, names: Iterable[str]) -> ConfigError:
    """An alias that is not of one index: what is read would be several, and what is written nowhere."""
    found = sorted(names)
    return ConfigError(
        f"the alias {place} stands for {len(found)} indexes: {', '.join(found)}",
        hint="let it stand for one: rlm-search index swap",
    )


def blocked(place: str) -> ServerRefused:
    """The index takes no writes, before somebody does something: mostly the disk of a node is nearly full."""
    return ServerRefused(
        f"the index {place} takes no writes: it is blocked",
        hint="make room on the disks of the cluster, or lift index.blocks.read_only_allow_delete; then run it again",
    )


def refusal(place: str, status: int | str, info: Any) -> RetrieverError:
    """What a status and the body of an error come to."""
    reason = reason_of(info)
    told = f": {reason}" if reason else ""
    if status != 503 and ("cluster_block_exception" in str(info) or "blocked by: [" in reason):
        return blocked(place)
    if status in _CREDENTIALS and _SKEWED.search(str(info)):
        return ConfigError(f"the clock of this machine and that of {place} differ", hint="set it right")
    if any(sign in str(info) for sign in _NEWER):
        return ServerRefused(
            f"the server {place} does not understand the client library: it is too old for it",
            hint="Elasticsearch from 8.14 and OpenSearch from 2.19 are spoken to",
        )
    if status in _CREDENTIALS:
        return ConfigError(f"the server {place} does not let us in{told}", hint="check user, password or key")
    if status in _TRANSIENT:
        return EngineUnavailable(f"the server {place} is too busy or not ready{told}", hint="try again later")
    if status == 404:
        return ConfigError(f"there is no index at {place}", hint="make it: ingest FOLDER --index URL")
    if not isinstance(info, Mapping):
        return ServerRefused(f"what answers at {place} is no search server", hint="check host, port and proxy")
    return ServerRefused(f"the server {place} refused the request{told}")


def reason_of(info: Any) -> str:
    """The cause that a server names, on one line."""
    error = info.get("error") if isinstance(info, Mapping) else None
    if isinstance(error, str):
        return error[:300]
    if not isinstance(error, Mapping):
        return ""
    causes = error.get("root_cause") or [error]
    first = causes[0] if isinstance(causes, list) and causes else error
    inner = error.get("caused_by")
    texts = [str(part["reason"]) for part in (first, inner) if isinstance(part, Mapping) and part.get("reason")]
    return " ".join(": ".join(dict.fromkeys(texts)).split())[:300]
