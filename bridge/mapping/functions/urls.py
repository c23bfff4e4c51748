"""URL functions (data-prep/functions, URL functions). Getters give null for what is no URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.mapping.functions.arguments import bounded, text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORY = "URL"
URL = Parameter("URL", "string")
MAX_URL = 65_536

# Registered with IANA for the scheme.
DEFAULT_PORTS = {
    "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ftps": 990, "sftp": 22, "ssh": 22, "telnet": 23,
    "gopher": 70, "ldap": 389, "ldaps": 636, "imap": 143, "imaps": 993, "pop": 110, "smtp": 25, "rtsp": 554,
    "mysql": 3306, "redis": 6379, "nfs": 2049, "nntp": 119, "sip": 5060, "sips": 5061, "rsync": 873, "svn": 3690,
}  # fmt: skip

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"{}|\\^`]")


def _split(value: Any) -> SplitResult | None:
    """The parts of a URL; None when the text is none (no scheme, characters that no URL holds, a wrong port)."""
    if value is None:
        return None
    text = text_of(value)
    if len(text) > MAX_URL or not _SCHEME.match(text) or _FORBIDDEN.search(text):
        return None
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    return parts


@function("get_url_protocol", CATEGORY, "The scheme of a URL; null of an invalid one.", URL, returns="string")
def get_url_protocol(value: Any) -> str | None:
    """``get_url_protocol(URL)``."""
    parts = _split(value)
    return None if parts is None else parts.scheme


@function("get_url_host", CATEGORY, "The host of a URL; null of an invalid one.", URL, returns="string")
def get_url_host(value: Any) -> str | None:
    """``get_url_host(URL)``: as written, without user and port."""
    parts = _split(value)
    if parts is None:
        return None
    host = parts.netloc.rpartition("@")[2]
    bracketed = host.find("]")
    return (host[: bracketed + 1] if bracketed >= 0 else host.partition(":")[0]) or None


@function(
    "get_url_port",
    CATEGORY,
    "The port of a URL, else its scheme's registered port; null of an invalid one.",
    URL,
    returns="integer",
)
def get_url_port(value: Any) -> int | None:
    """``get_url_port(URL)``."""
    parts = _split(value)
    if parts is None:
        return None
    return parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme)


@function(
    "get_url_path",
    CATEGORY,
    "The path of a URL; with FULL_PATH false only its last part.",
    URL,
    Parameter("FULL_PATH", "boolean", required=False),
    returns="string",
)
def get_url_path(value: Any, full: Any = True) -> str | None:
    """``get_url_path(URL, FULL_PATH)``."""
    parts = _split(value)
    if parts is None:
        return None
    return parts.path.rpartition("/")[2] if full is False or full == "false" else parts.path


ANCHORS = ("retain", "remove", "append")


def _anchor_at(constants: Sequence[Any]) -> None:
    if constants[1] is not NOT_CONSTANT and constants[1] not in (*ANCHORS, None):
        raise FunctionError(f"get_url_query_str: ANCHOR is one of {', '.join(ANCHORS)}")


@function(
    "get_url_query_str",
    CATEGORY,
    "The query of a URL as a map; the anchor is retained in the last value, removed, or appended as _anchor_.",
    URL,
    Parameter("ANCHOR", "string"),
    returns="map<string,string>",
    specialize=_anchor_at,
)
def get_url_query_str(value: Any, anchor: Any) -> dict[str, str] | None:
    """``get_url_query_str(URL, ANCHOR)``; names and values as written, of equal names the last counts."""
    if anchor not in ANCHORS:
        raise FunctionError(f"get_url_query_str: ANCHOR is one of {', '.join(ANCHORS)}")
    parts = _split(value)
    if parts is None:
        return None
    query = parts.query
    if anchor == "retain" and query and parts.fragment:
        query = f"{query}#{parts.fragment}"
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, content = pair.partition("=")
        if name:
            found[name] = content
    if anchor == "append" and parts.fragment:
        found["_anchor_"] = parts.fragment
    return found


_ENCODED = {ord(char): f"%{ord(char):02X}" for char in " !\"#$%&'()*+,/:;<=>?@[\\]^`~"}


@function(
    "get_url_encoded", CATEGORY, "Percent-encodes the special characters of Adobe's table.", URL, returns="string"
)
def get_url_encoded(value: Any) -> str | None:
    """``get_url_encoded(URL)``: the table ends at ASCII, other characters stay."""
    return None if value is None else bounded(text_of(value).translate(_ENCODED))


@function("get_url_decoded", CATEGORY, "Undoes percent-encoding (UTF-8); + stays +.", URL, returns="string")
def get_url_decoded(value: Any) -> str | None:
    """``get_url_decoded(URL)``."""
    return None if value is None else unquote(text_of(value))
