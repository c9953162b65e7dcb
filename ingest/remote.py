"""Remote files by URL, through fsspec (the extra `cloud`): listed lazily, and shown without their secrets.

Only the main process gets here: workers have no network, they read what `ingest.spool` has fetched.
"""

from __future__ import annotations

import datetime
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ingest.addresses import url_of
from ingest.errors import SourceError
from ingest.globs import Glob
from ingest.types import Failure, FailureKind, SourceFile
from retrievers import plugins
from retrievers.errors import ConfigError as RetrieverConfigError

_VERSIONS = ("etag", "ETag", "md5Hash", "generation", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")
_SECRET = re.compile(r"sign|sig$|token|secret|passw|credential|key|auth|expires", re.IGNORECASE)
_LIBRARIES = ("aiobotocore", "aiohttp", "botocore", "fsspec", "gcsfs", "google", "s3fs", "urllib3")
_MISSING, _REFUSED, _LATER = (404, 410), (401, 403), (408, 425, 429)


def find(
    url: str, *, keeps: Callable[[str, str], bool], drops: Callable[[str, str], bool]
) -> Iterator[SourceFile | Failure]:
    """The files at and below a URL, in order; a URL may hold wildcards.

    Args:
        url: of a file system that fsspec knows.
        keeps: whether a file is wanted, by its name and its path below the URL.
        drops: whether a folder is left out, in the same way.

    Raises:
        SourceError: there is nothing, or it cannot be reached.
        ConfigError: the extra that opens it is not installed.
    """
    system, base = opened(url)
    glob = Glob(base) if "*" in base else None
    root = glob.base if glob else base
    try:
        about = system.info(root)
    except Exception as error:
        raise SourceError(f"{shown(url)} cannot be read: {reason(error)}", hint=_hint(error)) from error
    address = _Address.of(url, base)
    is_listing = _is_page(base) and base.endswith("/")
    if about["type"] == "directory" or is_listing or glob:
        return _walk(_Remote(system, root, address, glob), keeps, drops)
    wanted = keeps(_name(root), _name(root))
    return iter((_found(system, about, address),) if wanted else ())


@dataclass(frozen=True, slots=True)
class _Address:
    """How paths of a file system become URLs: what stands before them in the URL that was given."""

    prefix: str

    @classmethod
    def of(cls, url: str, path: str) -> _Address:
        whole, known = url.rstrip("/"), path.strip("/")
        fits = whole.endswith(known)
        return cls(whole.removesuffix(known) if fits else f"{url.partition('://')[0]}://")

    def url(self, path: str) -> str:
        if "://" in path:
            return path
        bare = self.prefix.rstrip("/")
        return f"{bare}{'//' if bare.endswith(':') else '/'}{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class _Remote:
    """A folder to walk."""

    system: Any
    root: str
    address: _Address
    glob: Glob | None


def opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path that it has there.

    Raises:
        SourceError: no file system is known by this scheme.
        ConfigError: the library that opens it is not installed.
    """
    try:
        plugins.require("fsspec", extra="cloud", purpose=f"reading {shown(url)}")
        from fsspec.core import url_to_fs

        _quieten()
        system, path = url_to_fs(url, use_listings_cache=False)
    except RetrieverConfigError:
        raise
    except ImportError:
        raise RetrieverConfigError(
            f"reading {shown(url)} needs the extra `cloud`: pip install 'rlm-search[cloud]'"
        ) from None
    except Exception as error:  # noqa: BLE001 - fate: ends the run, as above
        raise SourceError(f"{shown(url)} cannot be opened: {reason(error)}", hint=_hint(error)) from None
    return system, path


def missing(url: str) -> Callable[[str], bool]:
    """Tells of a file at or below a URL, as it is shown, whether the server says that it is not there.

    What cannot be told counts as there. Credentials are those of the URL.
    """
    system, base = opened(url)
    root = shown(url).rstrip("/")

    def is_missing(path: str) -> bool:
        below = url_of(path).removeprefix(root).strip("/")
        try:
            system.info(f"{base.rstrip('/')}/{below}" if below else base)
        except Exception as error:  # noqa: BLE001 - fate: the file is kept, but for the one answer that is clear
            cause = error.__cause__  # "no such file" may be said of whatever went wrong
            is_plain = isinstance(error, FileNotFoundError) and isinstance(cause, FileNotFoundError | None)
            return _status(error) in _MISSING or (is_plain and not _status(error))
        return False

    return is_missing


def shown(url: str) -> str:
    """A URL without the credentials that it may hold: user and password, and what signs it."""
    said = parse_qsl(url.partition("?")[2])
    if not _is_page(url) and not any(_SECRET.search(name) for name, _ in said):  # names in a bucket may hold ? and #
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if not _SECRET.search(name)]
    clean = urlencode(kept) if len(kept) < len(query) else parts.query
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?' if clean else ''}{clean}"


def reason(error: Exception) -> str:
    """What went wrong, without anything that the message of a foreign library may give away."""
    status = _status(error)
    if status:
        return f"the server answers {status}"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if _lacks_credentials(error):
        return f"there are no credentials that it can use ({type(error).__name__})"
    return "access is denied" if _is_refusal(error) else type(error).__name__


def kind_of(error: Exception) -> tuple[FailureKind, bool]:
    """The kind of a failure to read a remote file, and whether trying again at once may help."""
    status = _status(error)
    if status in _MISSING or (isinstance(error, FileNotFoundError) and not status):
        return "vanished", False
    if _is_refusal(error) or _lacks_credentials(error):
        return "unreadable", False
    return "unreadable", not status or status >= 500 or status in _LATER


def _hint(error: Exception) -> str:
    is_unknown = _is_refusal(error) or _lacks_credentials(error)
    return "check the credentials: docs/ingest.md, Remote files" if is_unknown else "check the URL"


def _is_refusal(error: Exception) -> bool:
    is_denied = isinstance(error, PermissionError) or (type(error) is OSError and str(error).startswith("Forbidden: "))
    return is_denied or _status(error) in _REFUSED  # gcsfs says 403 by that word alone


def _lacks_credentials(error: Exception) -> bool:
    """Of any of the libraries, which are not imported for it."""
    return "Credential" in type(error).__name__


def _status(error: Exception) -> int:
    each = (error, error.__cause__)  # "no such file", from a refusal
    found = (getattr(one, name, None) for one in each for name in ("status", "code"))  # as aiohttp and as gcsfs say it
    return next((status for status in found if isinstance(status, int)), 0)


def _quieten() -> None:
    """Keep what the libraries log off the user's terminal, where Python writes what nobody handles, tracebacks too."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def _walk(
    remote: _Remote, keeps: Callable[[str, str], bool], drops: Callable[[str, str], bool]
) -> Iterator[SourceFile | Failure]:
    system, root, glob = remote.system, remote.root, remote.glob
    folders = [root if "://" in root else root.rstrip("/")]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(system.ls(folder or root, detail=True), key=lambda entry: str(entry["name"]))
        except Exception as error:  # noqa: BLE001 - fate: recorded against this folder
            yield _unlisted(remote.address.url(folder), error)
            continue
        inner = []
        for entry in entries:
            path = str(entry["name"]).rstrip("/")
            below = path.removeprefix(root).strip("/")
            if not below or not path.startswith(folder.rstrip("/") + "/") or _is_left_out(path, below):
                continue
            if entry["type"] == "directory":
                if not drops(_name(path), below) and (glob is None or glob.leads(below)):
                    inner.append(str(entry["name"]))
            elif keeps(_name(path), below) and (glob is None or glob.matches(below)):
                yield _found(system, entry, remote.address)
        folders += reversed(inner)


