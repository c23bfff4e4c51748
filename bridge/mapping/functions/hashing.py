"""Hash functions (data-prep/functions, Hashing functions): lower-case hexadecimal of the text's bytes in a charset."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CATEGORY = "Hashing"
PARAMETERS = (Parameter("INPUT", "string"), Parameter("CHARSET", "string", required=False))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _utf16(text: str) -> bytes:
    # Java's UTF-16 encoder writes a byte-order mark, big endian.
    return b"\xfe\xff" + text.encode("utf-16-be", "replace")


def _latin1(text: str) -> bytes:
    return text.encode("iso-8859-1", "replace")


def _ascii(text: str) -> bytes:
    return text.encode("us-ascii", "replace")


CHARSETS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": _utf8,
    "UTF8": _utf8,
    "UTF-16": _utf16,
    "UTF16": _utf16,
    "ISO-8859-1": _latin1,
    "ISO8859_1": _latin1,
    "US-ASCII": _ascii,
    "ASCII": _ascii,
}
"""Charsets by name, any case; what a charset cannot express becomes ``?`` as in Java's ``String.getBytes``."""


def encoder(charset: Any) -> Callable[[str], bytes]:
    """The encoder of a charset argument; UTF-8 where it is null."""
    known = CHARSETS.get("UTF-8" if charset is None else text_of(charset).upper())
    if known is None:
        raise FunctionError("CHARSET is one of UTF-8, UTF-16, ISO-8859-1, US-ASCII")
    return known


def _hash(name: str, summary: str, digest: Callable[[bytes], str]) -> None:
    def hashed(value: Any, charset: Any = None) -> str | None:
        return None if value is None else digest(encoder(charset)(text_of(value)))

    def at(constants: Sequence[Any]) -> Callable[..., Any] | None:
        charset = constants[1] if len(constants) > 1 else None
        if charset is NOT_CONSTANT:
            return None
        encode = encoder(charset)
        return lambda value, *_: None if value is None else digest(encode(text_of(value)))

    hashed.__name__ = name
    hashed.__doc__ = f"``{name}(INPUT, CHARSET)``."
    function(name, CATEGORY, summary, *PARAMETERS, returns="string", specialize=at)(hashed)


def _crc32(data: bytes) -> str:
    # The documented sample shows the four bytes in little-endian order.
    return zlib.crc32(data).to_bytes(4, "little").hex()


_hash("sha1", "SHA-1 as hexadecimal.", lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest())
_hash("sha256", "SHA-256 as hexadecimal.", lambda data: hashlib.sha256(data).hexdigest())
_hash("sha512", "SHA-512 as hexadecimal.", lambda data: hashlib.sha512(data).hexdigest())
_hash("md5", "MD5 as hexadecimal.", lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest())
_hash("crc32", "CRC-32 as hexadecimal, lowest byte first as Adobe prints it.", _crc32)
