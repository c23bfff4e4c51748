"""One sentence for a person out of what a service said in an error body: RFC 7807 problems, OAuth's errors, and their kin.

Nothing of it is trusted: credentials and tokens are taken out, control characters too, and the length is bounded, because the
sentence ends in logs and in headers of dead letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from typing import Any

LONGEST = 300
"""Characters of a reason; Kafka headers and log lines carry it."""
CUT = LONGEST * 8
"""Characters that patterns are run on: an answer may be megabytes, a reason never needs its end."""

_SECRETS = re.compile(r"[0-9a-fA-F]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?i:bearer)\s+\S+")
_BOM = b"\xef\xbb\xbf"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")


def tidy(text: str) -> str:
    """The service's own words on one line, without identifiers, at most ``LONGEST`` characters."""
    text = _UNPRINTABLE.sub(" ", _SECRETS.sub("[…]", text[:CUT])).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def without(answer: bytes, *credentials: str) -> bytes:
    """The answer without the credentials that it was asked with; itself where it has none of them."""
    for each in credentials:
        if each and (secret := each.encode()) in answer:
            answer = answer.replace(secret, "[…]".encode())
    return answer


def parse(body: bytes) -> Any:
    """The JSON of an answer, ``None`` when it is not JSON."""
    try:
        return orjson.loads(body.removeprefix(_BOM))
    except orjson.JSONDecodeError:
        return None


def reason_of(document: Any) -> str:
    """The reason that an error document gives, ``""`` when it gives none; never raises."""
    if not isinstance(document, dict):
        return ""
    said = first_text(document.get("detail"), document.get("message"))
    if not said:
        said = first_text(document.get("error_description"), document.get("title"))
    code = first_text(document.get("error_code"), document.get("error"))
    return tidy(f"{code}: {said}" if code and said else code or said)


def first_text(*candidates: Any) -> str:
    """The first that is text and not blank, else ``""``."""
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")
