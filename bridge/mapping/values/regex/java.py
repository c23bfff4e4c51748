"""Java's regular expressions: translated once, run in bounded time, refused where they cannot be.

Two engines run them. ``re`` is the quicker one on short text but backtracks, and cannot be interrupted: it runs where
:mod:`bridge.mapping.values.regex.cost` proves that the text is short enough for it. RE2 does not backtrack (its time is linear in
the text), and knows neither lookaround nor backreferences nor possessive repetitions: it runs where ``re`` could take long.
What neither can run in bounded time is refused, when it is compiled or, for polynomial time, by the length of the text.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache, lru_cache
from itertools import groupby

from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex.engines import JavaRegex

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
def compile_java(pattern: str) -> JavaRegex:
    """Compile a Java regex; :class:`FunctionError` says what is wrong, or what has no equal here."""
    if len(pattern) > MAX_REGEX:
        raise FunctionError(f"the regular expression is longer than {MAX_REGEX} characters")
    translation = _Translation(pattern)
    translated = translation.run()
    try:
        return JavaRegex(
            pattern,
            re.compile(translated),
            translation.for_re2(),
            at_ends=translation.at_ends,
            at_words=translation.at_words,
        )
    except (re.error, OverflowError, RecursionError) as error:
        # Not with its position, which is one of the translation.
        what = error.msg if isinstance(error, re.error) else "it is too deep or too large"
        raise FunctionError(f"regular expression {pattern!r}: {what}") from None


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
            parts.append(f"{_in_class(start)}-{_in_class(end - 1)}")
        start = end
    return "".join(parts)


def _in_class(point: int) -> str:
    """A character in a class: as itself, which is read several times as fast as an escape, where it can stand so for RE2 too."""
    char = chr(point)
    return char if char.isprintable() and not char.isascii() else f"\\U{point:08x}"


_LAST_END = r"(?=(?:\r\n|(?<!\r)\n|[\r\x85\u2028\u2029])?\Z)"
"""Java's $ also stands before a final line terminator, as Python's does; what a line terminator is differs."""
_QUANTIFIER = re.compile(r"\{\d+(?:,\d*)?\}")
_ESCAPE = re.compile(r"\\(?:U([0-9a-f]{8})|u([0-9a-f]{4})|x([0-9a-f]{2})|.)", re.DOTALL)


def _in_re2(escape: re.Match[str]) -> str:
    """An escape of Python's as RE2 writes it."""
    digits = escape[1] or escape[2] or escape[3]
    return escape[0] if digits is None else f"\\x{{{digits}}}"


def _other_cases(translated: str) -> str:
    """The ASCII letters of a class (translated, in brackets) whose other case is in it."""
    try:
        tree = re.compile(translated.replace("[^", "[", 1) if translated.startswith("[^") else translated)
    except re.error:
        return ""  # what is wrong is told when the whole is compiled
    letters = (chr(point) for point in range(128) if chr(point).isalpha())
    return "".join(letter for letter in letters if tree.fullmatch(letter.swapcase()))


