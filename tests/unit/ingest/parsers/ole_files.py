"""Small OLE files, written by hand: Word and PowerPoint 97-2003."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 512
_LEAST = 4_096  # of a stream: smaller ones would lie elsewhere
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def an_ole(streams: Mapping[str, bytes]) -> bytes:
    """An OLE file of these streams, each padded with zeros to 4096 bytes at least."""
    padded = {name: _padded(content) for name, content in streams.items()}
    folder = -(-(len(padded) + 1) // 4)  # sectors
    chains = [list(range(1, 1 + folder))]
    for content in padded.values():
        first = chains[-1][-1] + 1
        chains.append(list(range(first, first + len(content) // _SECTOR)))
    table = [_FREE] * (_SECTOR // 4)
    table[0] = _FAT
    for chain in chains:
        for at, following in zip(chain, [*chain[1:], _END], strict=True):
            table[at] = following
    entries = [_entry("Root Entry", 5, child=1 if padded else _FREE)]
    for number, (name, content) in enumerate(padded.items(), start=1):
        following = number + 1 if number < len(padded) else _FREE
        entries.append(_entry(name, 2, right=following, start=chains[number][0], size=len(content)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, _LEAST, _END, 0, _END, 0) + struct.pack("<I", 0) + b"\xff" * 432
    listed = b"".join(entries).ljust(folder * _SECTOR, b"\0")
    return header + struct.pack(f"<{len(table)}I", *table) + listed + b"".join(padded.values())


def _padded(content: bytes) -> bytes:
    size = max(_LEAST, -(-len(content) // _SECTOR) * _SECTOR)
    return content.ljust(size, b"\0")


def _entry(name: str, kind: int, *, child: int = _FREE, right: int = _FREE, start: int = 0, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    links = struct.pack("<III", _FREE, right, child)
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1) + links
    return head + bytes(36) + struct.pack("<IQ", start, size)


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
