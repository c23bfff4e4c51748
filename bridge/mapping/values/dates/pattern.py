"""Java date patterns as tokens: quoting, literal text, optional sections, letters with their widths.

The letters are those of Adobe's data-handling page (data-prep/data-handling): a mixture of SimpleDateFormat and
DateTimeFormatter. docs/decisions/dates.md says which of the two a letter follows where they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.mapping.values.failures import FunctionError

MAX_PATTERN = 200
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
QUARTERS = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")

# Widest use of each letter. Beyond it Java throws, or pads a number with zeros that no date text has.
_WIDEST = {
    "G": 5, "Y": 9, "y": 9, "M": 5, "L": 5, "w": 2, "W": 2, "D": 3, "d": 3, "F": 2, "E": 5, "u": 2, "a": 3,
    "H": 3, "k": 3, "K": 3, "h": 3, "m": 3, "s": 3, "S": 9, "z": 4, "Z": 5, "X": 5, "V": 2, "O": 4, "Q": 5, "q": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A run of one pattern letter."""

    letter: str
    width: int


@dataclass(frozen=True, slots=True)
class Section:
    """``[...]``: printed always, read when it is there."""

    tokens: tuple[Token, ...]


Token = Literal | Field | Section


def tokenize(pattern: str) -> tuple[Token, ...]:
    """Take a pattern apart; :class:`FunctionError` names what is wrong with it."""
    if not pattern:
        raise FunctionError("the date pattern is empty")
    if len(pattern) > MAX_PATTERN:
        raise FunctionError(f"the date pattern is longer than {MAX_PATTERN} characters")
    levels: list[list[Token]] = [[]]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "'":
            text, position = _quoted(pattern, position)
            _literal(levels[-1], text)
        elif char.isascii() and char.isalpha():
            end = position
            while end < len(pattern) and pattern[end] == char:
                end += 1
            levels[-1].append(_field(pattern, char, end - position))
            position = end
        else:
            if char == "[":
                levels.append([])
            elif char == "]":
                if len(levels) == 1:
                    raise FunctionError(f"date pattern {pattern!r}: ] closes nothing")
                inner = levels.pop()
                levels[-1].append(Section(tuple(inner)))
            else:
                _literal(levels[-1], char)
            position += 1
    if len(levels) > 1:
        raise FunctionError(f"date pattern {pattern!r}: [ is not closed")
    return tuple(levels[0])


def _literal(tokens: list[Token], text: str) -> None:
    if tokens and isinstance(tokens[-1], Literal):
        text = tokens.pop().text + text  # type: ignore[union-attr]
    tokens.append(Literal(text))


def _quoted(pattern: str, start: int) -> tuple[str, int]:
    """The literal that begins with the quote at ``start`` (``''`` is one quote, inside and outside), and its end."""
    if pattern.startswith("''", start):
        return "'", start + 2
    text = []
    position = start + 1
    while position < len(pattern):
        if pattern[position] != "'":
            text.append(pattern[position])
            position += 1
        elif pattern.startswith("''", position):
            text.append("'")
            position += 2
        else:
            return "".join(text), position + 1
    raise FunctionError(f"date pattern {pattern!r}: a quote (') is not closed")


def _field(pattern: str, letter: str, width: int) -> Field:
    widest = _WIDEST.get(letter)
    if widest is None:
        raise FunctionError(
            f"date pattern {pattern!r}: unknown pattern letter {letter}; put literal text in quotes (')"
        )
    if width > widest or (letter == "V" and width != 2) or (letter == "O" and width not in (1, 4)):
        allowed = {"V": "VV", "O": "O or OOOO"}.get(letter, f"at most {widest}")
        raise FunctionError(f"date pattern {pattern!r}: {width} letters {letter} in a row; Java takes {allowed}")
    return Field(letter, width)
