"""A node's empty disk: formatted by Kafka's own tool once per user, and for every later node copied, with the node's own names.

The tool is a JVM that lives as long as a node's whole start. What it writes beside the names are records for the cluster's first
metadata (levels of features, and the user of the secure listeners), which are the same for each node of the harness.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.testing.kafka.jars import cache_folder, jars, locked_cache
from bridge.testing.kafka.node_properties import PASSWORD, USERNAME, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

_RECORDS = "bootstrap.checkpoint"


def format_disk(data: Path, *, node: int, cluster_id: str, secure: bool, by_tool: Callable[[Path], None]) -> None:
    """Make the folder ``data`` the disk of a node that has not run yet. ``by_tool`` formats a folder with Kafka's tool."""
    data.mkdir(parents=True)
    shutil.copyfile(_first_records(by_tool, secure=secure), data / _RECORDS)
    names = {"version": "1", "cluster.id": cluster_id, "node.id": str(node), "directory.id": new_id()}
    (data / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in names.items()), encoding="utf-8")


def _first_records(by_tool: Callable[[Path], None], *, secure: bool) -> Path:
    user = hashlib.sha256(f"{USERNAME}:{PASSWORD}".encode()).hexdigest()[:8] if secure else "plain"
    kept = cache_folder() / f"{jars().name}-{user}.checkpoint"
    if not kept.exists():
        with locked_cache():
            if not kept.exists():
                with tempfile.TemporaryDirectory() as folder:
                    by_tool(made := Path(folder) / "data")
                    shutil.copyfile(made / _RECORDS, partial := kept.with_suffix(".partial"))
                    partial.rename(kept)
    return kept
