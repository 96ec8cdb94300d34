"""Subscriptions: subscribe, confirm, configure, list, end.

Each change goes through `keep`. A queue's own account subscribes it at once; any other endpoint is asked first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sns import ended_tables, endpoints, fanout, tables, webhooks
from awning.services.sns.conditions import conditions
from awning.services.sns.errors import (
    FilterPolicyLimitExceededException,
    InvalidParameterException,
    NotFoundException,
    invalid,
)
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.names import (
    PAGE,
    arn_of,
    check_subscription_arn,
    check_topic_arn,
    read_token,
    topic_arn,
    topic_of,
    write_token,
)
from awning.services.sns.phones import is_written_number
from awning.services.sns.replays import read_replay_policy, replay_of
from awning.services.sns.retries import effective_of_subscription
from awning.services.sns.subscription_attributes import DEFAULTS, changed, is_queue_arn, shown
from awning.services.sns.topics import committed, find

_PROTOCOLS: Final = frozenset(
    {"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}
)
_CARRIED: Final = endpoints.PROTOCOLS | {"sqs", "sms", "application"}
_FILTERS = 200
_FILTERS_OF_ACCOUNT = 10_000
_TOKEN_BYTES = 144
_TOKEN = re.compile(r"[0-9a-fA-F]{64,}")
TOKEN_LIFE: Final = 2 * 86_400_000
"""Milliseconds: "Confirmation tokens are valid for two days." An endpoint that is asked again is asked with the same one."""


def _subscription_arn(call: Call, params: Params) -> str:
    return check_subscription_arn(params["subscription_arn"])


def _to_unsubscribe(call: Call, params: Params) -> str | None:
    """Who holds a subscription's ARN may end it, unless its confirmation said otherwise."""
    arn = check_subscription_arn(params["subscription_arn"])
    return None if call.principal.kind == "anonymous" else arn


def _to_confirm(call: Call, params: Params) -> str | None:
    """The token speaks for the endpoint, which may be anyone's."""
    try:
        arn = check_topic_arn(call, params["topic_arn"])
    except InvalidParameterException:
        raise invalid("Topic") from None
    return arn if arn.split(":")[4] == call.principal.account else None


def _everything(call: Call, params: Params) -> str:
    return arn_of(call.region, call.account, "*")


@operation(Needs("sns:Subscribe", topic_arn), honours={"attributes": ALL}, context=conditions)
def subscribe(
    call: Call,
    topic_arn: str,
    protocol: str,
    endpoint: str | None = None,
    attributes: dict[str, str] | None = None,
    return_subscription_arn: bool | None = None,
) -> dict[str, Any]:
    """Subscribe an endpoint to a topic. A subscription that there is already, with the same attributes, is returned."""
    topic = find(call, topic_arn)
    target = _check_endpoint(call, topic, protocol, endpoint)
    wanted = changed({}, attributes or {}, protocol, target, topic.arn, subscribing=True)
    replay = _begin_replay(call, topic, wanted)
    existing = tables.same_subscription(call.db, topic.id, protocol, target)
    if existing is None:
        _check_filters(call, topic, wanted, call.account)
    if existing is not None:
        if any({**DEFAULTS, **existing.attributes}.get(name) != value for name, value in wanted.items()):
            raise invalid("Attributes Reason: Subscription already exists with different attributes")
        if existing.pending:
            existing = _ask(call, topic, existing)
        return {"SubscriptionArn": _shown(existing, return_subscription_arn)}
    row = tables.insert_subscription(
        call.db,
        tables.SubscriptionRow(
            id=0,
            topic=topic.id,
            arn=f"{topic.arn}:{call.new_id()}",
            region=call.region,
            owner=call.account,
            principal=call.principal.caller_arn,
            protocol=protocol,
            endpoint=target,
            attributes=wanted,
            pending=not _trusted(call, protocol, target),
            token="",
            asked=0,
            authenticated=_trusted(call, protocol, target),
            locked=False,
            replay=replay,
        ),
    )
    memory: Memory = call.memory
    call.apply(lambda: memory.put(row), lambda: memory.drop(row))
    if row.pending:
        row = _ask(call, topic, row)
    return {"SubscriptionArn": _shown(row, return_subscription_arn)}


@operation(Needs("sns:ConfirmSubscription", _to_confirm), anonymous=True, context=conditions)
def confirm_subscription(
    call: Call, topic_arn: str, token: str, authenticate_on_unsubscribe: str | None = None
) -> dict[str, Any]:
    """Confirm a subscription with the token that its endpoint was sent. Confirmed once is confirmed. The token decides: of the
    topic, only the region and the account are looked at."""
    if not _TOKEN.fullmatch(token):
        raise InvalidParameterException("Invalid token")
    now = round(call.now * 1000)
    row = tables.find_token(call.db, token)
    if row is None:
        row = _restore(call, ended_tables.find_token(call.db, token, now - TOKEN_LIFE))
    if row is None or (row.pending and now >= row.asked + TOKEN_LIFE):
        raise invalid("Token")
    if topic_of(row.arn).split(":")[:5] != topic_arn.split(":")[:5]:
        raise invalid("Topic")
    signed = call.principal.kind != "anonymous"
    locked = (authenticate_on_unsubscribe or "").lower() == "true"
    if locked and not signed:
        raise invalid("AuthenticateOnUnsubscribe Reason: the request must be signed")
    if row.pending:
        keep(call, row, row._replace(pending=False, authenticated=signed, locked=locked))
    return {"SubscriptionArn": row.arn}


