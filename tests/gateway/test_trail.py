"""The trail: bounded, exact about what was seen, and what it suggests allows just that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from awning.auth.decision import Decision, Why
from awning.auth.evaluate import decide
from awning.auth.policy import compile_policy
from awning.auth.principal import Principal, root_of
from awning.gateway import trail as trails
from awning.gateway.trail import (
    MOST_DECISIONS,
    MOST_EXPLAINED,
    MOST_REFUSALS,
    MOST_RESOURCES,
    Seen,
    Trail,
    merged,
    seen_as,
    suggest,
)
from awning.gateway.trail_file import NAME, TrailFile

ALLOWED = Decision(True, Why.ROOT, None, None, list)
DENIED = Decision(False, Why.NO_IDENTITY, None, None, list)
ROOT = root_of("000000000000")


def allows(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    text = json.dumps(policy)
    arn = "arn:aws:iam::000000000000:user/u"
    user = Principal(
        "user", "000000000000", arn, arn, "AIDA", policies=(compile_policy(text, kind="identity", id="p"),)
    )
    return decide(user, action, resource, {}, guard_policy=None, resource_account="000000000000").allowed


names = some.text("ab*?$/{}", min_size=1, max_size=6)
actions = some.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"])
done = some.lists(some.tuples(actions, names.map("arn:aws:s3:::bucket/{}".format)), min_size=1, max_size=12)


@given(done)
def test_what_is_suggested_allows_what_was_done_and_nothing_beside(did: list[tuple[str, str]]) -> None:
    trail = Trail()
    for action, resource in did:
        trail.note("r", ROOT, action, resource, ALLOWED)
    policy = suggest(trail.allowed[ROOT.arn])
    for action in ("s3:GetObject", "s3:PutObject", "sqs:SendMessage"):
        for resource in {resource for _, resource in did} | {"arn:aws:s3:::bucket/a", "arn:aws:s3:::bucket/ab"}:
            assert allows(policy, action, resource) == ((action, resource) in did)


def test_a_statement_has_all_actions_on_the_same_resources() -> None:
    did = {"s3:PutObject": Seen({"a"}), "s3:GetObject": Seen({"a"}), "s3:ListAllMyBuckets": Seen({"*"})}
    assert suggest(did)["Statement"] == [
        {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "a"},
    ]


def test_very_many_resources_become_one_pattern() -> None:
    seen = Seen()
    for number in range(MOST_RESOURCES * 3):
        seen.add(f"arn:aws:s3:::photos/2026/{number:04}.jpg")
    assert seen.listed() == ("arn:aws:s3:::photos/2026/*",)
    assert not seen.add("arn:aws:s3:::photos/2026/more")
    assert seen.add("arn:aws:s3:::photos/2025/other")
    assert seen.listed() == ("arn:aws:s3:::photos/*",)
    assert seen.resources == set()


def test_what_was_denied_may_be_added() -> None:
    trail = Trail()
    trail.note("1", ROOT, "s3:GetObject", "arn:aws:s3:::b/k", ALLOWED)
    trail.note("2", ROOT, "s3:PutObject", "arn:aws:s3:::b/k", DENIED)
    assert set(trail.allowed[ROOT.arn]) == {"s3:GetObject"}
    both = merged(trail.allowed[ROOT.arn], trail.refused[ROOT.arn])
    assert suggest(both)["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/k"}
    ]
    many = {"s3:GetObject": Seen(pattern="arn:aws:s3:::b/x/*")}
    assert merged(trail.allowed[ROOT.arn], many)["s3:GetObject"].listed() == ("arn:aws:s3:::b/*",)
    assert merged(many, many)["s3:GetObject"].listed() == ("arn:aws:s3:::b/x/*",)


def test_it_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(trails, "MOST_PRINCIPALS", 5)
    trail = Trail()
    for number in range(MOST_DECISIONS + 10):
        trail.note(f"{number}", ROOT, "s3:GetObject", "arn", ALLOWED)
    assert trail.explain("9") is None
    assert trail.explain("10") is not None
    for number in range(MOST_EXPLAINED + 10):
        trail.note(f"d{number}", root_of(f"{number:012}"), "s3:GetObject", "arn", DENIED)
    assert len(trail.refused) == 5
    early, late = trail.explain("d0"), trail.explain(f"d{MOST_EXPLAINED + 9}")
    assert early is not None
    assert early["explanations"] == []
    assert late is not None
    assert late["explanations"][0]["reason"] == "no-identity-allow"


def test_requests_with_very_many_decisions_are_bounded_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(trails, "MOST_DECISIONS", 2_500)
    trail = Trail()
    for request in ("a", "b", "c"):
        for key in range(1_000):
            trail.note(request, ROOT, "s3:DeleteObject", f"arn:aws:s3:::b/{key}", DENIED)
    assert trail.explain("a") is None
    kept = trail.explain("c")
    assert kept is not None
    assert len(kept["decisions"]) == 1_000
    assert len(kept["explanations"]) == MOST_REFUSALS


def test_explanations_are_bounded_by_what_they_take(monkeypatch: Any) -> None:
    trail = Trail()
    trail.note("0", ROOT, "s3:GetObject", "arn", DENIED)
    monkeypatch.setattr(trails, "MOST_EXPLAINING", trail._explaining * 3)
    for number in range(1, 5):
        trail.note(f"{number}", ROOT, "s3:GetObject", "arn", DENIED)
    told = [trail.explain(f"{number}") for number in range(5)]
    assert [len(one["explanations"]) for one in told if one is not None] == [0, 0, 1, 1, 1]


def test_who_was_not_seen_for_the_longest_time_is_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(trails, "MOST_SEEN", 10)
    trail = Trail()
    for account, resource in [(1, "a"), (2, "a"), (3, "a"), (1, "a"), *((4, f"r{number}") for number in range(8))]:
        trail.note("r", root_of(f"{account:012}"), "s3:GetObject", resource, ALLOWED)
    assert list(trail.allowed) == [root_of(f"{account:012}").arn for account in (3, 1, 4)]
    again = Trail()
    again.restore(json.loads(b"".join(trail.pieces())))
    assert list(again.allowed) == list(trail.allowed)
    assert again._seen == trail._seen == 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'{"allowed":{}}',
        b'{"allowed":{"arn":{"s3:GetObject":[["a"],null]}},"refused":7}',
        b'{"allowed":{"arn":{"s3:GetObject":[["a",1],null]}},"refused":{}}',
        b'{"allowed":{"arn":{"s3:GetObject":[["a"],""]}},"refused":{}}',
        b'{"allowed":{"arn":{"s3:GetObject":[["a"]]}},"refused":{}}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_told_and_left_aside_whole(tmp_path: Path, content: bytes) -> None:
    said: list[str] = []
    trail = Trail()
    (tmp_path / NAME).write_bytes(content)
    TrailFile(tmp_path, trail, said.append).load()
    assert "left aside" in said[0]
    assert not trail.allowed


def test_a_reset_during_a_save_is_what_the_file_has_in_the_end(tmp_path: Path) -> None:
    async def race() -> None:
        trail = Trail()
        file = TrailFile(tmp_path, trail, pytest.fail)
        for number in range(3_000):
            trail.note("r", root_of(f"{number:012}"), "s3:GetObject", f"arn:aws:s3:::b/{number}", ALLOWED)
        saving = asyncio.create_task(file.save())
        await asyncio.sleep(0)
        trail.clear()
        await file.save()
        await saving

    asyncio.run(race())
    assert json.loads((tmp_path / NAME).read_bytes()) == {"allowed": {}, "refused": {}}


def test_it_is_the_same_after_a_stop() -> None:
    trail, again = Trail(), Trail()
    for number in range(MOST_RESOURCES + 1):
        trail.note("1", ROOT, "s3:GetObject", f"arn:aws:s3:::b/{number}", ALLOWED)
    trail.note("2", ROOT, "sqs:SendMessage", "arn:aws:sqs:::q", DENIED)
    again.restore(json.loads(b"".join(trail.pieces())))
    assert list(again.pieces()) == list(trail.pieces())
    assert suggest(again.allowed[ROOT.arn]) == suggest(trail.allowed[ROOT.arn])


def test_a_roles_session_is_looked_for_as_its_role() -> None:
    session = "arn:aws:sts::000000000000:assumed-role/worker/now"
    assert seen_as(session, []) == "arn:aws:iam::000000000000:role/worker"
    known = ["arn:aws:iam::111122223333:role/worker", "arn:aws:iam::000000000000:role/team/worker"]
    assert seen_as(session, known) == known[1]
    for other in (known[0], "arn:aws:sts::000000000000:federated-user/worker", "worker", "*"):
        assert seen_as(other, known) == other
