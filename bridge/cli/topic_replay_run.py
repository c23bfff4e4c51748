"""One run of ``aep-bridge replay``: it plans, asks, sends, and says what came of it."""

from __future__ import annotations

import shlex
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import plain
from bridge.cli.terminal import print_json, say
from bridge.cli.topic_replay_screen import ReplayScreen

if TYPE_CHECKING:
    import asyncio

    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.routes.replaying import ReplayDone, ReplayPlan
    from bridge.settings import Route

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(ms: int) -> str:
    """A Kafka timestamp, as ISO 8601."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _records(count: int) -> str:
    return f"{count:,} record" + ("" if count == 1 else "s")


def command_of(asked: ReplayAsked, route: Route, *, states: bool) -> str:
    """The command that goes on with this replay, to be copied."""
    words_of = ["aep-bridge", "replay", "--since", shown(asked.since), "--until", shown(asked.until)]
    words_of += ["--key", asked.key] if asked.key is not None else []
    words_of += ["--event-code", asked.event_code] if asked.event_code is not None else []
    words_of += ["--all"] if states and not asked.newest else []
    words_of += ["--include-replayed"] if asked.copies else []
    words_of += ["--route", route.name] if route.declared else []
    return shlex.join(words_of)


class ReplayRun:
    """One replay, and what it tells."""

    def __init__(self, route: Route, asked: ReplayAsked, *, as_json: bool) -> None:
        from bridge.routes.record_choice import holds_states

        self._route = route
        self._asked = asked
        self._as_json = as_json
        self._states = holds_states(route)
        self._screen = ReplayScreen()

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
        from bridge.routes.record_choice import RecordChoice, refused_places
        from bridge.routes.replaying import TopicReplay

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
                f"note: {topic} holds its records from {shown(plan.held_since)} on; what it took between"
                f" {shown(self._asked.since)} and then was deleted by retention (retention.ms) and cannot be sent"
            )
        if plan.waiting:
            say(
                f"note: {_records(plan.waiting)} of the range at most are not delivered yet and are skipped: they will be delivered anyway"
            )

    async def _refuse_unfinished(self, *, dry_run: bool) -> None:
        """Two replays of one range would send records twice. Raises ``BridgeError``."""
        from bridge.kafka.replaying.range_marks import unfinished_replays
        from bridge.model.errors import BridgeError

        for other, sent in (await unfinished_replays(self._route.settings.kafka)).items():
            if other == self._asked or other.since >= self._asked.until or other.until <= self._asked.since:
                continue
            told = f"a replay from {shown(other.since)} to {shown(other.until)} has sent {_records(sent)} and is not at its end"
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
                f"{_records(count)} would be sent once more; nothing is sent without confirmation",
                hint="check with --dry-run, then give --yes",
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
                held_since=None if plan.held_since is None else shown(plan.held_since),
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
                held_since=None if plan.held_since is None else shown(plan.held_since),
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
            say(
                f"left: {_records(self._refused(done))}, larger than the topic accepts now; raise its max.message.bytes"
            )
        rate = f" in {done.seconds:,.1f} s ({sent / done.seconds:,.0f}/s)" if done.seconds else ""
        earlier = f", {before:,} before" if before else ""
        print(f"route {self._route.name}: {_records(sent)} sent once more{rate}{earlier}")
        if not complete:
            say(f"not at its end; to go on: {self._command}")

    def _print(self, **told: Any) -> None:
        asked = {"since": shown(self._asked.since), "until": shown(self._asked.until)}
        body = {"route": self._route.name, **asked, **told, "command": self._command}
        print_json(body)
