"""Runs a translated regex on the engine that is sure to end soon on the given text (see :mod:`bridge.mapping.values.regex.java`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import re2

from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex import cost as regex_cost
from bridge.mapping.values.regex.tree import tree_of

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

MAX_SUBJECT: Final = 20_000
_QUICK_STEPS: Final = 1_000_000
"""Steps that ``re`` may take in the worst case where RE2 could do the work as well: some milliseconds."""
_MOST_STEPS: Final = 25_000_000
"""Steps that it may take where RE2 cannot: some hundredths of a second."""
_MOST_VISITS: Final = 50_000_000
"""Instructions times characters that RE2 may look at in the worst case."""
_MOST_READ: Final = 200_000_000
"""Characters that the searches for all matches in a text may read together: some tenths of a second."""
_LEAST_USE: Final = 200
"""A regex that can be run on no text of this many characters is of no use: it is refused when it is compiled."""
_FOLDED: Final = ("\u017f", "\u212a")
"""RE2 takes them for an s and a k where both cases of these are asked for; Java's ``(?i)`` does not."""
_LINE_ENDS: Final = ("\n", "\r", "\x85", "\u2028", "\u2029")


class Match(Protocol):
    """What both engines' matches have; places are counted in characters."""

    def start(self) -> int:
        """Where it begins."""
        ...

    def end(self) -> int:
        """Where it ends."""
        ...

    def span(self, group: int, /) -> tuple[int, int]:
        """Where a group begins and ends, -1 and -1 when it took no part."""
        ...

    def group(self) -> str:
        """The text that matches."""
        ...

    def groups(self) -> tuple[str | None, ...]:
        """The text of each group; None of one that took no part."""
        ...

    def __getitem__(self, group: int | str) -> str | None: ...


