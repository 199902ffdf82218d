import json

import pytest

from foreman_stacks.model.secrecy import REDACTED, Redactor
from foreman_stacks.model.values import Json

PASSWORD = 'Tr0ub"4dor\\&3 #{x}'
KEY = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "secret, text",
    [
        (PASSWORD, f"value {PASSWORD} is invalid"),
        (PASSWORD, f"value {json.dumps(PASSWORD)} is invalid"),
        (PASSWORD, "PUT /api/v2/x/Tr0ub%224dor%5C%263%20%23%7Bx%7D: 404"),
        ("pässwörd", 'value "p\\u00e4ssw\\u00f6rd" is invalid'),
        ("pässwörd", "value pässwörd is invalid"),
        (KEY, "Error: cannot read MIIEowIBAAKCAQEA here"),
        (KEY, f"Error: {KEY!r}"),
        (["first-one", {"port": 54321}], "no first-one at 54321"),
        ('["first-one", "second-one"]', "value second-one is invalid"),
        ({"token": "abcdef"}, '{"token": "abcdef"}'),
    ],
)
def test_a_secret_is_blotted_out_in_every_form(secret: Json, text: str) -> None:
    found = Redactor([secret])(text)
    assert REDACTED in found
    for part in ("Tr0ub", "MIIE", "first-one", "second-one", "54321", "abcdef", "ssw"):
        assert part not in found


def test_a_longer_secret_goes_before_the_shorter_one_inside_it() -> None:
    assert Redactor(["hunter2", "hunter2-suffix"])("is hunter2-suffix") == f"is {REDACTED}"


def test_words_of_others_stay() -> None:
    text = "port is true in 12 of 20 hosts of key port"
    assert Redactor([{"port": True}, "", "12", "in", None, 1])(text) == text


def test_what_overlaps_goes_as_one() -> None:
    assert Redactor(["secret-one", "one-secret"])("a secret-one-secret b") == f"a {REDACTED} b"


def test_a_line_of_several_is_blotted_when_it_is_long_enough_to_be_told_from_ordinary_text() -> None:
    found = Redactor(["user:\n  admin\n  s3cr3t-pw\n"])
    assert found("user: admin has s3cr3t-pw") == f"user: admin has {REDACTED}"
    assert Redactor(["s3cr3t\n"])("has s3cr3t") == f"has {REDACTED}", "one line is the secret itself"


def test_of_thousands_of_secrets_each_is_found() -> None:
    secrets = [f"[{number:04}]^-\\" for number in range(3000)]
    found = Redactor(["short", *secrets])
    for secret in ("short", *secrets[::500]):
        assert found(f"{secret}: {secret[:-1]} {secret}") == f"{REDACTED}: {secret[:-1]} {REDACTED}"