class _Translation:
    """One left-to-right walk over a Java regex."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.at_ends = self.at_words = False
        # Java's (?i) folds ASCII only, and re's and RE2's all of Unicode: both cases of a letter are spelled out.
        self.both_cases = False
        self.outside: list[bool] = []

    def for_re2(self) -> str:
        """What :meth:`run` has made, in RE2's words. It differs at a line's end (see :class:`JavaRegex`)."""
        return _ESCAPE.sub(_in_re2, "".join(r"\z" if part in (_LAST_END, r"\Z") else part for part in self.out))

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
                self.out.append(self.last_end())
                self.at += 1
            elif char == ".":
                self.out.append(r"[^\n\r\x85\u2028\u2029]")
                self.at += 1
            elif char == "{" and not _QUANTIFIER.match(self.pattern, self.at):
                raise self.fail("{ does not begin a repetition like {2} or {2,5}; a literal one is \\{")
            else:
                if char == ")" and self.outside:
                    self.both_cases = self.outside.pop()
                self.out.append(self.letter(char))
                self.at += 1
        return "".join(self.out)

    def letter(self, char: str) -> str:
        """A literal character, in both cases where case does not count."""
        return f"[{char.upper()}{char.lower()}]" if self.both_cases and char.isascii() and char.isalpha() else char

    def last_end(self) -> str:
        self.at_ends = True
        return _LAST_END

    def group(self) -> None:
        rest = self.pattern[self.at :]
        if named := re.match(r"\(\?<([A-Za-z][A-Za-z0-9]*)>", rest):
            self.outside.append(self.both_cases)
            self.out.append(f"(?P<{named[1]}>")
            self.at += named.end()
        elif flags := re.match(r"\(\?([a-zA-Z]*)(-[a-zA-Z]*)?([:)])", rest):
            self.flags(flags)
        elif rest.startswith(("(?=", "(?!", "(?<=", "(?<!", "(?>")) or not rest.startswith("(?"):
            self.outside.append(self.both_cases)
            self.out.append("(")
            self.at += 1
        else:
            raise self.fail("this kind of group is unknown")

    def flags(self, found: re.Match[str]) -> None:
        on, off, end = found[1], found[2], found[3]
        if off or on.strip("i") or (end == ")" and self.at):
            raise self.fail("of inline flags only (?i) at the start and (?i:...) are supported")
        if end == ":":
            self.outside.append(self.both_cases)
            self.out.append("(?:")
        self.both_cases = self.both_cases or bool(on)
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
            return "".join(
                self.letter(each) if each.isalpha() and not in_class else re.escape(each) for each in literal
            )
        if char in "ux":
            return self.code_point(char, in_class=in_class)
        if char == "k":
            if not (named := re.match(r"<([A-Za-z][A-Za-z0-9]*)>", self.pattern[self.at :])):
                raise self.fail(r"\k is not followed by <name>")
            self.at += named.end()
            return self.back_reference(f"(?P={named[1]})")
        if in_class and char.isalnum() and char not in "ntrfae":
            raise self.fail(f"\\{char} has no place in a class")
        if char == "Z":
            return self.last_end()
        special = {"z": r"\Z", "R": r"(?:\r\n|[\n-\r\x85\u2028\u2029])",
                   "e": r"\x1b", "a": r"\x07"}  # fmt: skip
        if char in special:
            return special[char]
        self.at_words = self.at_words or (char in "bB")
        if char in _SAME:
            return "\\" + char
        if char in "123456789":
            return self.back_reference("\\" + char)
        if char.isascii() and char.isalnum():
            raise self.fail(f"the escape \\{char} is not supported")
        return re.escape(char)

    def back_reference(self, reference: str) -> str:
        return f"(?ai:{reference})" if self.both_cases else reference

    def code_point(self, kind: str, *, in_class: bool) -> str:
        digits = r"[0-9a-fA-F]{4}" if kind == "u" else r"[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,6}\}"
        if not (found := re.match(digits, self.pattern[self.at :])):
            raise self.fail(f"\\{kind} is not followed by hexadecimal digits")
        self.at += found.end()
        number = int(found[0].strip("{}"), 16)
        if number > 0x10FFFF:
            raise self.fail(f"\\{kind}: no such character")
        if self.both_cases and not in_class and number < 128:
            return self.letter(chr(number)) if chr(number).isalpha() else re.escape(chr(number))
        return f"\\U{number:08x}"

    def prop(self, *, negated: bool, in_class: bool) -> str:
        found = re.match(r"\{(\^?)(\w+)\}|(\w)", self.pattern[self.at :])
        if not found:
            raise self.fail(r"\p is not followed by a class")
        self.at += found.end()
        name = found[2] or found[3]
        negated = negated != bool(found[1])
        if self.both_cases and name in ("Lower", "Upper", "Lu", "Ll", "Lt"):
            raise self.fail(f"the class {name} asks for the case that (?i) ignores")
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
                return "".join(parts) + (_other_cases("".join(parts) + "]") if self.both_cases else "") + "]"
            if char == "[" or self.pattern.startswith("&&", self.at):
                raise self.fail("classes within classes ([...[...]], &&) are not supported; escape a literal [ or &")
            if char == "\\":
                parts.append(self.escape(in_class=True))
            else:
                last = char == "-" and self.pattern.startswith("]", self.at + 1)
                parts.append("\\" + char if last or char in "]~|&" else char)
                self.at += 1
            first = False
        raise self.fail("a class ([) is not closed")
