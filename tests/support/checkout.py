"""The source tree that the tests stand in."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Its top: where mappings, docs and deploy files are."""
