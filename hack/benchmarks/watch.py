"""A watch on deployments that notes when each of them got its first status, and when it became Ready."""

import threading
import time
from typing import Any

import httpx

from tests.e2e.stage import Api


class Watch:
    """Runs in a thread of its own; times are those of `time.monotonic`."""

    def __init__(self, api: Api, path: str) -> None:
        self.first: dict[str, float] = {}
        self.ready: dict[str, float] = {}
        self._api = api
        self._path = path
        self._over = threading.Event()
        version = api.call("GET", path)["metadata"]["resourceVersion"]
        self._thread = threading.Thread(target=self._follow, args=(version,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._over.set()
        self._thread.join(10)

    def _follow(self, version: str) -> None:
        while not self._over.is_set():
            try:
                for event in self._api.watch(self._path, version):
                    self._seen(event)
                    version = event["object"]["metadata"]["resourceVersion"]
                    if self._over.is_set():
                        return
            except httpx.HTTPError:
                time.sleep(0.1)

    def _seen(self, event: Any) -> None:
        now, found = time.monotonic(), event["object"]
        name, status = found["metadata"]["name"], found.get("status") or {}
        if status.get("observedGeneration", -1) >= 1:
            self.first.setdefault(name, now)
        ready = next((entry for entry in status.get("conditions") or () if entry["type"] == "Ready"), None)
        if ready is not None and ready["status"] == "True":
            self.ready.setdefault(name, now)
