"""`python -m bench.policies`: what a decision costs, for a user with ten policies of fifty statements each, once compiled.

Microseconds of one decision, the best of several rounds; what compiling costs stands beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from awning.auth.evaluate import decide
from awning.auth.policy import Policy, compile_policy
from awning.auth.principal import Principal

ACCOUNT = "111122223333"
ARN = f"arn:aws:iam::{ACCOUNT}:user/bench"
POLICIES, STATEMENTS = 10, 50
ROUNDS, TIMES = 15, 2000
CONTEXT = {"aws:sourceip": "127.0.0.1", "aws:username": "bench", "aws:principaltag/team": "red"}

Make = Callable[[int], dict[str, Any]]


def other(number: int) -> dict[str, Any]:
    """A statement about another action."""
    return {"Effect": "Allow", "Action": f"dynamodb:Get{number}*", "Resource": f"arn:aws:dynamodb:*:*:table/t{number}"}


def about(number: int) -> dict[str, Any]:
    """A statement about the action and another resource."""
    return {"Effect": "Allow", "Action": "s3:Get*", "Resource": f"arn:aws:s3:::bucket-{number}/*"}


def tangled(number: int) -> dict[str, Any]:
    """A statement with wildcards, a variable and conditions that are not met."""
    return {
        "Effect": "Deny" if number % 5 == 0 else "Allow",
        "Action": ["s3:*Object", "sqs:?end*"],
        "Resource": [f"arn:aws:s3:::*-{number}/home/${{aws:username}}/*", f"arn:aws:s3:::b*t-{number}/?ey*"],
        "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringLike": {"aws:PrincipalTag/team": "r*"}},
    }


def policies(make: Make, last: dict[str, Any] | None) -> tuple[Policy, ...]:
    documents = [
        {"Version": "2012-10-17", "Statement": [make(one * STATEMENTS + two) for two in range(STATEMENTS)]}
        for one in range(POLICIES)
    ]
    if last is not None:
        documents[-1]["Statement"][-1] = last  # type: ignore[index]
    return tuple([compile_policy(document, id=str(at), kind="identity") for at, document in enumerate(documents)])


def measure(make: Make, last: dict[str, Any] | None, expected: bool) -> float:
    """Microseconds of one decision."""
    who = Principal("user", ACCOUNT, ARN, ARN, "AIDAEXAMPLEEXAMPLE", "bench", policies(make, last))
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for at in range(TIMES):
            decision = decide(
                who,
                "s3:GetObject",
                f"arn:aws:s3:::wanted/key-{at}",
                CONTEXT,
                guard_policy=None,
                resource_account=ACCOUNT,
            )
        best = min(best, time.perf_counter() - begun)
        assert decision.allowed is expected
    return best / TIMES * 1e6


def main() -> None:
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::wanted/*"}
    for title, make, last, expected in (
        ("all statements about other actions, allowed by the last", other, allow, True),
        ("all statements about other actions, denied", other, None, False),
        ("all 500 about the action, allowed by the last", about, allow, True),
        ("all 500 about the action, none allows", about, None, False),
        ("wildcards, variables and conditions in 500 about the action, allowed by the last", tangled, allow, True),
    ):
        print(f"{measure(make, last, expected):8.1f} µs  {title}")
    begun = time.perf_counter()
    policies(tangled, allow)
    print(f"{(time.perf_counter() - begun) * 1e3:8.1f} ms  compiling {POLICIES} policies of {STATEMENTS} statements")


if __name__ == "__main__":
    main()
