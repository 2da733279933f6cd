"""The file format of the payload journal: a magic number and frames."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import zstandard

MAGIC: Final = b"METEOJ01"
_HEAD: Final = struct.Struct("<II")

#: Longer frames are damaged: a body has at most one mebibyte (``collecting/http.py``).
_MAX_FRAME_BYTES: Final = 4 * 1024 * 1024


class Framer:
    """Makes the frames of one file. The first frame is the compression dictionary of all later frames."""

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
    """The end and the content of each valid frame of a file."""
    decompressor = zstandard.ZstdDecompressor()
    is_first = True
    for end, frame in _compressed_frames(data):
        encoded = decompressor.decompress(frame, max_output_size=_MAX_FRAME_BYTES)
        if is_first:
            decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(encoded))
            is_first = False
        yield end, encoded


def _compressed_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    end = len(MAGIC)
    if data[:end] != MAGIC:
        return
    while end + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, end)
        frame = data[end + _HEAD.size : end + _HEAD.size + length]
        if not 0 < length <= _MAX_FRAME_BYTES or len(frame) < length or zlib.crc32(frame) != crc:
            return
        end += _HEAD.size + length
        yield end, frame


def valid_length(data: bytes) -> int:
    """The length of the valid part of a file, before the first torn or damaged frame [bytes]."""
    end = len(MAGIC) if data[: len(MAGIC)] == MAGIC else 0
    for end, _ in _compressed_frames(data):  # noqa: B007  # the last end counts
        pass
    return end


def _dictionary(encoded: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(encoded, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
