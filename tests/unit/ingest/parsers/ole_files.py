"""Small OLE files, written by hand: Word and PowerPoint 97-2003, Outlook."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

_SECTOR = 512
_LEAST = 4_096  # of a stream: smaller ones would lie elsewhere
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


Tree: TypeAlias = "Mapping[str, bytes | Tree]"


def an_ole(tree: Tree) -> bytes:
    """An OLE file of these streams and folders, each stream padded with zeros to 4096 bytes at least."""
    listed = [_Entry("Root Entry", 5)]
    _list(tree, listed[0], listed)
    contents = [entry.content for entry in listed if entry.content]
    folder = -(-len(listed) // 4)  # sectors
    sizes = [folder, *(-(-len(content) // _SECTOR) for content in contents)]
    tables = -(-(sum(sizes) + 2) // 127)
    table = ([_FAT] * tables + [_FREE] * (_SECTOR // 4 * tables))[: _SECTOR // 4 * tables]
    first = tables
    for size in sizes:
        table[first : first + size] = [*range(first + 1, first + size), _END]
        first += size
    start = tables + folder
    for entry in listed:
        entry.start = start if entry.content else 0
        start += -(-len(entry.content) // _SECTOR)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, _LEAST, _END, 0, _END, 0)
    header += struct.pack(f"<{tables}I", *range(tables)).ljust(436, b"\xff")
    directory = b"".join(entry.written() for entry in listed).ljust(folder * _SECTOR, b"\0")
    padded = [content.ljust(-(-len(content) // _SECTOR) * _SECTOR, b"\0") for content in contents]
    return header + struct.pack(f"<{len(table)}I", *table) + directory + b"".join(padded)


@dataclass
class _Entry:
    name: str
    kind: int
    content: bytes = b""
    child: int = _FREE
    right: int = _FREE
    start: int = 0

    def written(self) -> bytes:
        encoded = self.name.encode("utf-16-le")
        links = struct.pack("<III", _FREE, self.right, self.child)
        head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, self.kind, 1) + links
        return head + bytes(36) + struct.pack("<IQ", self.start, len(self.content))


def _list(tree: Tree, parent: _Entry, listed: list[_Entry]) -> None:
    before = None
    for name, content in tree.items():
        is_stream = isinstance(content, bytes)
        entry = _Entry(name, 2 if is_stream else 1, content.ljust(_LEAST, b"\0") if isinstance(content, bytes) else b"")
        if before is None:
            parent.child = len(listed)
        else:
            before.right = len(listed)
        before = entry
        listed.append(entry)
        if not isinstance(content, bytes):
            _list(content, entry, listed)


def a_word_file(*pieces: str | bytes, flags: int = 0) -> bytes:
    """A doc of these pieces of text: bytes are kept in eight bits a character, strings in sixteen."""
    main = bytearray(2_048)
    struct.pack_into("<H", main, 0, 0xA5EC)
    struct.pack_into("<H", main, 0x0A, flags)
    struct.pack_into("<I", main, 0x4C, sum(map(len, pieces)))
    bounds, places = [0], b""
    for piece in pieces:
        place = 2 * len(main) | 0x4000_0000 if isinstance(piece, bytes) else len(main)
        main += piece if isinstance(piece, bytes) else piece.encode("utf-16-le")
        bounds.append(bounds[-1] + len(piece))
        places += struct.pack("<HIH", 0, place, 0)
    found = struct.pack(f"<{len(bounds)}I", *bounds) + places
    table = b"\x01\x02\x00ab" + b"\x02" + struct.pack("<I", len(found)) + found
    struct.pack_into("<II", main, 0x01A2, 0, len(table))
    return an_ole({"WordDocument": bytes(main), "0Table": table})


def a_record(kind: int, content: bytes | str = b"", *, holds: bool = False, instance: int = 0) -> bytes:
    """A record of a ppt; one that holds others, or one of bytes or text."""
    raw = content.encode("utf-16-le") if isinstance(content, str) else content
    return struct.pack("<HHI", instance << 4 | (0xF if holds else 0), kind, len(raw)) + raw


def a_message(
    texts: Mapping[int, str],
    *,
    numbers: Mapping[int, int] | None = None,
    binaries: Mapping[int, bytes] | None = None,
    inside: Tree | None = None,
    head: int = 32,
) -> Tree:
    """The folder of an Outlook message, or of a recipient or an attachment of one (`head` 8), by property."""
    entries = [struct.pack("<HHIQ", 3, number, 6, value) for number, value in (numbers or {}).items()]
    tree: dict[str, bytes | Tree] = {"__properties_version1.0": bytes(head) + b"".join(entries)}
    tree |= {f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in texts.items()}
    tree |= {f"__substg1.0_{number:04X}0102": content for number, content in (binaries or {}).items()}
    return {**tree, **(inside or {})}
