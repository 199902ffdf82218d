"""What no output of the operator may ever hold, and the search for it: in all logs, objects and metrics of the suite.

Every stage gives its Foreman the password `PASSWORD`, and tests of secrecy let `CANARY` flow through a deployment. At the
end of the session each test process looks for both in everything that its stages left behind, whole, by halves (a text
may have been cut inside the secret) and in base64 (as Secrets and basic authentication write it).
"""

import base64
from collections.abc import Iterator
from pathlib import Path

CANARY_HALVES = ("kX7qLm2vTz9R", "pW4nHs8cYb3J")
CANARY = "".join(CANARY_HALVES)
PASSWORD_HALVES = ("fQ6dRj1xKw5Z", "gN3bVt8mPy2S")
PASSWORD = "".join(PASSWORD_HALVES)

NOT_OURS = ("control-plane", "simulator.log")
"""etcd keeps Secrets, and a Foreman knows what it was told."""


def leaks(text: bytes) -> list[str]:
    """The secrets that a text holds, as words that do not give them away."""
    found = []
    for name, halves in (("the canary", CANARY_HALVES), ("Foreman's password", PASSWORD_HALVES)):
        forms = [*(half.encode() for half in halves), *_base64(halves[0]), *_base64(halves[1])]
        if any(form in text for form in forms):
            found.append(name)
    return found


def _base64(half: str) -> Iterator[bytes]:
    """What is in base64 whatever stands before and after: the first and last group of four may be shared."""
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + half.encode())[4:-4]


def search(directory: Path) -> tuple[int, list[str]]:
    """How many files there are below a directory, and which of them hold a secret."""
    files = [path for path in directory.rglob("*") if path.is_file() and not _foreign(path.relative_to(directory))]
    told = [f"{path}: {', '.join(found)}" for path in files if (found := leaks(path.read_bytes()))]
    return len(files), told


def _foreign(path: Path) -> bool:
    return any(part.startswith(NOT_OURS) for part in path.parts)
