"""The Space's entry point: storage, worker and pages put together. Run it with `make run`, or `python app.py`."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from backend.benchmarks import Library
from backend.launcher import keep_worker, seed_demo
from storage.database import connect, home, migrate
from ui.context import Lab
from ui.lab import build, launch_options


def main() -> None:
    """Opens the lab on HOST:PORT (127.0.0.1:7860) and stays until it is interrupted."""
    lab_home = home()
    engine = connect()
    migrate(engine)
    lab = Lab(engine=engine, home=lab_home, benchmarks=Library(lab_home))
    if os.environ.get("LETHE_DEMO", "1") != "0":
        seed_demo(engine, lab.benchmarks["demo"])
    if os.environ.get("LETHE_WORKER") != "external":
        keep_worker(engine, lab_home)
    on_space = bool(os.environ.get("SPACE_ID"))
    host = os.environ.get("HOST", "0.0.0.0" if on_space else "127.0.0.1")
    port = int(os.environ.get("PORT", "7860"))
    pages = build(lab)
    try:
        pages.launch(server_name=host, server_port=port, prevent_thread_lock=True, **launch_options(lab))
    except OSError:
        sys.exit(
            f"The lab cannot be opened on {host}:{port}: the port is taken, or the address is not this machine's. "
            "Choose another, as in PORT=7870 make run"
        )
    print(f"Lethe is open at {pages.local_url}", flush=True)
    pages.block_thread()


if __name__ == "__main__":
    main()
