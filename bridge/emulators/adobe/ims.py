"""The IMS side: giving out tokens for client credentials, and knowing them again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_KIND = "bearer"


class Ims:
    """Credentials that are valid, and tokens that are alive."""

    def __init__(self, *, client_id: str, client_secrets: Sequence[str], clock: Callable[[], float]) -> None:
        self.client_id = client_id
        self.client_secrets = client_secrets
        self._clock = clock
        self._alive: dict[str, float] = {}

    def grant(self, form: Mapping[str, Any], *, lifetime: float) -> tuple[int, dict[str, Any]]:
        """Status and JSON for a token request."""
        if form.get("grant_type") != "client_credentials":
            return 400, _error("unsupported_grant_type", "grant_type must be client_credentials")
        if not form.get("client_id") or not form.get("client_secret"):
            return 400, _error("invalid_request", "client_id and client_secret are mandatory")
        if form["client_id"] != self.client_id:
            return 401, _error("invalid_client", "unknown client_id")
        if form["client_secret"] not in self.client_secrets:
            return 401, _error("invalid_client", "invalid client_secret")
        scopes = [scope.strip() for scope in str(form.get("scope") or "").split(",")]
        if not all(scopes) or any(" " in scope for scope in scopes):
            return 400, _error("invalid_scope", "scope must be a comma-separated list")
        now = self._clock()
        self._alive = {token: until for token, until in self._alive.items() if until > now}
        token = "emulated." + secrets.token_urlsafe(32)
        self._alive[token] = now + lifetime
        # Whole seconds on the wire, as IMS; a shorter life than a second would otherwise read as none.
        expires_in = int(lifetime) if lifetime >= 1 else lifetime
        return 200, {"access_token": token, "token_type": _KIND, "expires_in": expires_in}

    def refusal(self, authorization: str | None) -> str | None:
        """Why the ``Authorization`` of a collection request is refused; ``None`` when it is right."""
        scheme, _, token = (authorization or "").partition(" ")
        if not token:
            return "Ims service token is empty"
        until = self._alive.get(token) if scheme.lower() == "bearer" else None
        if until is None:
            return "Ims service token is invalid"
        return None if until > self._clock() else "Ims service token is expired"

    def revoke(self) -> None:
        """Forget every token."""
        self._alive.clear()


def _error(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description}
