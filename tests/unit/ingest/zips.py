"""Zip archives that the standard library does not write: encrypted ones, overlapping ones, one that holds itself."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

_CENTRAL, _END = b"PK\x01\x02", b"PK\x05\x06"


def an_encrypted_zip(name: str, content: bytes, password: bytes) -> bytes:
    """One member, encrypted as PKWARE did (ZipCrypto)."""
    crc = zlib.crc32(content)
    data = _encrypted(bytes(11) + bytes([crc >> 24]) + content, password)
    fields = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 33, crc, len(data), len(content), len(name), 0)
    local = b"PK\x03\x04" + fields + name.encode() + data
    central = _CENTRAL + b"\x14\0" + fields + bytes(14) + name.encode()
    return local + central + _END + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def _encrypted(content: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]
    for byte in password:
        _stir(keys, byte)
    out = bytearray()
    for byte in content:
        mixed = keys[2] & 0xFFFF | 2
        out.append(byte ^ (mixed * (mixed ^ 1) >> 8 & 0xFF))
        _stir(keys, byte)
    return bytes(out)


def _stir(keys: list[int], byte: int) -> None:
    keys[0] = _crc(keys[0], byte)
    keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134_775_813 + 1) & 0xFFFFFFFF
    keys[2] = _crc(keys[2], keys[1] >> 24)


def _crc(crc: int, byte: int) -> int:
    return zlib.crc32(bytes([byte]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def an_overlapping_zip(content: bytes, count: int) -> bytes:
    """A bomb: this many entries of the directory that share one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", content)
    written = buffer.getvalue()
    at, end = written.index(_CENTRAL), written.index(_END)
    directory = written[at:end] * count
    return written[:at] + directory + _END + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), at, 0)


def a_quine(name: bytes) -> bytes:
    """An archive whose one member is that archive, byte for byte.

    Method: Russ Cox, "Zip Files All The Way Down" (2010). Deflate says either "take these bytes" or "repeat the last of
    the output"; each of these takes five bytes here, so that what is said of them can be counted in such units.
    """
    for moment in range(100):  # of some, no checksum fits
        empty = _around_itself(name, moment, 0)
        base = zlib.crc32(empty)
        known: dict[int, tuple[int, int]] = {}  # by their highest bit: what bits of the field change, and those bits
        for bit in (1 << place for place in range(32)):
            change, bits = _reduced(zlib.crc32(_around_itself(name, moment, bit)) ^ base ^ bit, known)
            if change:
                known[change.bit_length()] = change, bits ^ bit
        rest, checksum = _reduced(base, known)
        if not rest:
            return _around_itself(name, moment, checksum)
    raise ValueError(f"no archive called {name!r} holds itself")


def _reduced(value: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """What is left of a value, and the bits that take the rest of it away."""
    bits = 0
    while value.bit_length() in known:
        change, of_it = known[value.bit_length()]
        value, bits = value ^ change, bits ^ of_it
    return value, bits


_ENDS = 258  # bytes of the beginning and the unit behind it; and of the end and the unit before it
_REPEAT_4 = "010" + 2 * ("0001000" + "01000" + "110") + "0000000"  # a block: twice ten bytes from twenty before
_REPEAT_ENDS = "010" + ("11000101" + "10000" + "1000000") + "0000000" + "0100000000"  # and an empty one


def _around_itself(name: bytes, moment: int, checksum: int) -> bytes:
    """The archive, which says that this is its checksum."""
    nothing, one, four, ends = map(_take, (0, 5, 20, _ENDS))
    again_4, again_ends = (int(bits[::-1], 2).to_bytes(5, "little") for bits in (_REPEAT_4, _REPEAT_ENDS))
    filled = bytes(_ENDS - 5 - 30 - len(name))
    packed = 2 * (_ENDS - 5) + 31 * 5
    size = 2 * (_ENDS - 5) + packed - 5
    fields = struct.pack("<HHHHHIII", 20, 0, 8, moment, 33, checksum, packed, size)
    head = b"PK\3\4" + fields + struct.pack("<HH", len(name), len(filled)) + name + filled
    central = _CENTRAL + b"\x14\0" + fields + struct.pack("<HH", len(name), 0) + bytes(14) + name
    comment = bytes(_ENDS - 5 - 5 - len(central) - 22)
    places = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(head) + packed, len(comment))
    tail = _take(0, is_last=True) + central + _END + places + comment
    units = [
        *(ends, head, ends, again_ends),
        *(one, again_ends, one, one, four, again_ends, one, one, four, again_4),
        *(four, again_4, four, again_4, four, again_4),
        *(four, again_4, nothing, nothing, ends, again_4, nothing, nothing),
        *(ends, again_ends, tail, again_ends),
    ]
    return head + b"".join(units) + tail


def _take(count: int, *, is_last: bool = False) -> bytes:
    return struct.pack("<BHH", is_last, count, count ^ 0xFFFF)
