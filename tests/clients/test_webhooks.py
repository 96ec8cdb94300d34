"""Web hooks and mail of a live region: asked, confirmed, notified, tried again, given up."""

from __future__ import annotations

import email
import email.policy
import json
import queue
import re
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.cli.control import ask
from tests.clients.test_notifications import fetch, subscribed
from tests.services.sns import validator


class Hook:
    """A web hook. `posts` gets what comes: path, headers and body; `statuses` are given in turn, the last one for ever."""

    def __init__(self) -> None:
        self.posts: queue.Queue[tuple[str, Any, str]] = queue.Queue()
        self.statuses = [200]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                hook.posts.put((self.path, self.headers, body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def next(self) -> tuple[str, Any, str]:
        return self.posts.get(timeout=20)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


def confirm(sns: Any, topic: str, hook: Hook, region: Any, **attributes: str) -> str:
    """Subscribe a hook, and confirm by the link that it was posted; returns the subscription's ARN."""
    arn = sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=hook.url, Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    fetch(json.loads(hook.next()[2])["SubscribeURL"], region)
    return str(arn)


def wait_for_attempts(region: Any, count: int) -> None:
    """Wait until it is on disk that each letter was tried so often."""
    with closing(sqlite3.connect(f"file:{region.data}/rooms/sns.db?mode=ro", uri=True)) as db:
        for _ in range(400):
            if {each for (each,) in db.execute("SELECT attempts FROM _outbox")} == {count}:
                return
            time.sleep(0.025)
    raise AssertionError(f"The letters were not tried {count} times.")


def test_a_web_hook_is_asked_and_then_notified(region: Any, name: str, hook: Hook) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = hook.url.replace("//", "//user:secret@")
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    path, headers, body = hook.next()
    asked = json.loads(body)
    assert path == "/hook"
    assert headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert headers["x-amz-sns-message-id"] == asked["MessageId"]
    assert headers["x-amz-sns-topic-arn"] == topic
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert headers["User-Agent"] == "Amazon Simple Notification Service Agent"
    certificate = fetch(asked["SigningCertURL"], region)
    validator.check(asked, certificate, region.ca.read_bytes())
    sns.publish(TopicArn=topic, Message="not yet")
    assert b"<SubscriptionArn>" in fetch(asked["SubscribeURL"], region)
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert subscription["Endpoint"] == hook.url.replace("//", "//user:****@")
    sns.publish(TopicArn=topic, Message="Hello", Subject="S")
    _, headers, body = hook.next()
    told = json.loads(body)
    assert (told["Type"], told["Message"], told["Subject"]) == ("Notification", "Hello", "S")
    assert headers["x-amz-sns-subscription-arn"] == subscription["SubscriptionArn"]
    validator.check(told, certificate)
    effective = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
    assert json.loads(effective["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 3


def test_a_raw_message_is_posted_as_it_is(region: Any, name: str, hook: Hook) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    confirm(sns, topic, hook, region, RawMessageDelivery="true", DeliveryPolicy=policy)
    sns.publish(TopicArn=topic, Message='{"a": 1}')
    _, headers, body = hook.next()
    assert body == '{"a": 1}'
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert headers["Content-Type"] == "application/json"


def test_a_dead_hook_is_retried_by_its_policy_and_buried_and_delays_nobody(own_region: Any, hook: Hook) -> None:
    region = own_region.start()
    sns, sqs, topic, grave = subscribed(region, "t")
    sns.unsubscribe(SubscriptionArn=sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"])
    arn = sqs.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "healthyRetryPolicy": {"numRetries": 3, "numNoDelayRetries": 1, "minDelayTarget": 600, "maxDelayTarget": 900}
    }
    dead, healthy = hook, Hook()
    confirm(
        sns,
        topic,
        dead,
        region,
        DeliveryPolicy=json.dumps(policy),
        RedrivePolicy=json.dumps({"deadLetterTargetArn": arn}),
    )
    confirm(sns, topic, healthy, region)
    dead.statuses = [500]
    sns.publish(TopicArn=topic, Message="one")
    assert json.loads(healthy.next()[2])["Message"] == "one"
    first, again = dead.next(), dead.next()  # at once, and once more without delay
    assert first[2] == again[2]
    sns.publish(TopicArn=topic, Message="two")
    assert json.loads(healthy.next()[2])["Message"] == "two"
    for _ in range(2):
        assert json.loads(dead.next()[2])["Message"] == "two"
    wait_for_attempts(region, 2)
    assert dead.posts.empty()
    region.kill()  # attempts are counted over a crash
    region.start()
    sqs = region.client("sqs")
    for attempts in (3, 4):
        ask(region.data, "clock", seconds=901)
        assert {json.loads(dead.next()[2])["Message"] for _ in range(2)} == {"one", "two"}
        if attempts < 4:
            wait_for_attempts(region, attempts)
    found: dict[str, Any] = {}
    for _ in range(20):
        given = sqs.receive_message(QueueUrl=grave, WaitTimeSeconds=1, MessageAttributeNames=["All"])
        found.update({json.loads(each["Body"])["Message"]: each for each in given.get("Messages", [])})
        if len(found) == 2:
            break
    assert set(found) == {"one", "two"}
    healthy.close()


def test_what_a_client_does_wrong_is_not_tried_again(region: Any, name: str, hook: Hook) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    confirm(
        sns, topic, hook, region, DeliveryPolicy='{"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1}}'
    )
    hook.statuses = [403, 429, 200]
    for message in ("refused", "too busy"):
        sns.publish(TopicArn=topic, Message=message)
        assert json.loads(hook.next()[2])["Message"] == message
    assert json.loads(hook.next()[2])["Message"] == "too busy"


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [("http", "https://a/"), ("http", "localhost"), ("email", "nobody"), ("https", "https://")],
)
def test_what_is_no_endpoint_is_refused(region: Any, name: str, protocol: str, endpoint: str) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    with pytest.raises(ClientError, match="InvalidParameter"):
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)


def mails(region: Any, address: str, count: int) -> list[Any]:
    """The mails to an address, once there are so many."""
    for _ in range(200):
        files = sorted((region.data / "mail").glob("*.eml"))
        found = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
        found = [mail for mail in found if mail["To"] == address]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{address} got {len(found)} mails")


@pytest.mark.parametrize("protocol", ["email", "email-json"])
def test_mail_is_written_into_the_spool(region: Any, name: str, protocol: str) -> None:
    sns = region.client("sns")
    address = f"{name}@example.com"
    topic = sns.create_topic(Name=name, Attributes={"DisplayName": "The news"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=address)
    (question,) = mails(region, address, 1)
    assert question["From"].addresses[0].display_name == "The news"
    link = re.search(r"http://\S+Action=ConfirmSubscription[^\s\"]+", question.get_content())
    assert link is not None
    with urllib.request.urlopen(link.group(), timeout=20) as reply:
        assert reply.status == 200
    sns.publish(TopicArn=topic, Message="Grüße an alle", Subject="Hello")
    told = mails(region, address, 2)[1]
    assert told["Subject"] == "Hello"
    text = told.get_content()
    if protocol == "email-json":
        assert json.loads(text)["Message"] == "Grüße an alle"
    else:
        assert text.startswith("Grüße an alle")
        assert "Action=Unsubscribe" in text


def test_mail_goes_with_a_reset(own_region: Any) -> None:
    region = own_region.start()
    sns = region.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    mails(region, "a@example.com", 1)
    ask(region.data, "reset")
    assert not (region.data / "mail").exists()


def test_an_unsubscribed_hook_is_told_and_comes_back_by_the_link(region: Any, name: str, hook: Hook) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    arn = confirm(sns, topic, hook, region)
    sns.unsubscribe(SubscriptionArn=arn)
    _, headers, body = hook.next()
    told = json.loads(body)
    assert headers["x-amz-sns-message-type"] == told["Type"] == "UnsubscribeConfirmation"
    assert headers["x-amz-sns-subscription-arn"] == arn
    validator.check(told, fetch(told["SigningCertURL"], region))
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    fetch(told["SubscribeURL"], region)
    sns.publish(TopicArn=topic, Message="again")
    assert json.loads(hook.next()[2])["Message"] == "again"
