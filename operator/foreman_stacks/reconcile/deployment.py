"""One pass over a StackDeployment: reads status, memory and requests, and chooses between `living` and `ending`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from foreman_stacks.api.deploymentstatus import MAX_FAILED_HOSTS
from foreman_stacks.api.meta import RECONCILE_ANNOTATION
from foreman_stacks.cluster.port import Cluster, Key, Object
from foreman_stacks.errors import ClusterConflict, ClusterError
from foreman_stacks.model.progress import Progress
from foreman_stacks.reconcile import building, status
from foreman_stacks.reconcile.ending import Ending
from foreman_stacks.reconcile.ledger import Ledger
from foreman_stacks.reconcile.living import Living
from foreman_stacks.reconcile.memory import Memory
from foreman_stacks.reconcile.passes import Next, Pass, Reporter
from foreman_stacks.reconcile.servers import Servers
from foreman_stacks.reconcile.steps import retried
from foreman_stacks.settings import Settings

MAX_REQUEST = 255
"""Characters of a request (the value of the annotation) that are remembered and compared."""


class Deployments:
    """Passes over StackDeployments."""

    def __init__(self, cluster: Cluster, servers: Servers, settings: Settings, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now
        self._started = now()
        self._memories: dict[tuple[Key, str], Memory] = {}
        reporter = Reporter(cluster, now)
        self.ledger = Ledger(timedelta(seconds=2 * settings.recheck), settings.job_lost_after)
        self._living = Living(cluster, servers, settings, now, reporter=reporter, ledger=self.ledger)
        self._ending = Ending(servers, settings, now, reporter=reporter, ledger=self.ledger)

    async def reconcile(self, key: Key) -> Next:
        """Run one pass. Errors of Foreman become conditions.

        Raises `ClusterError`, except for a conflict, after which the next pass follows at once.
        """
        seen = await self._cluster.get(key)
        if seen is None:
            self._forget(key)
            return Next()
        run = self._pass(key, seen)
        try:
            if not seen["metadata"].get("deletionTimestamp"):
                return await self._living.live(run)
            self._living.forget(key.namespace, key.name)
            await self.ledger.load(self._cluster, self._now())
            found = await self._ending.end(run)
        except ClusterConflict:
            return Next(after=0.0)
        except ClusterError:
            raise
        except Exception:
            self._living.unfollowed(run)  # a bug in the operator: the engine reports it
            raise
        if found.ended:
            self._forget(key)
        return found

    def _pass(self, key: Key, seen: Object) -> Pass:
        meta = seen["metadata"]
        memory = self._memories.setdefault((key, meta["uid"]), Memory(self._started))
        now = self._now()
        memory.clock(now)
        progress = status.parse(seen.get("status"), now)
        request = (meta.get("annotations") or {}).get(RECONCILE_ANNOTATION, "")[:MAX_REQUEST]
        asked = bool(request) and request != progress.handled
        edited = (seen.get("status") or {}).get("observedGeneration", -1) not in {-1, meta["generation"]}
        again = _gone(progress, memory) if asked else frozenset()
        if (edited or asked) and "deletionTimestamp" not in meta:  # deletion raises the generation, too, but is no edit
            # failed hosts stay in the status until a pass has looked for them: until then, `_gone` finds by them which
            # hosts the request means
            opened = replace(retried(progress), failed_hosts=progress.failed_hosts)
            progress = progress if progress.settled_plan else opened
            if edited or memory.request != request:
                memory.forgive()
                memory.doubt()
        memory.request = request if asked else ""
        return Pass(key, seen, memory, progress, meta["generation"], request if asked else "", again)

    def _forget(self, key: Key) -> None:
        for known in [known for known in self._memories if known[0] == key]:
            del self._memories[known]
        self._living.gone(key.namespace, key.name)


def _gone(progress: Progress, memory: Memory) -> frozenset[str]:
    """Return the FQDNs of hosts that the status lists as gone.

    If its list is full, there may be more: then also those that this process cannot see.
    """
    told = {host.name for host in progress.failed_hosts if host.reason in building.GONE}
    full = len(progress.failed_hosts) == MAX_FAILED_HOSTS
    missing = {name.removeprefix("unseen ") for name in memory.missing} if told and full else set()
    return frozenset(told | missing)
