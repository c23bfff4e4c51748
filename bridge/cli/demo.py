"""``aep-bridge demo``: the whole path on embedded parts, as a live screen or, without a terminal, as plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.columns import Columns
from rich.console import Console, Group
from rich.json import JSON
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bridge.cli.app import app
from bridge.demo.activation import MOST_PROFILES
from bridge.demo.traffic import MOST_EVENTS

if TYPE_CHECKING:
    from bridge.demo.stage import Reason
    from bridge.demo.story import DemoPlan, Snapshot

console = Console(highlight=False)
_NEXT = """what next (. .venv/bin/activate makes aep-bridge a command):
  try an expression    aep-bridge mapping eval 'upper(event_name)' --event mappings/tests/email-batch.event.json
  make your mapping    docs/mapping.md, from your schema and ten events; aep-bridge dev keeps it running
  go live              docs/setup.md: aep-bridge setup plan, then aep-bridge check"""


@app.command()
def demo(  # noqa: PLR0917 - typer reads the signature
    events: int = typer.Option(
        4_000, min=600, max=MOST_EVENTS, help="Events to send (the embedded broker keeps no more than the maximum)."
    ),
    rate: float = typer.Option(400.0, min=50, help="Events a second to send."),
    away: float = typer.Option(
        5.0, min=0.5, max=20, help="Seconds during which AEP (with --return: MoEngage) answers 503."
    ),
    as_json: bool = typer.Option(False, "--json", help="Only the final account, as JSON."),
    routes: bool = typer.Option(False, "--routes", help="Two routes side by side; AEP is away for one of them only."),
    back: bool = typer.Option(
        False, "--return", help="The return path: an Adobe audience and mParticle batches to MoEngage."
    ),
    profiles: int = typer.Option(
        20_000, min=100, max=MOST_PROFILES, help="With --return: profiles in the audience that is activated."
    ),
    budget: int = typer.Option(
        60_000, min=1_000, help="With --return: users per minute that MoEngage accepts; more get 429."
    ),
) -> None:
    """Watch events travel from MoEngage's HTTP post through Kafka and the mapping into (an emulator of) AEP.

    Everything runs on this machine: an embedded Kafka-protocol broker, the AEP emulator, and the real receiver and worker.

    Examples:
        aep-bridge demo

        aep-bridge demo --events 2000 --rate 1000 --json

        aep-bridge demo --routes

        aep-bridge demo --return

        aep-bridge demo --return --profiles 2000 --json
    """
    import asyncio

    from bridge.demo.story import DemoPlan

    if back and routes:
        raise typer.BadParameter("--return and --routes exclude each other")
    if back:
        from bridge.cli.demo_return import play_return
        from bridge.demo.return_story import ReturnPlan

        told = ReturnPlan(profiles=profiles, users_per_minute=budget, away_seconds=away)
        raise typer.Exit(asyncio.run(play_return(console, told, as_json=as_json)))

    play = _routes if routes else _demo
    raise typer.Exit(asyncio.run(play(DemoPlan(events=events, rate=rate, away_seconds=away), as_json=as_json)))


async def _routes(plan: DemoPlan, *, as_json: bool) -> int:
    """Play the story on the first route while the second streams on, and account for both."""
    import asyncio
    from dataclasses import replace

    from bridge.demo.routes import open_routes
    from bridge.demo.story import Story

    def tell(line: str) -> None:
        if not as_json:
            console.print(f"  [green]✓[/] {line}", soft_wrap=True)

    async with open_routes(tell) as scenes:
        plans = {
            name: replace(plan, away_seconds=0.0 if index else plan.away_seconds, refused_later=False)
            for index, name in enumerate(scenes)
        }
        stories = {name: Story(scene, plans[name]) for name, scene in scenes.items()}
        lasts = await asyncio.gather(
            *(_silently(story) if as_json else _plainly(story, f"{name}  ") for name, story in stories.items())
        )
        accounts = {
            name: _account(last, await scenes[name].received_by_aep())
            for name, last in zip(stories, lasts, strict=True)
        }
    if as_json:
        import orjson

        print(orjson.dumps({"routes": accounts}).decode())
    else:
        table = Table("what became of every event", *accounts)
        for key in next(iter(accounts.values())):
            table.add_row(key.replace("_", " "), *(str(account[key]) for account in accounts.values()))
        console.print(table)
    return 0 if all(account["nothing_lost"] for account in accounts.values()) else 1


async def _demo(plan: DemoPlan, *, as_json: bool) -> int:
    from bridge.demo.stage import open_stage, reasons
    from bridge.demo.story import Story

    def tell(line: str) -> None:
        if not as_json:
            console.print(f"  [green]✓[/] {line}", soft_wrap=True)

    if not as_json:
        console.print("[bold]MoEngage Streams → Kafka → Data Prep mapping → Adobe Experience Platform[/]\nstarting:")
    async with open_stage(tell, refuses_later=True) as stage:
        if not as_json:
            console.print(_before_and_after())
        story = Story(stage.scene, plan)
        last = await (_silently(story) if as_json else _live(story, plan) if console.is_terminal else _plainly(story))
        accepted = await stage.scene.received_by_aep()
        why = await reasons(stage.bootstrap, last.dead_lettered)
    account = _account(last, accepted)
    if as_json:
        import orjson

        print(
            orjson.dumps(
                account | {"dead_letter_reasons": [[r.stage, r.code, r.reason, r.count] for r in why]}
            ).decode()
        )
    else:
        _conclude(account, why)
    return 0 if account["nothing_lost"] else 1


def _account(last: Snapshot, accepted: dict[str, Any]) -> dict[str, Any]:
    return {
        "posted": last.posted,
        "received": last.received,
        "delivered": last.delivered,
        "dead_lettered": last.dead_lettered,
        "in_aep": accepted["in_dataset"],
        "duplicates": accepted["duplicates"],
        "seconds": round(last.seconds, 1),
        "nothing_lost": last.posted == last.received == last.delivered + last.dead_lettered
        and accepted["in_dataset"] == last.delivered,
    }


async def _silently(story: Any) -> Snapshot:
    async for snapshot in story.snapshots():
        last: Snapshot = snapshot
    return last


async def _plainly(story: Any, name: str = "") -> Snapshot:
    from bridge.demo.story import Phase

    said_at, phase = -1.0, None
    async for snapshot in story.snapshots():
        last: Snapshot = snapshot
        if snapshot.phase is not phase:
            phase = snapshot.phase
            console.print(f"--- {name}{phase.value}")
        if snapshot.seconds - said_at >= 1 or phase is Phase.SETTLED:
            said_at = snapshot.seconds
            console.print(
                f"{name}{snapshot.seconds:5.1f} s  received {snapshot.received:5d}  lag {snapshot.lag:5d}  delivered {snapshot.delivered:5d}"
                f"  dead-lettered {snapshot.dead_lettered:3d}  {snapshot.rate:6.0f}/s"
            )
    return last


async def _live(story: Any, plan: DemoPlan) -> Snapshot:
    peak = 1
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        async for snapshot in story.snapshots():
            last: Snapshot = snapshot
            peak = max(peak, snapshot.lag)
            live.update(_screen(snapshot, plan, peak))
    return last


def _screen(snapshot: Snapshot, plan: DemoPlan, peak: int) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(justify="right", min_width=7)
    table.add_column(min_width=40)
    for name, value, total, colour in (
        ("received", snapshot.received, plan.events, "cyan"),
        ("Kafka lag", snapshot.lag, peak, "yellow"),
        ("delivered", snapshot.delivered, plan.events, "green"),
    ):
        table.add_row(
            name,
            f"{value:,}",
            ProgressBar(total=total, completed=value, width=40, complete_style=colour, finished_style=colour),
        )
    table.add_row("dead-lettered", f"{snapshot.dead_lettered:,}", Text(""))
    table.add_row("rate", f"{snapshot.rate:,.0f}/s", Text(f"{snapshot.seconds:.0f} s", style="dim"))
    return Panel(
        table,
        title=snapshot.phase.value,
        title_align="left",
        border_style="red" if snapshot.phase.name == "AWAY" else "blue",
    )


def _before_and_after() -> Group:
    import orjson

    from bridge.demo.stage import TENANT
    from bridge.demo.traffic import sample_events
    from bridge.routes.mapping_opening import open_experience_events
    from bridge.settings import MappingSettings
    from bridge.sources.moengage.envelopes import events_of

    event = sample_events()[0]
    envelope = {"app_name": "Northwind Retail", "source": "MOENGAGE", "moe_request_id": "demo", "events": [event]}
    builder = open_experience_events(MappingSettings(tenant=TENANT))
    (built,) = (builder.build(canonical) for canonical in events_of(envelope) if isinstance(canonical, dict))
    panels = [
        Panel(JSON(orjson.dumps(document).decode(), indent=1), title=title, width=max(40, (console.width - 4) // 2))
        for title, document in (("one event as MoEngage posts it", event), ("the same as AEP gets it", built.xdm))
    ]
    return Group(Columns(panels))


def _conclude(account: dict[str, Any], why: list[Reason]) -> None:
    if why:
        table = Table(title="dead letters: kept with their reason, to be fixed and replayed", title_justify="left")
        for column in ("events", "stage", "code", "reason"):
            table.add_column(column)
        for reason in why:
            table.add_row(str(reason.count), reason.stage, reason.code, reason.reason)
        console.print(table)
    table = Table(title="what became of every event", title_justify="left", show_header=False, min_width=30)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name in ("received", "delivered", "dead_lettered", "duplicates"):
        table.add_row(name.replace("_", "-"), f"{account[name]:,}")
    console.print(table)
    good = account["nothing_lost"]
    verdict = f"received {account['received']:,} = delivered {account['delivered']:,} + dead-lettered {account['dead_lettered']:,}"
    console.print(
        f"[bold green]✓ {verdict}: nothing lost[/]" if good else f"[bold red]✗ {verdict} does not hold: {account}[/]"
    )
    console.print(_NEXT, markup=False, soft_wrap=True)
