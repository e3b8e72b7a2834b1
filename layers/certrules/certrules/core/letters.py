"""Letter grades: which ones mean passed, which ones never do, and which only a policy can know."""

import unicodedata
from collections.abc import Collection
from functools import lru_cache

from certrules.core.terms import is_nothing

STUDIO_LETTERS = ("pass", *(letter + sign for letter in "abcd" for sign in ("", "+", "-")))
"""The letters of Studio, which mean passed unless a policy names others; as `letter_key` writes them."""

_FAILING = frozenset(
    {
        *("f", "ff", "fx", "fail", "failed", "failing", "failure", "fails", "unsatisfactory", "incomplete"),
        *("np", "nopass", "notpass", "notpassed", "notpassing", "nonpassing", "didnotpass", "doesnotpass"),
    }
)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"))


@lru_cache(maxsize=4096)
def letter_key(letter: str) -> str:
    """Return a letter as policies compare it: without outer blanks, in lower case, with plain signs."""
    return " ".join(unicodedata.normalize("NFKC", letter).translate(_DASHES).casefold().split())


@lru_cache(maxsize=4096)
def names_no_pass(letter: str) -> bool:
    """Whether a letter never means passed, under any policy: a failing one, or a spelling of nothing."""
    return is_nothing(letter) or "".join(filter(str.isalnum, letter_key(letter))) in _FAILING


def means_passed(letter: str, passing_letters: Collection[str], *, has_passed_timestamp: bool) -> bool:
    """Whether a letter is evidence that the learner passed: the policy knows it, or a `passed_timestamp` is beside it.

    The platform keeps that timestamp after a fall: so a letter that names no pass never is.
    """
    return not names_no_pass(letter) and (has_passed_timestamp or letter_key(letter) in passing_letters)
