"""Names and addresses of hosts (foreman-api §5.1, §13; recordings hosts 11-16, 21)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .replies import Invalid, Row
from .world import World

BAD_NAME = (
    "hostname can contain only lowercase letters, numbers, dashes and dots according to RFC921, RFC952 and RFC1123"
)
GOOD = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
BLOCKED = 30 * 60  # simulated seconds that a suggested address stays blocked (foreman-api §5.1)


def normal(world: World, name: Any, domain_id: int | None) -> str:
    """Return the name without white space, in lower case, with the domain (core nic/interface.rb:123-143)."""
    short = re.sub(r"\s", "", str(name or "")).lower()
    domain = world.name_of("domains", domain_id)
    if not short or domain is None or short.endswith(f".{domain}"):
        return short
    return f"{short}.{domain}"


def check(world: World, host: Row, given: Any, errors: Invalid) -> None:
    """Refuse a name that is blank, has bad characters or dots, or that any host has, even one the caller cannot see."""
    name, domain = host["name"], world.name_of("domains", host["domain_id"])
    if not name:
        errors.add("name", "can't be blank")
        errors.add("name", BAD_NAME)
        return
    short = name.removesuffix(f".{domain}") if domain else name
    problem = None if GOOD.fullmatch(name) else BAD_NAME
    if problem is None and domain and "." in short and host["managed"]:
        problem = "must not include periods"
    if problem:
        errors.add("interfaces.name", problem)
        errors.add("name", problem)
    elif any(other["name"] == name and other["id"] != host.get("id") for other in _rows(world)):
        errors.add("name", "has already been taken")


def _rows(world: World) -> list[Row]:
    """Return all rows of the table, even those without a type: hidden, but their names are taken (measured §1.9)."""
    return world.rows("hosts") + world.rows("hosts_without_type")


def inside(subnet: Row, address: str) -> bool:
    """Whether the address belongs to the subnet."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(f"{subnet['network']}/{subnet['mask']}")
    except ValueError:
        return False


def free_address(world: World, subnet: Row) -> str | None:
    """Return the next free address, None if there is none.

    It stays blocked for half an hour, even if the POST is then refused (measured §2).
    """
    now = world.now()
    used = {host["ip"] for host in world.rows("hosts")} | {ip for ip, until in world.blocked.items() if until > now}
    first, last = ipaddress.ip_address(subnet["from"]), ipaddress.ip_address(subnet["to"])
    for number in range(int(first), int(last) + 1):
        text = str(ipaddress.ip_address(number))
        if text not in used:
            world.blocked[text] = now + BLOCKED
            return text
    return None
