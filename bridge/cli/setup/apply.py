"""``aep-bridge setup apply``: do what the plan says, and write down what AEP has issued."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import typer

from bridge.cli.app import words
from bridge.cli.route_option import ROUTE, only, under_its_name
from bridge.cli.setup.commands import JSON, opened, setup
from bridge.cli.setup.plan import document, show
from bridge.cli.terminal import hush, print_json, say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.provisioning.steps import Plan, Step
    from bridge.routes.setting_up import DestinationOutlook, Done, Outlook
    from bridge.settings import Route
    from bridge.settings.writing import Edit


@setup.command()
def apply(
    *,
    yes: bool = typer.Option(
        False, "--yes", "-y", help="Do not ask; irreversible steps also need --allow-irreversible."
    ),
    allow_irreversible: bool = typer.Option(
        False,
        "--allow-irreversible",
        help="Allow what AEP can never undo: namespaces, Profile, fields of a schema in use.",
    ),
    no_wait: bool = typer.Option(
        False, "--no-wait", help="Do not wait until the dataflow takes events (BRIDGE_SETUP__WARM_UP_SECONDS)."
    ),
    as_json: bool = JSON,
    route: str | None = ROUTE,
) -> None:
    """Create and change in AEP what the plan shows, after asking, and write the ids into .env or bridge.toml.

    For a route from Adobe: the private destination in AEP, and nothing is written here.
    What exists is adopted, so that apply can be interrupted anywhere and run again. The schema as AEP resolves it goes into
    aep-schema.json beside the settings (there in mappings/, if that folder exists), and BRIDGE_MAPPING__SCHEMA names it. A second apply changes nothing.

    Examples:
        aep-bridge setup apply

        aep-bridge setup apply --yes --allow-irreversible

        aep-bridge setup apply --route eu --yes --allow-irreversible --no-wait --json
    """
    from bridge.settings import load_deployment

    hush()
    selected = only(load_deployment().routes, route)
    asyncio.run(_apply(selected, yes=yes, allow_irreversible=allow_irreversible, no_wait=no_wait, as_json=as_json))


async def _apply(route: Route, *, yes: bool, allow_irreversible: bool, no_wait: bool, as_json: bool) -> None:
    from bridge.adobe.provisioning.applying import refuse_conflicts
    from bridge.routes.setting_up import outlook_of

    async with opened(route) as client:
        say(f"route {route.name}: asking AEP what is there …")
        outlook = await outlook_of(route, client)
        if not as_json:
            show(outlook)
        refuse_conflicts(outlook.plan.conflicts)
        if outlook.is_refused:
            todo = next(one.todo for one in outlook.checks if one.ok is False)
            missing = "; ".join(one.words for one in outlook.checks if one.ok is False)
            raise BridgeError(f"the credential lacks permissions: {missing}", hint=todo)
        _agree(outlook.plan, yes=yes, allow_irreversible=allow_irreversible)
        done = await outlook.carry_out(client, Told(outlook.plan), asyncio.sleep)
    _show_edits(done.written)
    if as_json:
        print_json(_told(outlook, done))
    if done.warms_up and not no_wait:
        with under_its_name(route):
            await wait_out(route.settings.setup.warm_up_seconds)
    if done.steps or done.written:
        say("set up; aep-bridge setup verify tries it out")
    else:
        say("nothing to do")


def _told(outlook: Outlook | DestinationOutlook, done: Done) -> dict[str, object]:
    """The plan that was carried out, what AEP has issued, and the files that changed."""
    return {**document(outlook), "results": done.found, "written": [str(edit.path) for edit in done.written]}


def _agree(plan: Plan, *, yes: bool, allow_irreversible: bool) -> None:
    """Ask where it is wanted. Raises ``BridgeError`` where nobody can be asked, ``typer.Exit`` where the answer is no."""
    if not plan.open:
        return
    never = ", ".join(f"{step.kind} {step.name}" for step in plan.irreversible)
    needs = bool(never) and not allow_irreversible
    if (needs or not yes) and not sys.stdin.isatty():
        options = " and ".join([*(["--yes"] if not yes else []), *(["--allow-irreversible"] if needs else [])])
        told = f"; AEP can never undo: {never}" if needs else ""
        raise BridgeError(f"nothing is done without confirmation{told}", hint=f"look at the plan, then give {options}")
    if needs:
        words.print(f"AEP can never undo: {never}", markup=False, soft_wrap=True)
        if typer.prompt("Type yes to do it anyway", err=True).strip().lower() != "yes":
            raise typer.Exit(1)
    elif not yes and not typer.confirm("Do it?", err=True):
        raise typer.Exit(1)


class Told:
    """Progress as lines on stderr: one when a request is sent, one when AEP has what it asked for."""

    def __init__(self, plan: Plan) -> None:
        self._total = len([step for step in plan.steps if step.is_open])
        self._done = 0

    def began(self, step: Step) -> None:
        """A request is sent."""
        say(f"[{self._done + 1}/{max(self._total, self._done + 1)}] {step.action} {step.kind} {step.name} …")

    def unsure(self, step: Step, why: str) -> None:
        """Its answer was lost."""
        say(f"      {why}; checking whether AEP has {step.kind} {step.name} …")

    def done(self, step: Step, seconds: float) -> None:
        """AEP has it."""
        self._done += 1
        say(f"      {step.kind} {step.name}: there ({seconds:.1f} s)")


def _show_edits(written: Sequence[Edit]) -> None:
    for edit in written:
        if edit.path.suffix == ".json":
            say(f"{'rewrote' if edit.before else 'wrote'} {edit.path}, the schema as AEP resolves it")
        else:
            say(f"changed {edit.path}:")
            say("\n".join(line for line in edit.diff.splitlines() if not line.startswith(("---", "+++", "@@"))))


async def wait_out(seconds: float) -> None:
    """Count down until the dataflow takes events; Ctrl-C ends the waiting, and nothing else."""
    if seconds <= 0:
        return
    say(
        f"AEP may lose events until a new or changed dataflow is ready: waiting {seconds:.0f} s (Ctrl-C ends the waiting)"
    )
    until = time.monotonic() + seconds
    try:
        with words.status("") as status:
            while (left := until - time.monotonic()) > 0:
                status.update(f"ready in {int(left) // 60}:{int(left) % 60:02}")
                await asyncio.sleep(min(1.0, left))
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.uncancel():
            raise
        say("not waited for")
