"""The few questions that the demo asks a Foreman."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Foreman:
    url: str
    user: str
    password: str

    def get(self, path: str, **query: str | int) -> Any:
        """Return the parsed answer to a GET; raises OSError for an HTTP error, or if there is no answer."""
        address = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        account = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {account}", "Accept": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        try:
            self.get("/api/v2/status")
        except urllib.error.HTTPError:
            return True  # it listens and speaks HTTP
        except OSError:
            return False
        return True

    def classes(self, host: str) -> dict[str, dict[str, Any]]:
        """Return what Foreman gives Puppet for a host: class parameters by class."""
        answer = self.get(f"/api/v2/hosts/{host}/enc")
        found: dict[str, dict[str, Any]] = {
            name: values or {} for name, values in answer.get("data", answer)["classes"].items()
        }
        return found
