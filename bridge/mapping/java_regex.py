"""Java's regular expressions in terms of Python's ``re``: translated once, refused where the two cannot agree.

Guards: a regex of at most 1,000 characters, no repetition that can read the same text in exponentially many ways
(:mod:`bridge.mapping.regex_guard`), and text of at most 20,000 characters, less for what takes long (:mod:`bridge.mapping.regex_cost`).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from bridge.mapping.failures import FunctionError
from bridge.mapping.regex_cost import subject
from bridge.mapping.regex_guard import refuse_explosive

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_REGEX = 1_000

_POSIX = {
    "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Upper": "A-Z", "Lower": "a-z", "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r", "Blank": r" \t", "Punct": r"!-/:-@\[-`{-~", "ASCII": r"\x00-\x7f",
    "Cntrl": r"\x00-\x1f\x7f", "Graph": "!-~", "Print": " -~",
}  # fmt: skip
_IS = {"IsL": "L", "IsLetter": "L", "IsN": "N", "IsDigit": "Nd", "IsPunctuation": "P"}
_POSIX_COMPLEMENTS = {
    "Digit": r"\x00-/:-\U0010ffff", "ASCII": r"\x80-\U0010ffff", "Alpha": r"\x00-@\[-`{-\U0010ffff",
    "Upper": r"\x00-@\[-\U0010ffff", "Lower": r"\x00-`{-\U0010ffff", "Alnum": r"\x00-/:-@\[-`{-\U0010ffff",
}  # fmt: skip
# Java's classes are ASCII unless (?U) is given; Python's on text are not.
_CLASSES = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
}
_NEGATED = {
    "D": r"\x00-/:-\U0010ffff",
    "W": r"\x00-/:-@\[-^`{-\U0010ffff",
    "S": r"\x00-\x08\x0e-\x1f!-\U0010ffff",
}
_SAME = set("bBAntrf")  # mean the same in both


@lru_cache(maxsize=256)
def compile_java(pattern: str) -> re.Pattern[str]:
    """Compile a Java regex; :class:`FunctionError` says what is wrong, or what Python has no equal for."""
    if len(pattern) > MAX_REGEX:
        raise FunctionError(f"the regular expression is longer than {MAX_REGEX} characters")
    translated = _Translation(pattern).run()
    try:
        compiled = re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        # Not with its position, which is one of the translation.
        what = error.msg if isinstance(error, re.error) else "it is too deep or too large"
        raise FunctionError(f"regular expression {pattern!r}: {what}") from None
    refuse_explosive(pattern, translated)
    return compiled


def find_all(regex: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """``Matcher.find`` again and again: after an empty match Java goes on one character later, Python's finditer does not."""
    at = 0
    while at <= len(text) and (match := regex.search(text, at)) is not None:
        yield match
        at = match.end() if match.end() > match.start() else match.end() + 1


def split_java(regex: re.Pattern[str], text: str, limit: int = -1) -> list[str]:
    """``String.split(regex, limit)`` with a limit that is not 0: empty parts are kept.

    An empty match at the start splits nothing off.
    """
    parts: list[str] = []
    start = 0
    for match in find_all(regex, subject(text, regex)):
        if len(parts) == limit - 1:
            break
        if match.end():
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return parts


@cache
def category(name: str, *, negated: bool) -> str | None:
    """The characters of a Unicode general category (``L``, ``Lu``) as the inside of a class; None of no category."""
    if len(name) > 2:
        return None
    known = [unicodedata.category(chr(point)).startswith(name) != negated for point in range(sys.maxunicode + 1)]
    if not any(known) or all(known):
        return None
    parts = []
    start = 0
    for inside, run in groupby(known):
        end = start + len(list(run))
        if inside:
            parts.append(f"\\U{start:08x}-\\U{end - 1:08x}")
        start = end
    return "".join(parts)


