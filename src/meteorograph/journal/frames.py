"""How the payload journal lies on the disk: a file's magic, and its frames."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import zstandard

MAGIC: Final = b"METEOJ01"
_HEAD: Final = struct.Struct("<II")

#: Longer frames are damage: a body has a mebibyte at most (``fetch.py``).
_LONGEST: Final = 4 * 1024 * 1024


class Framer:
    """Makes the frames of one file: the first stands alone, and is the dictionary of all later ones."""

    def __init__(self) -> None:
        self._compressor: zstandard.ZstdCompressor | None = None

    def frame(self, encoded: bytes) -> bytes:
        """The next frame."""
        compressor = self._compressor or zstandard.ZstdCompressor(level=1)
        compressed = compressor.compress(encoded)
        if self._compressor is None:
            dictionary = _dictionary(encoded)
            dictionary.precompute_compress(level=1)
            self._compressor = zstandard.ZstdCompressor(dict_data=dictionary)
        return _HEAD.pack(len(compressed), zlib.crc32(compressed)) + compressed


def iterate_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each sound frame of a file ends, and what is in it."""
    decompressor = zstandard.ZstdDecompressor()
    first = True
    for place, frame in _raw(data):
        encoded = decompressor.decompress(frame, max_output_size=_LONGEST)
        if first:
            decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(encoded))
            first = False
        yield place, encoded


def _raw(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = len(MAGIC)
    if data[:place] != MAGIC:
        return
    while place + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, place)
        frame = data[place + _HEAD.size : place + _HEAD.size + length]
        if not 0 < length <= _LONGEST or len(frame) < length or zlib.crc32(frame) != crc:
            return
        place += _HEAD.size + length
        yield place, frame


def sound_length(data: bytes) -> int:
    """How much of a file is sound."""
    place = len(MAGIC) if data[: len(MAGIC)] == MAGIC else 0
    for place, _ in _raw(data):  # noqa: B007  # the last one counts
        pass
    return place


def _dictionary(encoded: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(encoded, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
