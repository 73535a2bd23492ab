"""Which encoding a text that is no UTF-8 was written in, by what its letters make of words.

A code page is plausible when nearly all its letters belong to one of the languages written in it,
and stand in words as that language has them. Where no language fits, charset-normalizer is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_GOOD, _GOOD_IDEOGRAPHS = 0.9, 0.7
_MANY_HANGUL = 12
# Of few bytes nearly everything can be made.
_FEWEST_IDEOGRAPHS: Final = {"cp932": 2, "gb18030": 2}
_BEYOND_ASCII: Final = bytes(range(128, 256))
_PUNCTUATION: Final = frozenset("€£§°©®«»„“”‚‘’–—…·•\u00a0²³½ºª¿¡№´`×÷±µ%")

_LETTERS: Final[dict[str, tuple[str, ...]]] = {
    "cp1252": (
        "äöüß",
        "éèêëàâçùûîïôœæ",
        "áéíóúüñ",
        "ãõçáéíóúâêôà",
        "àèéìòùó",
        "åäöéæø",
        "áðéíóúýþæö",
        "ëïéèöü",
    ),
    "cp1250": (
        "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž",
        "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű",
        "ăâîşţ",
        "čćđšž",
        "ëç",
    ),
    "iso8859_2": (
        "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž",
        "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű",
        "čćđšž",
    ),
    "cp1251": ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),
    "cp1253": ("αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋ",),
    "cp1254": ("çğıöşüİ",),
}
# What a word of one of these alphabets is not mixed with.
_OTHER_SCRIPT: Final = re.compile(r"[a-zA-Z][\u0370-\u04ff]|[\u0370-\u04ff][a-zA-Z]")
_LETTER_AT_DIGIT: Final = re.compile(r"[^\W\d_\x00-\x7f][0-9]")
# These stand before vowels; elsewhere they are Hungarian or Polish read amiss.
_ODD_TILDE: Final = re.compile(r"[õÕ](?![eEaAi])|[ñÑ](?![aeiouáéíóúAEIOUÁÉÍÓÚ])")
_SYMBOL_IN_WORD: Final = re.compile(
    r"[^\W\d_][^\w\s.,;:'’\-–/\\&@()\"|~^+*?!#%=<>\[\]{}_·´`“”„«»…€°§]+[^\W\d_]"
)
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_IDEOGRAPH = r"[\u3400-\u9fff\uff61-\uff9f]"
# One ideograph within a Latin word: two letters of another code page.
_LONE_CJK: Final = re.compile(
    rf"(?<!{_IDEOGRAPH}){_IDEOGRAPH}(?=[a-zA-Z])|(?<=[a-zA-Z]){_IDEOGRAPH}(?!{_IDEOGRAPH})"
)


@dataclass(frozen=True, slots=True)
class EncodingGuess:
    """An encoding that decodes the whole sample, how plausible from 0 to 1, and why."""

    encoding: str
    score: float
    reason: str


def guess_encodings(sample: bytes) -> list[EncodingGuess]:
    """Plausible encodings of bytes that are no UTF-8, the best first; empty when none is."""
    found = [_cjk(sample, name) for name in ("cp932", "gb18030", "euc_kr", "big5", "euc_jp")]
    found += [_by_letters(sample, name) for name in _LETTERS]
    good = [guess for guess in found if guess is not None and guess.score >= _least(guess)]
    if not good and len(sample) - len(sample.translate(None, _BEYOND_ASCII)) < _MANY_HANGUL:
        return []
    if not good:
        other = _by_library(sample)
        return [other] if other else []
    return sorted(good, key=lambda guess: -guess.score)


def _least(guess: EncodingGuess) -> float:
    """Ideographs that are rare by themselves are common among names."""
    return _GOOD if guess.encoding in _LETTERS else _GOOD_IDEOGRAPHS


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


def _by_letters(sample: bytes, encoding: str) -> EncodingGuess | None:
    text = _decoded(sample, encoding)
    if text is None:
        return None
    special = [char for char in text if char > "\x7f"]
    if any("\x7f" < char < "\xa0" for char in special):
        return None
    letters = [char.lower() for char in special if char not in _PUNCTUATION]
    if not letters:
        return EncodingGuess(encoding, 0.99 if encoding == "cp1252" else 0.9, "signs only")
    languages = _LETTERS[encoding]
    share, language = max(
        (sum(char in known for char in letters) / len(letters), known) for known in languages
    )
    # A file may hold names of several languages.
    mixed = sum(char in "".join(languages) for char in letters) / len(letters) - 0.06
    odd = len(_OTHER_SCRIPT.findall(text)) + len(_SYMBOL_IN_WORD.findall(text))
    odd += sum(a.islower() and b.isupper() for a, b in pairwise(text) if b > "\x7f")
    odd += len(_ODD_TILDE.findall(text)) + len(_LETTER_AT_DIGIT.findall(text))
    # Languages with few letters explain more by explaining as much.
    one = share - len(language) / 2000
    score = max(one, mixed) - odd / len(letters) - _rank(encoding) / 1000
    return EncodingGuess(encoding, score, f"{share:.0%} of its letters are of one language")


def _rank(encoding: str) -> int:
    return list(_LETTERS).index(encoding)


def _cjk(sample: bytes, encoding: str) -> EncodingGuess | None:
    text = _decoded(sample, encoding)
    if text is None:
        return None
    special = [char for char in text if char > "\x7f"]
    if len(special) < _FEWEST_IDEOGRAPHS.get(encoding, _MANY_HANGUL):
        return None
    common = sum(_is_common(char, encoding) for char in special)
    lone = len(_LONE_CJK.findall(text))
    score = (common - 2 * lone) / len(special)
    if encoding == "euc_kr" and len(special) > _MANY_HANGUL:
        # All of them in the rows of hangul: Chinese would have left these.
        score += 0.01
    return EncodingGuess(encoding, score, f"{common} of {len(special)} characters are common")


def _is_common(char: str, encoding: str) -> bool:
    """Kana, everyday ideographs and full-width signs; half-width kana and rare ideographs not."""
    if "\u3000" <= char <= "\u30ff" or "\uff01" <= char <= "\uff5e":
        return encoding in ("cp932", "euc_jp") or not "\u3040" <= char <= "\u30ff"
    if "\uac00" <= char <= "\ud7af":
        return encoding == "euc_kr"
    if not "\u4e00" <= char <= "\u9fff":
        return False
    lead = char.encode(encoding)[0]
    ranges = {
        "gb18030": (0xB0, 0xD7),
        "cp932": (0x88, 0x98),
        "big5": (0xA4, 0xC6),
        "euc_jp": (0xB0, 0xCF),
    }
    low, high = ranges.get(encoding, (0x100, 0))
    return low <= lead <= high


def _by_library(sample: bytes) -> EncodingGuess | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, threshold=0.3, preemptive_behaviour=False).best()
    if best is None or best.encoding in ("utf_8", "ascii", "utf_7"):
        return None
    return EncodingGuess(best.encoding, 0.5, "by the frequencies of its letters")
