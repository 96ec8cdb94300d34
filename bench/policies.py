"""`python -m bench.policies`: what a decision costs, for a user with ten policies of fifty statements each, once compiled.

Microseconds of one decision, the best of several rounds; what compiling costs stands beside.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from awning.auth.evaluate import decide
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import Principal

ACCOUNT = "111122223333"
ARN = f"arn:aws:iam::{ACCOUNT}:user/bench"
POLICIES, STATEMENTS = 10, 50
ROUNDS, TIMES = 7, 300
CONTEXT = {
    "aws:sourceip": "127.0.0.1",
    "aws:username": "bench",
    "aws:principaltag/team": "red",
    "aws:currenttime": "2026-01-01T00:00:00Z",
    "aws:resourcetag/owner": "someone",
    "s3:prefix": "a/b/c",
}

Make = Callable[[int], dict[str, Any]]


def other(number: int) -> dict[str, Any]:
    """A statement about another action."""
    return {"Effect": "Allow", "Action": f"dynamodb:Get{number}*", "Resource": f"arn:aws:dynamodb:*:*:table/t{number}"}


def about(resource: str, condition: str | None = None, effect: str = "Allow") -> Make:
    """Statements about the action; N in the resource and the condition (JSON) is the statement's number."""

    def make(number: int) -> dict[str, Any]:
        made = {"Effect": effect, "Action": "s3:Get*", "Resource": resource.replace("N", str(number))}
        if condition is not None:
            made["Condition"] = json.loads(condition.replace("N", str(number)))
        return made

    return make


def by_turns(*makes: Make) -> Make:
    return lambda number: makes[number % len(makes)](number)


def tangled(number: int) -> dict[str, Any]:
    """A statement with wildcards, a variable and conditions that are not met."""
    return {
        "Effect": "Deny" if number % 5 == 0 else "Allow",
        "Action": ["s3:*Object", "sqs:?end*"],
        "Resource": [f"arn:aws:s3:::*-{number}/home/${{aws:username}}/*", f"arn:aws:s3:::b*t-{number}/?ey*"],
        "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringLike": {"aws:PrincipalTag/team": "r*"}},
    }


def excepting(number: int) -> dict[str, Any]:
    """A statement about all but one resource, whose condition is not met."""
    made = about("*", LIKE)(number)
    del made["Resource"]
    return {**made, "NotResource": f"arn:aws:s3:::b-{number}/*"}


ADDRESS = '{"IpAddress": {"aws:SourceIp": ["2001:db8:N::/48", "172.16.0.0/12"]}}'
LIKE = '{"StringLike": {"s3:prefix": ["home/N/*", "team-N/*"]}}'
DATE = '{"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}, "StringEquals": {"aws:ResourceTag/owner": "nN"}}'
DATES = '{"DateLessThan": {"aws:CurrentTime": "1N-01-01T00:00:00Z"}}'
OWNER = '{"StringEquals": {"aws:ResourceTag/owner": "${aws:username}", "aws:ResourceTag/tN": "x"}}'
SHAPES: tuple[tuple[str, Make], ...] = (
    ("exact resources", about("arn:aws:s3:::bucket/N")),
    ("prefixes", about("arn:aws:s3:::bucket-N/*")),
    ("prefixes of each other", about("arn:aws:s3:::wanted/key-N*")),
    ("wildcards in the middle", about("arn:aws:s3:::*-N/home/*/file")),
    ("question marks and confined stars", about("arn:aws:s3::?*1:b*t-N/?ey*")),
    ("a variable", about("arn:aws:s3:::home/${aws:username}/N/*")),
    ("variables, the same text else", about("arn:aws:s3:::home/${aws:PrincipalTag/tN}/*")),
    ("their own addresses", about("*", ADDRESS)),
    ("StringLike on one key", about("*", LIKE)),
    ("an old date and their own tag", about("*", DATE)),
    ("their own dates", about("*", DATES)),
    ("conditions with a variable and on keys of their own", about("*", OWNER)),
    ("NotResource and a condition", excepting),
    ("all of these by turns", by_turns(about("arn:aws:s3:::b/N"), about("arn:aws:s3:::*-N/x?"), about("*", LIKE))),
    ("wildcards, variables and conditions", tangled),
)


def policies(make: Make, last: dict[str, Any] | None) -> tuple[Policy, ...]:
    documents = [
        {"Version": "2012-10-17", "Statement": [make(one * STATEMENTS + two) for two in range(STATEMENTS)]}
        for one in range(POLICIES)
    ]
    if last is not None:
        documents[-1]["Statement"][-1] = last  # type: ignore[index]
    texts = [json.dumps(document) for document in documents]
    return tuple(
        [compile_policy(document, id=str(at), kind="identity", stored=True) for at, document in enumerate(texts)]
    )


def measure(make: Make, last: dict[str, Any] | None, expected: bool) -> tuple[float, float]:
    """Microseconds of one decision, and of the first one."""
    who = Principal("user", ACCOUNT, ARN, ARN, "AIDAEXAMPLEEXAMPLE", "bench", policies(make, last))
    best, first = float("inf"), 0.0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for at in range(TIMES):
            decision = decide(
                who,
                "s3:GetObject",
                f"arn:aws:s3:::wanted/key-{at}/a-name-that-is-not-short.txt",
                CONTEXT,
                guard_policy=None,
                resource_account=ACCOUNT,
            )
            first = first or time.perf_counter() - begun
        best = min(best, time.perf_counter() - begun)
        assert decision.allowed is expected
    return best / TIMES * 1e6, first * 1e6


def main() -> None:
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::wanted/*"}
    rows: list[tuple[str, Make, dict[str, Any] | None, bool]] = [
        ("all statements about other actions, allowed by the last", other, allow, True),
        ("all statements about other actions, denied", other, None, False),
    ]
    for title, make in SHAPES:
        rows.append((f"500 allow: {title}; none does", make, None, "prefixes of each other" in title))
        denying = partial(_denying, make)
        if "prefixes of each other" not in title:
            rows.append((f"499 deny: {title}; none does, the last allows", denying, allow, True))
    for title, make, last, expected in rows:
        usual, first = measure(make, last, expected)
        begun = time.perf_counter()
        policies(make, last)
        compiling = (time.perf_counter() - begun) * 1e3
        print(f"{usual:8.1f} µs; the first {first:8.0f} µs, compiling {compiling:5.1f} ms  {title}")


def _denying(make: Make, number: int) -> dict[str, Any]:
    return {**make(number), "Effect": "Deny"}


if __name__ == "__main__":
    main()