@operation(Needs("sns:Unsubscribe", _to_unsubscribe), anonymous=True, context=conditions)
def unsubscribe(call: Call, subscription_arn: str) -> None:
    """End a subscription. One that is not there has ended already."""
    row = tables.find_subscription(call.db, subscription_arn)
    if row is None:
        return
    if row.pending:
        raise invalid("SubscriptionArn Reason: This operation cannot be performed on a pending subscription")
    if row.locked and call.principal.kind == "anonymous":
        raise invalid("SubscriptionArn Reason: this subscription ends by a signed request only")
    memory: Memory = call.memory
    tables.delete_subscription(call.db, row)
    call.apply(lambda: memory.drop(row), lambda: memory.put(row))
    if row.protocol in ("http", "https") or (
        row.protocol in endpoints.PROTOCOLS and call.principal.kind == "anonymous"
    ):
        token = call.random(_TOKEN_BYTES).hex()
        ended_tables.keep(call.db, row, token, round(call.now * 1000))
        fanout.ask(call, memory.by_id[row.topic], row._replace(token=token), "UnsubscribeConfirmation")


@operation(Needs("sns:GetSubscriptionAttributes", _subscription_arn), reads=True, context=conditions)
def get_subscription_attributes(call: Call, subscription_arn: str) -> dict[str, Any]:
    """Return a subscription's attributes."""
    row = tables.find_subscription(call.db, subscription_arn)
    if row is None:
        raise NotFoundException("Subscription does not exist")
    return {
        "Attributes": {
            **shown(row.attributes),
            **_delivery_policy(call, row),
            **_replay_status(row),
            "SubscriptionArn": row.arn,
            "TopicArn": topic_of(row.arn),
            "Protocol": row.protocol,
            "Endpoint": webhooks.shown(row.endpoint),
            "Owner": row.owner,
            "SubscriptionPrincipal": row.principal,
            "PendingConfirmation": _flag(row.pending),
            "ConfirmationWasAuthenticated": _flag(row.authenticated),
        }
    }


@operation(Needs("sns:SetSubscriptionAttributes", _subscription_arn), context=conditions)
def set_subscription_attributes(
    call: Call, subscription_arn: str, attribute_name: str, attribute_value: str | None = None
) -> None:
    """Set one attribute of a subscription; it is in force for what is published from now on."""
    row = tables.find_subscription(call.db, subscription_arn)
    if row is None:
        raise NotFoundException("Subscription does not exist")
    changes = {attribute_name: attribute_value or ""}
    attributes = changed(row.attributes, changes, row.protocol, row.endpoint, topic_of(row.arn), subscribing=False)
    memory: Memory = call.memory
    topic = memory.by_id[row.topic]
    if "FilterPolicy" not in row.attributes:
        _check_filters(call, topic, attributes, row.owner)
    replay = _begin_replay(call, topic, attributes) if attribute_name == "ReplayPolicy" else row.replay
    keep(call, row, row._replace(attributes=attributes, replay=replay))


@operation(Needs("sns:ListSubscriptions", _everything), reads=True)
def list_subscriptions(call: Call, next_token: str | None = None) -> dict[str, Any]:
    """List the caller's subscriptions in the region, a hundred at a time, in the order in which they were made."""
    return _page(tables.list_subscriptions(call.db, call.account, call.region, read_token(next_token), PAGE + 1))


@operation(Needs("sns:ListSubscriptionsByTopic", topic_arn), reads=True, context=conditions)
def list_subscriptions_by_topic(call: Call, topic_arn: str, next_token: str | None = None) -> dict[str, Any]:
    """List a topic's subscriptions, a hundred at a time, in the order in which they were made."""
    topic = committed(call, topic_arn)
    return _page(tables.list_by_topic(call.db, topic.id, read_token(next_token), PAGE + 1))


def keep(call: Call, before: tables.SubscriptionRow, after: tables.SubscriptionRow) -> tables.SubscriptionRow:
    """Change a subscription, stored and in force; return it."""
    memory: Memory = call.memory
    tables.update_subscription(call.db, after)
    call.apply(lambda: memory.put(after), lambda: memory.put(before))
    return after


