"""``aep-bridge deadletters``: what was refused, why, and back it goes once the cause is mended."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, plain, words
from bridge.cli.route_option import ROUTE, chosen, only
from bridge.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.kafka.dead_letters.replay import Replayed
    from bridge.kafka.dead_letters.stored_letters import Filter
    from bridge.settings import Route

deadletters = typer.Typer(help="Inspect refused events and replay them.", no_args_is_help=True)
app.add_typer(deadletters, name="deadletters")


def _known_stage(stage: str | None) -> str | None:
    """A stage that is none would find nothing, and that would look like good news."""
    from bridge.model.verdicts import Stage

    if stage is not None and stage not in set(Stage):
        raise typer.BadParameter(f"{stage}: expected {', '.join(Stage)}")
    return stage


_STAGE = typer.Option(
    None, callback=_known_stage, help="Only this stage: receive, decode, map, check, deliver or ingest."
)
_CODE = typer.Option(None, help="Only this code, for example identity_none_valid.")
_EVENT_CODE = typer.Option(None, help="Only events with this event_code.")
_SINCE = typer.Option(
    None, metavar="TIME", help="Only refused at or after this time (ISO 8601; UTC unless it says otherwise)."
)
_UNTIL = typer.Option(None, metavar="TIME", help="Only refused before this time.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


@deadletters.command("list")
def list_letters(
    *,
    stage: str | None = _STAGE,
    code: str | None = _CODE,
    event_code: str | None = _EVENT_CODE,
    since: str | None = _SINCE,
    until: str | None = _UNTIL,
    limit: int = typer.Option(20, min=0, help="How many of the newest to show; the counts always include all."),
    as_json: bool = _JSON,
    route: str | None = ROUTE,
) -> None:
    """Count dead letters by stage and code, open and replayed, and show the newest.

    A second table counts by the field that the reason names and by event code. Replayed letters are recognised by the
    offsets of the replays' consumer groups, as long as Kafka keeps those (offsets.retention.minutes, 7 days by default).
    With several routes, each has its own tables.

    Examples:
        aep-bridge deadletters list

        aep-bridge deadletters list --code identity_none_valid --since 2026-03-01T12:00:00Z --json
    """
    wanted = _filter(stage, code, event_code, since, until)
    routes = _routes(route)
    bodies = {one.name: _listed(one, wanted, limit, as_json=as_json) for one in routes}
    if as_json:
        told = {"routes": bodies} if len(routes) > 1 else bodies[routes[0].name]
        print_json(told)


def _listed(route: Route, wanted: Filter, limit: int, *, as_json: bool) -> dict[str, Any]:
    """Count and show one route's; gives what is told as JSON."""
    from bridge.cli.deadletters_counts import Counts
    from bridge.kafka.dead_letters.replay_marks import load_marks
    from bridge.kafka.dead_letters.stored_letters import as_json as shown
    from bridge.kafka.dead_letters.stored_letters import read
    from bridge.routes.kinds import open_decoder

    kafka, decoder = route.settings.kafka, open_decoder(route)

    async def collect() -> tuple[Counts, list[tuple[Any, bool]]]:
        counts = Counts(decoder)
        newest: list[tuple[Any, bool]] = []
        marks = None
        async for stored in read(kafka, wanted, decoder):
            marks = marks or await load_marks(kafka, decoder)
            replayed = marks.replayed(stored)
            counts.add(stored.letter, replayed=replayed)
            newest.append((stored, replayed))
            if len(newest) > 2 * limit + 100:
                newest = _newest(newest, limit)
        return counts, _newest(newest, limit)

    with _with_hint(route):
        counts, newest = asyncio.run(collect())
    if as_json:
        return counts.to_json() | {"letters": [shown(one, value=False, replayed=done) for one, done in newest]}
    from rich.console import Console
    from rich.table import Table

    out = Console()
    for table in counts.tables(kafka.dead_letter_topic):
        out.print(table)
    if newest:
        table = Table(
            "place", "failed at", "stage", "code", "event", "reason", "replayed", title=f"newest {len(newest)}"
        )
        for stored, replayed in newest:
            letter = stored.letter
            when = letter.failed_at.isoformat(timespec="seconds") if letter.failed_at else ""
            place = f"{stored.partition}/{stored.offset}"
            told = (letter.stage, letter.code, letter.event_uuid or "", letter.reason)
            table.add_row(place, when, *map(plain, told), "yes" if replayed else "")
        out.print(table)
    return {}


