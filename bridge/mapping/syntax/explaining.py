"""Why text is not an expression, in words for who wrote it: what stands where nothing of that kind may stand, and what would."""

from __future__ import annotations

from typing import Final

from lark import UnexpectedInput, UnexpectedToken

_TYPOGRAPHIC: Final = str.maketrans("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b", '"' * 6 + "'" * 4)
"""Quotes that word processors and spreadsheets put in place of plain ones."""

_READABLE: Final = {
    "$END": "the end",
    "NAME": "a name",
    "WRAPPED": "${...}",
    "NUMBER": "a number",
    "STRING": "text in quotes",
    "RPAR": ")",
    "RSQB": "]",
    "RBRACE": "}",
    "COMMA": ",",
    "COLON": ":",
    "LPAR": "(",
}


class ExpressionProblem(Exception):  # noqa: N818 - it is a value of lint as often as an error
    """Text is not an expression; ``position`` counts characters from 1."""

    def __init__(self, message: str, position: int = 1, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.fix = fix


def explained(unexpected: UnexpectedInput, text: str) -> ExpressionProblem:
    """The problem of ``text`` where the parser met what it did not expect."""
    position = min(unexpected.pos_in_stream or 0, len(text)) + 1
    if isinstance(unexpected, UnexpectedToken) and unexpected.token.type == "$END":
        opened = _unclosed(text)
        wanted = f"; {opened}" if opened else ""
        return ExpressionProblem(f"the expression ends too early{wanted}", len(text) + 1)
    at = text[position - 1 : position]
    rest = text[position - 1 :]
    if at in "\"'":
        return ExpressionProblem("the text in quotes is not closed, or stands where none may stand", position)
    if rest.startswith("=") and not rest.startswith(("==", "=~")):
        return ExpressionProblem("= assigns nothing here", position, "compare with ==")
    if rest.startswith("${"):
        return ExpressionProblem("${ without its closing }, or where no name may stand", position)
    if at and ord(at) in _TYPOGRAPHIC:
        return ExpressionProblem(f"{at} is a typographic quote", position, text.translate(_TYPOGRAPHIC))
    shown = str(getattr(unexpected, "token", at)) or at
    wanted = _wanted(unexpected)
    return ExpressionProblem(f"unexpected {shown[:40]!r}" + (f", expected {wanted}" if wanted else ""), position)


def _wanted(unexpected: UnexpectedInput) -> str:
    names = set(getattr(unexpected, "accepts", None) or getattr(unexpected, "allowed", None) or ())
    if "NUMBER" in names or "STRING" in names:
        return "a value"
    known = sorted(_READABLE[name] for name in names if name in _READABLE)
    return "an operator" + "".join(f" or {name}" for name in known[:3]) if "PLUS" in names else " or ".join(known[:3])


def _unclosed(text: str) -> str:
    """Which bracket is still open at the end, for the message."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    open_at: list[tuple[str, int]] = []
    quote = ""
    escaped = False
    for at, letter in enumerate(text):
        if quote:
            if letter == quote and not escaped:
                quote = ""
            escaped = letter == "\\" and not escaped
        elif letter in "\"'":
            quote = letter
        elif letter in pairs:
            open_at.append((letter, at + 1))
        elif letter in pairs.values() and open_at:
            open_at.pop()
    if not open_at:
        return ""
    letter, at = open_at[-1]
    return f"the {letter} at character {at} wants its {pairs[letter]}"