class JavaRegex:
    """A compiled regex of Java's. ``pattern`` is how it was written.

    ``backtracking`` is its translation for ``re`` and ``linear`` the one for RE2. With ``at_ends`` it asks for the end of the
    text or of its last line, which RE2 can tell apart only where they are the same; with ``at_words`` it asks for the
    boundary of a word, which is ASCII's there.
    """

    __slots__ = (
        "_at_ends",
        "_at_words",
        "_backtracking",
        "_groups_known",
        "_linear",
        "_linear_limit",
        "_search_limit",
        "_whole_limit",
        "pattern",
    )

    def __init__(
        self, pattern: str, backtracking: re.Pattern[str], linear: str, *, at_ends: bool, at_words: bool
    ) -> None:
        self.pattern = pattern
        self._backtracking = backtracking
        self._at_ends, self._at_words = at_ends, at_words
        tree = tree_of(backtracking.pattern)
        self._groups_known = not tree.repeats_nothing
        whole, search = (
            regex_cost.longest_within(tree, _QUICK_STEPS, MAX_SUBJECT, anywhere=anywhere) for anywhere in (False, True)
        )
        self._linear: Any = None
        self._linear_limit = 0
        if min(whole, search) < MAX_SUBJECT:
            self._linear = _linear(linear)
            if self._linear is not None:
                self._linear_limit = min(MAX_SUBJECT, _MOST_VISITS // max(1, self._linear.programsize))
        if self._linear_limit < MAX_SUBJECT:
            whole, search = (
                regex_cost.longest_within(tree, _MOST_STEPS, MAX_SUBJECT, anywhere=anywhere)
                if limit < MAX_SUBJECT and limit >= self._linear_limit
                else limit
                for limit, anywhere in ((whole, False), (search, True))
            )
        self._whole_limit, self._search_limit = whole, search
        if max(whole, self._linear_limit) < _LEAST_USE:
            raise FunctionError(
                f"regular expression {pattern!r}: a repetition within a repetition can take for ever",
                hint="make the inner one possessive (a++), or separate the rounds by a character it cannot match"
                + (
                    "" if self._linear else "; without lookaround, backreference and possessive repetition it could run"
                ),
            )

    def fullmatch(self, text: str) -> Match | None:
        """The match of the whole text."""
        if len(text) <= self._whole_limit:
            return self._backtracking.fullmatch(text)
        data = self._data(text)
        found = self._linear.fullmatch(data)
        return None if found is None else _Found(text, data, found, known=self._groups_known)

    def search(self, text: str) -> Match | None:
        """The first match."""
        if len(text) <= self._search_limit:
            return self._backtracking.search(text)
        data = self._data(text)
        found = self._linear.search(data)
        return None if found is None else _Found(text, data, found, known=self._groups_known)

    def find_all(self, text: str) -> Iterator[Match]:
        """``Matcher.find`` again and again: after an empty match Java goes on one character later, Python's finditer does not."""
        at = 0
        if len(text) <= self._search_limit:
            search = self._backtracking.search
            while at <= len(text) and (match := search(text, at)) is not None:
                yield match
                at = match.end() if match.end() > match.start() else match.end() + 1
            return
        data = self._data(text)
        left = _MOST_READ // (1 + self._linear.programsize // 1_000)
        while at <= len(data) and (found := self._linear.search(data, at)) is not None:
            left -= len(data) - at  # it may have read to the end to find so little
            if left < 0:
                raise _too_long(text)
            yield _Found(text, data, found, known=self._groups_known)
            at = found.end()
            if found.start() == at:
                at += 1
                while at < len(data) and data[at] & 0xC0 == 0x80:  # within a character
                    at += 1

    def split(self, text: str, limit: int = -1) -> list[str]:
        """``String.split(regex, limit)`` with a limit that is not 0: empty parts are kept.

        An empty match at the start splits nothing off.
        """
        parts: list[str] = []
        start = 0
        for match in self.find_all(text):
            if len(parts) == limit - 1:
                break
            if match.end():
                parts.append(text[start : match.start()])
                start = match.end()
        parts.append(text[start:])
        return parts

    def fits(self, text: str, *, anywhere: bool = True) -> bool:
        """Whether a search (``anywhere``) or a match of the whole text is sure to end soon."""
        return len(text) <= (self._search_limit if anywhere else self._whole_limit) or self._read(text) is not None

    def _read(self, text: str) -> bytes | None:
        """The text as RE2 reads it; None where it cannot tell what Java would."""
        if (
            len(text) > self._linear_limit
            or (self._at_ends and text.endswith(_LINE_ENDS))
            or (not text.isascii() and (self._at_words or any(letter in text for letter in _FOLDED)))
        ):
            return None
        try:
            return text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which is no character
            return None

    def _data(self, text: str) -> bytes:
        data = self._read(text)
        if data is None:
            raise _too_long(text)
        return data


def _too_long(text: str) -> FunctionError:
    return FunctionError(f"a text of {len(text)} characters can take this regular expression for ever")


def _linear(translated: str) -> Any:
    """The regex on RE2; None where it cannot run there."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(translated.encode(), options)
    except (re2.error, UnicodeEncodeError):
        return None


class _Found:
    """A match of RE2's, in characters instead of bytes."""

    __slots__ = ("_data", "_found", "_known", "_text")

    def __init__(self, text: str, data: bytes, found: Any, *, known: bool) -> None:
        self._text, self._data, self._found, self._known = text, data, found, known

    def _need_groups(self) -> None:
        if not self._known:
            raise FunctionError(
                "the content of a repeated group that may match nothing cannot be computed for a text of this length"
            )

    def _place(self, at: int) -> int:
        return at if len(self._data) == len(self._text) else len(self._data[:at].decode())

    def span(self, group: int, /) -> tuple[int, int]:
        self._need_groups()
        start, end = self._found.span(group)
        return (start, end) if start < 0 else (self._place(start), self._place(end))

    def start(self) -> int:
        return self._place(self._found.start())

    def end(self) -> int:
        return self._place(self._found.end())

    def group(self) -> str:
        return str(self._found.group().decode())

    def groups(self) -> tuple[str | None, ...]:
        if self._found.re.groups:
            self._need_groups()
        return tuple(None if group is None else group.decode() for group in self._found.groups())

    def __getitem__(self, group: int | str) -> str | None:
        if group != 0:
            self._need_groups()
        found = self._found[group]
        return None if found is None else str(found.decode())
