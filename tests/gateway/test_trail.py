"""The trail: bounded, exact about what was seen, and what it suggests allows just that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from awning.auth.decision import Decision, Why
from awning.auth.evaluate import decide
from awning.auth.policy import compile_policy
from awning.auth.principal import Principal, root_of
from awning.gateway import trail as trails
from awning.gateway.trail import MOST_EXPLAINED, MOST_REQUESTS, MOST_RESOURCES, Seen, Trail, merged, seen_as, suggest

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
    for number in range(MOST_REQUESTS + 10):
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


def test_it_is_the_same_after_a_stop() -> None:
    trail, again = Trail(), Trail()
    for number in range(MOST_RESOURCES + 1):
        trail.note("1", ROOT, "s3:GetObject", f"arn:aws:s3:::b/{number}", ALLOWED)
    trail.note("2", ROOT, "sqs:SendMessage", "arn:aws:sqs:::q", DENIED)
    again.restore(json.loads(json.dumps(trail.saved())))
    assert again.saved() == trail.saved()
    assert suggest(again.allowed[ROOT.arn]) == suggest(trail.allowed[ROOT.arn])


def test_a_roles_session_is_looked_for_as_its_role() -> None:
    session = "arn:aws:sts::000000000000:assumed-role/worker/now"
    assert seen_as(session, []) == "arn:aws:iam::000000000000:role/worker"
    known = ["arn:aws:iam::111122223333:role/worker", "arn:aws:iam::000000000000:role/team/worker"]
    assert seen_as(session, known) == known[1]
    for other in (known[0], "arn:aws:sts::000000000000:federated-user/worker", "worker", "*"):
        assert seen_as(other, known) == other
