"""``aep-bridge replay``: delivered records of the topic are sent once more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

from bridge.cli.app import app
from bridge.cli.route_option import ROUTE, only, under_its_name
from bridge.cli.terminal import hush
from bridge.cli.topic_replay_run import EPOCH, ReplayRun, shown

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@app.command()
def replay(
    *,
    since: str = typer.Option(
        ...,
        metavar="TIME",
        help="Records that Kafka took at or after this time: ISO 8601 (UTC unless it says), a date, or an age: 90m, 2h, 3d.",
    ),
    until: str | None = typer.Option(
        None, metavar="TIME", help="Records before this time, in the same forms; else now."
    ),
    key: str | None = typer.Option(None, metavar="TEXT", help="Only records with this key: the customer's id."),
    event_code: str | None = typer.Option(None, help="Only records with an event of this code or name."),
    every: bool = typer.Option(
        False, "--all", help="For profiles and rows of users: send every record, not only the newest of each customer."
    ),
    include_replayed: bool = typer.Option(
        False, "--include-replayed", help="Also send records that an earlier replay has written."
    ),
    limit: int | None = typer.Option(
        None, "--limit", min=1, metavar="N", help="Send at most N; the next run goes on from there."
    ),
    events_per_second: float | None = typer.Option(
        None, "--events-per-second", min=0.1, metavar="N", help="Most records to send per second."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only count what would be sent, by day and event code."),
    again: bool = typer.Option(
        False, "--again", help="Start from the beginning, and also send what this replay has sent before."
    ),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    route: str | None = ROUTE,
) -> None:
    """Send delivered records of the topic once more, where the worker maps them with the mapping set that it uses then.

    They are written to the same topic with the same key, value and headers, in their order, and two headers that mark them
    (bridge.replays, bridge.replayed_from). Skipped are records that are not delivered yet (they will be anyway), dead letters
    (aep-bridge deadletters replay) and the copies of an earlier replay. When it is stopped or killed, the same command goes on.

    Profiles, attributes and audiences may be sent twice without harm. Events arrive twice where nothing removes duplicates: in
    AEP's data lake (Profile recognises them by _id), and in MoEngage. Older attributes would overwrite newer ones: of profiles and
    rows of users only the newest record of each customer is sent, and none where a newer one lies behind the range. With --all
    every one is, in order; memberships of audiences stay right even so, by the times that Adobe gives them.

    Exits 1 when not everything could be sent.

    Examples:
        aep-bridge replay --since 2h --dry-run

        aep-bridge replay --since 2026-11-25 --until 2026-11-26 --events-per-second 500

        aep-bridge replay --since 2026-11-25T08:00:00Z --until 2026-11-25T09:30:00Z --route crm --yes --json
    """
    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.routes.record_choice import holds_states
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import load_deployment

    now = datetime.now(UTC)
    begin = _time(since, "--since", now)
    end = now if until is None else _time(until, "--until", now)
    if begin >= end:
        raise typer.BadParameter(f"--since {shown(_ms(begin))} is not before --until {shown(_ms(end))}")
    hush()
    one = only(load_deployment().routes, route)
    try:
        asked = ReplayAsked(
            _ms(begin),
            _ms(end),
            newest=holds_states(one) and not every,
            copies=include_replayed,
            key=key,
            event_code=event_code,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key or --event-code") from None
    run = ReplayRun(one, asked, as_json=as_json)
    with under_its_name(one):
        code = run_until_stopped(
            lambda stop: run.run(stop, most=limit, per_second=events_per_second, dry_run=dry_run, again=again, yes=yes)
        )
    raise typer.Exit(code)


def _time(text: str, option: str, now: datetime) -> datetime:
    """The instant of an option: a time, a date, or an age before ``now``."""
    if (ago := _AGO.fullmatch(text)) is not None:
        try:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        except OverflowError:
            raise typer.BadParameter(f"{option} {text}: longer ago than dates go back") from None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option} {text}: expected ISO 8601 (2026-03-01T12:00:00Z), a date, or an age (90m, 2h, 3d)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
