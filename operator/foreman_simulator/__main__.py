"""`foreman-simulator`: a Foreman to test against, on loopback only."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import math
import os
import signal
import sys

from aiohttp import web

from . import scenarios
from .app import Server
from .world import Settings, World

MAX_PORT = 65_535
EPILOG = """login: admin with password changeme, unless FOREMAN_USER and FOREMAN_PASSWORD say otherwise; and svc with password
svc-password1, who has no more rights than an operator needs

examples:
  foreman-simulator --port 3000 --speed 30
  curl -u admin:changeme http://127.0.0.1:3000/api/v2/hostgroups
"""


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="foreman-simulator",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=_port, required=True, help="0 takes a free one; the line that is printed says which"
    )
    parser.add_argument(
        "--host",
        type=_loopback,
        default="127.0.0.1",
        help="a loopback address: the simulator runs the scripts that it is sent (default 127.0.0.1)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed of everything random: durations, addresses of machines, tokens (default 1)",
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="simulated seconds per real second (default 1)")
    parser.add_argument(
        "--scenario", choices=("lab", "recordings"), default="lab", help="what the server holds at first (default lab)"
    )
    parser.add_argument(
        "--latency",
        type=_latency,
        default="0",
        metavar="MS|measured",
        help="how long each call takes: milliseconds, or as measured on a real Foreman (default 0)",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number from 0 to {MAX_PORT}")
    return int(text)


def _loopback(text: str) -> str:
    try:
        if ipaddress.ip_address(text).is_loopback:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a loopback address such as 127.0.0.1: the simulator runs the scripts that it is sent"
    )


def _speed(text: str) -> float:
    number = _finite(text)
    if number is None or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed: write a number above 0")
    return number


def _latency(text: str) -> str:
    number = _finite(text)
    if text != "measured" and (number is None or number < 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a latency: write 0 or more milliseconds, or `measured`")
    return text


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def world(given: argparse.Namespace) -> World:
    """Return a loaded world for these options; the administrator's login and password come from the environment."""
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


async def serve(given: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, which end it at once; return the exit code, 1 if it cannot listen there."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(Server(world(given)).app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, given.host, given.port).start()
    except OSError as error:
        await runner.cleanup()
        why = os.strerror(error.errno) if error.errno else error
        print(f"foreman-simulator: cannot listen on {given.host}, port {given.port}: {why}", file=sys.stderr)
        return 1
    port = runner.addresses[0][1]
    host = f"[{given.host}]" if ":" in given.host else given.host
    print(f"foreman-simulator listening on http://{host}:{port}", flush=True)
    await stop.wait()
    await runner.cleanup()
    return 0


def main() -> None:
    """Entry point."""
    sys.exit(asyncio.run(serve(options())))


if __name__ == "__main__":
    main()
