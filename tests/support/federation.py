"""Ways to run the example with Flower: as a user does, and within the test process."""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from spear.experiments.cli.start import CONF

EXAMPLE = CONF.parent / "examples" / "flower"
SUPERLINK = ("--insecure", "--simulation", "--isolation", "subprocess", "--host", "127.0.0.1")
CLIENTS = "num-supernodes=2 client-resources-num-cpus=1"
SECONDS = 600


def configuration(**changes: Any) -> dict[str, Any]:
    """The app's own configuration with some keys changed (`_` for `-`)."""
    app = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    return app["config"] | {key.replace("_", "-"): value for key, value in changes.items()}


class OneProcess:
    """Both apps of the example without Flower's engine: messages are handed over as they are."""

    def __init__(self, config: dict[str, Any], clients: int = 2) -> None:
        from flwr.supercore.task_identity import TaskIdentity

        from federated import client, server

        # As Flower's engine does it for every process that makes messages.
        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
        self._config, self._clients = config, clients
        self._client, self._server = client.app, server.main

    def run(self) -> Path:
        """Where the updates are."""
        self._server(self, self._context())
        return Path(self._config["output"])

    def get_node_ids(self) -> Iterable[int]:
        return range(1, self._clients + 1)

    def send_and_receive(self, messages: Iterable[Any], **_: Any) -> list[Any]:
        return [
            self._client(each, self._context({"partition-id": each.metadata.dst_node_id - 1}))
            for each in messages
        ]

    def _context(self, node: dict[str, Any] | None = None) -> Any:
        from flwr.app import Context, RecordDict

        return Context(1, 0, node or {}, RecordDict(), self._config)


class Simulation:
    """Flower's own simulation, by the `flwr` command as a user types it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._bin = Path(sys.executable).parent
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "here"\n'
            f'[superlink.here]\naddress = "127.0.0.1:{self._port}"\ninsecure = true\n'
        )
        self._environment = os.environ | {
            "FLWR_HOME": str(home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(CONF.parent),
        }

    def __enter__(self) -> "Simulation":
        with (self.home / "log").open("w") as log:
            self._superlink = subprocess.Popen(
                [self._bin / "flower-superlink", *SUPERLINK, "--port", self._port],
                env=self._environment,
                cwd=self.home,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + SECONDS
        while not self._answers():
            alive = self._superlink.poll() is None and time.monotonic() < end
            assert alive, (self.home / "log").read_text()
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        # Its children have sessions of their own; a run that was cut short would go on.
        running = psutil.Process(self._superlink.pid)
        for each in [running, *running.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._superlink.wait()

    def __call__(self, command: str, output: Path, overrides: str) -> str:
        """What a run has said.

        Args:
            command: begins with `flwr run`.
            output: where its updates shall be.
            overrides: of the configuration.
        """
        changed = f'output="{output}" {overrides}'
        done = subprocess.run(
            [*shlex.split(command), "--run-config", changed, "--federation-config", CLIENTS],
            env=self._environment,
            cwd=EXAMPLE,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout + done.stderr

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self._port))) == 0