def _restore(call: Call, row: tables.SubscriptionRow | None) -> tables.SubscriptionRow | None:
    """Have a subscription back that has ended; where its endpoint has been subscribed anew, that one."""
    if row is None:
        return None
    memory: Memory = call.memory
    if row.topic not in memory.by_id:
        return None
    ended_tables.drop(call.db, row.arn)
    there = tables.same_subscription(call.db, row.topic, row.protocol, row.endpoint)
    if there is not None:
        return there
    restored = tables.insert_subscription(call.db, row)
    call.apply(lambda: memory.put(restored), lambda: memory.drop(restored))
    return restored


def _delivery_policy(call: Call, row: tables.SubscriptionRow) -> dict[str, str]:
    """What of delivery policies is in force: HTTP endpoints alone have any."""
    if row.protocol not in ("http", "https"):
        return {}
    topic = committed(call, topic_of(row.arn)).attributes
    return {
        "EffectiveDeliveryPolicy": effective_of_subscription(
            row.attributes.get("DeliveryPolicy"), topic.get("DeliveryPolicy")
        )
    }


def _replay_status(row: tables.SubscriptionRow) -> dict[str, str]:
    replay = replay_of(row)
    return {} if replay is None else {"ReplayStatus": replay.status}


def _ask(call: Call, topic: Topic, row: tables.SubscriptionRow) -> tables.SubscriptionRow:
    """Ask an endpoint whether it wants the subscription."""
    now = round(call.now * 1000)
    fresh = row.token and now < row.asked + TOKEN_LIFE
    row = keep(call, row, row._replace(token=row.token if fresh else call.random(_TOKEN_BYTES).hex(), asked=now))
    fanout.ask(call, topic, row)
    return row


def _trusted(call: Call, protocol: str, endpoint: str) -> bool:
    """Whether who subscribes speaks for the endpoint."""
    return protocol == "sms" or (protocol in ("sqs", "application") and endpoint.split(":")[4] == call.account)


def _check_endpoint(call: Call, topic: Topic, protocol: str, endpoint: str | None) -> str:
    """Return the endpoint. Raises InvalidParameterException where it, or its protocol, cannot be subscribed to this topic."""
    if protocol not in _PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise invalid("Endpoint Reason: no value for required parameter")
    if protocol not in _CARRIED:
        raise NotImplementedHere(f"The protocol {protocol} is not implemented.")
    if topic.settings.fifo and protocol != "sqs":
        raise invalid("Invalid parameter: Endpoint Reason: Please use FIFO SQS queue")
    if protocol == "sms" and not is_written_number(endpoint):
        raise InvalidParameterException(f"Invalid SMS endpoint: {endpoint}")
    if protocol == "application" and tables.find_endpoint(call.db, endpoint) is None:
        raise invalid(f"Endpoint Reason: Endpoint does not exist for endpoint arn{endpoint}")
    if protocol in endpoints.PROTOCOLS:
        endpoints.check(protocol, endpoint)
    if protocol == "sqs":
        if not is_queue_arn(endpoint):
            raise invalid("SQS endpoint ARN")
        if endpoint.endswith(".fifo") and not topic.settings.fifo:
            raise invalid(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
            )
    return endpoint


def _begin_replay(call: Call, topic: Topic, attributes: Mapping[str, str]) -> str:
    """Return the replay that a subscription's attributes ask for, as it is stored. Raises InvalidParameterException."""
    policy = attributes.get("ReplayPolicy")
    replay = read_replay_policy(policy, round(call.now * 1000)) if policy else None
    if replay is None:
        return ""
    if not topic.settings.archive_days:
        raise invalid("ReplayPolicy Reason: the topic has no active ArchivePolicy")
    return replay.text()


def _check_filters(call: Call, topic: Topic, attributes: Mapping[str, str], owner: str) -> None:
    """Raises FilterPolicyLimitExceededException where one more filter policy is too many for a topic or an account."""
    if "FilterPolicy" in attributes:
        memory: Memory = call.memory
        if memory.filters.get((owner, call.region), 0) >= _FILTERS_OF_ACCOUNT:
            raise FilterPolicyLimitExceededException(
                f"An account has at most {_FILTERS_OF_ACCOUNT} subscriptions with filter policies."
            )
        count = sum(1 for subscription in topic.subscriptions.values() if subscription.filter is not None)
        if count >= _FILTERS:
            raise FilterPolicyLimitExceededException(
                f"A topic has at most {_FILTERS} subscriptions with filter policies."
            )


def _shown(row: tables.SubscriptionRow, whole: bool | None) -> str:
    return "pending confirmation" if row.pending and not whole else row.arn


def _page(rows: list[tables.SubscriptionRow]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Subscriptions": [
            {
                "SubscriptionArn": "PendingConfirmation" if row.pending else row.arn,
                "Owner": row.owner,
                "Protocol": row.protocol,
                "Endpoint": webhooks.shown(row.endpoint),
                "TopicArn": topic_of(row.arn),
            }
            for row in rows[:PAGE]
        ]
    }
    if len(rows) > PAGE:
        result["NextToken"] = write_token(rows[PAGE - 1].id)
    return result


def _flag(value: bool) -> str:
    return "true" if value else "false"
