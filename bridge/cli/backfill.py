"""``aep-bridge backfill``: MoEngage's file exports into the topic, as if they had been streamed."""

from __future__ import annotations

import typer

from bridge.cli.app import app
from bridge.cli.backfill_run import BackfillRun
from bridge.cli.route_option import ROUTE, only


@app.command()
def backfill(  # noqa: PLR0917 - typer reads the signature
    files: list[str] = typer.Argument(
        metavar="FILE|URL...",
        help="File exports: JSON lines or JSON, gzip or not; - for stdin; s3://, gs:// or az:// for a folder or an object.",
        show_default=False,
    ),
    from_line: int = typer.Option(1, min=1, help="Begin the first file at this line: where an earlier run ended."),
    dead_letters: bool | None = typer.Option(
        None,
        "--dead-letters/--no-dead-letters",
        help="Store what is refused as dead letters, or only report it. Default: stored for objects, reported for files.",
        show_default=False,
    ),
    since: str | None = typer.Option(
        None,
        metavar="TIME",
        help="Objects of this day or hour, or later (by export_day= in the name, else by the time they were written; UTC).",
    ),
    until: str | None = typer.Option(None, metavar="TIME", help="Objects of days and hours before this time."),
    again: bool = typer.Option(False, "--again", help="Also read objects that an earlier run has read."),
    watch: bool = typer.Option(False, "--watch", help="Go on and read new objects as they come, until it is stopped."),
    interval: float = typer.Option(900, min=1, metavar="SECONDS", help="With --watch: seconds between two listings."),
    look_back: int = typer.Option(
        2,
        min=0,
        metavar="DAYS",
        help="With --watch: after the first listing, list only today's folder and those of this many days before it.",
    ),
    telemetry_port: int | None = typer.Option(
        None,
        min=1,
        max=65535,
        metavar="PORT",
        help="With --watch: serve /metrics and /health on this port of BRIDGE_TELEMETRY__HOST.",
        show_default=False,
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Read and count only; nothing is written to Kafka."),
    as_json: bool = typer.Option(False, "--json", help="The counts as JSON; with --watch one line after each look."),
    route: str | None = ROUTE,
) -> None:
    """Publish the events of MoEngage's file exports to the event topic, with the keys and the form the receiver gives them.

    AEP recognises events that it has already by their _id, so overlapping exports do no harm. How far objects were read is kept in
    Kafka: the next run goes on from there. For files it prints the command that goes on. Credentials of the clouds come from the
    environment. Exits 1 when lines were refused (and not stored) or not everything could be read and stored.

    Examples:
        aep-bridge backfill export-2026-10.json.gz

        aep-bridge backfill --dry-run export.jsonl

        aep-bridge backfill s3://acme-exports/acme_events --since 2026-10-01 --until 2026-11-01

        aep-bridge backfill s3://acme-exports/acme_events --watch --interval 900 --telemetry-port 9466
    """
    import logging

    from bridge.cli.deadletters import moment
    from bridge.routes.receiving import posting
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import TelemetrySettings, load_deployment
    from bridge.sources.moengage.export_names import ExportTimes, is_url
    from bridge.telemetry.logs import configure_logging

    times = ExportTimes(moment(since, "--since"), moment(until, "--until"))
    if times.since and times.until and times.since >= times.until:
        raise typer.BadParameter("--since is not before --until")
    if from_line > 1 and is_url(files[0]):
        raise typer.BadParameter(
            "an earlier run's place in objects is remembered: run the command again without --from-line",
            param_hint="--from-line",
        )
    if watch and not all(map(is_url, files)):
        raise typer.BadParameter("files are read once; give addresses of object storage only", param_hint="--watch")
    if telemetry_port is not None and not watch:
        raise typer.BadParameter("only a backfill with --watch serves metrics", param_hint="--telemetry-port")
    into = only(posting(load_deployment().routes), route)
    settings = into.settings
    configure_logging(TelemetrySettings(log_level="error"))
    # The account says at the end what its client repeats at every attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    run = BackfillRun(
        files,
        from_line=from_line,
        keep_refused=dead_letters,
        dry_run=dry_run,
        as_json=as_json,
        route=into.name,
        times=times,
        again=again,
        watch=interval if watch else None,
        look_back=look_back,
        telemetry_port=telemetry_port,
    )
    raise typer.Exit(run_until_stopped(lambda stop: run.run(settings, stop)))
