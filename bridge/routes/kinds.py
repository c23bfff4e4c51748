"""The kinds of sources and destinations, in one table: the only place that names them all.

A new kind is a folder in ``bridge/sources`` or ``bridge/destinations``, its section of the settings, and an entry here. What is
heavy is imported when a route of that kind is opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.model.errors import SettingsError
from bridge.routes.leader_tasks import tasks_of_a_warehouse, tasks_towards_aep, tasks_towards_any
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.accepted_state import Memory
    from bridge.model.mapping_rows import Complaint, SourceRead
    from bridge.model.ports import Decoder, LeaderTask, RouteParts
    from bridge.model.trial import Trial
    from bridge.settings import Route, Settings
    from bridge.sources.http.posting import Posting
    from bridge.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source.

    ``title`` names it in sentences. ``sections``: the sections of the settings that it reads beside ``kafka`` and ``receiver``.
    ``decoder`` opens its decoder. ``posting`` says how it posts to the receiver; None where it does not. ``profiles``: its events
    are states of customers, of which only the last counts where several wait. ``complaints``: what is wrong with what a mapping set
    reads of its events. ``said_of``: its settings in words. ``trial`` tries whether it can be reached, and blocks meanwhile. ``memory`` opens what remembers what was accepted. ``leader_tasks``: what one
    worker of a route from it does for all; nothing is started yet.
    """

    name: str
    title: str
    sections: tuple[str, ...]
    decoder: Callable[[Settings], Decoder]
    posting: Callable[[], Posting] | None = None
    profiles: bool = False
    complaints: Callable[[Sequence[SourceRead]], Sequence[Complaint]] | None = None
    said_of: Callable[[Settings], str] | None = None
    trial: Callable[[Settings], Trial] | None = None
    memory: Callable[[Settings], Memory] | None = None
    leader_tasks: Callable[[Route], tuple[LeaderTask, ...]] = lambda _route: ()


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """A kind of destination.

    ``sections``: the sections of the settings that it reads beside ``kafka``, ``mapping`` and ``worker``. ``check_settings``
    raises ``SettingsError`` for what is missing. ``open_parts`` makes what a worker runs, but for the decoder; it raises
    ``BridgeError``, and nothing is connected yet. ``host``: where requests go. ``organisation``: what the routes that share its
    rate limits have in common. ``metrics``: names of the metrics that only this kind moves.
    ``leader_tasks``: what one worker of a route to it does for all; nothing is connected yet.
    """

    name: str
    title: str
    sections: tuple[str, ...]
    check_settings: Callable[[Settings], None]
    open_parts: Callable[[Settings, Decoder, Metrics], RouteParts]
    host: Callable[[Settings], str]
    blamed_settings: tuple[tuple[str, str], ...] = ()
    leader_tasks: Callable[[Route, Decoder, Metrics], tuple[LeaderTask, ...]] = lambda _route, _decoder, _metrics: ()


def source_of(route: Route) -> SourceKind:
    """The kind of the route's source."""
    return SOURCES[route.source]


def destination_of(route: Route) -> DestinationKind:
    """The kind of the route's destination."""
    return DESTINATIONS[route.destination]


def open_decoder(route: Route) -> Decoder:
    """The decoder of the route's source."""
    return source_of(route).decoder(route.settings)


def open_parts(route: Route, metrics: Metrics) -> RouteParts:
    """What a worker of this route runs. Raises ``BridgeError`` for settings or mapping files that cannot be used."""
    kind, settings = destination_of(route), route.settings
    parts = kind.open_parts(settings, open_decoder(route), metrics)
    if not (source_of(route).profiles if settings.moengage.coalesce is None else settings.moengage.coalesce):
        parts = replace(parts, policy=replace(parts.policy, fold=None))
    if (remember := source_of(route).memory) is not None:
        memory = remember(settings)
        if memory.joins and not parts.policy.by_key:
            raise SettingsError(
                f"{variable('moengage', 'ordering')}=none: what is known of a customer grows event by event, which needs their order",
                hint=f"set {variable('moengage', 'ordering')}=customer",
            )
        parts = replace(parts, memory=memory)
    named = tuple(variable(section, key) for section, key in kind.blamed_settings)
    return replace(
        parts,
        title=kind.title,
        host=kind.host(settings),
        blamed_settings=named,
        leader_tasks=(*kind.leader_tasks(route, parts.decoder, metrics), *source_of(route).leader_tasks(route)),
    )


def _moengage_decoder(_settings: Settings) -> Decoder:
    from bridge.sources.moengage.decoder import DECODER  # noqa: PLC0415 - opened with a route of this kind

    return DECODER


def _moengage_posting() -> Posting:
    from bridge.sources.moengage.posting import STREAMS  # noqa: PLC0415 - as above

    return STREAMS


