"""Zip archives that the standard library does not write: encrypted ones, and entries that share their content."""

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
