"""What the mapping commands read: events from files or stdin, settings with a few of them overridden, schemas."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.settings import MappingSettings
    from bridge.xdm.experience_event import ExperienceEvents
    from bridge.xdm.schema import CompiledSchema


class InputError(BridgeError):
    """A file of events cannot be read."""


class Read(NamedTuple):
    """One event of the input; ``refusal`` says why it is none, and then ``event`` is the object as it came."""

    event: dict[str, Any]
    refusal: str | None


def documents(source: str) -> list[Any]:
    """The JSON documents of ``source``: a file, ``-`` for stdin, or JSON itself; one document, an array, or JSON lines."""
    from bridge.moengage.envelopes import NotJson, parse_json

    body = _body(source)
    try:
        whole = parse_json(body)
    except NotJson as error:
        found: list[Any] = []
        for number, line in enumerate(body.split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                found.append(parse_json(line))
            except NotJson as wrong:
                if found:
                    raise InputError(f"{_named(source)}, line {number}: {wrong}") from None
                # Not even a first line: a document over several lines, and where that is wrong the whole tells.
                break
        if not found:
            raise InputError(
                f"{_named(source)}: {error}", hint="one JSON document, or JSON lines; UTF-8, not compressed"
            ) from None
        return found
    return whole if isinstance(whole, list) else [whole]


def _body(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    if source.lstrip().startswith(("{", "[")):
        return source.encode()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from None


def _named(source: str) -> str:
    return "stdin" if source == "-" else source if len(source) < 200 else "the event"


def events(source: str) -> list[Read]:
    """Every event of ``source`` in canonical form, whatever envelope it came in."""
    from bridge.moengage.envelopes import Refusal, events_of

    found: list[Read] = []
    for document in documents(source):
        for event in events_of(document):
            if isinstance(event, Refusal):
                found.append(Read(document if isinstance(document, dict) else {}, event.reason))
            else:
                found.append(Read(event, None))
    return found


def some_events(source: str) -> list[Read]:
    """The same where there must be one."""
    found = events(source)
    if not found:
        raise InputError(f"{_named(source)}: there is no event in it")
    return found


def mapping_settings(
    *, route: str | None = None, tenant: str | None = None, schema: Path | None = None
) -> MappingSettings:
    """The mapping settings of a route, with what the command line says instead.

    Without a name it is a usage error when routes differ in them.
    """
    from bridge.cli.route_option import chosen, only
    from bridge.settings import load_deployment
    from bridge.settings.mapping import TENANT

    said: dict[str, Any] = {}
    if tenant is not None:
        if not re.fullmatch(TENANT, tenant):
            raise typer.BadParameter(
                f"{tenant}: an underscore, then letters, digits and underscores, such as _yourorgname",
                param_hint="--tenant",
            )
        said["tenant"] = tenant
    if schema is not None:
        said["schema"] = schema
    routes = chosen(load_deployment(**({"mapping": said} if said else {})), route)
    if all(one.settings.mapping == routes[0].settings.mapping for one in routes):
        return routes[0].settings.mapping
    return only(routes, route).settings.mapping


def schema_of(path: Path | None, tenant: str) -> CompiledSchema | None:
    """The compiled schema at ``path``."""
    from bridge import shipped
    from bridge.xdm.schema import compile_schema, load_schema

    return None if path is None else compile_schema(load_schema(shipped.find(path)), tenant=tenant)


def builder(path: Path, settings: MappingSettings, schema: Path | None) -> ExperienceEvents:
    """What makes ExperienceEvents with the mapping set at ``path``, checked against ``schema``."""
    from bridge import shipped
    from bridge.xdm.experience_event import open_experience_events

    return open_experience_events(settings.model_copy(update={"path": shipped.find(path), "schema_": schema}))


def sampled(sources: Sequence[str]) -> Any:
    """What the events of all ``sources`` teach (:class:`bridge.mapping.samples.Samples`)."""
    from bridge.mapping.samples import Samples

    return Samples(read.event for source in sources for read in events(source) if read.refusal is None)
