"""The fixture of the integration tests: a cluster of real processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from clusters import cluster  # noqa: E402, F401
