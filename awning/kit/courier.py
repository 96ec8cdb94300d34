"""Carries the outbox: after each commit that sent something, and again when something that failed is due.

Letters for a room go to it in sheaves, one under way at a time; the room records what came in the same transaction, and only
then does the sender forget it. A crash between the two repeats the sheaf, and the record makes the repetition void.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial

from awning.contracts import Deliver
from awning.kit.call import Call, service_facts
from awning.kit.complaints import Complaints
from awning.kit.deliveries import TryAgain, Undeliverable, decode, type_of
from awning.kit.lanes import Lane, Lanes
from awning.kit.room import Room
from awning.kit.sheaf import Parcel, apart, take_in
from awning.store.outbox import Letter, Patience

_PAGE = 256
_SHEAF = 256
_SHEAF_BYTES = 1 << 20
_READ_AHEAD = 1024
_IDLE_LOOK = 1.0
_PAUSE = 1.0
_LOT = 64
_LANES_AT_ONCE = 64
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Slots:
    """How many deliveries may leave the region at the same time: to destinations that are well, to one of them, to one that
    ails, to all that ail, and in all. It ails who failed at the last try, or takes longer than `slow` seconds: that is
    seen while it still takes them, so who never replies holds the others up no longer. `seconds` bounds each."""

    total: int = 256
    each: int = 16
    ailing: int = 4
    ailing_total: int = 128
    most: int = 768
    slow: float = 1.0
    seconds: float = 120.0


@dataclass(slots=True)
class Post:
    """What waits for one room (None: for no room that there is). `known`: what came before a crash and is not forgotten yet."""

    room: Room | None
    known: set[int]
    queue: deque[Parcel] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Courier:
    """Delivers one room's outbox. `find` gives the room that accepts a delivery's kind, or None.

    `report` is called with a line for what could not be delivered, at most once a minute for one destination and error.
    """

    def __init__(
        self,
        room: Room,
        find: Callable[[type], Room | None],
        report: Callable[[str], None],
        slots: Slots = Slots(),
        patience: Patience = _PATIENCE,
    ) -> None:
        self.room = room
        self.slots = slots
        self.patience = patience
        self.retries = Lanes()
        self.leaving = Lanes()
        self._find = find
        self._complaints = Complaints(f"outbox of {room.name}", report)
        self._carried = frozenset(kind.__name__ for kind in room.service.carries)
        self._facts = service_facts(room.name)
        self._news = asyncio.Event()
        self._stopping = False
        self._cursor = 0
        self._posts: dict[Room | None, Post] = {}
        self._post_of: dict[str, Post] = {}
        self._carriers: dict[int, asyncio.Task[None]] = {}
        self._ailing: set[int] = set()

    def kick(self) -> None:
        """Look at the outbox now."""
        self._news.set()

    def stop(self) -> None:
        """End run() after what is under way."""
        self._stopping = True
        self._news.set()

    def drop(self) -> None:
        """Break off at once what is under way: the region was emptied, and its letters with it. Nothing of it is filed."""
        for task in self._tasks():
            task.cancel()

    async def due_tried(self, seconds: float = 5.0) -> None:
        """Return once each letter that is due has come or been tried, at the latest after so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        while not self._idle() and asyncio.get_running_loop().time() < until:
            self.kick()
            await asyncio.sleep(0.001)

    def _idle(self) -> bool:
        room = self.room
        alarm = min(self.retries.next_alarm(), self.leaving.next_alarm())
        return not (
            self._tasks()
            or self._queued()
            or alarm <= room.clock.now()
            or room.outbox.page(room.database.reader, self._cursor, 1)
        )

    async def run(self) -> None:
        """Deliver until stopped, then let what is under way finish; when cancelled, break it off: its letters stay."""
        try:
            while not self._stopping:
                self._news.clear()
                try:
                    more = self._look()
                except Exception as error:
                    self._complain("look", f"it could not be read: {type(error).__name__}: {error}")
                    await asyncio.sleep(_PAUSE)
                    continue
                if more:
                    await asyncio.sleep(0)
                else:
                    await self._rest()
            await asyncio.gather(*self._tasks(), return_exceptions=True)
        finally:
            left = self._tasks()
            for task in left:
                task.cancel()
            if left:
                await asyncio.gather(*left, return_exceptions=True)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._carriers.values(), *(post.task for post in self._posts.values() if post.task is not None)]

    async def _rest(self) -> None:
        """Wait for news, for the time of the next lane, or for a second."""
        alarm = min(self.retries.next_alarm(), self.leaving.next_alarm())
        delay = min(_IDLE_LOOK, max(0.0, alarm - self.room.clock.now()))
        timer = asyncio.get_running_loop().call_later(delay, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    def _look(self) -> bool:
        """Read on in the outbox, and start what may start; True where there is more to read at once."""
        self._complaints.tick(asyncio.get_running_loop().time())
        more = self._read_on()
        now = self.room.clock.now()
        self.retries.tick(now)
        self.leaving.tick(now)
        more = self._try_again() or more
        more = self._start_carriers() or more
        for post in self._posts.values():
            if post.queue and post.task is None:
                post.task = asyncio.create_task(self._serve(post), name=f"{self.room.name}.outbox")
        return more

    def _read_on(self) -> bool:
        """Take the next page of letters: those for rooms in their turn, all others into their lanes."""
        if self._queued() >= _READ_AHEAD:
            return False
        room = self.room
        page = room.outbox.page(room.database.reader, self._cursor, _PAGE)
        for letter in page:
            key = (letter.arn, letter.group)
            if letter.kind in self._carried:
                lane = self.leaving.open(key)
                if len(lane.under_way) < self._slots_of(lane):
                    self.leaving.wake_at(lane, letter.created if letter.due is None else letter.due)
            elif letter.due is not None:
                self.retries.wake_at(self.retries.open(key), letter.due)
            else:
                held = self.retries.get(key) if letter.group else None
                if held is None:
                    self._post(letter.kind).queue.append(Parcel(letter, None))
                elif not held.under_way and held.alarm is None:
                    self.retries.wake(held)
            self._cursor = letter.seq
        return len(page) == _PAGE

    def _post(self, kind: str) -> Post:
        post = self._post_of.get(kind)
        if post is None:
            try:
                room = self._find(type_of(kind))
            except LookupError:
                room = None
            post = self._posts.get(room)
            if post is None:
                post = self._posts[room] = Post(room, self._doubtful(room))
            self._post_of[kind] = post
        return post

    def _doubtful(self, target: Room | None) -> set[int]:
        """What a room had from this outbox when the last process ended, without this one having forgotten it."""
        if target is None:
            return set()
        received = target.inbox.received(target.database.reader, self.room.database.identity)
        return self.room.outbox.kept(self.room.database.reader, received) if received else set()

    # Retries: what goes to a room, but not in its turn.

    def _queued(self) -> int:
        return sum(len(post.queue) for post in self._posts.values())

    def _try_again(self) -> bool:
        """Queue what has failed before and is due now, and what waited behind it; True where there is more to look at."""
        retries, outbox, reader = self.retries, self.room.outbox, self.room.database.reader
        now = self.room.clock.now()
        for _ in range(_LANES_AT_ONCE):
            lane = retries.take(True) if self._queued() < _READ_AHEAD else None
            if lane is None:
                return False
            if lane.under_way:
                continue  # it comes back with the last of them
            if lane.group:
                letters = outbox.group(reader, lane.arn, lane.group, self._cursor, _LOT)
                first = letters[0].due if letters else None
                alarm = first if first is not None and first > now else None
            else:
                letters = outbox.due(reader, lane.arn, now, _LOT)
                alarm = None if letters else outbox.next_due(reader, lane.arn, now)
            if alarm is not None:
                retries.wake_at(lane, alarm)
            elif not letters:
                retries.close(lane)
            else:
                for letter in letters:
                    lane.under_way.add(letter.seq)
                    self._post(letter.kind).queue.append(Parcel(letter, None))
        return True

    # Carriers: what leaves the region.

    def _slots_of(self, lane: Lane) -> int:
        return 1 if lane.group else self.slots.ailing if lane.ailing else self.slots.each

    def _start_carriers(self) -> bool:
        """Start what is due and has a slot, a letter of each destination in turn; True where there is more to look at."""
        leaving, slots = self.leaving, self.slots
        for _ in range(_LANES_AT_ONCE):
            under_way, ailing = len(self._carriers), len(self._ailing)
            free = under_way - ailing < slots.total and under_way < slots.most
            lane = leaving.take(ailing < slots.ailing_total) if free else None
            if lane is None:
                return False
            letter = self._next_of(lane)
            if letter is None:
                continue
            lane.under_way.add(letter.seq)
            if len(lane.under_way) < self._slots_of(lane):
                leaving.wake(lane)
            if lane.ailing:
                self._ailing.add(letter.seq)
            carry = self._carry(lane, letter)
            self._carriers[letter.seq] = asyncio.create_task(carry, name=f"{self.room.name}.carry.{letter.seq}")
        return True

    def _next_of(self, lane: Lane) -> Letter | None:
        """Return the letter of a lane that is to be carried now; where there is none, see that the lane is looked at in time."""
        outbox, reader, under_way = self.room.outbox, self.room.database.reader, lane.under_way
        if len(under_way) >= self._slots_of(lane):
            return None
        now = self.room.clock.now()
        if lane.group:
            first = outbox.group(reader, lane.arn, lane.group, self._cursor, 1)
            if first and (first[0].due is None or first[0].due <= now):
                return first[0]
            alarm = first[0].due if first else None
        else:
            for letter in outbox.due(reader, lane.arn, now, len(under_way) + 1):
                if letter.seq not in under_way:
                    return letter
            alarm = outbox.next_due(reader, lane.arn, now)
        if alarm is not None:
            self.leaving.wake_at(lane, alarm)
        elif not under_way:
            self.leaving.close(lane)
        return None

    def _note_slow(self, lane: Lane, letter: Letter) -> None:
        """A delivery takes long: its slot is one of the ailing from now on, and another may start in its place."""
        lane.ailing = True
        self._ailing.add(letter.seq)
        self._news.set()

    async def _carry(self, lane: Lane, letter: Letter) -> None:
        """Take one delivery out of the region, and file what came of it."""
        parcel = Parcel(letter, None)
        loop = asyncio.get_running_loop()
        slow_at = loop.time() + self.slots.slow
        alarm = loop.call_at(slow_at, self._note_slow, lane, letter)
        try:
            try:
                parcel.delivery = delivery = self._open(letter)
                call = self.room.call(self._facts)
                call.attempts = letter.attempts
                async with asyncio.timeout(self.slots.seconds):
                    await self.room.service.carries[type(delivery)](call, delivery)
                parcel.came = True
            except Exception as error:
                parcel.error = error
            lane.ailing = not parcel.came or loop.time() >= slow_at
            alarm.cancel()
            await self._file((parcel,))
        finally:
            alarm.cancel()
            del self._carriers[letter.seq]
            self._ailing.discard(letter.seq)
            lane.under_way.discard(letter.seq)
            self.leaving.wake(lane)
            self._news.set()

    # Posts: what goes to rooms, in sheaves.

    async def _serve(self, post: Post) -> None:
        """Deliver what waits for one room, sheaf by sheaf."""
        try:
            while post.queue and not self._stopping:
                parcels = self._gather(post)
                await self._hand_over(post, parcels)
                settled = [parcel for parcel in parcels if parcel.came or parcel.error is not None]
                await self._file(settled)
                post.known.difference_update([parcel.letter.seq for parcel in settled if parcel.came])
                self._put_back(post, parcels)
                for parcel in settled:
                    self._leave_lane(parcel.letter)
                self._news.set()
        finally:
            post.task = None
            self._news.set()

    def _leave_lane(self, letter: Letter) -> None:
        """A letter is under way no more: its lane, where it has one, goes on."""
        lane = self.retries.get((letter.arn, letter.group))
        if lane is not None:
            lane.under_way.discard(letter.seq)
            self.retries.wake(lane)

    def _gather(self, post: Post) -> list[Parcel]:
        """Take the next sheaf from the queue and open its letters."""
        parcels: list[Parcel] = []
        size = 0
        while post.queue and len(parcels) < _SHEAF and size < _SHEAF_BYTES:
            parcel = post.queue.popleft()
            letter = parcel.letter
            parcels.append(parcel)
            size += 0 if letter.payload is None else len(letter.payload)
            try:
                if parcel.delivery is None:
                    parcel.delivery = self._open(letter)
                if post.room is None:
                    raise LookupError(f"No room accepts {letter.kind}.")
            except Exception as error:
                parcel.error = error
                if letter.group:
                    break  # nothing of its group may pass it
        return parcels

    def _open(self, letter: Letter) -> Deliver:
        payload = letter.payload
        if payload is None:
            payload = self.room.outbox.payload(self.room.database.reader, letter.seq)
            if payload is None:
                raise LookupError("The letter is gone.")
        return decode(letter.kind, payload)

    async def _hand_over(self, post: Post, parcels: list[Parcel]) -> None:
        """Have the room take a sheaf in. An error of the whole batch is the error of every letter."""
        good = [parcel for parcel in parcels if parcel.error is None]
        target = post.room
        if target is None or not good:
            return
        known = post.known
        try:
            await target.write(target.call(self._facts), take_in, (self.room.database.identity, good, known))
        except Exception as error:
            for parcel in good:
                parcel.came, parcel.error = parcel.letter.seq in known, error

    def _put_back(self, post: Post, parcels: list[Parcel]) -> None:
        """Hold the groups in which something failed, and queue again what was not tried."""
        failed = {(each.letter.arn, each.letter.group) for each in parcels if not each.came and each.error is not None}
        held = {key for key in failed if key[1]}
        for key in failed:
            self.retries.open(key)
        untried = [parcel for parcel in parcels if not parcel.came and parcel.error is None]
        post.queue.extendleft(reversed(untried))
        if held:
            waiting = list(post.queue)
            post.queue.clear()
            for parcel in waiting:
                if (parcel.letter.arn, parcel.letter.group) in held:
                    self._leave_lane(parcel.letter)  # it follows through its lane
                else:
                    post.queue.append(parcel)

    # Filing: what the sender notes of a try.

    async def _file(self, parcels: Sequence[Parcel]) -> None:
        """Forget what came, and note what failed, however often that takes: no sheaf is the next one before."""
        if not parcels:
            return
        while True:
            try:
                lines = await self.room.write(self.room.call(self._facts), self._note, (parcels,))
            except Exception as error:
                self._complain("file", f"it could not be noted what came: {error}")
                if self._stopping:
                    return
                await asyncio.sleep(_PAUSE)
                continue
            for about, line in lines:
                self._complain(about, line)
            return

    def _note(self, call: Call, parcels: Sequence[Parcel]) -> list[tuple[tuple[str, str], str]]:
        """The sender's transaction for a sheaf; return what is to be reported."""
        call.room.outbox.forget(call.db, [parcel.letter.seq for parcel in parcels if parcel.came])
        lines = []
        for parcel in parcels:
            if not parcel.came and parcel.error is not None:
                letter, error = parcel.letter, parcel.error
                reason = f"{type(error).__name__}: {error}"
                what = self._note_failure(call, parcel, error, reason)
                lines.append(((letter.arn, type(error).__name__), f"{letter.kind} to {letter.arn}{what}: {reason}"))
        return lines

    def _note_failure(self, call: Call, parcel: Parcel, error: Exception, reason: str) -> str:
        """Give a letter up, or note when it is tried again; return what a report says of it."""
        letter, patience = parcel.letter, self.patience
        attempts = letter.attempts + 1
        what = ""
        if isinstance(error, Undeliverable) or patience.ends(attempts, call.now - letter.created):
            failure = apart(call, partial(self._give_up, parcel), reason)
            if failure is None:
                return f" given up after {attempts} tries"
            # What could not be given up is not lost: it is tried again.
            what = f" could not be given up ({type(failure).__name__}: {failure})"
        wait = patience.wait(attempts, call.random(1)[0] / 256)
        if isinstance(error, TryAgain):
            wait = max(0.0, error.seconds)
        call.room.outbox.failed(call.db, letter.seq, reason[:1000], call.now + wait)
        return what

    def _give_up(self, parcel: Parcel, call: Call, reason: str) -> None:
        """Drop a letter for good, and let the room know in the same transaction."""
        if call.room.service.given_up is not None:
            delivery = parcel.delivery
            call.room.service.given_up(call, self._open(parcel.letter) if delivery is None else delivery, reason)
        call.room.outbox.forget(call.db, (parcel.letter.seq,))

    def _complain(self, about: Hashable, line: str) -> None:
        self._complaints.make(about, line, asyncio.get_running_loop().time())
