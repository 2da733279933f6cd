"""The file format of the payload journal: a magic number and frames."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import zstandard

MAGIC: Final = b"METEOJ01"
_HEAD: Final = struct.Struct("<II")

#: The first bytes of every zstd frame, by which the frame after a damaged one is found (RFC 8878, 3.1.1).
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

#: Longer frames are damaged: a body has at most one mebibyte (``collecting/http.py``).
_MAX_FRAME_BYTES: Final = 4 * 1024 * 1024


class Framer:
    """Makes the frames of one file. The first entry is the compression dictionary of all later ones, so it is written twice."""

    def __init__(self) -> None:
        self._compressor: zstandard.ZstdCompressor | None = None

    @property
    def has_dictionary(self) -> bool:
        """Whether the first entry has been written."""
        return self._compressor is not None

    def frame(self, encoded: bytes) -> bytes:
        """The next frame."""
        is_first = self._compressor is None
        compressor = self._compressor or zstandard.ZstdCompressor(level=1)
        compressed = compressor.compress(encoded)
        if is_first:
            dictionary = _dictionary(encoded)
            dictionary.precompute_compress(level=1)
            self._compressor = zstandard.ZstdCompressor(dict_data=dictionary)
        framed = _HEAD.pack(len(compressed), zlib.crc32(compressed)) + compressed
        return framed * 2 if is_first else framed


def iterate_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The end and the content of each valid frame of a file; a damaged frame is passed over."""
    decompressor = zstandard.ZstdDecompressor()
    first: bytes | None = None
    for end, frame in _compressed_frames(data):
        if frame == first:
            continue  # the second copy of the dictionary
        try:
            # The library allocates what the frame announces, whatever the limit.
            if zstandard.frame_content_size(frame) > _MAX_FRAME_BYTES:
                continue
            encoded = decompressor.decompress(frame, max_output_size=_MAX_FRAME_BYTES)
        except zstandard.ZstdError:
            continue  # both copies of the dictionary are damaged, or the file has one copy only, as those of version 0.1
        if first is None:
            decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(encoded))
            first = frame
        yield end, encoded


def _compressed_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The end and the bytes of each frame whose checksum is right."""
    at = len(MAGIC) if data[: len(MAGIC)] == MAGIC else -1
    if at < 0:
        at = _next_frame(data, 0)
    while 0 <= at <= len(data) - _HEAD.size:
        length, crc = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        frame = data[at + _HEAD.size : end]
        if 0 < length <= _MAX_FRAME_BYTES and len(frame) == length and zlib.crc32(frame) == crc:
            at = end
            yield end, frame
        else:
            at = _next_frame(data, at + 1)


def _next_frame(data: bytes, after: int) -> int:
    """Where the next frame may start; -1 if there is none."""
    found = data.find(_ZSTD_MAGIC, after + _HEAD.size)
    return found - _HEAD.size if found >= 0 else -1


def valid_length(data: bytes) -> int:
    """The length of a file up to the end of its last valid frame [bytes]; what follows is torn."""
    end = len(MAGIC) if data[: len(MAGIC)] == MAGIC else 0
    for end, _ in _compressed_frames(data):  # noqa: B007  # the last end counts
        pass
    return end


def damaged_length(data: bytes) -> int:
    """The bytes of a file before its last valid frame that belong to no valid frame."""
    sound = sum(_HEAD.size + len(frame) for _, frame in _compressed_frames(data))
    return max(0, valid_length(data) - len(MAGIC) - sound)


def _dictionary(encoded: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(encoded, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
