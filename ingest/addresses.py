"""What a file is known by: a path of this machine, or a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)


def url_of(path: str | Path) -> str:
    """The URL that was made a path, "" for a path of this machine."""
    match = _URL.match(os.fspath(path))
    return f"{match[1]}://{match[2]}" if match else ""


def local_path(path: str) -> str:
    """The path that a `file:` URL of this machine names; any other path or URL as it is."""
    parts = urlsplit(path) if path.startswith("file://") else None
    return unquote(parts.path) if parts and parts.netloc in ("", "localhost") else path


def is_gone(path: bytes) -> bool:
    """Nothing is there any more, not even a link; False where that cannot be told."""
    if url_of(os.fsdecode(path)):
        return False  # nothing can be told from here
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # its folder cannot be entered: nothing can be told
        return False
    return False


def is_readable_folder(path: bytes) -> bool:
    """A folder whose names can be listed."""
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def inside(path: bytes) -> tuple[bytes, bytes]:
    """The bounds of what lies in a file: `path!/…`."""
    return path + b"!/", path + b"!0"


def file_of(path: bytes) -> bytes:
    """The file that something lies in, itself where it lies in a folder."""
    end = path.find(b"!/")
    while end >= 0:
        if not os.path.isdir(path[:end]) and not os.path.isdir(path[: end + 1]):
            return path[:end]
        end = path.find(b"!/", end + 1)
    return path


def is_past(path: bytes) -> bool:
    """A failure of it stands no longer: its file is gone, or it is a folder that can be listed now."""
    return is_gone(file_of(path)) or is_readable_folder(path)
