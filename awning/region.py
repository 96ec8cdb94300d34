"""The region: the one list of rooms. Builds, wires, starts and stops them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from awning.contracts import EncryptsByDefault, FindAddress, FindClient, FindLastUse, FindMailSpool, FindSigningKey
from awning.gateway.access import Access, RootKeys
from awning.gateway.catalogue import Entry
from awning.gateway.exposition import Exposition
from awning.gateway.journal import Journal
from awning.gateway.pages import Control, Pages
from awning.gateway.pipeline import Gateway
from awning.gateway.signing_keys import SigningKeys
from awning.gateway.trail import merged, seen_as, suggest
from awning.gateway.trail_file import TrailFile
from awning.gateway.usage import NAME as USAGE
from awning.hooks import Hooks
from awning.kit.call import Call, Facts, service_facts
from awning.kit.clock import Clock
from awning.kit.courier import Courier
from awning.kit.passes import Passes
from awning.kit.room import Room
from awning.kit.service import Service
from awning.net.certificates import CertificateAuthority
from awning.net.client import Client
from awning.net.server import Listener, Server
from awning.protocols.registry import Registry
from awning.services import acm, iam, kms, s3, sns, sqs, sts
from awning.store import snapshot
from awning.store.errors import SnapshotError, StoreError
from awning.store.folder import DataFolder

ROOMS: tuple[Service, ...] = (
    iam.SERVICE,
    sts.SERVICE,
    s3.SERVICE,
    s3.CONTROL,
    sqs.SERVICE,
    sns.SERVICE,
    kms.SERVICE,
    acm.SERVICE,
)

ALWAYS = frozenset({"iam", "sts"})
"""Rooms without which nobody can be authorised."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a region is to run. `services` names the rooms to start (None: all); `cache` holds compiled models."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4566
    services: frozenset[str] | None = None
    domain: str | None = None
    enforce: bool = True
    keys: RootKeys = field(default_factory=RootKeys)
    cache: Path | None = None
    encrypt: bool = True
    """Objects are encrypted that nobody asks to have encrypted."""


