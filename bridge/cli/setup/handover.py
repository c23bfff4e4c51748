"""``aep-bridge setup handover``: what MoEngage asks for, and what is entered in Adobe."""

from __future__ import annotations

import time

import typer

from bridge.cli.route_option import ROUTE, chosen, under_its_name
from bridge.cli.setup.commands import JSON, setup
from bridge.cli.terminal import hush, print_json


@setup.command()
def handover(
    *,
    markdown: bool = typer.Option(
        False, "--markdown", help="A Markdown document with schema, payload and mapping in it."
    ),
    as_json: bool = JSON,
    show_secrets: bool = typer.Option(False, "--show-secrets", help="Print passwords and the client secret."),
    route: str | None = ROUTE,
) -> None:
    """Print what MoEngage asks for, for both set-ups: MoEngage to the bridge, and MoEngage to AEP directly.

    For a route from Adobe: what somebody enters in Adobe's screens for its private destination, step by step.
    Everything comes from the settings and their files, without a network. Secrets are masked unless --show-secrets is given.

    Examples:
        aep-bridge setup handover

        aep-bridge setup handover --markdown --show-secrets

        aep-bridge setup handover --route eu --json
    """
    from bridge.adobe.provisioning import handover as made
    from bridge.routes.handing_over import facts_of
    from bridge.routes.private_destinations import adobe_handover, has_destination
    from bridge.settings import load_deployment

    if markdown and as_json:
        raise typer.BadParameter("choose one of --markdown and --json", param_hint="--markdown")
    hush()
    deployment = load_deployment()
    documents = []
    for selected in chosen(deployment, route):
        with under_its_name(selected):
            if has_destination(selected):
                documents.append(adobe_handover(selected))
            else:
                documents.append(made.handover(facts_of(deployment, selected, time.time())))
    if as_json:
        told = [made.as_json(one, secrets=show_secrets) for one in documents]
        print_json(told[0] if len(told) == 1 else told)
        return
    form = made.as_markdown if markdown else made.as_text
    print("\n".join(form(one, secrets=show_secrets) for one in documents), end="")
