"""``python -m bridge`` is ``aep-bridge``."""

from bridge.cli import main

main()
