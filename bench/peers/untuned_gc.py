"""The bridge's worker with Python's garbage collector as it comes: what the tuning is worth."""

from __future__ import annotations

from bridge.cli import main
from bridge.pipeline.worker import Worker

if __name__ == "__main__":
    Worker._settle_memory = staticmethod(lambda: None)  # type: ignore[method-assign]  # noqa: SLF001 - the one thing that differs
    main()
