"""``platform.adobe.io``: checks of token and headers, permissions, sandboxes, and the way to the function that answers.

Codes: AEP docs, landing/troubleshooting. Knows nothing of HTTP but names of headers; the server brings bytes in and out.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.platform import (
    batches,
    data_access,
    datasets,
    namespaces,
    observability,
    permissions,
    profile,
    sandboxes,
)
from bridge.emulators.adobe.platform.calls import Call, Refused, Reply, gateway_error, problem
from bridge.emulators.adobe.platform.control import Troubles
from bridge.emulators.adobe.platform.data_prep import language, mapping_sets
from bridge.emulators.adobe.platform.destination_sdk import authoring, testing_calls
from bridge.emulators.adobe.platform.flow_service import connections, flows, runs
from bridge.emulators.adobe.platform.flow_service.specs import refused as flow_refused
from bridge.emulators.adobe.platform.namespaces import standard_namespaces
from bridge.emulators.adobe.platform.oddities import Oddities
from bridge.emulators.adobe.platform.registry import descriptors, resource_changes, resources, unions
from bridge.emulators.adobe.platform.router import Router
from bridge.emulators.adobe.platform.sandbox import Sandbox, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.emulators.adobe.faults import Faults
    from bridge.emulators.adobe.ims import Ims
    from bridge.emulators.adobe.platform.control import PlatformControl, PlatformFail
    from bridge.emulators.adobe.platform.ingesting import Ingestion

_LOGGED = 2_000


class Platform:
    """The platform APIs of one organisation."""

    def __init__(
        self,
        *,
        ims: Ims,
        faults: Faults,
        org_id: str,
        tenant: str,
        names: Sequence[str],
        base_url: Callable[[], str],
        clock: Callable[[], float],
        times: Times,
    ) -> None:
        self._ims = ims
        self.org_id = org_id
        self.oddities = Oddities()
        self.times = times
        self.troubles = Troubles(faults)
        self.entitled = True
        self.granted: frozenset[str] | None = None
        self.requests: Counter[str] = Counter()
        self.log: deque[tuple[str, str, int]] = deque(maxlen=_LOGGED)
        """Method, path and status of the calls, newest last."""
        self.ingestion: Ingestion | None = None
        self._tenant, self._names, self._clock = tenant, names, clock
        self.sandboxes: dict[str, Sandbox] = {}
        self.clear()
        self._router = Router(
            [
                *sandboxes.routes(lambda: self.sandboxes),
                *namespaces.routes(),
                *resources.routes(),
                *resource_changes.routes(),
                *descriptors.routes(),
                *unions.routes(),
                *datasets.routes(),
                *batches.routes(),
                *data_access.routes(base_url),
                *connections.routes(lambda inlet_id: f"{base_url()}/collection/{inlet_id}"),
                *flows.routes(),
                *runs.routes(base_url),
                *mapping_sets.routes(),
                *language.routes(),
                *permissions.routes(),
                *observability.routes(lambda: self.ingestion),
                *profile.routes(),
                *authoring.routes(),
                *testing_calls.routes(),
            ]
        )

    def clear(self) -> None:
        """Empty every sandbox."""
        self.sandboxes = {
            name: Sandbox(
                name=name,
                org_id=self.org_id,
                tenant=self._tenant,
                clock=self._clock,
                oddities=self.oddities,
                times=self.times,
                kind="production" if name == "prod" else "development",
                is_default=position == 0,
                namespaces=standard_namespaces(),
                permissions=self.granted,
            )
            for position, name in enumerate(self._names)
        }

    def apply(self, control: PlatformControl) -> None:
        """Take over the keys that a control message names."""
        # Readings first: they may be refused, and then nothing may have changed.
        self.oddities.change(control.oddities)
        self.troubles.apply(control)
        named = control.model_fields_set
        if "entitled" in named:
            self.entitled = control.entitled
        if "permissions" in named:
            self.granted = None if control.permissions is None else frozenset(control.permissions)
        for name in ("warm_up", "initializing", "schema_cache", "metrics_lag"):
            seconds = getattr(control, f"{name}_seconds")
            if seconds is not None:
                setattr(self.times, name, seconds)
        if control.clear:
            self.clear()
        if self.ingestion is not None and control.settle:
            self.ingestion.settle()
        if self.ingestion is not None and control.expire:
            self.ingestion.expire()
        for sandbox in self.sandboxes.values():
            sandbox.permissions = self.granted
            if control.hide_flows is not None:
                sandbox.hidden = set(control.hide_flows)
            for connection in control.connections:
                sandbox.connections[connection.id] = connection

    def shown(self) -> dict[str, Any]:
        """What is in force, for ``GET /control``."""
        return self.troubles.shown() | {
            "oddities": self.oddities.model_dump(),
            "permissions": None if self.granted is None else sorted(self.granted),
            "entitled": self.entitled,
            "warm_up_seconds": self.times.warm_up,
            "initializing_seconds": self.times.initializing,
            "schema_cache_seconds": self.times.schema_cache,
            "metrics_lag_seconds": self.times.metrics_lag,
        }

    def summary(self) -> dict[str, Any]:
        """How many resources of each kind every sandbox has, and the calls that came, for ``GET /platform``."""
        return {
            "sandboxes": {name: _counts(one) for name, one in self.sandboxes.items()},
            "requests": dict(self.requests),
            "log": [list(one) for one in self.log],
        }

    def note(self, method: str, path: str, status: int) -> None:
        """Count a call that was answered, or took effect without an answer."""
        self.requests[str(status)] += 1
        self.log.append((method, path, status))

    def failed(self, fail: PlatformFail) -> Reply:
        """The answer that a control message asked for."""
        headers = {}
        seconds = fail.retry_after
        if seconds is not None and self.oddities.retry_after == "header":
            headers["Retry-After"] = f"{seconds:g}"
        if fail.body is not None:
            return Reply(fail.status, fail.body.encode(), headers)
        code = "429050" if fail.status == 429 else f"{fail.status}000"
        message = "Too many requests" if fail.status == 429 else "The emulator was told to fail"
        return Reply(fail.status, {"error_code": code, "message": message}, headers)

    def answer(
        self, method: str, raw_path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """The answer to one call."""
        refused = self._refusal(headers)
        if refused is not None:
            return refused
        found = self._router.find(method, raw_path)
        if isinstance(found, bool):
            status, title = (405, "Method Not Allowed") if found else (404, "Not Found")
            return Reply(status, problem("aep", f"GATEWAY-{status}", status, f"{method} {raw_path}", title=title))
        handler, parts, path = found
        try:
            sandbox = self._sandbox(headers, path)
            lacking = permissions.missing(self.granted, method, path)
            if lacking is not None:
                return permissions.refusal(path, lacking)
            return handler(
                Call(method, path, parts, query, headers, body, sandbox, client_id=headers.get("x-api-key", ""))
            )
        except Refused as refusal:
            return refusal.reply

    def _refusal(self, headers: Mapping[str, str]) -> Reply | None:
        authorization = headers.get("Authorization")
        if not authorization:
            return gateway_error("403010", "Oauth token is missing.")
        if self._ims.refusal(authorization) is not None:
            return gateway_error("401013", "Oauth token is not valid")
        key = headers.get("x-api-key")
        if not key:
            return gateway_error("403000", "Api Key is required")
        if key != self._ims.client_id:
            return gateway_error("403003", "Api Key is invalid")
        organisation = headers.get("x-gw-ims-org-id")
        if not organisation:
            return gateway_error("400003", "Required header x-gw-ims-org-id is missing")
        if organisation != self.org_id or not self.entitled:
            return gateway_error("403025", "Profile is not valid")
        return None

    def _sandbox(self, headers: Mapping[str, str], path: str) -> Sandbox:
        name = headers.get("x-sandbox-name")
        of_flows = "/flowservice" in path
        if name is None:
            if self.oddities.sandbox_header == "required" and "/sandbox-management" not in path:
                if of_flows:
                    raise flow_refused(2105, 400, "The header x-sandbox-name is missing")
                raise Refused(gateway_error("400003", "Required header x-sandbox-name is missing"))
            return next(iter(self.sandboxes.values()))
        sandbox = self.sandboxes.get(name)
        if sandbox is not None:
            return sandbox
        if "/sandbox-management" in path:
            return next(iter(self.sandboxes.values()))
        if of_flows:
            raise flow_refused(2100, 404, f"The sandbox {name} is not found", title="Not Found")
        raise Refused(
            Reply(404, problem("aep", "SANDBOX-404", 404, f"The sandbox {name} is not found", title="Not Found"))
        )


def _counts(sandbox: Sandbox) -> dict[str, int]:
    kinds = Counter(one["meta:resourceType"] for one in sandbox.resources.values())
    return {
        "namespaces": sum(one["custom"] for one in sandbox.namespaces.values()),
        "fieldgroups": kinds["mixins"],
        "schemas": kinds["schemas"],
        "descriptors": len(sandbox.descriptors),
        "datasets": len(sandbox.datasets),
        "mapping_sets": len(sandbox.mapping_sets),
        **{name.replace("-", "_"): len(rows) for name, rows in sandbox.authored.items()},
    } | {name: len(rows) for name, rows in sandbox.flow_service.items()}