def _is_left_out(path: str, below: str) -> bool:
    """Hidden, or a link of a listing in HTML that sorts it."""
    return _name(below).startswith(".") or (_is_page(path) and ("?" in below or "#" in below))


def _is_page(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _found(system: Any, about: Mapping[str, Any], address: _Address) -> SourceFile:
    url = address.url(about["name"])
    if not _version(about) and not _time(about):
        try:
            about = {**about, **system.info(about["name"])}
        except Exception:  # noqa: BLE001 - fate: recorded against this file, when it is fetched
            about = dict(about)
    size = about.get("size") or 0
    moment = _time(about)
    told = _version(about) or moment
    return SourceFile(
        path=Path(shown(url)),
        source=shown(url),
        size=size,
        mtime_ns=int(moment * 1e9),
        fingerprint=f"{size:x}-{told}" if told else f"{size:x}-?{time.time_ns()}",  # nothing tells: read it each time
        url=url,
    )


def _version(about: Mapping[str, Any]) -> str:
    found = next((about[name] for name in _VERSIONS if about.get(name)), "")
    return re.sub(r"[^\w./=:-]", "", str(found))


def _time(about: Mapping[str, Any]) -> float:
    value = next((about[name] for name in _TIMES if about.get(name)), None)
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return 0.0
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else 0.0


def _unlisted(folder: str, error: Exception) -> Failure:
    url = shown(folder)
    kind, is_transient = kind_of(error)
    return Failure(
        path=Path(url), source=url, kind=kind, stage="find", message=f"it cannot be listed: {reason(error)}",
        transient=is_transient,
    )  # fmt: skip


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