def _check_aep(settings: Settings) -> None:
    from bridge.destinations.aep.destination import check_settings  # noqa: PLC0415 - as above

    check_settings(settings)


def _open_aep(settings: Settings, decoder: Decoder, metrics: Metrics) -> RouteParts:
    from bridge.routes.aep_parts import open_aep  # noqa: PLC0415 - as above

    return open_aep(settings, decoder, metrics)


def _aep_host(settings: Settings) -> str:
    return urlsplit(settings.aep.endpoint or "").netloc


def _check_moengage(settings: Settings) -> None:
    from bridge.destinations.moengage.destination import check_settings  # noqa: PLC0415 - as above

    check_settings(settings.moengage)


def _open_moengage(settings: Settings, decoder: Decoder, metrics: Metrics) -> RouteParts:
    from bridge.routes.moengage_parts import open_moengage  # noqa: PLC0415 - as above

    return open_moengage(settings, decoder, metrics)


def _moengage_host(settings: Settings) -> str:
    return urlsplit(settings.moengage.url or "").netloc


def _mparticle_decoder(settings: Settings) -> Decoder:
    from bridge.sources.mparticle.decoder import MParticleDecoder  # noqa: PLC0415 - as above

    return MParticleDecoder(settings.mparticle)


def _mparticle_posting() -> Posting:
    from bridge.sources.mparticle.posting import BATCHES  # noqa: PLC0415 - as above

    return BATCHES


def _warehouse_decoder(settings: Settings) -> Decoder:
    from bridge.sources.warehouse.decoder import WarehouseDecoder  # noqa: PLC0415 - as above

    return WarehouseDecoder(settings.warehouse)


def _warehouse_trial(settings: Settings) -> Trial:
    from bridge.sources.warehouse.databases.opening import try_source  # noqa: PLC0415 - as above

    return try_source(settings.warehouse)


def _warehouse_memory(_settings: Settings) -> Memory:
    from bridge.sources.warehouse.accepted_rows import AcceptedRows  # noqa: PLC0415 - as above

    return AcceptedRows()


def _adobe_decoder(settings: Settings) -> Decoder:
    from bridge.sources.adobe.decoder import AdobeDecoder  # noqa: PLC0415 - as above

    return AdobeDecoder(settings.adobe, anonymous=bool(settings.moengage.identifiers))


def _adobe_complaints(reads: Sequence[SourceRead]) -> Sequence[Complaint]:
    from bridge.sources.adobe.rules import complaints  # noqa: PLC0415 - as above

    return complaints(reads)


def _said_of_adobe(settings: Settings) -> str:
    from bridge.sources.adobe.rules import said_of  # noqa: PLC0415 - as above

    return said_of(settings.adobe)


def _adobe_memory(_settings: Settings) -> Memory:
    from bridge.sources.adobe.membership import Membership  # noqa: PLC0415 - as above

    return Membership()


def _adobe_posting() -> Posting:
    from bridge.sources.adobe.posting import PROFILES  # noqa: PLC0415 - as above

    return PROFILES


SOURCES = {
    kind.name: kind
    for kind in (
        SourceKind("moengage", "MoEngage Streams", (), decoder=_moengage_decoder, posting=_moengage_posting),
        SourceKind(
            "adobe",
            "Adobe",
            ("adobe",),
            decoder=_adobe_decoder,
            posting=_adobe_posting,
            profiles=True,
            complaints=_adobe_complaints,
            said_of=_said_of_adobe,
            memory=_adobe_memory,
        ),
        SourceKind("mparticle", "mParticle", ("mparticle",), decoder=_mparticle_decoder, posting=_mparticle_posting),
        SourceKind(
            "warehouse",
            "the warehouse",
            ("warehouse",),
            decoder=_warehouse_decoder,
            trial=_warehouse_trial,
            profiles=True,
            memory=_warehouse_memory,
            leader_tasks=tasks_of_a_warehouse,
        ),
    )
}
DESTINATIONS = {
    kind.name: kind
    for kind in (
        DestinationKind(
            "aep",
            "AEP",
            ("aep", "oauth"),
            check_settings=_check_aep,
            open_parts=_open_aep,
            host=_aep_host,
            blamed_settings=(("aep", "endpoint"), ("aep", "org_id"), ("aep", "flow_id"), ("aep", "dataset_id")),
            leader_tasks=tasks_towards_aep,
        ),
        DestinationKind(
            "moengage",
            "MoEngage",
            ("moengage",),
            check_settings=_check_moengage,
            open_parts=_open_moengage,
            host=_moengage_host,
            blamed_settings=(("moengage", "workspace_id"), ("moengage", "data_center"), ("moengage", "project_code")),
            leader_tasks=tasks_towards_any,
        ),
    )
}
