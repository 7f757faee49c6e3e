"""`python -m backend.docs`."""

from __future__ import annotations

import sys

from backend.docs import main

sys.exit(main(sys.argv[1:]))
