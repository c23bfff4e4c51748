"""What the platform APIs answer where they refuse, as one exception with Adobe's code, and what to do about it.

Four families of bodies (gateway; problem JSON of Schema Registry and Identity; Flow Service's with ``errorMessage`` beside it;
plain problem JSON) are read alike. Identifiers of secrets never stand in them, yet the sentence is cleaned and bounded, as it
ends on a terminal and in logs.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.model.errors import BridgeError

_LONGEST: Final = 400
_CODE: Final = re.compile(r"\b[A-Z]{2,10}-\d{3,6}-\d{3}\b")
_SECRETS: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|Bearer\s+\S+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")

CREDENTIAL: Final = (
    "Developer Console: the project needs the Experience Platform API with OAuth Server-to-Server and a product profile"
    " (AEP-Default-All-Users); BRIDGE_OAUTH__CLIENT_ID and BRIDGE_AEP__ORG_ID are those of this project"
)
ROLE: Final = (
    "Experience Platform: Permissions, Roles, a role that covers the sandbox, tab API credentials: add the credential;"
    " aep-bridge setup plan names the permissions that are missing"
)


class PlatformError(BridgeError):
    """An answer that says no: ``status``, Adobe's ``code`` ("" where it gives none), and in the hint what to do."""

    def __init__(self, message: str, *, status: int, code: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class Unreachable(BridgeError):  # noqa: N818 - it says what became of the request
    """No answer to a request that changes nothing, however often it was asked."""


class EffectUnknown(BridgeError):  # noqa: N818 - the same
    """A request that changes something got no answer, or one that does not say whether it took effect: look before repeating."""


def refused(what: str, status: int, document: Any) -> PlatformError:
    """The exception for an answer of 4xx or 5xx to ``what`` (method and path)."""
    code, said = read(document)
    told = f"{what}: AEP answered {status}" + (f" {code}" if code and code not in said else "")
    return PlatformError(told + (f": {said}" if said else ""), status=status, code=code, hint=_hint(status, code, said))


def read(document: Any) -> tuple[str, str]:
    """Adobe's code and its words, each "" where the body has none; never raises."""
    if not isinstance(document, dict):
        return "", ""
    report = document.get("report")
    report = report if isinstance(report, dict) else {}
    named = _text(document.get("error_code")) or _text(document.get("errorCode")) or _text(report.get("code"))
    found = _CODE.search(str(document.get("type") or "")) or _CODE.search(str(document.get("code") or ""))
    code = found.group() if found else named or _bare(document.get("title"))
    said = (
        _text(report.get("detailed-message"))
        or _text(report.get("message"))
        or _text(document.get("detail"))
        or _text(document.get("errorDetails"))
        or _text(document.get("errorMessage"))
        or _text(document.get("message"))
        or _text(document.get("title"))
    )
    return code, _tidy(said)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) and value else ""


def _bare(value: Any) -> str:
    """A title that is a code of its own, such as ``NAMESPACE_CODE_CONFLICT``."""
    text = _text(value)
    return text if re.fullmatch(r"[A-Z][A-Z0-9_]+", text) else ""


def _tidy(text: str) -> str:
    text = _UNPRINTABLE.sub(" ", _SECRETS.sub("[…]", text[: _LONGEST * 8])).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _hint(status: int, code: str, said: str) -> str | None:
    if status == 401 or code in {"403000", "403003", "403010", "403025", "401013"} or "product context" in said.lower():
        return CREDENTIAL
    if status == 403:
        return ROLE
    if code.startswith("XDM-1521"):
        return (
            "titles are unique over schemas, field groups, classes and data types: choose another BRIDGE_SETUP__…_NAME"
        )
    if code.startswith("XDM-1413"):
        return "another schema of the class has a field at this path with another type: rename the field in the schema file"
    return None
