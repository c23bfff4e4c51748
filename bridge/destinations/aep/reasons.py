"""One sentence for a person out of whatever AEP or IMS said in an error body.

AEP answers errors in several shapes: inlet and authorization problems (``report.message``), synchronous validation
(``report.cause._streamingValidation``), failed items (``message``), the gateway's (``error_code``, ``message``), Edge's
RFC 7807 problems (``title``, ``detail``), and IMS in OAuth's (``error``, ``error_description``). All are read here, and
none is trusted: identifiers are taken out (the inlet id alone lets anyone write to an inlet without authentication),
control characters too, and the length is bounded, because the sentence ends in logs and in headers of dead letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from typing import Any

LONGEST = 300
"""Characters of a reason; Kafka headers and log lines carry it."""

_INLET = re.compile(r"^\s*inletId:\s*\[[^\]]*\]\s*imsOrgId:\s*\[[^\]]*\]\s*")
_SECRETS = re.compile(r"[0-9a-fA-F]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]*|Bearer\s+\S+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")


def tidy(text: str) -> str:
    """The service's own words on one line, without identifiers, at most ``LONGEST`` characters."""
    # Cut before the patterns run: an answer may be megabytes, a reason never needs its end.
    text = _UNPRINTABLE.sub(" ", _SECRETS.sub("[…]", _INLET.sub("", text[: LONGEST * 8]))).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def parse(body: bytes) -> Any:
    """The JSON of an answer, ``None`` when it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def reason_of(document: Any) -> str:
    """The reason that an error document gives, ``""`` when it gives none; never raises."""
    if not isinstance(document, dict):
        return ""
    report = document.get("report")
    report = report if isinstance(report, dict) else {}
    said = _first(report.get("message"), document.get("detail"), document.get("message"))
    if not said:
        said = _first(document.get("error_description"), document.get("title"))
    code = _first(document.get("error_code"), document.get("error"), _exeg(document.get("type")))
    violations = _violations(report.get("cause"))
    return tidy("; ".join(part for part in (f"{code}: {said}" if code and said else code or said, violations) if part))


def _first(*candidates: Any) -> str:
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _exeg(problem_type: Any) -> str:
    """``EXEG-0103-400`` from an Edge problem's type; other types only repeat the title."""
    if not isinstance(problem_type, str):
        return ""
    found = re.search(r"EXEG-\d{4}-\d{3}", problem_type[:LONGEST])
    return found.group() if found else ""


def _violations(cause: Any) -> str:
    found = cause.get("_streamingValidation") if isinstance(cause, dict) else None
    if not isinstance(found, list):
        return ""
    parts = []
    for violation in found[:5]:  # AEP itself stops after five
        if isinstance(violation, dict):
            pointer, message = _first(violation.get("pointerToViolation")), _first(violation.get("message"))
            parts.append(f"{pointer} {message}".strip())
    return ", ".join(part for part in parts if part)
