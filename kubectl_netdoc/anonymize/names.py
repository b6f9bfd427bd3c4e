# SPDX-License-Identifier: Apache-2.0
"""Chooses other words for the parts of names: one for each part wherever it stands, as long, and in the same order.

A name is taken apart (``vocabulary.PART``), so that its structure still shows: the pods of a Deployment begin with its name, a
DNS name has that of a Service and its namespace.

Why not simply a random word for each part: checks sort by name and look at the first few. They choose that way which nodes and
Services of a large cluster to measure, which node a finding stands for, and which names a message tells; dns_records chooses by
the length of a name too. With words in another order a replayed bundle would ask for what was not recorded, and findings would
name other objects. So a new word is between the same kept words as the old one, and new words have the order of the old ones.
For that a word is read as a number to base 37 (``value``): what is between two words is then a number between two numbers.

A part that is one typo from another one becomes a word that is one typo from the other's new word, as some checks look for typos.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from itertools import chain, count, groupby

from kubectl_netdoc.anonymize.vocabulary import PART
from kubectl_netdoc.core import closest_match

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"\S+")
_NAMED = re.compile(r"\w[-./_@:=|~]+\w")
"""A word with punctuation inside is a name, even if it occurs nowhere else: example-1, registry.example/app, a@b."""


class Words:
    """Gathers the parts of names and replaces them; ``changed``: the new part by the old one. ``vocabulary``: words that stay."""

    def __init__(self, key: bytes, vocabulary: frozenset[str]) -> None:
        self.key, self.vocabulary = key, vocabulary
        self.names: set[str] = set()
        self.public: set[str] = set()
        self.changed: dict[str, str] = {}

    def known(self, part: str) -> bool:
        """Tell whether a part stays: a number, a single letter, or a word that netdoc knows by name."""
        return part.isdigit() or len(part) == 1 or part.lower() in self.vocabulary

    def gather(self, text: str, *, name: bool) -> None:
        """Add a name, or the names in a text."""
        for token in _TOKEN.findall(text):
            if name or _NAMED.search(token):
                self.names.update(part.lower() for part in PART.findall(token))

    def keep(self, text: str) -> None:
        """Add a text that is not a name; its words stay."""
        self.public.update(part.lower() for part in PART.findall(text))

    def settle(self) -> None:
        """Choose the new words, once all names have been gathered."""
        fixed = sorted(part for part in self.names if self.known(part) or part in self.public)
        secret = sorted(self.names.difference(fixed))
        typos = dict(_typos(fixed, secret))
        taken = {*self.names, *self.vocabulary}
        for place, some in groupby((part for part in secret if part not in typos), lambda part: bisect(fixed, part)):
            low, high = fixed[place - 1] if place else "", fixed[place] if place < len(fixed) else ""
            self.changed |= self._between(low, high, list(some), taken)
        taken |= set(self.changed.values())
        for part, meant in typos.items():
            whole = (self.changed.get(meant, meant) + self._noise(part))[: len(part) - 1]
            numbered = (f"{whole}{number(mark)}" for mark in count())
            likes = _misspelt(part, meant, self.changed.get(meant, meant))
            self.changed[part] = next(word for word in chain(likes, numbered) if self._free(word, taken))
            taken.add(self.changed[part])

    def _between(self, low: str, high: str, parts: list[str], taken: set[str]) -> dict[str, str]:
        """Return new words for parts between two known words, in the same order and, if there is room, of the same length."""
        first, last = value(f"{low}0"), value(high) if high else BASE**DEPTH
        before, found = low, dict[str, str]()
        for index, part in enumerate(parts):
            at, after = (first + (last - first - 1) * (index + each) // (len(parts) + 1) for each in (1, 2))
            noise, limit = self._noise(part), letters(after, DEPTH)
            tries = (
                (letters(at + step * BASE ** (DEPTH - size), size) + noise)[: max(len(part), size)]
                for size in range(1, DEPTH)
                for step in range(STEPS)
            )
            fits = (word for word in tries if before < word < limit and self._free(word, taken))
            crowded = (f"{before}0{noise[:size]}" for size in range(len(noise)))  # there is no word between "a" and "a0"
            found[part] = before = next(fits, "") or next(word for word in crowded if self._free(word, taken))
            taken.add(before)
        return found

    def _free(self, word: str, taken: Collection[str]) -> bool:
        """Tell whether neither a word nor its parts exist already; a few letters may match by chance."""
        parts = [part for part in PART.findall(word) if len(part) > SHORTEST and not self.known(part)]
        return word not in taken and not any(part in taken for part in parts)

    def _noise(self, part: str) -> str:
        digest = int.from_bytes(blake2b(part.encode(), key=self.key, digest_size=48).digest(), "big")
        return number(digest)

    def replace(self, text: str) -> str:
        """Return a text with the gathered words replaced."""
        return PART.sub(lambda match: self.changed.get(match[0].lower(), match[0]), text)


SHORTEST = 3
"""Fewest letters of a word that is recognised although it is misspelt."""

STEPS = 4
"""How many words next to the middle one are tried before a longer one."""


def _typos(fixed: Iterable[str], secret: list[str]) -> Iterator[tuple[str, str]]:
    """Return words of letters that are one typo from another word, with that word, so that typos stay typos."""
    near: dict[str, str] = {}
    for part, is_secret in (*((part, False) for part in fixed), *((part, True) for part in secret)):
        if not _can_be_misspelt(part):
            continue
        meant = next((near[form] for form in sorted(_forms(part)) if form in near), "")
        if meant and is_secret:
            yield part, meant
            continue
        for form in _forms(part):
            near.setdefault(form, part)


def _misspelt(part: str, meant: str, word: str) -> list[str]:
    """Yield ways to misspell a new word as the old one was, those of the same length first."""
    places = range(len(word))
    doubled = (word[:place] + word[place] + word[place:] for place in places)
    without = (word[:place] + word[place + 1 :] for place in places)
    turned = (word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in places[:-1])
    other = (word[:place] + letter + word[place + 1 :] for place in places for letter in DIGITS[10:])
    was = [closest_match.slip(part, meant, least=least) for least in (closest_match.LONG, closest_match.SHORT)]
    found = [w for w in chain(doubled, without, turned, other) if w]
    alike = [
        w
        for w in found
        if [closest_match.slip(w, word, least=least) for least in (closest_match.LONG, closest_match.SHORT)] == was
    ]
    return sorted(alike, key=lambda w: len(w) != len(part))


def _can_be_misspelt(part: str) -> bool:
    return part.isalpha() and len(part) >= SHORTEST


def _forms(word: str) -> set[str]:
    """Return the forms of a word without one letter and with two swapped; words that are one typo apart share a form."""
    shorter = {word[:place] + word[place + 1 :] for place in range(len(word))}
    turned = {word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in range(len(word) - 1)}
    return {word} | shorter | turned


BASE, DEPTH = 37, 40
"""Letters and digits and the end of a word, which comes before them; letters of a word that count for its order."""


def value(word: str) -> int:
    """Return a word as a number, in the order of words."""
    digits = [DIGITS.find(letter) + 1 for letter in word[:DEPTH]]
    result = 0
    for place in range(DEPTH):
        result = result * BASE + (digits[place] if place < len(digits) else 0)
    return result


def letters(at: int, size: int) -> str:
    """Return the first letters of the word of a number, or of the next number that has one."""
    digits = [at // BASE ** (DEPTH - 1 - place) % BASE for place in range(size)]
    end = digits.index(0) if 0 in digits else size
    return "".join(DIGITS[digit - 1] for digit in digits[:end]) + DIGITS[0] * (size - end)


def number(value: int) -> str:
    """Return a number to base 36."""
    text = ""
    while value or not text:
        value, digit = divmod(value, 36)
        text = DIGITS[digit] + text
    return text
