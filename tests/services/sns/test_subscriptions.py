"""Subscriptions: who may make them, how they are confirmed, what they keep, how they end."""

from __future__ import annotations

import json

import pytest

from awning.kit.errors import NotImplementedHere
from awning.services.sns import webhooks, work
from awning.services.sns.errors import InvalidParameterException, NotFoundException
from tests.services.sns.support import ACCOUNT, OTHER, Bench, Client, document, queue_arn


def test_a_queue_of_ones_own_is_subscribed_at_once(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.queue(topic)
    assert arn.startswith(f"{topic}:")
    assert bench.sent() == []
    found = client.attributes(arn)
    assert found == {
        "SubscriptionArn": arn,
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": queue_arn(),
        "Owner": ACCOUNT,
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root",
        "PendingConfirmation": "false",
        "ConfirmationWasAuthenticated": "true",
        "RawMessageDelivery": "false",
    }
    assert client.attributes(topic)["SubscriptionsConfirmed"] == "1"


def test_subscribing_again_returns_the_subscription(client: Client) -> None:
    topic = client.topic()
    arn = client.queue(topic)
    assert client.queue(topic) == arn
    with pytest.raises(InvalidParameterException, match="Subscription already exists with different attributes"):
        client.queue(topic, RawMessageDelivery="true")


def test_the_queue_of_another_account_is_asked_first(bench: Bench, client: Client, other: Client) -> None:
    topic = client.topic()
    theirs = queue_arn(account=OTHER)
    shown = client.subscribe(topic_arn=topic, protocol="sqs", endpoint=theirs)["SubscriptionArn"]
    assert shown == "pending confirmation"
    (letter,) = bench.sent()
    assert letter.arn == theirs
    told = document(letter)
    assert (told["Type"], told["TopicArn"]) == ("SubscriptionConfirmation", topic)
    assert told["Token"] in told["SubscribeURL"]
    assert client.attributes(topic)["SubscriptionsPending"] == "1"
    assert client.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    client.publish(topic_arn=topic, message="too early")
    assert bench.sent() == []
    arn = other.confirm_subscription(topic_arn=topic, token=told["Token"])["SubscriptionArn"]
    assert other.confirm_subscription(topic_arn=topic, token=told["Token"])["SubscriptionArn"] == arn
    assert client.attributes(arn)["PendingConfirmation"] == "false"
    client.publish(topic_arn=topic, message="now")
    assert [letter.arn for letter in bench.sent()] == [theirs]


def test_the_arn_of_a_pending_subscription_is_told_to_who_wants_it(client: Client) -> None:
    theirs = queue_arn(account=OTHER)
    made = {"topic_arn": client.topic(), "protocol": "sqs", "endpoint": theirs, "return_subscription_arn": True}
    arn = client.subscribe(**made)["SubscriptionArn"]
    assert client.subscribe(**made)["SubscriptionArn"] == arn
    assert client.attributes(arn)["PendingConfirmation"] == "true"
    with pytest.raises(InvalidParameterException, match="pending"):
        client.unsubscribe(subscription_arn=arn)


def test_a_token_is_good_for_two_days(bench: Bench, client: Client) -> None:
    topic = client.topic()
    client.subscribe(topic_arn=topic, protocol="sqs", endpoint=queue_arn(account=OTHER))
    token = document(bench.sent()[0])["Token"]
    bench.now += 2 * 86_400
    with pytest.raises(InvalidParameterException, match="Token"):
        client.confirm_subscription(topic_arn=topic, token=token)
    client.subscribe(topic_arn=topic, protocol="sqs", endpoint=queue_arn(account=OTHER))
    again = document(bench.sent()[0])["Token"]
    assert again != token
    client.confirm_subscription(topic_arn=topic, token=again)
    with pytest.raises(InvalidParameterException, match=r"^Invalid token"):
        client.confirm_subscription(topic_arn=topic, token="random")
    for unknown in (topic, topic + "x"):
        with pytest.raises(InvalidParameterException, match=r"^Invalid parameter: Token"):
            client.confirm_subscription(topic_arn=unknown, token="5" * 288)
    with pytest.raises(InvalidParameterException, match=r"^Invalid parameter: Topic$"):
        client.confirm_subscription(topic_arn=topic.replace("us-east-1", "us-west-2"), token=again)
    # The token alone tells which subscription is meant.
    assert client.confirm_subscription(topic_arn=topic + "x", token=again)["SubscriptionArn"].startswith(f"{topic}:")


def test_to_subscribe_again_with_what_is_there_by_default_changes_nothing(client: Client) -> None:
    topic = client.topic()
    first = client.queue(topic)
    assert client.queue(topic, RawMessageDelivery="False", FilterPolicyScope="MessageAttributes") == first
    with pytest.raises(InvalidParameterException, match="different attributes"):
        client.queue(topic, FilterPolicyScope="MessageBody")


def test_a_stranger_with_the_token_may_confirm_and_end(bench: Bench, client: Client) -> None:
    stranger = Client(bench, "000000000000", signed=False)
    topic = client.topic()
    client.subscribe(topic_arn=topic, protocol="sqs", endpoint=queue_arn(account=OTHER))
    token = document(bench.sent()[0])["Token"]
    with pytest.raises(InvalidParameterException, match="AuthenticateOnUnsubscribe"):
        stranger.confirm_subscription(topic_arn=topic, token=token, authenticate_on_unsubscribe="true")
    arn = stranger.confirm_subscription(topic_arn=topic, token=token)["SubscriptionArn"]
    assert client.attributes(arn)["ConfirmationWasAuthenticated"] == "false"
    stranger.unsubscribe(subscription_arn=arn)
    assert client.attributes(topic)["SubscriptionsDeleted"] == "1"


def test_a_subscription_may_be_locked_when_it_is_confirmed(bench: Bench, client: Client, other: Client) -> None:
    topic = client.topic()
    client.subscribe(topic_arn=topic, protocol="sqs", endpoint=queue_arn(account=OTHER))
    token = document(bench.sent()[0])["Token"]
    arn = other.confirm_subscription(topic_arn=topic, token=token, authenticate_on_unsubscribe="true")[
        "SubscriptionArn"
    ]
    with pytest.raises(InvalidParameterException, match="signed"):
        Client(bench, "000000000000", signed=False).unsubscribe(subscription_arn=arn)
    client.unsubscribe(subscription_arn=arn)
    with pytest.raises(NotFoundException):
        client.attributes(arn)


@pytest.mark.parametrize(
    ("protocol", "endpoint", "said"),
    [
        ("pigeon", "loft", "does not support this protocol string: pigeon"),
        ("sqs", "jobs", "SQS endpoint ARN"),
        ("sqs", "http://localhost/111122223333/jobs", "SQS endpoint ARN"),
        ("sqs", queue_arn("jobs.fifo"), "FIFO SQS Queues can not be subscribed to standard SNS topics"),
        ("sqs", None, "Endpoint"),
    ],
)
def test_what_cannot_be_subscribed(client: Client, protocol: str, endpoint: str | None, said: str) -> None:
    with pytest.raises(InvalidParameterException, match=said):
        client.subscribe(topic_arn=client.topic(), protocol=protocol, endpoint=endpoint)


@pytest.mark.parametrize("protocol", ["lambda", "firehose"])
def test_protocols_whose_services_are_not_there(client: Client, protocol: str) -> None:
    with pytest.raises(NotImplementedHere, match=protocol):
        client.subscribe(topic_arn=client.topic(), protocol=protocol, endpoint="arn:aws:lambda:us-east-1:1:function:f")


def test_attributes_are_checked_and_kept(bench: Bench, client: Client) -> None:
    arn = client.queue(client.topic())
    client.set_subscription_attributes(
        subscription_arn=arn, attribute_name="RawMessageDelivery", attribute_value="True"
    )
    bench.restart()
    assert client.attributes(arn)["RawMessageDelivery"] == "true"
    for name, value in (
        ("RawMessageDelivery", "maybe"),
        ("RedrivePolicy", "{"),
        ("RedrivePolicy", "{}"),
        ("RedrivePolicy", json.dumps({"deadLetterTargetArn": "jobs"})),
        ("RedrivePolicy", json.dumps({"deadLetterTargetArn": queue_arn("dead.fifo")})),
        ("RedrivePolicy", json.dumps({"deadLetterTargetArn": queue_arn(region="eu-west-1")})),
        ("Nonsense", "x"),
    ):
        with pytest.raises(InvalidParameterException):
            client.set_subscription_attributes(subscription_arn=arn, attribute_name=name, attribute_value=value)


def test_subscriptions_are_listed_a_hundred_at_a_time(client: Client, other: Client) -> None:
    topic = client.topic()
    with client.bench.batch():
        arns = [client.queue(topic, f"q{number}") for number in range(101)]
        other.queue(topic, "theirs")
    page = client.list_subscriptions()
    rest = client.list_subscriptions(next_token=page["NextToken"])
    assert [one["SubscriptionArn"] for one in page["Subscriptions"] + rest["Subscriptions"]] == arns
    rest = client.list_subscriptions_by_topic(
        topic_arn=topic, next_token=client.list_subscriptions_by_topic(topic_arn=topic)["NextToken"]
    )
    assert [one["Owner"] for one in rest["Subscriptions"]] == [ACCOUNT, OTHER]


def test_a_web_hook_that_is_unsubscribed_is_told_and_may_come_back(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.subscribe(
        topic_arn=topic,
        protocol="http",
        endpoint="http://localhost:1/",
        attributes={"RawMessageDelivery": "true"},
        return_subscription_arn=True,
    )["SubscriptionArn"]
    client.confirm_subscription(topic_arn=topic, token=document(bench.sent()[0])["Token"])
    client.unsubscribe(subscription_arn=arn)
    (letter,) = bench.sent()
    told = document(letter)
    assert (letter.type, told["Type"]) == ("UnsubscribeConfirmation", "UnsubscribeConfirmation")
    assert arn in told["Message"]
    assert told["Token"] in told["SubscribeURL"]
    client.publish(topic_arn=topic, message="unheard")
    assert bench.sent() == []
    bench.restart()
    assert client.confirm_subscription(topic_arn=topic, token=told["Token"])["SubscriptionArn"] == arn
    client.publish(topic_arn=topic, message="heard")
    assert [each.body for each in bench.sent()] == ["heard"]


def test_an_unsubscription_is_taken_back_within_two_days(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.subscribe(
        topic_arn=topic, protocol="http", endpoint="http://localhost:1/", return_subscription_arn=True
    )["SubscriptionArn"]
    client.confirm_subscription(topic_arn=topic, token=document(bench.sent()[0])["Token"])
    client.unsubscribe(subscription_arn=arn)
    token = document(bench.sent()[0])["Token"]
    bench.now += 2 * 86_400
    with pytest.raises(InvalidParameterException, match="Token"):
        client.confirm_subscription(topic_arn=topic, token=token)
    assert bench.run(bench.make_call(), work.forget_ended) is False
    assert bench.writer.execute("SELECT count(*) FROM ended").fetchone() == (0,)


def test_policies_that_are_no_json_are_refused_as_by_the_service(client: Client) -> None:
    arn = client.queue(client.topic())
    for name in ("FilterPolicy", "RedrivePolicy"):
        with pytest.raises(InvalidParameterException) as caught:
            client.set_subscription_attributes(subscription_arn=arn, attribute_name=name, attribute_value="{invalid}")
        assert str(caught.value).startswith(
            f"Invalid parameter: {name}: failed to parse JSON. Unexpected character ('i' (code 105)): "
            "was expecting double-quote to start field name\n at [Source: "
        )
        assert str(caught.value).endswith("line: 1, column: 2]")


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("http://user:secret@hook.test/x", "http://user:****@hook.test/x"),
        ("http://user:sec@ret@hook.test/x@y:z", "http://user:****@hook.test/x@y:z"),
        ("https://:secret@hook.test", "https://:****@hook.test"),
        ("http://hook.test/a:b@c?d=//e:f@g", "http://hook.test/a:b@c?d=//e:f@g"),
    ],
)
def test_no_part_of_a_password_is_shown(endpoint: str, told: str) -> None:
    assert webhooks.shown(endpoint) == told