class Region:
    """A region: data folder, rooms, gateway and listeners.

    start() raises what the data folder or the listener refuses (awning.store.errors, OSError); stop() finishes what runs.
    """

    def __init__(
        self, options: Options, journal: Journal, clock: Clock | None = None, hooks: Hooks | None = None
    ) -> None:
        self.options = options
        self.journal = journal
        self.clock = clock or Clock()
        self.hooks = hooks or Hooks(None, journal.notice)
        self.rooms: dict[str, Room] = {}
        self.couriers: dict[str, Courier] = {}
        self.passes: dict[str, Passes] = {}
        self.signing_keys = SigningKeys(lambda name, hosts: self.authority.signer_pem(name, hosts))
        self.stop_wanted = asyncio.Event()
        self.listener: Listener | None = None
        self._own: dict[type, Callable[[Any], Any]] = {
            FindSigningKey: self.signing_keys.find,
            FindLastUse: lambda question: self.gateway.usage.find(question),
            FindClient: lambda _: self.client,
            FindMailSpool: lambda _: self.folder.mail,
            FindAddress: lambda _: self.address,
            EncryptsByDefault: lambda _: self.options.encrypt,
        }
        self.client = Client()
        self._answers: dict[type, Room] = {}
        self._accepts: dict[type, Room] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._carrying: dict[str, asyncio.Task[None]] = {}
        self._broken: dict[str, str] = {}
        self._still = asyncio.Lock()
        """Held by who needs all rooms to stand still together."""

    @property
    def address(self) -> str:
        """The scheme and host under which the region is known: its domain, or the host that it listens on."""
        host = self.options.domain or self.options.host
        if host in ("0.0.0.0", "::", "127.0.0.1", "::1", ""):
            host = "localhost"
        port = self.options.port if self.listener is None else self.listener.port
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Open the data folder, build the rooms, and listen."""
        options = self.options
        self.folder = DataFolder.open(options.data)
        try:
            self._build()
            domain = options.domain
            names = (domain, f"*.{domain}", f"*.s3.{domain}") if domain else ()
            self.authority = CertificateAuthority(self.folder.ca, names)
            self.client = Client((str(self.folder.ca / "ca.pem"),))
            self.server = Server(self.gateway.handle, on_error=self.journal.connection_failure)
            await self.server.listen_unix(str(self.folder.control_socket))
            self.listener = await self.server.listen(options.host, options.port, tls=self.authority.tls())
        except BaseException:
            await self._close()
            raise
        for room in self.rooms.values():
            self._tasks += self.passes[room.name].tasks()
            self._send_for(room)
        self._tasks.append(asyncio.create_task(self.trail.run(), name="trail"))
        self._tasks.append(asyncio.create_task(self.usage.run(), name="usage"))
        if "sns" in self.rooms:
            self.signing_keys.prepare(FindSigningKey("sns"))
        self.exposition.watch_loop()

    def _build(self) -> None:
        options = self.options
        registry = Registry(options.cache)
        for service in self.chosen():
            if service.within is not None:
                continue
            room = Room(service, self.folder, self.clock, self)
            self.rooms[room.name] = room
            self._answers.update(dict.fromkeys(service.answers, room))
            self._accepts.update(dict.fromkeys(service.accepts, room))
            self.passes[room.name] = Passes(room, self.journal.notice)
        entries = {service.name: Entry(self.rooms[service.home], registry, service) for service in self.chosen()}
        registry.verify(entries.values())
        gateway_facts = service_facts("gateway")
        access = Access(
            options.keys,
            lambda question: self.ask(question, gateway_facts),
            lambda: self.rooms["iam"].generation + self.rooms["sts"].generation,
        )
        controls: dict[str, Control] = {
            "status": self._status,
            "stop": self._stop_soon,
            "snapshot": self._snapshot,
            "clock": self._move_clock,
            "explain": self._explain,
            "suggest": self._suggest,
            "reset": self._reset,
        }
        for room in self.rooms.values():
            for word, function in room.service.controls.items():
                controls[f"{room.name}.{word}"] = partial(self._ask_room, room, function)
        pages = Pages(
            self.health,
            lambda: self.exposition.text(),
            controls,
            options.domain,
            self.signing_keys.certificate,
            init=self.hooks.state,
            well_known_anywhere=options.keys.well_known_anywhere,
        )
        self.gateway = Gateway(
            entries, access, self.clock, self.journal, pages, enforce=options.enforce, domain=options.domain
        )
        self.trail = TrailFile(self.folder.path, self.gateway.trail, self.journal.notice)
        self.trail.load()
        self.usage = TrailFile(self.folder.path, self.gateway.usage, self.journal.notice, USAGE)
        self.usage.load()
        self.exposition = Exposition(self.rooms, self.gateway.requests, self._connections)

    def _send_for(self, room: Room) -> None:
        """Have what a room sends delivered, by a courier that knows nothing yet."""
        courier = self.couriers[room.name] = Courier(room, self._accepts.get, self.journal.notice)
        task = self._carrying.get(room.name)
        if task is not None:
            task.cancel()
        self._carrying[room.name] = asyncio.create_task(courier.run(), name=f"{room.name}.outbox")

    def chosen(self) -> Sequence[Service]:
        """The rooms that this region runs, each with all of its models."""
        wanted = self.options.services
        homes = {service.home for service in ROOMS if wanted is None or service.name in wanted | ALWAYS}
        return [service for service in ROOMS if service.home in homes]

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, finish what runs, then close. Safe to call once start() has returned."""
        self.gateway.stopping = True
        for room in self.rooms.values():
            room.release_waiters()
        await self.server.stop(grace)
        for courier in self.couriers.values():
            courier.stop()
        if self._carrying:
            await asyncio.wait(self._carrying.values(), timeout=grace)
        for task in (*self._tasks, *self._carrying.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._carrying.values(), return_exceptions=True)
        await self.trail.save()
        await self.usage.save()
        await self._close()
        self.journal.flush()

    async def _close(self) -> None:
        for room in self.rooms.values():
            try:
                await room.close()
            except StoreError as error:
                self.journal.notice(f"{room.name} could not store what it keeps over a stop: {error}")
        await self.client.close()
        self.signing_keys.close()
        self.folder.close()

    def ask(self, question: Any, facts: Facts) -> Any:
        """Answer a room's (or the gateway's) question; called by Call.ask."""
        own = self._own.get(type(question))
        if own is not None:
            return own(question)
        room = self._answers.get(type(question))
        if room is None:
            raise LookupError(f"No room of this region answers {type(question).__name__}.")
        return room.answer(question, facts)

    def sent(self, room: Room) -> None:
        """A room committed deliveries."""
        self.couriers[room.name].kick()

    def broken(self, room: Room, error: BaseException) -> None:
        """A room refuses writes from now on."""
        self._broken[room.name] = str(error)
        self.journal.notice(
            f"{room.name} refuses writes until the region has been restarted: {error}. What was acknowledged is kept."
        )

    def health(self) -> dict[str, str]:
        """Each room's state: "running" or "broken"."""
        return {name: "broken" if name in self._broken else "running" for name in self.rooms}

    def _connections(self) -> dict[str, float]:
        counters = self.server.counters
        return {
            "open": len(self.server.connections),
            "accepted": counters.accepted,
            "requests": counters.requests,
            "bytes_in": counters.bytes_in,
            "bytes_out": counters.bytes_out,
            **{f"refused {reason}": count for reason, count in counters.refused.items()},
        }

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, and return once all that this made due has been done: waiters, passes, deliveries."""
        self.clock.advance(seconds)
        for room in self.rooms.values():
            room.tick()
        for passes in self.passes.values():
            await passes.run_all()
        for courier in self.couriers.values():
            await courier.due_tried()

    async def reset(self) -> None:
        """Empty all rooms, durably, and show the real time again. Requests that come meanwhile wait; those under way end with
        RegionReset, and nothing of them is kept. Raises OSError, sqlite3.Error: then the region stops, and its next start
        finishes this."""
        gateway = self.gateway
        async with self._still, AsyncExitStack() as holds:
            gateway.closed = asyncio.get_running_loop().create_future()
            try:
                for room in self.rooms.values():
                    await holds.enter_async_context(room.writer.hold())
                await asyncio.to_thread(self.folder.begin_emptying)
                await asyncio.gather(*(asyncio.to_thread(room.empty) for room in self.rooms.values()))
                for room in self.rooms.values():
                    room.emptied()
                    self.passes[room.name].emptied()
                    self.couriers[room.name].drop()
                    self._send_for(room)
                gateway.epoch += 1
                gateway.trail.clear()
                gateway.usage.clear()
                self.clock.restore()
                await self.trail.save()
                await self.usage.save()
                await asyncio.to_thread(self.folder.end_emptying)
            except BaseException:
                gateway.stopping = True
                self.stop_wanted.set()
                raise
            finally:
                gateway.closed.set_result(None)
                gateway.closed = None

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        passes = [
            {"name": state.name, "last_run": state.last_run, "last_error": state.last_error}
            for each in self.passes.values()
            for state in each.states
        ]
        listener = self.listener
        return {
            "pid": os.getpid(),
            "data": str(self.folder.path),
            "host": self.options.host,
            "port": listener.port if listener is not None else None,
            "enforce": self.options.enforce,
            "now": self.clock.now(),
            "offset": self.clock.offset,
            "services": self.health(),
            "gauges": self.exposition.gauges(),
            "passes": passes,
        }

    async def _ask_room(
        self, room: Room, function: Callable[[Call, dict[str, Any]], dict[str, Any]], given: dict[str, Any]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = await room.write(room.call(service_facts(room.name)), function, (given,))
        return answer

    async def _stop_soon(self, _: dict[str, Any]) -> dict[str, Any]:
        self.stop_wanted.set()
        return {"stopping": True}

    async def _move_clock(self, given: dict[str, Any]) -> dict[str, Any]:
        seconds = given.get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise ValueError("seconds must be a number.")
        await self.advance(seconds)
        if given.get("turn"):
            await asyncio.sleep(max(0.0, self.clock.turn - (self.clock.now() - self.clock.offset)))
        return {"now": self.clock.now(), "offset": self.clock.offset}

    async def _reset(self, _: dict[str, Any]) -> dict[str, Any]:
        try:
            await asyncio.shield(asyncio.create_task(self.reset(), name="reset"))
        except (OSError, sqlite3.Error) as error:
            raise ValueError(f"The reset failed, and the region stops; its next start finishes it: {error}") from error
        return {"now": self.clock.now()}

    async def _explain(self, given: dict[str, Any]) -> dict[str, Any]:
        trail, request = self.gateway.trail, given.get("request")
        if request is None:
            whom = given.get("principal")
            request = trail.last_refused(whom)
            if request is None:
                to = f" to {whom}" if whom else ""
                raise ValueError(f"Nothing was denied{to} since the region's start, or it is not among the latest.")
        said = trail.explain(str(request))
        if said is None:
            raise ValueError(
                f"The region knows no decision about request {request}: it needed no permission, or it is not among "
                "the latest since the region's start."
            )
        return said

    async def _suggest(self, given: dict[str, Any]) -> dict[str, Any]:
        trail = self.gateway.trail
        arn = seen_as(str(given.get("principal")), {*trail.allowed, *trail.refused})
        did = trail.allowed.get(arn, {})
        if given.get("denied"):
            did = merged(did, trail.refused.get(arn, {}))
        if not did and arn in trail.refused:
            raise ValueError(
                f"{arn} was denied all that it was seen to ask for. For a policy that allows it: --denied."
            )
        if not did:
            known = sorted({*trail.allowed, *trail.refused})
            seen = f"Seen were {', '.join(known[:20])}." if known else "Nobody was seen yet."
            raise ValueError(f"{arn} was not seen to do anything. {seen}")
        return {"principal": arn, "policy": suggest(did)}

    async def _snapshot(self, given: dict[str, Any]) -> dict[str, Any]:
        target = given.get("file")
        if not isinstance(target, str) or not target.startswith("/"):
            raise ValueError("file must be an absolute path.")
        passphrase = given.get("passphrase")
        if passphrase is not None and not (isinstance(passphrase, str) and passphrase):
            raise ValueError("passphrase must be a text.")
        rooms = [(room.database, room.writer, room.blobs) for room in self.rooms.values()]
        try:
            async with self._still:
                size = await snapshot.save(self.folder, rooms, Path(target), passphrase=passphrase)
        except SnapshotError as error:
            raise ValueError(str(error)) from error
        return {"file": target, "bytes": size}
