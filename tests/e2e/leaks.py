"""The secrets that no output of the operator may hold, and a search for them in all its logs, objects and metrics.

Every stage gives its Foreman the password `PASSWORD`, and tests of secrecy let `CANARY` flow through a deployment. At the
end of the session, each test process searches everything that its stages left behind for the halves of both (a text may
have been cut inside a secret), as plain text and in base64 (as Secrets and basic authentication have it).
"""

import base64
from collections.abc import Iterator
from pathlib import Path

CANARY_HALVES = ("kX7qLm2vTz9R", "pW4nHs8cYb3J")
CANARY = "".join(CANARY_HALVES)
PASSWORD_HALVES = ("fQ6dRj1xKw5Z", "gN3bVt8mPy2S")
PASSWORD = "".join(PASSWORD_HALVES)

NOT_OURS = ("control-plane", "simulator.log")
"""Not outputs of the operator: etcd stores Secrets, and the simulated Foreman knows what it was sent."""


def leaks(text: bytes) -> list[str]:
    """Return the secrets that a text holds, by names that do not give them away."""
    found = []
    for name, halves in (("the canary", CANARY_HALVES), ("Foreman's password", PASSWORD_HALVES)):
        forms = [*(half.encode() for half in halves), *_base64(halves[0]), *_base64(halves[1])]
        if any(form in text for form in forms):
            found.append(name)
    return found


def _base64(half: str) -> Iterator[bytes]:
    """Yield what is in base64 whatever comes before and after; the first and last group of four may depend on that."""
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + half.encode())[4:-4]


def search(directory: Path) -> tuple[int, list[str]]:
    """Return how many files were searched below a directory, and which of them hold a secret."""
    files = [path for path in directory.rglob("*") if path.is_file() and not _foreign(path.relative_to(directory))]
    told = [f"{path}: {', '.join(found)}" for path in files if (found := leaks(path.read_bytes()))]
    return len(files), told


def _foreign(path: Path) -> bool:
    return any(part.startswith(NOT_OURS) for part in path.parts)