class _Translation:
    """One left-to-right walk over a Java regex."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []

    def fail(self, what: str) -> FunctionError:
        return FunctionError(f"regular expression {self.pattern!r}: {what}")

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "\\":
                self.out.append(self.escape(in_class=False))
            elif char == "[":
                self.out.append(self.char_class())
            elif char == "(":
                self.group()
            elif char == "$":
                # Java's $ also stands before a final line terminator, as Python's does; \r\n is the difference.
                self.out.append(r"(?=(?:\r\n|[\n\r\x85\u2028\u2029])?\Z)")
                self.at += 1
            elif char == ".":
                self.out.append(r"[^\n\r\x85\u2028\u2029]")
                self.at += 1
            else:
                self.out.append(char)
                self.at += 1
        return "".join(self.out)

    def group(self) -> None:
        rest = self.pattern[self.at :]
        if named := re.match(r"\(\?<([A-Za-z][A-Za-z0-9]*)>", rest):
            self.out.append(f"(?P<{named[1]}>")
            self.at += named.end()
        elif flags := re.match(r"\(\?([a-zA-Z]*)(-[a-zA-Z]*)?([:)])", rest):
            self.flags(flags)
        elif rest.startswith(("(?=", "(?!", "(?<=", "(?<!", "(?>")) or not rest.startswith("(?"):
            self.out.append("(")
            self.at += 1
        else:
            raise self.fail("this kind of group is unknown")

    def flags(self, found: re.Match[str]) -> None:
        on, off, end = found[1], found[2], found[3]
        if not on and not off and end == ":":
            self.out.append("(?:")
        elif off or on.strip("i") or (end == ")" and self.at):
            raise self.fail("of inline flags only (?i) at the start and (?i:...) are supported")
        else:
            self.out.append("(?i" + end)
        self.at += found.end()

    def escape(self, *, in_class: bool) -> str:
        """Translate the escape at ``at`` and step over it."""
        if self.at + 1 >= len(self.pattern):
            raise self.fail("it ends in a backslash")
        char = self.pattern[self.at + 1]
        self.at += 2
        if char in "pP":
            return self.prop(negated=char == "P", in_class=in_class)
        if char in _CLASSES:
            return _CLASSES[char] if in_class else f"[{_CLASSES[char]}]"
        if char in _NEGATED:
            return _NEGATED[char] if in_class else f"[{_NEGATED[char]}]"
        if char == "Q":
            end = self.pattern.find(r"\E", self.at)
            literal = self.pattern[self.at : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return re.escape(literal)
        if char in "ux":
            return self.code_point(char)
        if char == "k":
            if not (named := re.match(r"<([A-Za-z][A-Za-z0-9]*)>", self.pattern[self.at :])):
                raise self.fail(r"\k is not followed by <name>")
            self.at += named.end()
            return f"(?P={named[1]})"
        if in_class and char.isalnum() and char not in "ntrfae":
            raise self.fail(f"\\{char} has no place in a class")
        special = {"Z": r"(?=(?:\r\n|[\n\r\x85\u2028\u2029])?\Z)", "z": r"\Z", "R": r"(?:\r\n|[\n-\r\x85\u2028\u2029])",
                   "e": r"\x1b", "a": r"\x07"}  # fmt: skip
        if char in special:
            return special[char]
        if char in _SAME or (char.isdigit() and char != "0"):
            return "\\" + char
        if char.isascii() and char.isalnum():
            raise self.fail(f"the escape \\{char} is not supported")
        return re.escape(char)

    def code_point(self, kind: str) -> str:
        digits = r"[0-9a-fA-F]{4}" if kind == "u" else r"[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,6}\}"
        if not (found := re.match(digits, self.pattern[self.at :])):
            raise self.fail(f"\\{kind} is not followed by hexadecimal digits")
        self.at += found.end()
        number = int(found[0].strip("{}"), 16)
        if number > 0x10FFFF:
            raise self.fail(f"\\{kind}: no such character")
        return f"\\U{number:08x}"

    def prop(self, *, negated: bool, in_class: bool) -> str:
        found = re.match(r"\{(\^?)(\w+)\}|(\w)", self.pattern[self.at :])
        if not found:
            raise self.fail(r"\p is not followed by a class")
        self.at += found.end()
        name = found[2] or found[3]
        negated = negated != bool(found[1])
        inside = _POSIX_COMPLEMENTS.get(name) if negated else _POSIX.get(name)
        if inside is None and name not in _POSIX:
            inside = category(_IS.get(name, name), negated=negated)
        if inside is None:
            raise self.fail(f"the class {name} is not supported here")
        return inside if in_class else f"[{inside}]"

    def char_class(self) -> str:
        """A class in brackets; unions, intersections and nested classes are Java's alone."""
        self.at += 1
        parts = ["["]
        if self.pattern.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        first = True
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "]" and not first:
                self.at += 1
                return "".join(parts) + "]"
            if char == "[" or self.pattern.startswith("&&", self.at):
                raise self.fail("classes within classes ([...[...]], &&) are not supported; escape a literal [ or &")
            if char == "\\":
                parts.append(self.escape(in_class=True))
            else:
                parts.append("\\" + char if char in "]~|&" else char)
                self.at += 1
            first = False
        raise self.fail("a class ([) is not closed")
