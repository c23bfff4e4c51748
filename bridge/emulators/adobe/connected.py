"""The messages of an inlet that Flow Service made: which dataflow each belongs to, and whether its header says so rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.inlet import NO_HEADER, UNKNOWN_FORMAT, Checker, Inlet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.emulators.adobe.platform.flow_service.flows import Target
    from bridge.emulators.adobe.platform.flow_service.inlets import Connected
    from bridge.emulators.adobe.platform.ingesting import Ingestion


class FlowChecker:
    """Checks the messages of one request; :attr:`target` is where the last right one goes."""

    def __init__(self, connected: Connected, org_id: str | None, flow_id: str | None) -> None:
        self.connected = connected
        self._org_id = org_id
        self._named = flow_id
        self._checkers: dict[str, Checker] = {}
        self.target: Target | None = None

    def event_of(self, message: Any) -> tuple[str, Mapping[str, Any]] | str:
        """The id and the event of a message, or why it is refused."""
        if not isinstance(message, dict):
            return UNKNOWN_FORMAT
        flow_id = self._named
        if self.connected.payload == "xdm":
            header = message.get("header")
            if not isinstance(header, dict) or not header:
                return NO_HEADER
            flow_id = header.get("flowId") or self._named
        target = self.connected.targets.get(str(flow_id))
        if target is None:
            return "The 'flowId' of the message header is absent or does not belong to this connection"
        self.target = target
        checker = self._checkers.get(target.flow_id)
        if checker is None:
            checker = self._checkers[target.flow_id] = Checker(
                Inlet(
                    payload=self.connected.payload,
                    authenticated=self.connected.authenticated,
                    inlet_id=self.connected.inlet_id,
                    org_id=self._org_id,
                    schema_id=target.schema_id,
                    dataset_id=target.dataset_id,
                )
            )
        return checker.event_of(message)

    def hand_to(self, ingestion: Ingestion) -> Callable[[str, Mapping[str, Any]], None]:
        """What receives the message that was found right last."""

        def receive(identifier: str, message: Mapping[str, Any]) -> None:
            if self.target is not None:
                ingestion.arrive(self.connected.sandbox, self.target, identifier, message)

        return receive
