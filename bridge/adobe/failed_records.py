"""Failed records as AEP writes them: one JSON document a line, the reasons somewhere inside, in one of several forms.

``_errors`` is an object, an array, or either inside a text; its lists have names of their own (``_streamingValidation``,
``_validationErrors``). So everything that carries a code or a message is read, wherever it stands (AEP docs:
ingestion/quality/streaming-validation, retrieve-failed-batches).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE: Final = re.compile(r"[A-Z]+-\d+-\d+")
_MOST_DEPTH: Final = 24
_LONGEST: Final = 300


def reasons(line: bytes) -> list[str]:
    """Every reason that a failed record names, as ``CODE message``, each once; the line's beginning where it names none."""
    return named_reasons(line) or [line[:_LONGEST].decode(errors="replace")]


def named_reasons(line: bytes) -> list[str]:
    """The same, but nothing where it names none: a line holds an event, which is not for everybody's eyes."""
    found: dict[str, None] = {}
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        document = None
    for part in _errors(document, 0):
        for said in _said(part, 0):
            found[said] = None
    return [*found]


def _errors(value: Any, depth: int) -> Iterator[Any]:
    value = opened(value)
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, dict):
        if "_errors" in value:
            yield value["_errors"]
        for key, one in value.items():
            if key != "_errors":
                yield from _errors(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _errors(one, depth + 1)


def _said(value: Any, depth: int) -> Iterator[str]:
    value = opened(value)
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _said(one, depth + 1)
    elif isinstance(value, dict):
        code, message = value.get("code"), value.get("message")
        pointer = value.get("pointerToViolation")
        if isinstance(code, str) or isinstance(message, str):
            words = " ".join(part for part in (code, pointer, message) if isinstance(part, str) and part)
            yield words[:_LONGEST]
        for key, one in value.items():
            if key not in ("code", "message"):
                yield from _said(one, depth + 1)
    elif isinstance(value, str) and CODE.search(value):
        yield value[:_LONGEST]


def opened(value: Any) -> Any:
    """A text that holds a JSON object or array as what it holds."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value
