"""Follow one object of the cluster as it changes."""

import json
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import control_plane


def condition(seen: dict[str, Any], kind: str) -> str:
    """Return the status of a condition if it is about the current generation, else "Unknown"."""
    generation = seen.get("metadata", {}).get("generation")
    for each in seen.get("status", {}).get("conditions", []):
        if each["type"] == kind and each.get("observedGeneration", generation) == generation:
            return str(each["status"])
    return "Unknown"


class Watch:
    """The newest state of an object, from `kubectl get --watch`, which is restarted whenever its stream ends."""

    def __init__(self, kubeconfig: Path, body: dict[str, Any]) -> None:
        name, namespace = body["metadata"]["name"], body["metadata"].get("namespace", "default")
        get = ["get", f"{body['kind']}/{name}", "--namespace", namespace, "-o", "json", "--watch"]
        self._command = [control_plane.kubectl_path(), "--kubeconfig", str(kubeconfig), *get]
        self._changes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._newest = body
        self._ended = False

    def newest(self, seconds: float) -> dict[str, Any]:
        """Return the newest state; if nothing has changed since the last look, first wait up to `seconds`."""
        try:
            self._newest = self._changes.get(timeout=seconds)
            while True:
                self._newest = self._changes.get_nowait()
        except queue.Empty:
            return self._newest

    def _follow(self) -> None:
        while not self._ended:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            stream, buffer = self._process.stdout, ""
            assert stream is not None
            for line in stream:
                buffer += line
                if line == "}\n":  # objects are printed indented, so an unindented brace ends one
                    self._changes.put(json.loads(buffer))
                    buffer = ""
            self._process.wait()

    def __enter__(self) -> Self:
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        if self._process is not None:
            self._process.terminate()
