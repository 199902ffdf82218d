"""Kopf as our informer: events go into the engine, and Kopf itself writes nothing."""

from __future__ import annotations

import itertools
from typing import Any, cast

import kopf
import pytest

from foreman_stacks.cluster.port import Key, Object
from foreman_stacks.engine.engine import Engine
from foreman_stacks.handlers.registry import build_registry, configure, translate


class Noted:
    """An engine that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Key]] = []

    def seen(self, key: Key, body: Object) -> None:
        self.told.append(("seen", key))

    def gone(self, key: Key) -> None:
        self.told.append(("gone", key))


@pytest.mark.parametrize(
    "kind, told", [(None, "seen"), ("ADDED", "seen"), ("MODIFIED", "seen"), ("BOOKMARK", "seen"), ("DELETED", "gone")]
)
@pytest.mark.parametrize(
    "plural, meta, key",
    [
        ("stackdeployments", {"name": "a", "namespace": "ops"}, Key("stackdeployments", "ops", "a")),
        ("stacks", {"name": "a", "namespace": "ops"}, Key("stacks", "ops", "a")),
        ("foremanservers", {"name": "f"}, Key("foremanservers", "", "f")),
    ],
)
def test_an_event_says_what_it_is_about(
    kind: str | None, told: str, plural: Any, meta: dict[str, str], key: Key
) -> None:
    engine = Noted()
    translate(cast("Engine", engine), plural, kind, {"metadata": meta})
    assert engine.told == [(told, key)]


def test_kopf_posts_nothing_scans_nothing_and_holds_nothing() -> None:
    settings = kopf.OperatorSettings()
    configure(settings)
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.persistence.finalizer != kopf.OperatorSettings().persistence.finalizer


def test_a_run_that_is_over_does_not_kill_the_next_one() -> None:
    settings = kopf.OperatorSettings()
    assert settings.process.ultimate_exiting_timeout is not None
    configure(settings)
    assert settings.process.ultimate_exiting_timeout is None


def test_no_outage_of_the_api_is_too_long() -> None:
    settings = kopf.OperatorSettings()
    configure(settings)
    backoffs: Any = settings.networking.error_backoffs
    pauses = list(itertools.islice(iter(backoffs), 100))
    assert len(pauses) == 100
    assert max(pauses) <= 30 * 1.2
    assert len(set(pauses)) > 90, "no jitter"


def test_only_events_are_handled_of_just_our_kinds() -> None:
    """Handlers of any other sort write annotations and finalizers (docs/decisions/0003)."""
    registry = build_registry(cast("Any", None), cast("Any", None))
    watching = list(registry._watching.get_all_handlers())
    assert {handler.id for handler in watching} == {"foremanservers", "stacks", "stackdeployments"}
    assert list(registry._changing.get_all_handlers()) == []
    assert list(registry._spawning.get_all_handlers()) == []
    assert list(registry._indexing.get_all_handlers()) == []
