from __future__ import annotations

from dataclasses import fields

import pytest

from foreman_stacks.settings import PREFIX, Settings, explained


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({"PATH": "/bin", "FOREMAN_STACKS": "x"}) == Settings()


def test_each_setting_is_read_from_its_variable() -> None:
    numbers = {PREFIX + entry.name.upper(): "7" for entry in fields(Settings) if isinstance(entry.default, int | float)}
    found = Settings.from_environment(numbers | {PREFIX + "INSTALLATION": "east", PREFIX + "LOG_LEVEL": "DEBUG"})
    for entry in fields(Settings):
        if isinstance(entry.default, int | float):
            assert getattr(found, entry.name) == type(entry.default)(7), entry.name
    assert (found.installation, found.log_level) == ("east", "DEBUG")


def test_every_default_would_be_taken_from_the_environment_as_well() -> None:
    default = Settings()
    given = {PREFIX + entry.name.upper(): str(getattr(default, entry.name)) for entry in fields(Settings)}
    assert Settings.from_environment(given) == default


@pytest.mark.parametrize(
    "name, value, must",
    [
        ("WORKERS", "many", "a whole number"),
        ("WORKERS", "2.5", "a whole number"),
        ("WORKERS", "0", "more than 0"),
        ("WORKERS", "-1", "0 or more"),
        ("OVERRIDE_RESYNC_EVERY", "0", "more than 0"),
        ("RESYNC", "10m", "a number of seconds"),
        ("RESYNC", "", "a number of seconds"),
        ("POLL_JOBS", "0", "more than 0"),
        ("POLL_BUILDS", "nan", "0 or more"),
        ("BACKOFF_CAP", "inf", "0 or more"),
        ("HTTP_PORT", "70000", "a port"),
        ("INSTALLATION", "east coast", "lower-case letters"),
        ("INSTALLATION", "a/b", "lower-case letters"),
        ("INSTALLATION", "", "lower-case letters"),
        ("NAMESPACE", "Ops", "lower-case letters"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_it_must_be(name: str, value: str, must: str) -> None:
    with pytest.raises(ValueError, match=must) as caught:
        Settings.from_environment({PREFIX + name: value})
    assert PREFIX + name in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", ["REPORT_GRACE", "BOOT_TIMEOUT", "RETRY_FIRST", "HTTP_PORT", "LOCKOUT"])
def test_where_nothing_means_at_once_nothing_is_fine(name: str) -> None:
    assert getattr(Settings.from_environment({PREFIX + name: "0"}), name.lower()) == 0


def test_every_setting_is_explained_with_its_default_but_what_is_for_our_tests() -> None:
    found = {name: (default, said) for name, default, said in explained()}
    assert list(found) == [PREFIX + entry.name.upper() for entry in fields(Settings) if entry.name != "audit_socket"]
    assert not [name for name, (_, said) in found.items() if not said.endswith(".")]
    assert found[PREFIX + "POLL_JOBS"] == ("3.0", "Between two polls of a Foreman server while a job runs there.")
