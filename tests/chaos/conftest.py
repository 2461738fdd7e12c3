"""Puts the chaos test's own modules where its tests find them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
