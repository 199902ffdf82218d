"""`foreman-simulator`: a Foreman to test against, on loopback only."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import signal
import sys

from aiohttp import web

from . import scenarios
from .app import Server
from .world import Settings, World


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="foreman-simulator", description=__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="0 takes a free one; the line that is printed says which"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="a loopback address: the simulator runs the scripts that it is sent"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of all chance: durations, addresses of machines, tokens (default 1)"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds in a real one (default 1)")
    parser.add_argument(
        "--scenario", choices=("lab", "recordings"), default="lab", help="what the server holds at first"
    )
    parser.add_argument("--latency", default="0", metavar="MS|measured", help="what each call costs (default 0)")
    given = parser.parse_args(arguments)
    if not ipaddress.ip_address(given.host).is_loopback:
        parser.error("only a loopback address: the simulator runs the scripts that it is sent")
    if given.latency != "measured":
        try:
            float(given.latency)
        except ValueError:
            parser.error("--latency is a number of milliseconds, or `measured`")
    return given


def world(given: argparse.Namespace) -> World:
    """A loaded world for these options; login and password come from the environment."""
    settings = Settings(
        seed=given.seed,
        speed=given.speed,
        scenario=given.scenario,
        latency=given.latency,
        user=os.environ.get("FOREMAN_USER", "admin"),
        password=os.environ.get("FOREMAN_PASSWORD", "changeme"),
    )
    made = World(settings)
    scenarios.load(made)
    return made


async def serve(given: argparse.Namespace) -> None:
    """Listen until SIGTERM or SIGINT, which end it at once."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(Server(world(given)).app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, given.host, given.port)
    await site.start()
    port = runner.addresses[0][1]
    print(f"foreman-simulator listening on http://{given.host}:{port}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Entry point."""
    asyncio.run(serve(options()))
    sys.exit(0)


if __name__ == "__main__":
    main()
