"""`awning up`: run a region in the foreground until Ctrl-C, SIGTERM or `awning down`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import ipaddress
import os
import resource
import signal

from awning.cli.fault import Fault
from awning.cli.folders import add_data, cache_folder, data_folder
from awning.gateway.access import RootKeys
from awning.gateway.journal import Journal
from awning.region import ROOMS, Options, Region
from awning.store.errors import DataError, FolderError

MOST_FILES = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", default=None, help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=None, help="port for every API, HTTP and HTTPS (default: 4566)")
    add_data(parser)
    parser.add_argument("--services", metavar="A,B", default=None, help="only these services (default: all)")
    parser.add_argument(
        "--domain", metavar="D", default=None, help="a further host name under which the region answers"
    )
    parser.add_argument(
        "--iam", choices=("on", "off"), default="on", help="off: signatures are checked, permissions are not"
    )
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON")
    parser.add_argument("--log-level", choices=("info", "error", "off"), default=None, help="which requests are logged")


def run(arguments: argparse.Namespace) -> int:
    """Run a region; returns 0 after a clean stop."""
    options = read_options(arguments)
    level = arguments.log_level or "info"
    journal = Journal(json_lines=arguments.log_json, level=level)
    import uvloop

    raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options, journal))
    finally:
        journal.close()
    return 0


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: a connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return  # macOS refuses some values; the listener then takes fewer connections


def read_options(arguments: argparse.Namespace) -> Options:
    """Turn arguments and variables into Options. Raises Fault."""
    host, port = listen_address(arguments)
    services = read_services(arguments.services or os.environ.get("SERVICES"))
    domain = arguments.domain.lower().strip(".") if arguments.domain else None
    return Options(
        data=data_folder(arguments.data),
        host=host,
        port=port,
        services=services,
        domain=domain,
        enforce=arguments.iam == "on",
        keys=read_keys(host, domain),
        cache=cache_folder(),
    )


def listen_address(arguments: argparse.Namespace) -> tuple[str, int]:
    """Return host and port; GATEWAY_LISTEN ("0.0.0.0:4566", ":4566", "4566") stands in for what is not given."""
    named = (os.environ.get("GATEWAY_LISTEN") or "").split(",")[0]
    host, _, port = named.rpartition(":")
    chosen = arguments.port if arguments.port is not None else port or 4566
    try:
        number = int(chosen)
    except ValueError:
        raise Fault(f"GATEWAY_LISTEN={named} does not name a port.") from None
    if not 0 <= number <= 65535:
        raise Fault(f"{number} is no port.")
    return arguments.host or host or "127.0.0.1", number


def read_services(given: str | None) -> frozenset[str] | None:
    """Return the named services. Raises Fault for one that awning does not have."""
    if not given:
        return None
    names = frozenset(name.strip() for name in given.split(",") if name.strip())
    known = {room.name for room in ROOMS}
    if unknown := sorted(names - known):
        raise Fault(f"There is no service {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    return names


def read_keys(host: str, domain: str | None) -> RootKeys:
    """Return the root keys. Raises Fault for a public address without a root key of its own."""
    key = os.environ.get("AWNING_ROOT_ACCESS_KEY_ID")
    secret = os.environ.get("AWNING_ROOT_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise Fault("Set both AWNING_ROOT_ACCESS_KEY_ID and AWNING_ROOT_SECRET_ACCESS_KEY, or neither.")
    anywhere = os.environ.get("AWNING_ALLOW_WELL_KNOWN_KEYS") == "1"
    if not is_loopback(host) and not key and not anywhere:
        raise Fault(
            f"{host} can be reached from other machines: set AWNING_ROOT_ACCESS_KEY_ID and AWNING_ROOT_SECRET_ACCESS_KEY first."
        )
    return RootKeys(key or None, secret or None, well_known_anywhere=anywhere, domain=domain)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(options: Options, journal: Journal) -> None:
    """Start a region, say so, and stop it when asked to. Raises Fault."""
    region = Region(options, journal)
    try:
        await region.start()
    except (DataError, FolderError) as error:
        raise Fault(str(error)) from None
    except OSError as error:
        raise Fault(listen_fault(options, error)) from None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, region.stop_wanted.set)
    announce(region, journal)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    await region.stop_wanted.wait()
    journal.notice("Stopping: finishing what runs.")
    await region.stop()
    journal.notice("Stopped.")


def announce(region: Region, journal: Journal) -> None:
    """Say where the region is, what is unusual about it, and that it is ready."""
    options = region.options
    assert region.listener is not None
    if not options.enforce:
        journal.notice("WARNING: --iam off: every signature is checked, but every permission is given.")
    if options.keys.well_known_anywhere:
        journal.notice(
            "WARNING: AWNING_ALLOW_WELL_KNOWN_KEYS=1: whoever reaches this port is root with the key `test`."
        )
    host = f"[{options.host}]" if ":" in options.host else options.host
    journal.notice(f"awning at http://{host}:{region.listener.port} (and https), data in {region.folder.path}")
    journal.notice(f"services: {', '.join(sorted(region.rooms))}")
    journal.notice("Ready.")


def listen_fault(options: Options, error: OSError) -> str:
    """Say why the region could not listen, or could not use its data folder."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {options.port} is taken; stop what uses it, or choose another with --port."
    if error.errno in (errno.EADDRNOTAVAIL, -2, -3):
        return f"This machine has no address {options.host}."
    if error.errno == errno.EACCES and options.port < 1024:
        return f"Port {options.port} needs more rights than you have; choose one above 1023 with --port."
    return f"Cannot start: {error}"
