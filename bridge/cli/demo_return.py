"""``aep-bridge demo --return``: Adobe's audiences and mParticle's batches to an emulated MoEngage, told in lines, with an account at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from bridge.demo.return_story import ReturnPhase

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.demo.return_story import Group, ReturnPlan, ReturnStory

_LINE_SECONDS = 1.0


async def play_return(console: Console, plan: ReturnPlan, *, as_json: bool) -> int:
    """Play the story; 0 when every customer is right, else 1."""
    from bridge.demo.return_stage import open_return_stage
    from bridge.demo.return_story import ReturnStory

    def tell(line: str) -> None:
        if not as_json:
            console.print(f"  [green]✓[/] {line}", soft_wrap=True)

    if not as_json:
        console.print("[bold]Adobe audiences, mParticle → Kafka → mapping → MoEngage[/]\nstarting:")
    async with open_return_stage(tell, plan.users_per_minute) as stage:
        story = ReturnStory(stage, plan)
        seconds = await _told(console, story, silent=as_json)
        groups = story.groups()
        figures = story.figures() | {"seconds": round(seconds, 1)}
    everybody_right = all(group.told == group.there == group.right for group in groups)
    if as_json:
        import orjson

        told = [{"what": each.what, "told": each.told, "there": each.there, "right": each.right} for each in groups]
        typer.echo(orjson.dumps({"customers": told, **figures, "everybody_right": everybody_right}).decode())
    else:
        _conclude(console, groups, figures, plan, right=everybody_right)
    return 0 if everybody_right else 1


async def _told(console: Console, story: ReturnStory, *, silent: bool) -> float:
    """Tell the story in lines, unless ``silent``; the seconds that it took."""
    phase, said_at, seconds = None, -_LINE_SECONDS, 0.0
    async for snapshot in story.snapshots():
        seconds = snapshot.seconds
        if silent:
            continue
        if snapshot.phase is not phase:
            phase = snapshot.phase
            console.print(f"--- {phase.value}", soft_wrap=True)
        if seconds - said_at >= _LINE_SECONDS or phase is ReturnPhase.SETTLED:
            said_at = seconds
            lag = "    ?" if snapshot.lag < 0 else f"{snapshot.lag:5d}"
            console.print(
                f"{seconds:5.1f} s  profiles posted {snapshot.profiles:5d}  batches {snapshot.batches:4d}  lag {lag}"
                f"  users at MoEngage {snapshot.users:5d}  elements {snapshot.elements:5d}",
                soft_wrap=True,
            )
    return seconds


def _conclude(console: Console, groups: list[Group], figures: dict[str, Any], plan: ReturnPlan, *, right: bool) -> None:
    table = Table("customers", "told", "at MoEngage", "everything right", title="what became of every customer")
    for group in groups:
        table.add_row(group.what, f"{group.told:,}", f"{group.there:,}", f"{group.right:,}")
    console.print(table)
    used = figures["most_users_a_minute"] / plan.users_per_minute
    console.print(
        f"{figures['updates_of_users']:,} updates of users became {figures['user_elements']:,} elements, with {figures['events']:,} events"
        f" in {figures['requests']:,} requests ({figures['elements_per_request']:g} a request);"
        f" {used:.0%} of the budget in the busiest minute, {figures['refused_for_the_rate']} requests refused for the rate.",
        soft_wrap=True,
    )
    if right:
        console.print("[bold green]every customer is right, nothing lost[/]")
    else:
        console.print("[bold red]some customers are not in the state that was sent[/]")
