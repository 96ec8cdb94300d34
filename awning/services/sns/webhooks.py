"""HTTP and HTTPS endpoints: what is posted to them, what their replies mean, and when a post is repeated.

Source: "Fanout to HTTP/S endpoints", "Amazon SNS message delivery retries" and "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

import asyncio
import re

from awning.contracts import FindClient, PostToEndpoint
from awning.kit.call import Call
from awning.kit.deliveries import TryAgain, Undeliverable
from awning.net.client import Client, ClientError, read_url
from awning.services.sns import ended_tables, tables
from awning.services.sns.memory import Memory
from awning.services.sns.names import topic_of
from awning.services.sns.retries import PLAIN_TEXT, Schedule, schedule_of

_SECONDS = 15.0
"""How long an endpoint has to reply."""

_AGENT = b"Amazon Simple Notification Service Agent"
_PASSWORD = re.compile(r"^([a-zA-Z]+://[^/?#@:]*):[^/?#]*@")


def is_endpoint(endpoint: str, protocol: str) -> bool:
    """Whether this is a URL of the protocol."""
    if not endpoint.lower().startswith(f"{protocol}://"):
        return False
    try:
        read_url(endpoint)
    except ValueError:
        return False
    return True


def shown(endpoint: str) -> str:
    """Return an endpoint as clients are told it: without its password."""
    return _PASSWORD.sub(r"\1:****@", endpoint)


async def post(call: Call, delivery: PostToEndpoint) -> None:
    """Post to an endpoint, once. Raises Undeliverable or TryAgain, by its reply and the delivery policy in force."""
    row = tables.find_subscription(call.db, delivery.arn)
    if row is None and delivery.type == "UnsubscribeConfirmation":
        row = ended_tables.find(call.db, delivery.arn)
    topic = tables.find_topic(call.db, topic_of(delivery.arn))
    if row is None or topic is None or (row.pending and delivery.type == "Notification"):
        raise Undeliverable("The subscription has ended.")
    schedule = schedule_of(row.attributes.get("DeliveryPolicy"), topic.attributes.get("DeliveryPolicy"))
    await _take_turn(call, delivery.arn, schedule)
    client: Client = call.ask(FindClient())
    try:
        reply = await client.request(
            "POST", row.endpoint, _headers(delivery, schedule), delivery.body.encode(), _SECONDS
        )
    except ValueError as error:
        raise Undeliverable(f"The endpoint cannot be called: {error}") from error
    except ClientError as error:
        raise _again(call, schedule, f"{type(error).__name__}: {error}") from error
    if 200 <= reply.status < 300:
        return
    said = f"The endpoint replied with status {reply.status}."
    # What a client does wrong it does wrong again; only a server that is too busy or out of order may do better later.
    if 300 <= reply.status < 500 and reply.status != 429:
        raise Undeliverable(said)
    raise _again(call, schedule, said)


def _again(call: Call, schedule: Schedule, reason: str) -> Exception:
    delay = schedule.delay_before(call.attempts + 1)
    if delay is None:
        return Undeliverable(f"{reason} No retries are left after {call.attempts + 1} attempts.")
    return TryAgain(reason, delay)


async def _take_turn(call: Call, arn: str, schedule: Schedule) -> None:
    """Wait until one more delivery is within the rate of the policy."""
    if schedule.most_per_second is None:
        return
    memory: Memory = call.memory
    now = asyncio.get_running_loop().time()
    turn = max(now, memory.turns.get(arn, now))
    memory.turns[arn] = turn + 1.0 / schedule.most_per_second
    await asyncio.sleep(turn - now)


def _headers(delivery: PostToEndpoint, schedule: Schedule) -> list[tuple[bytes, bytes]]:
    notifies = delivery.type == "Notification"
    headers = [
        (b"x-amz-sns-message-type", delivery.type),
        (b"x-amz-sns-message-id", delivery.message_id),
        (b"x-amz-sns-topic-arn", delivery.topic_arn),
        (b"Accept-Encoding", "gzip,deflate"),
        (b"Content-Type", schedule.content_type if notifies else PLAIN_TEXT),
    ]
    if delivery.type != "SubscriptionConfirmation":
        headers.append((b"x-amz-sns-subscription-arn", delivery.arn))
    if delivery.raw:
        headers.append((b"x-amz-sns-rawdelivery", "true"))
    return [*((name, value.encode("latin-1")) for name, value in headers), (b"User-Agent", _AGENT)]
