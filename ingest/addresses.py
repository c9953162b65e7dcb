"""What a file is known by: a path of this machine, or a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)


def url_of(path: str | Path) -> str:
    """The URL that was made a path, "" for a path of this machine."""
    match = _URL.match(os.fspath(path))
    return f"{match[1]}://{match[2]}" if match else ""


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
