"""``python -m bridge`` and ``aep-bridge``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C ends it with 130 and without a traceback, also while it is still being loaded."""
    try:
        from bridge.cli.main import main as run  # noqa: PLC0415 - half a second, in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
