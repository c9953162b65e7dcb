"""`--shard K/N`: one of N parts of the files, told by a hash of their paths, so that machines need not speak."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from ingest.errors import ConfigError

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`, counted from 1."""

    number: int
    count: int

    def owns(self, source: str) -> bool:
        """Whether a file is of this part, and whatever is read from it: records, members, attachments.

        Args:
            source: of a file or a document: the path under the given root, the same wherever that is mounted.
        """
        file = source.partition("!/")[0].partition("#")[0]
        hashed = blake2b(file.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(hashed, "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str) -> Shard | None:
    """The part that `K/N` names; None for "", which is all.

    Raises:
        ConfigError: it is not K/N with 1 <= K <= N.
    """
    if not text:
        return None
    found = _SHARD.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard {text} is no part of a whole", hint="K/N with K from 1 to N, e.g. --shard 1/4")
    return Shard(int(found[1]), int(found[2]))
