"""`awning up`: run a region in the foreground until Ctrl-C, SIGTERM or `awning down`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import errno
import gc
import ipaddress
import os
import resource
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path

from awning.cli import env, variables
from awning.cli.fault import Fault
from awning.cli.folders import add_data, cache_folder, data_folder
from awning.cli.temporary import TemporaryFolder
from awning.cli.variables import Variables
from awning.gateway.access import RootKeys, is_well_known
from awning.gateway.journal import Journal
from awning.hooks import WELL_KNOWN_FOLDER, Hooks
from awning.region import ROOMS, Options, Region
from awning.store.errors import DataError, FolderError

_M_ARENA_MAX = -8  # as malloc.h has it
_ARENAS = 2
MOST_FILES = 65_536
KNOWN = frozenset(room.name for room in ROOMS)


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
    parser.add_argument(
        "--default-encryption",
        choices=("on", "off"),
        default=None,
        help="off: objects that nobody asks to have encrypted are not; AWNING_DEFAULT_ENCRYPTION (default: on)",
    )
    parser.add_argument(
        "--init",
        metavar="FOLDER",
        type=Path,
        default=None,
        help=f"scripts to run, in boot.d, start.d, ready.d and shutdown.d (default: {WELL_KNOWN_FOLDER})",
    )
    parser.add_argument(
        "--temporary", action="store_true", help="keep nothing: a data folder of its own, removed at the end"
    )
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when standard input ends, as it does when its parent dies"
    )
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON")
    parser.add_argument("--log-level", choices=("info", "error", "off"), default=None, help="which requests are logged")


def run(arguments: argparse.Namespace) -> int:
    """Run a region; returns 0 after a clean stop."""
    given = variables.read(KNOWN)
    if arguments.temporary and arguments.data:
        raise Fault("Name a folder with --data, or say --temporary: not both.")
    temporary = arguments.temporary or (given.temporary and not arguments.data)
    folder = TemporaryFolder() if temporary else None
    try:
        options = read_options(arguments, given, folder.data if folder is not None else data_folder(arguments.data))
        journal = Journal(json_lines=arguments.log_json, level=arguments.log_level or given.level or "info")
        try:
            for note in given.notes:
                journal.notice(note)
            if folder is not None:
                journal.notice("Nothing is kept: the data folder is removed when the region stops.")
            hooks = Hooks(init_folder(arguments.init, given.init), journal.notice)
            run_loop(options, journal, hooks, exit_with_parent=arguments.exit_with_parent)
        finally:
            journal.close()
    finally:
        if folder is not None:
            folder.remove()
    return 0


def run_loop(options: Options, journal: Journal, hooks: Hooks, *, exit_with_parent: bool) -> None:
    """Run a region until it is to stop. Raises Fault."""
    import uvloop

    raise_file_limit()
    share_arenas()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options, journal, hooks, exit_with_parent=exit_with_parent))


def init_folder(given: Path | None, named: str | None) -> Path:
    """Return the folder of scripts. Raises Fault where the user names one that there is not."""
    folder = given or (Path(named) if named else None)
    if folder is None:
        return WELL_KNOWN_FOLDER
    if not folder.is_dir():
        raise Fault(f"There is no folder {folder} with scripts to run.")
    return folder.absolute()


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: a connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return  # macOS refuses some values; the listener then takes fewer connections


def share_arenas() -> None:
    """Have glibc's threads allocate from few arenas: each keeps what it once held, and blocks of bodies pass through all threads.

    10 parts of 8 MiB at a time leave 105 MiB resident instead of 115, downloads of 2 GB 115 instead of 153.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # neither musl nor macOS has it, or arenas
        mallopt(_M_ARENA_MAX, _ARENAS)


def read_options(arguments: argparse.Namespace, given: Variables, data: Path) -> Options:
    """Turn arguments and variables into Options. Raises Fault."""
    host, port = listen_address(arguments)
    services = read_services(arguments.services) if arguments.services else given.services
    domain = arguments.domain.lower().strip(".") if arguments.domain else given.domain
    return Options(
        data=data,
        host=host,
        port=port,
        services=services,
        domain=domain,
        enforce=arguments.iam == "on",
        keys=read_keys(host, domain),
        cache=cache_folder(),
        encrypt=encrypts(arguments),
    )


def encrypts(arguments: argparse.Namespace) -> bool:
    """Say whether objects are encrypted that nobody asks to have encrypted. Raises Fault."""
    said = arguments.default_encryption or os.environ.get("AWNING_DEFAULT_ENCRYPTION") or "on"
    if said not in ("on", "off"):
        raise Fault(f"AWNING_DEFAULT_ENCRYPTION={said} says neither on nor off.")
    return str(said) == "on"


