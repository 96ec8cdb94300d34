"""Trail: how the latest requests were decided, and what each principal was seen to do. Bounded; nothing waits for it.

It is an observation, no state: a crash may take its last seconds along.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any, Final

import orjson

from awning.auth.decision import Decision
from awning.auth.principal import Principal

MOST_DECISIONS: Final = 20_000
"""Of all requests together: DeleteObjects alone makes a thousand."""
MOST_EXPLAINED: Final = 2_000
"""Requests whose refusals are explained."""
MOST_REFUSALS: Final = 5
"""Of one request that are explained: a refusal by ten policies of fifty statements takes 0.4 ms and 64 KB to explain."""
MOST_EXPLAINING: Final = 16 * 1024 * 1024
"""Bytes of all explanations together."""
MOST_RESOURCES: Final = 100
"""Of one principal and action; beyond, they are kept as one pattern."""
MOST_PRINCIPALS: Final = 5_000
MOST_SEEN: Final = 200_000
"""Resources of all principals together; beyond, who was not seen for the longest time is forgotten."""

Decided = tuple[str, str, str, bool, str, str | None, "str | int | None"]
"""Caller, action, resource, allowed, reason, policy, statement."""


@dataclass(slots=True)
class Seen:
    """What one principal did with one action: to which resources, or, where they were too many, to ARNs like `pattern`."""

    resources: set[str] = field(default_factory=set)
    pattern: str | None = None

    def add(self, resource: str) -> bool:
        """Note a resource; True where that was news."""
        if self.pattern is not None:
            if matches_prefix(self.pattern, resource):
                return False
            self.pattern = pattern_of((self.pattern[:-1], resource))
            return True
        if resource in self.resources:
            return False
        self.resources.add(resource)
        if len(self.resources) > MOST_RESOURCES:
            self.pattern = pattern_of(self.resources)
            self.resources.clear()
        return True

    def listed(self) -> tuple[str, ...]:
        """The resources as a policy names them."""
        if self.pattern is not None:
            return (_escaped(self.pattern[:-1]) + "*",)
        return tuple(literal(resource) for resource in sorted(self.resources))


def matches_prefix(pattern: str, resource: str) -> bool:
    return resource.startswith(pattern[:-1])


def pattern_of(resources: Iterable[str]) -> str:
    """One pattern for many ARNs: what they have in common, cut at the last separator, and a star."""
    common = commonprefix(list(resources))  # noqa: RUF071 - of text, not of paths
    cut = max(common.rfind(separator) for separator in ":/")
    return common[: cut + 1] + "*"


Did = dict[str, Seen]
"""Actions to resources."""


class Trail:
    """`allowed` and `refused` are what each principal (its ARN; of a session its role's) did and would have done."""

    def __init__(self) -> None:
        self._decided: OrderedDict[str, list[Decided]] = OrderedDict()
        self._decisions = 0
        self._explained: OrderedDict[str, list[bytes]] = OrderedDict()
        self._explaining = 0
        self._seen = 0
        self.allowed: OrderedDict[str, Did] = OrderedDict()
        self.refused: OrderedDict[str, Did] = OrderedDict()
        self.changes = 0

    def note(self, request_id: str, principal: Principal, action: str, resource: str, decision: Decision) -> None:
        """Note a decision. One that refused is explained now, while what it looked at is there."""
        decided = self._decided
        entry = (
            principal.caller_arn,
            action,
            resource,
            decision.allowed,
            decision.reason,
            decision.policy,
            decision.statement,
        )
        known = decided.get(request_id)
        if known is not None:
            known.append(entry)
        else:
            decided[request_id] = [entry]
        self._decisions += 1
        while self._decisions > MOST_DECISIONS and len(decided) > 1:
            self._decisions -= len(decided.popitem(last=False)[1])
        if not decision.allowed:
            self._explain(request_id, decision)
        self._see(self.allowed if decision.allowed else self.refused, principal.arn, action, resource)

    def _explain(self, request_id: str, decision: Decision) -> None:
        """Keep an explanation as JSON, which takes a third of the memory."""
        explained = self._explained
        told = explained.setdefault(request_id, [])
        if len(told) >= MOST_REFUSALS:
            return
        told.append(orjson.dumps(decision.explain()))
        self._explaining += len(told[-1])
        while (len(explained) > MOST_EXPLAINED or self._explaining > MOST_EXPLAINING) and len(explained) > 1:
            self._explaining -= sum(map(len, explained.popitem(last=False)[1]))

    def _see(self, seen: OrderedDict[str, Did], arn: str, action: str, resource: str) -> None:
        did = seen.get(arn)
        if did is None:
            did = seen[arn] = {}
        else:
            seen.move_to_end(arn)
        one = did.get(action)
        if one is None:
            one = did[action] = Seen()
        before = len(one.resources)
        if one.add(resource):
            self.changes += 1
            self._seen += len(one.resources) - before
            self._forget()

    def _forget(self) -> None:
        """Forget those who were not seen for the longest time, while there are too many, or they did too much."""
        while True:
            crowd = max(self.allowed, self.refused, key=len)
            if len(crowd) < 2 or (len(crowd) <= MOST_PRINCIPALS and self._seen <= MOST_SEEN):
                return
            _, did = crowd.popitem(last=False)
            self._seen -= sum(len(one.resources) for one in did.values())

    def explain(self, request_id: str) -> dict[str, Any] | None:
        """How a request was decided: {"request", "decisions": [{"caller", "action", "resource", "allowed", "reason", "policy",
        "statement"}], "explanations": [as Decision.explain]}, one for each of the first refusals; None where the trail has lost
        the request, or never had it."""
        decisions = self._decided.get(request_id)
        if decisions is None:
            return None
        names = ("caller", "action", "resource", "allowed", "reason", "policy", "statement")
        return {
            "request": request_id,
            "decisions": [dict(zip(names, entry, strict=True)) for entry in decisions],
            "explanations": [orjson.loads(told) for told in self._explained.get(request_id, ())],
        }

    def last_refused(self, caller: str | None = None) -> str | None:
        """The latest request of which something was refused; the latest of a caller by its ARN, of sessions by their role's."""
        for request_id in reversed(self._explained):
            for arn, *_, allowed, _, _, _ in self._decided.get(request_id, ()):
                if not allowed and (caller is None or caller in (arn, seen_as(arn, (caller,)))):
                    return request_id
        return None

    def clear(self) -> None:
        """Forget everything: the region was emptied."""
        for kept in (self._decided, self._explained, self.allowed, self.refused):
            kept.clear()
        self._decisions = self._explaining = self._seen = 0
        self.changes += 1

    def pieces(self) -> Iterator[bytes]:
        """What each principal did, as JSON for a file, a principal at a time; what is seen meanwhile may be missing."""
        for start, seen in ((b'{"allowed":{', self.allowed), (b'},"refused":{', self.refused)):
            yield start
            for number, (arn, did) in enumerate(list(seen.items())):
                kept = {action: [sorted(one.resources), one.pattern] for action, one in did.items()}
                yield (b"," if number else b"") + orjson.dumps(arn) + b":" + orjson.dumps(kept)
        yield b"}}"

    def restore(self, saved: Any) -> None:
        """Take up what pieces() gave; of anything else take nothing, and raise ValueError, TypeError, KeyError or
        AttributeError."""
        found: dict[str, OrderedDict[str, Did]] = {}
        for name in ("allowed", "refused"):
            found[name] = OrderedDict(
                (arn, {action: _restored(*kept) for action, kept in did.items()}) for arn, did in saved[name].items()
            )
        self.allowed, self.refused = found["allowed"], found["refused"]
        self._seen = sum(len(one.resources) for seen in found.values() for did in seen.values() for one in did.values())
        self._forget()


def _restored(resources: Any, pattern: Any) -> Seen:
    if not all(type(resource) is str for resource in resources) or not (pattern is None or pattern[-1:] == "*"):
        raise ValueError("it is not what a trail keeps")
    return Seen(set(resources), pattern)


def seen_as(arn: str, known: Iterable[str]) -> str:
    """The ARN under which a principal is kept: a role's session as its role, whose path the session's ARN does not have."""
    start, _, names = arn.partition(":assumed-role/")
    role, _, session = names.partition("/")
    if not session or not start.startswith("arn:aws:sts::"):
        return arn
    plain = f"{start.replace(':sts:', ':iam:')}:role/"
    return next((name for name in known if name.startswith(plain) and name.endswith(f"/{role}")), plain + role)


def suggest(did: Mapping[str, Seen]) -> dict[str, Any]:
    """The smallest policy that allows what was done: a statement for all actions that went to the same resources."""
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action, one in sorted(did.items()):
        by_resources.setdefault(one.listed(), []).append(action)
    statements = [
        {
            "Effect": "Allow",
            "Action": actions if len(actions) > 1 else actions[0],
            "Resource": list(resources) if len(resources) > 1 else resources[0],
        }
        for resources, actions in sorted(by_resources.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def literal(resource: str) -> str:
    """A resource as a policy must write it to mean just that: `*`, `?` and `$` in a name are escaped. What a list asks for
    ("*", or an ARN of everything in an account) stays as it is."""
    if resource == "*" or (resource.endswith(":*") and resource.count(":") == 5):
        return resource
    return _escaped(resource)


def _escaped(text: str) -> str:
    return "".join(f"${{{char}}}" if char in "*?$" else char for char in text)


def merged(did: Mapping[str, Seen], more: Mapping[str, Seen]) -> dict[str, Seen]:
    """What was done in either."""
    result = {action: Seen(set(one.resources), one.pattern) for action, one in did.items()}
    for action, one in more.items():
        target = result.setdefault(action, Seen())
        for resource in one.resources:
            target.add(resource)
        if one.pattern is not None and target.pattern is None:
            target.pattern = pattern_of((*target.resources, one.pattern[:-1]))
            target.resources.clear()
        elif one.pattern is not None and target.pattern is not None:
            target.pattern = pattern_of((target.pattern[:-1], one.pattern[:-1]))
    return result
