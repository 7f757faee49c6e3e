"""A lab as a person starts it: `python app.py` on a port of its own, with its own home, and a way to kill it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from backend.presets import fill
from backend.queueing import attack_values, queue
from backend.spec import AttackSpec, FinetuneSpec, Training
from storage import runs
from storage.database import connect, migrate
from storage.tables import ENDED, Run
from storage.workers import workers

REPO = Path(__file__).parents[2]
PATIENCE_S = 120.0
MANY = 50_000
"""More steps than any test waits for."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RunningLab:
    """The web process and the workers it starts; the tests look into its database with an engine of their own."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.engine = connect(f"sqlite:///{home / 'lethe.db'}")
        migrate(self.engine)
        self.web: subprocess.Popen[bytes] | None = None

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    # -- processes ---

    def start_web(self) -> None:
        """Starts `app.py`, and answers when it serves."""
        with (self.home / "web.log").open("ab") as log:
            self.web = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=REPO,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ
                | {
                    "LETHE_HOME": str(self.home),
                    "LETHE_DEMO": "0",
                    "PORT": str(self.port),
                    "HOST": "127.0.0.1",
                    "GRADIO_TEMP_DIR": str(self.home / "gradio"),
                    "GRADIO_ANALYTICS_ENABLED": "False",
                    "HF_HUB_OFFLINE": "1",
                    "OMP_WAIT_POLICY": "PASSIVE",
                },
            )
        wait_until(self._serves, f"app.py serves; it said: {self.web_log()[-2000:]}")

    def _serves(self) -> bool:
        assert self.web is not None and self.web.poll() is None, f"app.py ended: {self.web_log()[-2000:]}"
        try:
            return httpx.get(self.url(), timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def web_log(self) -> str:
        return (self.home / "web.log").read_text(errors="replace")

    def kill_web(self) -> None:
        """As when the machine is out of memory: no goodbye."""
        assert self.web is not None
        self.web.send_signal(signal.SIGKILL)
        self.web.wait()

    def stop(self) -> None:
        """Ends the pages, then every worker by its own process number."""
        if self.web is not None and self.web.poll() is None:
            self.web.terminate()
            self.web.wait(30)
        for worker in workers(self.engine, alive_within_s=60):
            try:
                process = psutil.Process(worker.pid)
                if abs(process.create_time() - worker.pid_started_at) < 1:
                    process.terminate()
                    process.wait(60)
            except psutil.NoSuchProcess:
                continue
        self.engine.dispose()

    # -- runs ---

    def run(self, run_id: str) -> Run:
        return runs.get(self.engine, run_id)

    def state(self, run_id: str) -> str:
        return str(self.run(run_id).state)

    def named(self, name: str) -> list[Run]:
        return [run for run in runs.listing(self.engine) if run.name == name]

    def wait_for_step(self, run_id: str, above: int) -> int:
        """The run's step, once it is higher than `above`."""
        wait_until(lambda: self.run(run_id).step > above, f"the run goes beyond step {above}")
        return self.run(run_id).step

    def cancel(self, run_id: str) -> None:
        runs.request_stop(self.engine, run_id, "cancel")
        self.wait_for_end(run_id)

    def wait_for_end(self, run_id: str) -> None:
        wait_until(lambda: self.run(run_id).state in ENDED, "the run ends", 2 * PATIENCE_S)

    def queue_vanilla(self) -> Run:
        """A model with full weights that has barely begun to learn: enough to be asked."""
        training = Training(adapter="full", modules="all", learning_rate=2e-3, steps=12, batch_size=16, save_every=0)
        return queue(self.engine, FinetuneSpec(training=training, score=False), "vanilla")

    def queue_unlearning(self, model: Run, name: str, steps: int, *, score: bool) -> Run:
        """NPO with an adapter beside the weights of `model`."""
        spec = fill("npo", model=f"run:{model.id}")
        training = spec.training.model_copy(
            update={"adapter": "lora", "steps": steps, "batch_size": 4, "evaluate_every": 0, "save_every": 0}
        )
        return queue(self.engine, spec.model_copy(update={"training": training, "score": score}), name)

    def queue_attack(self, model: Run, name: str, attacks: tuple[str, ...], items: int) -> Run:
        """These attacks of the quick suite, with so many questions of each modality; held-out people are the
        control."""
        asked = {"attacks": attacks, "items": items}
        return queue(self.engine, AttackSpec.model_validate(attack_values(model) | asked), name)
