"""Keys of JSON records told apart a block at once: numbers stand for names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_WORD: Final = 8
_MASKS: Final = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], np.uint64)
_MIX, _SPREAD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


def words_of(content: bytes | bytearray) -> Array:
    """Eight bytes from each place on, as one number; `content` ends in eight bytes of no use."""
    return np.ndarray((len(content) - _WORD,), "<u8", content, strides=(1,))


def are_there(words: Array, begins: Array, wanted: bytes) -> bool:
    """Whether the same bytes stand at all these places."""
    for done in range(0, len(wanted), _WORD):
        part = wanted[done : done + _WORD]
        found, ours = words[begins + done if done else begins], int.from_bytes(part, "little")
        if len(part) < _WORD:
            found = found & _MASKS[len(part)]
        if not (found == np.uint64(ours)).all():
            return False
    return True


class KnownKeys:
    """Keys as their bytes; each is told by its first and last word and length, then proven."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self.keys: tuple[bytes, ...] = tuple(keys)
        joined = b"".join(self.keys) + bytes(2 * _WORD)
        self._sizes = np.array([len(key) for key in self.keys], np.int64)
        begins = np.cumsum(self._sizes) - self._sizes
        self._words, self._begins = words_of(joined), begins
        signs = _signs(self._words, begins, self._sizes)
        self._order = np.argsort(signs)
        self._signs = signs[self._order]

    def __len__(self) -> int:
        return len(self.keys)

    def are_in_order(self, words: Array, begins: Array, sizes: Array) -> bool:
        """Whether the keys at these places are all of ours in our order, once a record."""
        count = len(self.keys)
        if not count or len(begins) % count:
            return False
        by_record = sizes.reshape(-1, count)
        if not (by_record == self._sizes).all():
            return False
        places = begins.reshape(-1, count)
        return all(
            self._is_here(words, places[:, at], np.full(1, at), size)
            for at, size in enumerate(self._sizes.tolist())
        )

    def numbers_of(self, words: Array, begins: Array, sizes: Array) -> Array:
        """The number of the key at each of these places; -1 for one that is not known."""
        if not self.keys:
            return np.full(len(begins), -1)
        signs = _signs(words, begins, sizes)
        near = np.searchsorted(self._signs, signs)
        found = self._order[np.minimum(near, len(self.keys) - 1)]
        is_known = self._sizes[found] == sizes
        for size in set(self._sizes[found[is_known]].tolist()):
            these = np.flatnonzero(is_known & (sizes == size))
            is_same = self._same(words, begins[these], found[these], size)
            is_known[these] = is_same
        return np.where(is_known, found, -1)

    def _is_here(self, words: Array, begins: Array, keys: Array, size: int) -> bool:
        return bool(self._same(words, begins, keys, size).all())

    def _same(self, words: Array, begins: Array, keys: Array, size: int) -> Array:
        """Where the bytes of keys of one length are those at the places."""
        is_same = np.ones(len(begins), bool)
        ours = self._begins[keys]
        for done in range(0, size, _WORD):
            mask = _MASKS[min(size - done, _WORD)]
            is_same &= (words[begins + done] ^ self._words[ours + done]) & mask == 0
        return is_same


def _signs(words: Array, begins: Array, sizes: Array) -> Array:
    first = words[begins] & _MASKS[np.minimum(sizes, _WORD)]
    last = words[begins + np.maximum(sizes - _WORD, 0)] & _MASKS[np.minimum(sizes, _WORD)]
    signs: Array = (first ^ (last * _SPREAD)) * _MIX + sizes.astype(np.uint64) * _SPREAD
    return signs
