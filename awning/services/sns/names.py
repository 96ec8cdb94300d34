"""Names: topics' and subscriptions' ARNs, what they say, and which of them an operation needs a permission for.

Source: the API reference of CreateTopic; "Actions, resources, and condition keys for Amazon SNS".
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sns.errors import InvalidParameterException, invalid

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo")

PAGE: Final = 100
"""Topics or subscriptions on a page of a list."""


def arn_of(region: str, account: str, name: str) -> str:
    """Return a topic's ARN."""
    return f"arn:aws:sns:{region}:{account}:{name}"


def check_name(name: str, fifo: bool) -> None:
    """Raises InvalidParameterException for what cannot be a topic's name."""
    if fifo and not _FIFO_NAME.fullmatch(name):
        raise InvalidParameterException(
            "Invalid parameter: Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only uppercase "
            "and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
        )
    if not fifo and not _NAME.fullmatch(name):
        raise invalid("Topic Name")


def check_topic_arn(call: Call, arn: str, parameter: str = "TopicArn") -> str:
    """Return the ARN of a topic of this region. Raises InvalidParameterException for what is none."""
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid(f"{parameter} Reason: An ARN must have at least 6 elements, not {len(parts)}")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sns" or not re.fullmatch(r"\d{12}", parts[4]):
        raise invalid(f"{parameter} Reason: A topic's ARN is arn:aws:sns:REGION:ACCOUNT:NAME")
    # What nobody signed says its region by the ARN alone: the links in notifications do.
    if parts[3] != call.region and call.principal.kind != "anonymous":
        raise invalid(parameter)
    return arn


def check_subscription_arn(arn: str) -> str:
    """Return a subscription's ARN. Raises InvalidParameterException for what is none."""
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
    if len(parts) != 7 or parts[2] != "sns":
        raise invalid("SubscriptionId")
    return arn


def topic_of(subscription_arn: str) -> str:
    """Return the ARN of the topic that a subscription's ARN begins with."""
    return subscription_arn.rpartition(":")[0]


def topic_arn(call: Call, params: Params) -> str:
    """The topic that `topic_arn` means: what most operations need a permission for."""
    return check_topic_arn(call, params["topic_arn"])


def tagged_arn(call: Call, params: Params) -> str:
    """The topic that `resource_arn` means."""
    return check_topic_arn(call, params["resource_arn"], "ResourceArn")


def new_topic_arn(call: Call, params: Params) -> str:
    """The topic that is to be created."""
    return arn_of(call.region, call.account, params["name"])


def new_topic_to_tag(call: Call, params: Params) -> str | None:
    """The topic that is to be created, where it is to have tags."""
    return new_topic_arn(call, params) if params.get("tags") else None


def write_token(last: int) -> str:
    """Return the token for the page after a row."""
    return urlsafe_b64encode(str(last).encode()).decode()


def read_token(token: str | None) -> int:
    """Return the row after which a page begins. Raises InvalidParameterException."""
    if not token:
        return 0
    try:
        return int(
            urlsafe_b64decode(
                token.encode(),
            ).decode()
        )
    except ValueError:
        raise invalid("NextToken") from None
