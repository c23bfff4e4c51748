"""The error bodies of the services, as their documents show them."""

from __future__ import annotations

from typing import Any


def inlet_problem(inlet_id: str, org_id: str | None, reason: str, *, cause: Any = None) -> dict[str, Any]:
    """A message or request that the inlet refuses (400)."""
    report: dict[str, Any] = {"message": refusal(inlet_id, org_id, reason)}
    if cause is not None:
        report["cause"] = {"_streamingValidation": [cause]}
    return {
        "type": "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet",
        "status": 400,
        "title": "Invalid XDM Message Format",
        "report": report,
    }


def refusal(inlet_id: str, org_id: str | None, reason: str) -> str:
    """The words of a refused message."""
    return f"inletId: [{inlet_id}] imsOrgId: [{org_id or ''}] {reason}"


def authorization_problem(inlet_id: str, status: int, reason: str) -> dict[str, Any]:
    """A request without a valid token; here ``status`` is a string."""
    return {
        "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
        "status": str(status),
        "title": "Authorization",
        "report": {"message": f"[{inlet_id}] {reason}"},
    }


def edge_problem(code: str, status: int, title: str, detail: str) -> dict[str, Any]:
    """An RFC 7807 problem of the gateway, with an EXEG code."""
    return {
        "type": f"https://ns.adobe.com/aep/errors/EXEG-{code}-{status}",
        "status": status,
        "title": title,
        "detail": detail,
    }
