"""The bridge's worker with Python's garbage collector as it comes: what the tuning is worth."""

from __future__ import annotations

from bridge.cli.main import main
from bridge.worker import worker

if __name__ == "__main__":
    worker.leave_the_living_alone = lambda: None  # type: ignore[attr-defined]  # the one thing that differs
    main()
