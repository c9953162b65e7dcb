"""Read the tantivy index of a folder that may not be written to, such as a read-only mount.

tantivy locks a file in the folder while it opens segments, so that the writer does not remove them meanwhile. Where
that file cannot be written to, the index is opened through a folder of links instead. A writer elsewhere may then
take a file away while it is being opened: the reader looks again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Final

from retrievers.errors import ConfigError

_LOCK: Final = ".tantivy-meta.lock"


class ReadableFolder:
    """A tantivy folder as a reader can open it, at `path`: the folder itself, or links to its files.

    Raises:
        ConfigError: no room for the links.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder = Path(os.path.abspath(folder))  # a link to a relative name would lead elsewhere
        self.path = folder
        if not folder.is_dir() or os.access(folder / _LOCK, os.W_OK) or os.access(folder, os.W_OK):
            return
        try:
            self.path = Path(tempfile.mkdtemp(prefix="rlm-search-"))
            weakref.finalize(self, shutil.rmtree, str(self.path), ignore_errors=True)
            self.refresh()
        except OSError as error:
            raise ConfigError(
                f"the index {folder.parent} is read-only, and links to it cannot be made: {error.strerror}",
                hint="set TMPDIR to a folder that can be written to",
            ) from None

    def refresh(self) -> None:
        """Link what is new; to be called before each reload."""
        if self.path == self._folder:
            return
        there = set(os.listdir(self.path))
        for name in os.listdir(self._folder):
            if name not in there and not name.endswith(".lock"):
                os.symlink(self._folder / name, self.path / name)
