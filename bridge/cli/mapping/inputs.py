"""The events that the mapping commands read: from files, stdin, the topic or its dead letters."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from bridge.cli.route_option import settings_for
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.model.event import Refusal
    from bridge.model.ports import Decoder
    from bridge.settings import Route


class InputError(BridgeError):
    """A file of events cannot be read."""


class Read(NamedTuple):
    """One event of the input; ``refusal`` says why it is none, and then ``event`` is the object as it came."""

    event: dict[str, Any]
    refusal: Refusal | None

    @property
    def given(self) -> dict[str, Any] | Refusal:
        """The event, or why there is none."""
        return self.event if self.refusal is None else self.refusal


def documents(source: str) -> list[Any]:
    """The JSON documents of ``source``: a file, ``-`` for stdin, or JSON itself; one document, an array, or JSON lines."""
    from bridge.model.errors import NotJson
    from bridge.sources.http.json_reading import parse_json

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
    from bridge import shipped

    try:
        return shipped.find(Path(source)).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from None


def _named(source: str) -> str:
    return "stdin" if source == "-" else source if len(source) < 200 else "the event"


def events(source: str, *, as_is: bool = False) -> list[Read]:
    """Every event of ``source`` in canonical form, whatever envelope it came in; ``as_is``: objects with nothing added.

    A dead letter, as ``deadletters show`` prints it, stands for the event in it.
    """
    return read_documents(documents(source), as_is=as_is)


def read_documents(given: Iterable[Any], *, as_is: bool = False) -> list[Read]:
    """The events of JSON documents."""
    from bridge.cli.terminal import say
    from bridge.model.event import LeftOut, Refusal
    from bridge.routes.sample_events import read_sample

    found: list[Read] = []
    left_out: Counter[str] = Counter()
    source = None if as_is else decoder()
    for document in map(_unwrapped, given):
        whole = document if isinstance(document, dict) else {}
        if source is None:
            none = Refusal("not_an_object", "the document is JSON but not an object")
            found.append(Read(whole, None if isinstance(document, dict) else none))
            continue
        for event in read_sample(source, document):
            if isinstance(event, LeftOut):
                left_out[event.rule] += 1
            else:
                found.append(Read(whole, event) if isinstance(event, Refusal) else Read(event, None))
    for rule, count in left_out.items():
        say(f"left out by the rule {rule}: {count}")
    return found


def decoder(source: str | None = None) -> Decoder:
    """The decoder of the source that cases name, else of the route's, else of all routes' where they have one source; else MoEngage's."""
    from bridge.routes.kinds import SOURCES, open_decoder
    from bridge.settings import Settings

    if source is not None and source not in SOURCES:
        raise InputError(f"settings.json: source is one of {', '.join(SOURCES)}, not {source!r}")
    source = source or source_name()
    same = [one for one in _routes() if one.source == source]
    # Of several routes none is meant more than another: what their decoders have set apart is left as it is by default.
    return open_decoder(same[0]) if len(same) == 1 else SOURCES[source].decoder(Settings())


def _routes() -> Sequence[Route]:
    from bridge.cli.route_option import named_route
    from bridge.settings import load_deployment

    route = named_route()
    return load_deployment().routes if route is None else (route,)


def goes_to_moengage() -> bool:
    """Whether the route, or each of all, goes to MoEngage."""
    return all(one.destination == "moengage" for one in _routes())


def source_name() -> str:
    """The source of the route, or of all routes; ``moengage`` where they differ."""
    sources = {one.source for one in _routes()}
    return sources.pop() if len(sources) == 1 else "moengage"


def kind_of_events() -> str:
    """The source, and of a warehouse the kind of its rows: what a proposal of rows has to know."""
    source = source_name()
    return f"{source} {settings_for('warehouse').warehouse.kind}" if source == "warehouse" else source


def _unwrapped(document: Any) -> Any:
    """What was consumed, where the document is a dead letter."""
    if isinstance(document, dict) and {"stage", "code", "reason", "value"} <= document.keys() and "source" in document:
        return document["value"]
    return document


def some_events(source: str, *, as_is: bool = False) -> list[Read]:
    """The same where there must be one."""
    found = events(source, as_is=as_is)
    if not found:
        raise InputError(f"{_named(source)}: there is no event in it")
    return found


def newest_events(count: int) -> list[Read]:
    """The events of the ``count`` newest records of the topic; what is no JSON is a refusal, as for the worker."""
    return [read for _, read in newest_timed(count)]


def newest_timed(count: int) -> list[tuple[float, Read]]:
    """The same, each with the time (seconds since the epoch) at which its record was written."""
    import asyncio

    from bridge.kafka.newest_records import newest_values
    from bridge.model.errors import NotJson
    from bridge.model.event import Refusal
    from bridge.sources.http.json_reading import parse_json

    log_warnings_only()
    found: list[tuple[float, Read]] = []
    for at, value in asyncio.run(newest_values(settings_for("kafka").kafka, count)):
        try:
            read = read_documents([parse_json(value)])
        except NotJson as error:
            read = [Read({}, Refusal("not_json", str(error)))]
        found += [(at / 1_000, one) for one in read]
    return found


def dead_letter_event(place: str) -> list[Read]:
    """The events of the dead letter at ``PARTITION/OFFSET``."""
    import asyncio

    from bridge.kafka.dead_letters.stored_letters import read_one
    from bridge.model.errors import NotJson
    from bridge.model.event import Refusal
    from bridge.sources.http.json_reading import parse_json

    left, _, right = place.rpartition("/")
    if not right.isdecimal() or not (left or "0").isdecimal():
        raise typer.BadParameter(f"{place}: expected PARTITION/OFFSET, for example 0/42", param_hint="--dead-letter")
    log_warnings_only()
    stored = asyncio.run(read_one(settings_for("kafka").kafka, int(left or 0), int(right)))
    if stored is None:
        raise InputError(f"there is no dead letter at {place}", hint="aep-bridge deadletters list shows their places")
    try:
        return read_documents([parse_json(stored.letter.value)])
    except NotJson as error:
        return [Read({}, Refusal("not_json", str(error)))]


def log_warnings_only() -> None:
    """Let the parts that read Kafka say only what is amiss."""
    from bridge.settings import load_deployment
    from bridge.telemetry.logs import configure_logging

    configure_logging(load_deployment().common.telemetry.model_copy(update={"log_level": "warning"}))
