r"""Bytes that claim to be JSON become values: UTF-8, or what is left of it, and the few slips that emitters make.

A body is refused whole only when nothing can be made of it, because its neighbours would be refused with it:

* UTF-8 with an optional byte order mark; bytes that are not UTF-8 are read as Windows-1252 (a MoEngage consumer in
  production met such bodies under ``application/json``), each where it stands, so that valid UTF-8 beside them survives;
* half a surrogate pair (``"\ud83d"``, a text cut inside an emoji) becomes U+FFFD;
* ``NaN``, ``Infinity`` and ``-Infinity``, which Python's encoder writes and JSON does not know, become null.

Everything else that is not JSON raises :class:`NotJson`, nesting beyond the parser's limit included. Numbers and members
that the fast parser would change are read exactly (:mod:`bridge.sources.http.json_exact`).
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from bridge.model.errors import NotJson
from bridge.model.event import Refusal
from bridge.sources.http.json_exact import BEYOND_DOUBLE, Ambiguous, BeyondDouble, Unwritable, is_changed, read

_BOM = b"\xef\xbb\xbf"
_BEFORE = "\ufeff \t\r\n"
"""What may stand before a text, in any order: files that are put together begin more than once."""

# Python's "surrogateescape" turns a byte 0xNN that is no UTF-8 into U+DCNN, at the speed of C. The five bytes that
# Windows-1252 leaves undefined stand for the C1 controls of the same number, as browsers read them.
_WINDOWS_1252 = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(0x80, 0x100)
}

# Every escape is consumed, so that the second half of an escaped backslash is never taken for the start of one.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")
_HALF_PAIR = 6
_ENDLESS = "infinity"
"""In orjson's words for a number that no double holds: an integer of hundreds of digits is read by its digits."""
AMBIGUOUS_MEMBERS = Refusal("duplicate_keys", "an object has several members of one name with different values")
_BEYOND_DOUBLE = Refusal("not_json", "a number in it is beyond the range of a double")
_TOO_DEEP = Refusal("too_deep", "the event is nested deeper than 254 levels, which JSON writers refuse")


def parse_json(body: bytes) -> Any:
    """The JSON value of ``body``, every digit and every member of it; raises :class:`NotJson` and nothing else."""
    document, marker = parse_body(body)
    if marker is not None:
        raise NotJson(unwritable(marker).reason)
    return document


def exactly(body: bytes, document: Any) -> Any:
    """``document``, which orjson read from ``body``, or what it should have been; raises :class:`NotJson`."""
    return parse_json(body) if is_changed(body, document) else document


def parse_body(body: bytes) -> tuple[Any, Unwritable | None]:
    """As :func:`parse_json`, but what no writer takes (:mod:`bridge.sources.http.json_exact`) stays in the value, and is named."""
    body = body.removeprefix(_BOM)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return _parse_otherwise(body, error)
    if not is_changed(body, document):
        return document, None
    # Both at once would be twice the memory.
    del document
    try:
        return read(body)
    except ValueError:
        raise NotJson("a number or an object in it cannot be read without a change") from None
    except RecursionError:
        raise NotJson("it is nested too deeply to be read without a change") from None


def unwritable(marker: Unwritable) -> Refusal:
    """Why nothing in which ``marker`` stands can be written."""
    return _BEYOND_DOUBLE if marker is BEYOND_DOUBLE else AMBIGUOUS_MEMBERS


def encode(value: Any) -> bytes | Refusal:
    """``value`` as UTF-8 JSON; a :class:`Refusal` for what can be parsed but not written (nesting, ambiguous members)."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        reason = str(error)
        if BeyondDouble.__name__ in reason:
            return _BEYOND_DOUBLE
        return AMBIGUOUS_MEMBERS if Ambiguous.__name__ in reason else _TOO_DEEP


def _parse_otherwise(body: bytes, first: orjson.JSONDecodeError) -> tuple[Any, Unwritable | None]:
    text = body.decode("utf-8", errors="surrogateescape").lstrip(_BEFORE)
    if not body.isascii():
        text = text.translate(_WINDOWS_1252)
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(_mend, text)
    mended = text.encode()
    try:
        document = orjson.loads(mended)
    except orjson.JSONDecodeError:
        if "NaN" not in text and "Infinity" not in text and _ENDLESS not in first.msg:
            raise NotJson(_reason(first)) from None
    else:
        if not is_changed(mended, document):
            return document, None
        del document
    try:
        return read(text)
    except (ValueError, RecursionError):
        raise NotJson(_reason(first)) from None


def _mend(escape: re.Match[str]) -> str:
    found = escape[0]
    return "\\ufffd" if len(found) == _HALF_PAIR else found


def _reason(error: orjson.JSONDecodeError) -> str:
    lines = error.doc.rstrip()
    if "\n" in lines:
        return f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    # Mostly a line of a file: its number there is told by who reads the file, and another one beside it would confuse.
    return f"not JSON: {error.msg} at column {min(error.pos, len(lines)) + 1}"
