"""A stand-in for the W&B server on this machine, which keeps what arrives.

It answers what `wandb sync` of version 0.31 asks: a few GraphQL operations, the stream of a run's
history and summary, uploads of files and artifacts; what saving a workspace asks; what `wandb
sweep` and `wandb agent` ask, of a grid; and what `wandb.Api().runs` asks, with the files of a run.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import yaml

Answer = dict[str, Any]

VIEWER = {"viewer": {"id": "u", "entity": "someone"}}

KEY = "0" * 40
"""An API key that has the right length and opens nothing."""


@dataclass
class ReceivedRun:
    """What arrived of one run.

    Attributes:
        created: how often the run was opened; each upload of it does so once.
        display_name, group: as the run was named.
        config: its keys and values.
        history: the rows of the metric series.
        summary: its last values.
        files: uploaded, by name; those of an artifact are below its name.
        artifacts: names of those that were committed.
        completed: how often the stream said that it is at its end.
    """

    created: int = 0
    display_name: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    completed: int = 0

    def artifact_files(self) -> list[str]:
        """The files of committed artifacts."""
        return [name for name in self.files if name.split("/")[0] in self.artifacts]


class WandbServer:
    """Keeps what arrives: `runs` by their ids, saved `views`, the last `sweep`, unknown operations.

    `sweep` is its YAML; `unknown` has the names of operations without an answer.
    """

    def __init__(self) -> None:
        self.runs: dict[str, ReceivedRun] = defaultdict(ReceivedRun)
        self.views: list[dict[str, Any]] = []
        self.sweep = ""
        self._jobs: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self.url = ""
        self._lock = Lock()
        self._artifacts: dict[str, tuple[str, str]] = {}

    def operation(self, query: str, variables: dict[str, Any]) -> Answer:
        """The answer to a GraphQL request."""
        answers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "UpsertBucket": self._open_run,
            "RunResumeStatus": self._resume_status,
            "OrganizationCoreWeaveOrganizationID": lambda _: {"entity": None},
            "ServerFeaturesQuery": lambda _: {"serverInfo": {"features": []}},
            "Runs": self._runs,
            "Run": lambda variables: {"project": {"run": self._node(variables["name"])}},
            "RunFiles": self._files,
            "Viewer": lambda _: VIEWER,
            "GetDefaultEntity": lambda _: VIEWER,
            "ArtifactType": lambda _: {"project": None},
            "UpsertView2": self._save_view,
            "UpsertSweep": self._open_sweep,
            "SweepWithRuns": self._sweep,
            "CreateAgent": lambda _: {"createAgent": {"agent": {"id": "a"}}},
            "Heartbeat": self._next_job,
            "CreateRunFiles": self._run_files,
            "CreateArtifact": self._create_artifact,
            "CreateArtifactManifest": self._manifest,
            "UpdateArtifactManifest": self._manifest,
            "CreateArtifactFiles": self._artifact_files,
            "CommitArtifact": self._commit,
        }
        query = query.strip().removeprefix("#graphql").strip()
        name = re.split(r"\W+", query)[1]  # after `query` or `mutation`
        with self._lock:
            if name in answers:
                return answers[name](variables)
            self.unknown.append(name)
            return {}

    def stream(self, run: str, content: dict[str, Any]) -> None:
        """A piece of a run's history and summary."""
        with self._lock:
            received = self.runs[run]
            files = content.get("files", {})
            if history := files.get("wandb-history.jsonl"):
                rows = [json.loads(line) for line in history["content"]]
                received.history[history["offset"] :] = rows  # sent again, it takes its place
            for line in files.get("wandb-summary.json", {}).get("content", []):
                received.summary |= json.loads(line)
            received.completed += bool(content.get("complete"))

    def upload(self, run: str, name: str, content: bytes) -> None:
        """A file of a run or of one of its artifacts."""
        with self._lock:
            self.runs[run].files[name] = content

    def _open_run(self, variables: dict[str, Any]) -> Answer:
        run = self.runs[variables["name"]]
        if variables["displayName"]:  # later requests only add to the configuration
            run.created += 1
            run.display_name, run.group = variables["displayName"], variables["groupName"]
        for key, entry in json.loads(variables["config"] or "{}").items():
            run.config[key] = entry["value"]
        project = {"id": "p", "name": "spear", "entity": {"id": "e", "name": "someone"}}
        bucket = {"id": "b", "name": variables["name"], "project": project, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket, "inserted": run.created == 1}}

    def _resume_status(self, variables: dict[str, Any]) -> Answer:
        """How far a run is, for whoever continues it."""
        if variables["name"] not in self.runs:
            return {"model": None}
        run = self.runs[variables["name"]]
        bucket = {
            "name": variables["name"],
            "displayName": run.display_name,
            "summaryMetrics": json.dumps(run.summary),
            "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
            "historyLineCount": len(run.history),
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsLineCount": 0,
            "eventsTail": "[]",
            "logLineCount": 0,
            "wandbConfig": json.dumps({"t": 1}),
        }
        return {"model": {"name": "spear", "entity": {"name": "someone"}, "bucket": bucket}}

    def _runs(self, variables: dict[str, Any]) -> Answer:
        """The runs of the project, or those of one group."""
        if (variables["entity"], variables["project"]) != ("someone", "spear"):
            return {"project": None}
        wanted = json.loads(variables["filters"] or "{}").get("group")
        names = [name for name, run in self.runs.items() if wanted in (None, run.group)]
        edges = [{"node": self._node(name), "cursor": name} for name in names]
        page = {"endCursor": names[-1] if names else None, "hasNextPage": False}
        runs = {"edges": edges, "pageInfo": page}
        return {"project": {"runCount": len(names), "readOnly": False, "runs": runs}}

    def _node(self, name: str) -> Answer:
        """A run as W&B's interface gives it."""
        run = self.runs[name]
        return {
            "id": name,
            "name": name,
            "displayName": run.display_name,
            "group": run.group,
            "state": "finished" if run.completed else "crashed",
            "tags": [],
            "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
            "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}",
            "historyLineCount": len(run.history),
            "user": {"name": "someone", "username": "someone"},
        }

    def _files(self, variables: dict[str, Any]) -> Answer:
        """Those files of a run that are asked for, with the address of each."""
        run = variables["name"]
        names = [each for each in variables["fileNames"] if each in self.runs[run].files]
        edges = []
        for name in names:
            address = f"{self.url}/upload/{run}/{name}"
            size = len(self.runs[run].files[name])
            file = {"id": name, "name": name, "url": address, "directUrl": address}
            edges.append({"node": file | {"sizeBytes": size, "md5": ""}, "cursor": name})
        files = {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}
        return {"project": {"run": {"fileCount": len(names), "files": files}}}

    def _save_view(self, variables: dict[str, Any]) -> Answer:
        self.views.append(variables)
        view = {"id": f"view{len(self.views)}", "name": variables["name"]}
        return {"upsertView": {"view": view, "inserted": True}}

    def _open_sweep(self, variables: dict[str, Any]) -> Answer:
        self.sweep = variables["config"]
        content = yaml.safe_load(self.sweep)
        names = [*content["parameters"]]
        values = (each["values"] for each in content["parameters"].values())
        for number, chosen in enumerate(itertools.product(*values)):
            given = {name: {"value": value} for name, value in zip(names, chosen, strict=True)}
            job = {"run_id": f"run{number}", "program": content["program"], "args": given}
            self._jobs.append({"type": "run", **job})
        project = {"id": "p", "name": "spear", "entity": {"id": "e", "name": "someone"}}
        return {"upsertSweep": {"sweep": {"name": "sweep0", "project": project}}}

    def _sweep(self, _: dict[str, Any]) -> Answer:
        sweep = {"id": "s", "state": "RUNNING", "config": self.sweep, "runs": {"edges": []}}
        return {"project": {"sweep": sweep}}

    def _next_job(self, variables: dict[str, Any]) -> Answer:
        """The next job if the agent has none, and at last the end."""
        busy = json.loads(variables["runState"])
        commands = [] if busy else [self._jobs.pop(0) if self._jobs else {"type": "exit"}]
        agent = {"agent": {"id": "a"}, "commands": json.dumps(commands)}
        return {"agentHeartbeat": agent}

    def _run_files(self, variables: dict[str, Any]) -> Answer:
        files = [
            {"name": name, "uploadUrl": f"{self.url}/upload/{variables['run']}/{name}"}
            for name in variables["files"]
        ]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}

    def _create_artifact(self, variables: dict[str, Any]) -> Answer:
        made = variables["input"]
        identifier = f"artifact{len(self._artifacts)}"
        self._artifacts[identifier] = made["runName"], made["artifactCollectionName"]
        artifact = {"id": identifier, "state": "PENDING", "artifactSequence": {}}
        return {"createArtifact": {"artifact": artifact}}

    def _manifest(self, variables: dict[str, Any]) -> Answer:
        identifier = variables.get("artifactID") or variables["artifactManifestID"]
        run, name = self._artifacts[identifier]
        file = {"uploadUrl": f"{self.url}/upload/{run}/{name}.manifest", "uploadHeaders": []}
        manifest = {"id": identifier, "file": {"id": "f", "name": "m", "displayName": "m", **file}}
        kind = "createArtifactManifest" if "artifactID" in variables else "updateArtifactManifest"
        return {kind: {"artifactManifest": manifest}}

    def _artifact_files(self, variables: dict[str, Any]) -> Answer:
        edges = []
        for file in variables["input"]["artifactFiles"]:
            run, name = self._artifacts[file["artifactID"]]
            address = f"{self.url}/upload/{run}/{name}/{file['name']}"
            node = {"id": "f", "name": file["name"], "displayName": file["name"]}
            node |= {"uploadUrl": address, "uploadHeaders": [], "storagePath": "s"}
            edges.append({"node": node | {"artifact": {"id": file["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _commit(self, variables: dict[str, Any]) -> Answer:
        run, name = self._artifacts[variables["artifactID"]]
        self.runs[run].artifacts.append(name)
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "d"}}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: WandbServer

    def do_GET(self) -> None:
        if self.path.startswith("/upload/"):
            _, _, run, name = self.path.split("/", 3)
            self._send(self.received.runs[run].files[name], "application/octet-stream")
        else:
            self._answer({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            content = json.loads(body)
            answer = self.received.operation(content["query"], content.get("variables") or {})
            self._answer({"data": answer})
        elif self.path.endswith("/file_stream"):  # /files/<entity>/<project>/<run>/file_stream
            self.received.stream(self.path.split("/")[-2], json.loads(body))
            self._answer({})
        else:  # where W&B looks for a collector of its own metrics
            self._answer({}, status=404)

    def do_PUT(self) -> None:
        _, _, run, name = self.path.split("/", 3)
        self.received.upload(run, name, self._body())
        self._answer({})

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _answer(self, content: Answer, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), "application/json", status)

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Clients that end without closing their connections are no error."""


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """A server for as long as the block lasts, on a port that is free."""
    received = WandbServer()
    handler = type("Handler", (_Handler,), {"received": received})
    with _Server(("127.0.0.1", 0), handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


def sync(server: WandbServer, *arguments: str | Path) -> str:
    """What `wandb sync` says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("wandb"), "sync", *arguments],
        cwd=Path(arguments[-1]).parent,  # where it leaves a log
        env=os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY},
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr
