"""The versions of an index on a server: `NAME-000001`, `NAME-000002`, …, and the alias `NAME` that readers use."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final

from retrievers.errors import ConfigError, EngineRejected
from retrievers.servers.connecting import stands_for_several
from retrievers.servers.dialect import Dialect, Json

_DIGITS: Final = 6
_MAKING_SECONDS: Final = 20.0
_LOOK_AGAIN_SECONDS: Final = 0.1


class Versions:
    """The versions behind one name."""

    def __init__(self, dialect: Dialect, name: str) -> None:
        self._dialect, self._name = dialect, name
        self._pattern = re.compile(rf"{re.escape(name)}-(\d{{{_DIGITS}}})")

    def __enter__(self) -> Versions:
        return self

    def __exit__(self, *exc: object) -> None:
        self._dialect.close()

    def all(self) -> list[str]:
        """Every version there is, oldest first, seen by readers or not."""
        found = self._dialect.request("GET", f"/{self._name}-*/_alias", params={"expand_wildcards": "all"})
        return sorted(index for index in found if self._pattern.fullmatch(index))

    def seen(self) -> str:
        """The index that readers see under the name, "" where there is none.

        Raises:
            ConfigError: there are several.
        """
        found = sorted(self._dialect.request("GET", f"/{self._name}/_alias"))
        if len(found) > 1:
            raise stands_for_several(self._dialect.place, found)
        return found[0] if found else ""

    def writable(self, *, rebuild: bool = False) -> str:
        """The version to write to: the one that readers see or, for a rebuild, a newer one that was left unfinished."""
        seen = self.seen()
        if not rebuild:
            return seen
        newer = [version for version in self.all() if version > seen]
        return newer[-1] if newer else ""

    def make(self, settings: Json, mapping: Json, *, is_read: bool) -> str:
        """A new version, or the one that another process has made in the same moment for readers; its name."""
        taken = self.all()
        number = int(taken[-1][-_DIGITS:]) + 1 if taken else 1
        version = f"{self._name}-{number:0{_DIGITS}}"
        aliases: Json = {self.door(version): {}, **({self._name: {}} if is_read else {})}
        body: dict[str, Any] = {"settings": settings, "mappings": mapping, "aliases": aliases}
        try:
            self._dialect.request("PUT", f"/{version}", body=body)
        except EngineRejected as error:
            if not is_read or "already exists" not in error.message:
                raise
            self._wait_for(version)
        return version

    def _wait_for(self, version: str) -> None:
        """Another process may be making it: then it is there, and cannot be searched yet."""
        deadline = time.monotonic() + _MAKING_SECONDS
        while self._dialect.request("GET", f"/_cluster/health/{version}")["status"] == "red":
            if time.monotonic() > deadline:
                return  # what is asked of it next says what is wrong
            time.sleep(_LOOK_AGAIN_SECONDS)

    @staticmethod
    def door(version: str) -> str:
        """The alias of one version that rows come in by: gone with it, so that no row makes it again."""
        return f"{version}.rows"

    def show(self, version: str, *, keep_old: bool = False) -> None:
        """Let readers see this version, in one step, and drop the one that they saw, unless it is to be kept.

        Raises:
            ConfigError: there is no such version, or the name is an index itself and no alias.
        """
        if version not in self.all():
            raise ConfigError(
                f"{self._dialect.place} has no version {version}", hint=f"there are {', '.join(self.all()) or 'none'}"
            )
        behind = self._dialect.request("GET", f"/{self._name}/_alias")
        if self._name in behind:
            raise ConfigError(
                f"{self._dialect.place} is an index and no alias", hint="give the rebuilt one another name"
            )
        actions: list[Json] = [{"add": {"index": version, "alias": self._name}}]
        for old in behind:
            if old != version:
                kept = {"remove": {"index": old, "alias": self._name}}
                actions.append(kept if keep_old else {"remove_index": {"index": old}})
        self._dialect.request("POST", "/_aliases", body={"actions": actions})

    def delete(self, versions: Sequence[str], *, even_seen: bool = False) -> None:
        """Delete versions; one that readers see only if it is said so.

        Raises:
            ConfigError: readers see one of them, or there is none by that name.
        """
        known, seen = self.all(), self.seen()
        for version in versions:
            if version not in known:
                raise ConfigError(
                    f"{self._dialect.place} has no version {version}", hint=f"there are {', '.join(known)}"
                )
            if version == seen and not even_seen:
                raise ConfigError(
                    f"readers see {version}", hint="let them see another one first: rlm-search index swap"
                )
        for version in versions:
            self._dialect.request("DELETE", f"/{version}")
