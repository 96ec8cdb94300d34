"""May an AWS service act on a resource for one of its own resources? The resource's policy alone decides.

Source: "AWS service principals" and "The confused deputy problem" in the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from awning.auth.decision import Decision
from awning.auth.evaluate import decide
from awning.auth.principal import Principal
from awning.contracts import Sender
from awning.kit.service import Guard


def principal_of(sender: Sender) -> Principal:
    """The service as a policy's Principal element names it."""
    return Principal("service", "", sender.service, sender.service, sender.service, sender.service)


def decide_for(
    sender: Sender,
    action: str,
    arn: str,
    guard: Guard,
    now: float,
    further: Mapping[str, str] | None = None,
) -> Decision:
    """Decide whether `sender` may do `action` on the resource `arn` that `guard` speaks for; `now` in seconds since the epoch.

    `further`: condition keys, in lower case, that this service is known to say as well.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    region = arn.split(":", 4)[3] if arn.count(":") >= 4 else ""
    context: dict[str, Any] = {
        "aws:sourcearn": sender.arn,
        "aws:sourceaccount": sender.account,
        "aws:principalisawsservice": "true",
        "aws:principalservicename": sender.service,
        "aws:principalservicenameslist": [sender.service],
        "aws:principaltype": "Service",
        "aws:viaawsservice": "false",
        "aws:securetransport": "true",
        "aws:currenttime": moment,
        "aws:epochtime": str(int(now)),
        "aws:requestedregion": region,
        "aws:resourceaccount": guard.account,
        **(further or {}),
    }
    return decide(principal_of(sender), action, arn, context, guard_policy=guard.policy, resource_account=guard.account)
