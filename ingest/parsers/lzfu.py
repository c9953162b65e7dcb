"""Rich text as Outlook packs it, [MS-OXRTFCP]: back references into a ring of 4096 bytes that begins filled."""

from __future__ import annotations

import struct

from ingest.errors import ParseError

_PACKED, _PLAIN = b"LZFu", b"MELA"
_HEAD = 16
_RING = 4_096
_FILLED = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpacked(content: bytes, most: int) -> bytes:
    """The rich text, its first `most` bytes.

    Raises:
        ParseError: it is packed in another way.
    """
    if len(content) < _HEAD:
        raise ParseError("its rich text is damaged")
    _, size = struct.unpack_from("<II", content)
    kind = content[8:12]
    if kind == _PLAIN:
        return content[_HEAD : _HEAD + min(size, most)]
    if kind != _PACKED:
        raise ParseError("its rich text is damaged")
    return _unpacked(content, min(size, most))


def _unpacked(content: bytes, size: int) -> bytes:
    out = bytearray(_FILLED)  # the ring is its end: what lies 4096 bytes back is overwritten
    begin = len(_FILLED)
    at = _HEAD
    while at < len(content) and len(out) - begin < size:
        control = content[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                out += content[at : at + 1]
                at += 1
                continue
            if at + 2 > len(content):
                return bytes(out[begin:])
            place, length = content[at] << 4 | content[at + 1] >> 4, (content[at + 1] & 15) + 2
            at += 2
            back = (len(out) - place) % _RING
            if not back:  # a reference to where it is written is the end
                return bytes(out[begin:])
            if back > len(out):
                raise ParseError("its rich text is damaged")
            for _ in range(length):
                out.append(out[-back])
    return bytes(out[begin : begin + size])
