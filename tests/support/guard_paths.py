"""Where the project lies, for the tests that guard its layout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vixen_pipeline", "assets", "resources", "sensors")
