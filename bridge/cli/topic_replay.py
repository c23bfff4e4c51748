"""``aep-bridge replay``: delivered records of the topic are sent once more."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import typer

from bridge.cli.app import app, plain, words
from bridge.cli.route_option import ROUTE, only, under_its_name
from bridge.cli.setup.commands import hush, say

if TYPE_CHECKING:
    import asyncio

    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.routes.replaying import ReplayDone, ReplayPlan
    from bridge.settings import Route

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TELL_SECONDS = 10.0
"""So often it is told how it goes where no bar can be drawn."""


@app.command()
def replay(
    *,
    since: str = typer.Option(
        ...,
        metavar="TIME",
        help="Records that Kafka took at or after this time: ISO 8601 (UTC unless it says), a date, or so long ago: 90m, 2h, 3d.",
    ),
    until: str | None = typer.Option(
        None, metavar="TIME", help="Records before this time, in the same forms; else now."
    ),
    key: str | None = typer.Option(None, metavar="TEXT", help="Only records with this key: the customer's id."),
    event_code: str | None = typer.Option(None, help="Only records with an event of this code or name."),
    every: bool = typer.Option(
        False, "--all", help="Of profiles and rows of users every record, not only the newest of each customer."
    ),
    include_replayed: bool = typer.Option(
        False, "--include-replayed", help="Also records that an earlier replay has written."
    ),
    limit: int | None = typer.Option(
        None, "--limit", min=1, metavar="N", help="Send N at most; run again, it goes on."
    ),
    events_per_second: float | None = typer.Option(
        None, "--events-per-second", min=0.1, metavar="N", help="Send no faster than that."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only count what would be sent, by day and event code."),
    again: bool = typer.Option(False, "--again", help="Begin anew, and send also what this replay has sent before."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    route: str | None = ROUTE,
) -> None:
    """Send delivered records of the topic once more, where the worker maps them with the mapping set that it uses then.

    They are written to the same topic with the same key, value and headers, in their order, and headers that tell it
    (bridge.replays, bridge.replayed_from). What is not delivered yet is left: it comes anyway. So are dead letters
    (aep-bridge deadletters replay) and the copies of an earlier replay. Killed or stopped, the same command goes on where it was.

    Profiles, attributes and audiences may be sent twice without harm. Events arrive twice where nobody tells them apart: in
    AEP's data lake (Profile tells them by _id), and in MoEngage. Older attributes would overwrite newer ones: of profiles and
    rows of users only the newest record of each customer is sent, and none where a newer one lies behind the range. With --all
    every one is, in order; memberships of audiences stay right even so, by the times that Adobe gives them.

    Exits 1 when not everything could be sent.

    Examples:
        aep-bridge replay --since 2h --dry-run

        aep-bridge replay --since 2026-11-25 --until 2026-11-26 --events-per-second 500

        aep-bridge replay --since 2026-11-25T08:00:00Z --until 2026-11-25T09:30:00Z --route crm --yes --json
    """
    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.routes.replaying import holds_states
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import load_deployment

    now = datetime.now(UTC)
    begin = _time(since, "--since", now)
    end = now if until is None else _time(until, "--until", now)
    if begin >= end:
        raise typer.BadParameter(f"--since {_shown(_ms(begin))} is not before --until {_shown(_ms(end))}")
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
    run = _Run(one, asked, as_json=as_json)
    with under_its_name(one):
        code = run_until_stopped(
            lambda stop: run.run(stop, most=limit, per_second=events_per_second, dry_run=dry_run, again=again, yes=yes)
        )
    raise typer.Exit(code)


def _time(text: str, option: str, now: datetime) -> datetime:
    """The instant of an option: a time, a date, or so long before ``now``."""
    if (ago := _AGO.fullmatch(text)) is not None:
        try:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        except OverflowError:
            raise typer.BadParameter(f"{option} {text}: longer ago than there are dates") from None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option} {text}: expected ISO 8601 (2026-03-01T12:00:00Z), a date, or so long ago (90m, 2h, 3d)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _shown(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _records(count: int) -> str:
    return f"{count:,} record" + ("" if count == 1 else "s")


def command_of(asked: ReplayAsked, route: Route, *, states: bool) -> str:
    """The command that goes on with this replay, to be copied."""
    words_of = ["aep-bridge", "replay", "--since", _shown(asked.since), "--until", _shown(asked.until)]
    words_of += ["--key", asked.key] if asked.key is not None else []
    words_of += ["--event-code", asked.event_code] if asked.event_code is not None else []
    words_of += ["--all"] if states and not asked.newest else []
    words_of += ["--include-replayed"] if asked.copies else []
    words_of += ["--route", route.name] if route.declared else []
    return shlex.join(words_of)


class _Run:
    """One replay, and what it tells."""

    def __init__(self, route: Route, asked: ReplayAsked, *, as_json: bool) -> None:
        from bridge.routes.replaying import holds_states

        self._route = route
        self._asked = asked
        self._as_json = as_json
        self._states = holds_states(route)
        self._screen = _Screen()

    async def run(
        self,
        stop: asyncio.Event,
        *,
        most: int | None,
        per_second: float | None,
        dry_run: bool,
        again: bool,
        yes: bool,
    ) -> int:
        """Gives the exit code. Raises ``BridgeError``."""
        from bridge.kafka.producer.publisher import KafkaPublisher
        from bridge.kafka.replaying.replay_topic import ReplayTopic
        from bridge.routes.kinds import open_decoder
        from bridge.routes.replaying import RecordChoice, TopicReplay, refused_places

        kafka, decoder = self._route.settings.kafka, open_decoder(self._route)
        async with ReplayTopic(kafka, self._asked) as topic:
            with self._screen:
                self._screen.tell("reading the dead letters", 0, 0)
                letters = await refused_places(self._route, decoder)
                choice = RecordChoice(self._asked, decoder, letters, states=self._states)
                replay_of_range = TopicReplay(
                    self._route, topic, self._asked, choice, tell=self._screen.tell, stopped=stop.is_set
                )
                plan = await replay_of_range.plan(again=again, by_code=dry_run)
            if stop.is_set():
                say("stopped; nothing was sent")
                return 1
            self._remark(plan)
            if not plan.begun and not again:
                await self._refuse_unfinished(dry_run=dry_run)
            if dry_run:
                self._show_plan(plan)
                return 0
            if not plan.records and not any(mark.is_open for mark in plan.marks.values()):
                self._show_done(plan, None)
                return 0
            self._agree(plan, most, yes=yes)
            async with KafkaPublisher(kafka, route=self._route.name) as publisher:
                await publisher.connected(within=kafka.request_timeout_seconds)
                with self._screen:
                    done = await replay_of_range.send(plan, publisher, most=most, per_second=per_second)
        self._show_done(plan, done)
        limited = most is not None and done.sent >= most
        return 0 if (done.complete or limited) and not self._refused(done) else 1

    @staticmethod
    def _refused(done: ReplayDone) -> int:
        from bridge.routes.replaying import TOO_LARGE

        return done.left[TOO_LARGE]

    @property
    def _command(self) -> str:
        return command_of(self._asked, self._route, states=self._states)

    def _remark(self, plan: ReplayPlan) -> None:
        """What of the range is not sent, whatever is asked for."""
        topic = self._route.settings.kafka.topic
        if plan.held_since is not None:
            say(
                f"note: {topic} holds its records from {_shown(plan.held_since)} on; what it took between"
                f" {_shown(self._asked.since)} and then was deleted by retention (retention.ms) and cannot be sent"
            )
        if plan.waiting:
            say(
                f"note: {_records(plan.waiting)} of the range at most are not delivered yet, and are left: they come anyway"
            )

    async def _refuse_unfinished(self, *, dry_run: bool) -> None:
        """Two replays of one range would send records twice. Raises ``BridgeError``."""
        from bridge.kafka.replaying.range_marks import unfinished_replays
        from bridge.model.errors import BridgeError

        for other, sent in (await unfinished_replays(self._route.settings.kafka)).items():
            if other == self._asked or other.since >= self._asked.until or other.until <= self._asked.since:
                continue
            told = f"a replay from {_shown(other.since)} to {_shown(other.until)} has sent {_records(sent)} and is not at its end"
            how = f"go on with it: {command_of(other, self._route, states=self._states)}; or give --again to begin another"
            if not dry_run:
                raise BridgeError(told, hint=how)
            say(f"note: {told}; {how}")

    def _agree(self, plan: ReplayPlan, most: int | None, *, yes: bool) -> None:
        """Say what will happen, and ask. Raises ``BridgeError`` where nobody can be asked, ``typer.Exit`` where the answer is no."""
        from bridge.model.errors import BridgeError

        count = plan.records if most is None else min(plan.records, most)
        if not self._as_json:
            self._left(plan.left)
        if plan.begun:
            say(f"going on: {_records(plan.before)} were sent before")
        say(f"if it is interrupted, this goes on with it: {self._command}")
        if yes or not count:
            return
        if not self._asked.newest:
            where = "AEP's data lake" if self._route.destination == "aep" else "MoEngage"
            say(f"note: events arrive a second time in {where}, which does not tell them apart")
        if not sys.stdin.isatty():
            raise BridgeError(
                f"{_records(count)} would be sent once more; nothing is sent without a yes",
                hint="look at them with --dry-run, then give --yes",
            )
        # Whoever waits at the question gets no signal through the event loop.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            agreed = typer.confirm(f"Send {_records(count)} of route {self._route.name} once more?", err=True)
        finally:
            signal.signal(signal.SIGINT, before)
        if not agreed:
            raise typer.Exit(1)

    @staticmethod
    def _left(left: Any) -> None:
        for why, count in left.most_common():
            say(f"left: {_records(count)}, {why}")

    def _show_plan(self, plan: ReplayPlan) -> None:
        from bridge.routes.reconciliation.day_sum import day_name

        rows = sorted(plan.by_code.items())
        if self._as_json:
            self._print(
                dry_run=True,
                records=plan.records,
                by_code=[{"day": day_name(day), "event_code": code, "count": n} for (day, code), n in rows],
                sent_before=plan.before,
                left=dict(plan.left),
                waiting=plan.waiting,
                held_since=None if plan.held_since is None else _shown(plan.held_since),
            )
            return
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"route {self._route.name}: would be sent once more", title_justify="left")
        for name in ("day (UTC)", "event code", "records"):
            table.add_column(name, justify="right" if name == "records" else "left")
        for (day, code), count in rows:
            table.add_row(day_name(day), plain(code or "(no code)"), f"{count:,}")
        if rows:
            Console().print(table)
        self._left(plan.left)
        before = f" ({plan.before:,} were sent before)" if plan.before else ""
        say(f"{_records(plan.records)} would be sent{before}; to send them: {self._command}")

    def _show_done(self, plan: ReplayPlan, done: ReplayDone | None) -> None:
        """``done`` is None where the range had been gone through already."""
        sent = 0 if done is None else done.sent
        complete = done is None or done.complete
        before = plan.before - sent
        if self._as_json:
            self._print(
                dry_run=False,
                sent=sent,
                sent_before=before,
                left=dict(plan.left if done is None else done.left),
                waiting=plan.waiting,
                held_since=None if plan.held_since is None else _shown(plan.held_since),
                complete=complete,
                seconds=0.0 if done is None else round(done.seconds, 3),
            )
            return
        if done is None:
            if plan.before:
                say(f"nothing to send: {_records(plan.before)} were sent before; --again sends them once more")
            else:
                say("nothing to send")
            return
        if self._refused(done):
            say(f"left: {_records(self._refused(done))}, larger than the topic takes now; raise its max.message.bytes")
        rate = f" in {done.seconds:,.1f} s ({sent / done.seconds:,.0f}/s)" if done.seconds else ""
        earlier = f", {before:,} before" if before else ""
        print(f"route {self._route.name}: {_records(sent)} sent once more{rate}{earlier}")
        if not complete:
            say(f"not at its end; to go on: {self._command}")

    def _print(self, **told: Any) -> None:
        asked = {"since": _shown(self._asked.since), "until": _shown(self._asked.until)}
        body = {"route": self._route.name, **asked, **told, "command": self._command}
        print(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())


class _Screen:
    """How it goes: a bar on a terminal, a line now and then elsewhere. Entered for each part of the work."""

    def __enter__(self) -> None:
        from bridge.cli.sync.commands import progress

        self._begun = self._told = time.monotonic()
        self._bar = progress()
        self._bar.start()
        self._task = self._bar.add_task("", total=None, told="")

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """So much of it is done."""
        now = time.monotonic()
        rate = done / max(now - self._begun, 0.001)
        told = f"{done:,} of {total:,} records, {rate:,.0f}/s" if total else ""
        self._bar.update(self._task, description=what, total=total or None, completed=done, told=told)
        if not words.is_terminal and now - self._told >= _TELL_SECONDS:
            self._told = now
            say(f"{what}: {told}")