@deadletters.command()
def show(
    place: str = typer.Argument(
        ..., metavar="PARTITION/OFFSET", help="PARTITION/OFFSET as list shows it; OFFSET alone means partition 0."
    ),
    _as_json: bool = typer.Option(False, "--json", help="The output is always JSON; accepted for uniformity."),
    value: bool = typer.Option(False, "--value", help="Print only the record's value: the event."),
    route: str | None = ROUTE,
) -> None:
    """Print one dead letter, with what was consumed, as JSON. With several routes, --route names one.

    Examples:
        aep-bridge deadletters show 0/17

        aep-bridge deadletters show 0/17 --value
    """
    from bridge.kafka.dead_letters.stored_letters import as_json, read_one
    from bridge.model.errors import BridgeError

    left, _, right = place.rpartition("/")
    if not right.isdecimal() or not (left or "0").isdecimal():
        raise typer.BadParameter(f"{place}: expected PARTITION/OFFSET, for example 0/42")
    one = only(_routes(route), route)
    with _with_hint(one):
        stored = asyncio.run(read_one(one.settings.kafka, int(left or 0), int(right)))
    if stored is None:
        raise BridgeError(f"there is no dead letter at {place}", hint="aep-bridge deadletters list shows their places")
    if value:
        if stored.letter.form == "truncated":
            words.print(f"cut: {len(stored.letter.value)} of {stored.letter.truncated_from} bytes are stored")
        typer.echo(stored.letter.value)
        return
    print_json(as_json(stored, value=True))


@deadletters.command()
def replay(
    *,
    stage: str | None = _STAGE,
    code: str | None = _CODE,
    event_code: str | None = _EVENT_CODE,
    since: str | None = _SINCE,
    until: str | None = _UNTIL,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only count what would be sent, by reason."),
    most: int | None = typer.Option(None, "--max", min=1, help="Send at most this many."),
    max_replays: int = typer.Option(3, min=1, help="Skip letters that have been replayed this many times already."),
    again: bool = typer.Option(
        False, "--again", help="Start from the beginning, and also send letters that were replayed before."
    ),
    as_json: bool = _JSON,
    route: str | None = ROUTE,
) -> None:
    """Send dead letters back to the topic they came from, where the worker maps them again.

    What came back from AEP as XDM (stage ingest, form xdm) is sent as it is: the worker checks it and does not map it.

    What was sent once is not sent again, whatever the filter, unless --again is given: an event that is refused once more
    is a new dead letter. Progress is kept in Kafka for each filter: the next run goes on from there and skips
    letters that it has passed before; another filter, such as --since, looks at those again.

    Examples:
        aep-bridge deadletters replay --dry-run

        aep-bridge deadletters replay --code required_missing --max 1000
    """
    from bridge.kafka.dead_letters.replay import replay as run_replay
    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.routes.kinds import open_decoder

    one = only(_routes(route), route)
    kafka, decoder = one.settings.kafka, open_decoder(one)
    wanted = _filter(stage, code, event_code, since, until)

    async def run() -> Replayed:
        if dry_run:
            return await run_replay(kafka, None, wanted, decoder, most=most, max_replays=max_replays, again=again)
        async with KafkaPublisher(kafka) as publisher:
            await publisher.connected(within=kafka.request_timeout_seconds)
            return await run_replay(kafka, publisher, wanted, decoder, most=most, max_replays=max_replays, again=again)

    with _with_hint(one):
        done = asyncio.run(run())
    if as_json:
        body = {
            "dry_run": dry_run,
            "sent": done.sent.total(),
            "by_reason": [{"stage": s, "code": c, "count": n} for (s, c), n in (+done.sent).most_common()],
            "left": dict(done.kept),
            "already_replayed": done.before,
        }
        print_json(body)
        return
    verb = "would be sent" if dry_run else "sent"
    for (one_stage, one_code), count in (+done.sent).most_common():
        print(f"{count}\t{one_stage}\t{one_code}")
    before = f" ({done.before} already replayed)" if done.before else ""
    left = "".join(f", {n} left ({why})" for why, n in done.kept.items())
    words.print(f"{done.sent.total()} {verb}{before}{left}")


def _routes(name: str | None) -> Sequence[Route]:
    from bridge.settings import load_deployment
    from bridge.telemetry.logs import configure_logging

    deployment = load_deployment()
    # Words of the parts below belong on stderr, and only when something is amiss.
    configure_logging(deployment.common.telemetry.model_copy(update={"log_level": "warning"}))
    return chosen(deployment, name)


@contextmanager
def _with_hint(route: Route) -> Iterator[None]:
    """A topic that is missing here is not to be created: it holds no letters, and a worker that runs has it."""
    from bridge.kafka.topics import TopicMissing
    from bridge.settings import variable

    try:
        yield
    except TopicMissing as error:
        names = ", ".join(
            route.named(variable("kafka", key)) for key in ("bootstrap_servers", "topic", "dead_letter_topic")
        )
        raise TopicMissing(
            str(error),
            hint=f"a worker that runs has both its topics, so give this command the worker's {names};"
            " where none has run yet there are no dead letters",
        ) from None


def _filter(
    stage: str | None, code: str | None, event_code: str | None, since: str | None, until: str | None
) -> Filter:
    from bridge.kafka.dead_letters.stored_letters import Filter

    return Filter(stage, code, event_code, moment(since, "--since"), moment(until, "--until"))


def moment(text: str | None, option: str) -> datetime | None:
    """The time that an option gives, UTC unless it says; a usage error for what is none."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: expected ISO 8601, for example 2026-03-01T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _newest(letters: list[tuple[Any, bool]], limit: int) -> list[tuple[Any, bool]]:
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(letters, key=lambda found: found[0].letter.failed_at or never, reverse=True)[:limit]
