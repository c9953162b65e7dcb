"""What is told of files inside files when a run has ended."""

from __future__ import annotations

import msgspec


class MemberCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of files inside the files that were read in this run; `left_out` are links and hidden ones."""

    documents: int = 0
    unsupported: int = 0
    failed: int = 0
    left_out: int = 0

    def sentence(self) -> str:
        """For people."""
        others = {"failed": self.failed, "unsupported": self.unsupported, "left out": self.left_out}
        rest = "".join(f", {count:,} {name}" for name, count in others.items() if count)
        return f"inside other files: {self.documents:,} document{'' if self.documents == 1 else 's'}{rest}"
