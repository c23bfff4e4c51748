"""Results as tables."""

from __future__ import annotations

from typing import Any


def ladder(found: dict[str, Any]) -> str:
    """One line a rung."""
    lines = [
        "",
        (
            f"{found['records']} records of {found['record_bytes']} bytes, {found['partitions']} partitions ({found['broker']}), {found['repeats']} turns;"
            " medians, ± half the range"
        ),
        (
            f"{'rung':15} {'events/s':>9} {'±':>4}  {'CPU s/M':>8} {'per core':>9}  {'of floor':>8} {'by CPU':>6}  {'peak MB':>7} {'batch':>6}"
            f" {'requests':>8}  lost repeated"
        ),
    ]
    for row in found["rungs"]:
        if "skipped" in row:
            lines.append(f"{row['name']:15} skipped: {row['skipped'].splitlines()[0]}")
            continue
        lines.append(
            f"{row['name']:15} {row['events_per_second']:9,.0f} {row['events_per_second_spread']:4.0%}  {row['cpu_seconds_per_million']:8.1f}"
            f" {1e6 / row['cpu_seconds_per_million']:9,.0f}  {row.get('of_floor', 0):8.2f} {row.get('of_floor_by_cpu', 0):6.2f}"
            f"  {row['peak_mb']:7.0f} {row['mean_batch']:6.0f} {row['requests']:8.0f}  {row['lost']:4d} {row['repeated']:8d}"
        )
    return "\n".join(lines)


def inprocess(found: dict[str, float]) -> str:
    """The in-process comparison."""
    return (
        f"record to request, in process: floor {found['floor_us']:.1f}, ours {found['ours_us']:.1f}, with the schema"
        f" {found['ours_schema_us']:.1f} us/event; ours {found['of_floor']:.2f} of the floor"
    )


def receiver(rows: list[dict[str, Any]]) -> str:
    """One line a batch size."""
    lines = ["", f"{'receiver, batch':16} {'events/s':>9} {'per CPU s':>10} {'p50 ms':>7} {'p99 ms':>7}  lost"]
    lines += [
        f"{row['batch']:16d} {row['events_per_second']:9,d} {row['events_per_cpu_second']:10,d} {row['p50_ms']:7.1f} {row['p99_ms']:7.1f}  {row['lost']:4d}"
        for row in rows
    ]
    return "\n".join(lines)


def latency(found: dict[str, Any]) -> str:
    """One line a rate."""
    lines = ["", f"{'events/s':>9} {'p50 ms':>7} {'p99 ms':>7} {'worst':>6}  {'worker CPU':>10}  lost repeated"]
    lines += [
        f"{row['rate']:9d} {row['p50_ms']:7d} {row['p99_ms']:7d} {row['worst_ms']:6d}  {row['worker_cpu_percent']:9.1f}%  {row['lost']:4d} {row['repeated']:8d}"
        for row in found["rates"]
    ]
    return "\n".join([*lines, f"idle worker: {found['idle_cpu_percent']} % CPU, {found['idle_mb']} MB"])


def scale(found: dict[str, Any]) -> str:
    """One line a case, and one a tenth of the backlog."""
    lines = [
        "",
        (
            f"{'partitions':>10} {'bytes':>7} {'mapping':>8} {'latency ms':>10} {'processes/cores':>15} {'records':>8} {'events/s':>9} {'CPU s/M':>8}"
            f" {'peak MB':>8}  lost repeated"
        ),
    ]
    lines += [
        f"{row['partitions']:10d} {row['record_bytes']:7d} {row['mapping_rows']:>8} {row['latency_ms']:10d} {row['processes']:13d}/{row['cores']}"
        f" {row['records']:8d} {row['events_per_second']:9,d} {row['cpu_seconds_per_million']:8.1f} {row['peak_mb']:8d}  {row['lost']:4d}"
        f" {row['repeated']:8d}"
        for row in found["cases"]
    ]
    backlog = found["backlog"]
    lines += ["", f"a backlog of {backlog['records']:,} drained in {backlog['seconds']} s, by tenths:"]
    lines += [
        f"{number:10d} {part['events_per_second']:9,d} events/s {part['cpu_seconds_per_million']:8.1f} CPU s/M"
        for number, part in enumerate(backlog["tenths"], 1)
    ]
    lines.append(
        f"by CPU the tenths 6 to 9 cost {backlog['late_to_early_by_cpu']:.2f} of the tenths 2 to 5; peak {backlog['peak_mb']} MB, lost {backlog['lost']},"
        f" repeated {backlog['repeated']}"
    )
    return "\n".join(lines)