def listen_address(arguments: argparse.Namespace) -> tuple[str, int]:
    """Return host and port; GATEWAY_LISTEN ("0.0.0.0:4566", "[::]:4566", ":4566", "4566") stands in for what is not given."""
    named = (os.environ.get("GATEWAY_LISTEN") or "").split(",")[0]
    host, _, port = named.rpartition(":")
    chosen = arguments.port if arguments.port is not None else port or 4566
    try:
        number = int(chosen)
    except ValueError:
        raise Fault(f"GATEWAY_LISTEN={named} does not name a port.") from None
    if not 0 <= number <= 65535:
        raise Fault(f"{number} is no port.")
    return arguments.host or host.strip("[]") or "127.0.0.1", number


def read_services(given: str) -> frozenset[str]:
    """Return the services that --services names. Raises Fault for one that awning does not have."""
    names = frozenset(name.strip() for name in given.split(",") if name.strip())
    if unknown := sorted(names - KNOWN):
        raise Fault(f"There is no service {', '.join(unknown)}; there are {', '.join(sorted(KNOWN))}.")
    return names


def read_keys(host: str, domain: str | None) -> RootKeys:
    """Return the root keys. Raises Fault for a public address without a root key of its own."""
    key = os.environ.get("AWNING_ROOT_ACCESS_KEY_ID")
    secret = os.environ.get("AWNING_ROOT_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise Fault("Set both AWNING_ROOT_ACCESS_KEY_ID and AWNING_ROOT_SECRET_ACCESS_KEY, or neither.")
    anywhere = os.environ.get("AWNING_ALLOW_WELL_KNOWN_KEYS") == "1"
    if anywhere and not key:
        # Testcontainers' module gives its container these two, and its clients the same.
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        key, secret = (key, secret) if key and secret and not is_well_known(key) else (None, None)
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


async def serve(options: Options, journal: Journal, hooks: Hooks, *, exit_with_parent: bool = False) -> None:
    """Start a region, say so, and stop it when asked to. Raises Fault."""
    region = Region(options, journal, hooks=hooks)
    for stage in ("BOOT", "START"):
        await hooks.run(stage, {})
    try:
        await region.start()
    except (DataError, FolderError) as error:
        raise Fault(str(error)) from None
    except OSError as error:
        raise Fault(listen_fault(options, error)) from None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, region.stop_wanted.set)
    if exit_with_parent:
        threading.Thread(target=stop_with_input, args=(loop, region), name="parent", daemon=True).start()
    announce(region, journal)
    environment = script_variables(region)
    await until_stopped(region, hooks.run("READY", environment))
    journal.notice("Ready.")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    await region.stop_wanted.wait()
    await hooks.run("SHUTDOWN", environment)
    journal.notice("Stopping: finishing what runs.")
    await region.stop()
    journal.notice("Stopped.")


async def until_stopped(region: Region, work: Coroutine[None, None, None]) -> None:
    """Do some work; break it off where the region is to stop meanwhile."""
    tasks = [asyncio.create_task(work), asyncio.create_task(region.stop_wanted.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def stop_with_input(loop: asyncio.AbstractEventLoop, region: Region) -> None:
    """Stop the region when standard input ends. In a thread of its own."""
    try:
        while os.read(0, 4096):
            continue
    finally:
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(region.stop_wanted.set)


def script_variables(region: Region) -> dict[str, str]:
    """The variables by which a script's AWS clients reach the region, as root."""
    assert region.listener is not None
    return env.variables(region.options.host, region.listener.port, None)


def announce(region: Region, journal: Journal) -> None:
    """Say where the region is, and what is unusual about it."""
    options = region.options
    assert region.listener is not None
    if not options.enforce:
        journal.notice("WARNING: --iam off: every signature is checked, but every permission is given.")
    if not options.encrypt:
        journal.notice("Objects that nobody asks to have encrypted are stored in the clear.")
    if options.keys.well_known_anywhere:
        journal.notice(
            "WARNING: AWNING_ALLOW_WELL_KNOWN_KEYS=1: whoever reaches this port is root with the key `test`."
        )
        if options.keys.access_key_id and not os.environ.get("AWNING_ROOT_ACCESS_KEY_ID"):
            journal.notice(f"The key {options.keys.access_key_id} of AWS_ACCESS_KEY_ID is root, too.")
    host = f"[{options.host}]" if ":" in options.host else options.host
    journal.notice(f"awning at http://{host}:{region.listener.port} (and https), data in {region.folder.path}")
    journal.notice(f"services: {', '.join(sorted(region.rooms))}")


def listen_fault(options: Options, error: OSError) -> str:
    """Say why the region could not listen, or could not use its data folder."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {options.port} is taken; stop what uses it, or choose another with --port."
    if error.errno in (errno.EADDRNOTAVAIL, -2, -3):
        return f"This machine has no address {options.host}."
    if error.errno == errno.EACCES and options.port < 1024:
        return f"Port {options.port} needs more rights than you have; choose one above 1023 with --port."
    if "AF_UNIX path too long" in str(error):
        return f"The path {options.data} is too long for the socket in it, by which commands reach the region; choose a shorter."
    return f"Cannot start: {error}"
