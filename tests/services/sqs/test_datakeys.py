"""SSE-KMS: whose permission is asked for when, what stands in the database, and what becomes of messages that change queues."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from awning.auth.policy import compile_policy
from awning.auth.principal import Principal
from awning.contracts import DataKey, DecryptDataKey, GenerateDataKeyFor, Sender, SendToQueue
from awning.kit.deliveries import Undeliverable
from awning.kit.errors import AccessDenied, ServiceError
from awning.protocols.errors import NamedError
from awning.services.sqs import SERVICE
from awning.services.sqs import errors as errors_of
from awning.services.sqs.attributes import changed, defaults
from awning.services.sqs.errors import InvalidAttributeName, InvalidAttributeValue, KmsAccessDenied, KmsDisabled
from awning.services.sqs.peeking import peek
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:"


class FakeKms:
    """Makes and opens data keys, and keeps what it was asked; `fails` decides what is refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.plain: dict[bytes, tuple[bytes, Any]] = {}
        self.fails: Callable[[Any, Any], ServiceError | None] = lambda question, facts: None

    def ask(self, question: Any, facts: Any) -> Any:
        who = question.sender.service if question.sender else facts.principal.arn
        self.asked.append((type(question).__name__, who))
        error = self.fails(question, facts)
        if error is not None:
            raise error
        if isinstance(question, GenerateDataKeyFor):
            assert (question.account, question.region, question.service) == (ACCOUNT, "us-east-1", "sqs")
            sealed = b"wrapped %d" % len(self.plain)
            self.plain[sealed] = bytes([len(self.plain)]) * 32, question.context
        else:
            assert isinstance(question, DecryptDataKey)
            sealed = question.sealed
        plain, context = self.plain[sealed]
        assert question.context == context
        return DataKey(KEY, plain, sealed)

    def counts(self) -> tuple[int, int]:
        """How often data keys were made, and how often opened, since this was last asked."""
        kinds = [kind for kind, _ in self.asked]
        self.asked.clear()
        return kinds.count("GenerateDataKeyFor"), kinds.count("DecryptDataKey")


@pytest.fixture
def kms(bench: Bench) -> FakeKms:
    fake = FakeKms()
    bench.room.ask = fake.ask
    return fake


@pytest.fixture
def secret(client: Client, kms: FakeKms) -> OneQueue:
    return OneQueue(client, "secret", KmsMasterKeyId="alias/mine")


def disabled(question: Any, facts: Any) -> ServiceError:
    return NamedError("DisabledException", f"{KEY} is disabled.", 400)


def as_user(bench: Bench, principal: Principal, name: str, **params: Any) -> Any:
    call = bench.make_call()
    call.principal = call.facts.principal = principal
    return bench.run(call, bench.operations[name].function, **params)


def user(name: str) -> Principal:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return Principal("user", ACCOUNT, arn, arn, f"AIDA{name}")


def session(name: str, *documents: str) -> Principal:
    arn = f"arn:aws:iam::{ACCOUNT}:role/r"
    policies = tuple(compile_policy(document, id="session", kind="identity") for document in documents)
    return Principal("role", ACCOUNT, arn, f"{arn}/{name}", f"AROA1:{name}", session=policies or None)


def test_what_is_sent_is_nowhere_in_the_clear_and_is_given_out_as_it_was(bench: Bench, secret: OneQueue) -> None:
    marked = {"mark": {"DataType": "String", "StringValue": "planted too"}}
    sent = secret.send("planted", message_attributes=marked)
    bench.restart()
    raw = b"".join(path.read_bytes() for path in bench.path.parent.glob(f"{bench.path.name}*"))
    assert b"planted" not in raw
    (message,) = secret.receive(message_attribute_names=["All"])
    assert (message["Body"], message["MessageAttributes"]) == ("planted", marked)
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]


def test_a_producer_has_a_data_key_for_the_reuse_period_and_a_consumer_opens_it_once(
    bench: Bench, kms: FakeKms, secret: OneQueue
) -> None:
    secret.send("1")
    assert kms.counts() == (1, 1)
    bench.now += 299
    secret.send("2")
    assert kms.counts() == (0, 0)
    assert secret.bodies(visibility_timeout=0) == ["1", "2"]
    assert kms.counts() == (0, 1)
    bench.now += 1
    secret.send("3")
    assert kms.counts() == (1, 1)
    assert sorted(secret.bodies(visibility_timeout=0)) == ["1", "2", "3"]
    assert kms.counts() == (0, 1)
    secret.set(KmsDataKeyReusePeriodSeconds="60")
    bench.now += 300
    secret.send("4")
    bench.now += 60
    secret.send("5")
    assert kms.counts() == (2, 2)


def test_each_requester_asks_for_itself(bench: Bench, kms: FakeKms, secret: OneQueue) -> None:
    for principal in (user("a"), user("b"), user("a"), session("one"), session("two")):
        as_user(bench, principal, "send_message", queue_url=secret.url, message_body="x")
    assert kms.counts() == (3, 3)
    everything = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    as_user(bench, session("one", everything), "send_message", queue_url=secret.url, message_body="x")
    assert kms.counts() == (1, 1)


def test_a_producer_needs_both_permissions_and_a_batch_fails_as_a_whole(
    bench: Bench, kms: FakeKms, secret: OneQueue
) -> None:
    for refused in (GenerateDataKeyFor, DecryptDataKey):
        kms.fails = lambda question, facts, refused=refused: (  # type: ignore[misc]
            AccessDenied("User: u is not authorized") if isinstance(question, refused) else None
        )
        with pytest.raises(KmsAccessDenied, match="User: u is not authorized"):
            secret.send("x")
        entries = [{"Id": "a", "MessageBody": "x"}]
        with pytest.raises(KmsAccessDenied):
            secret.client.send_message_batch(queue_url=secret.url, entries=entries)
    assert secret.counts() == (0, 0, 0)
    assert bench.reader.execute("SELECT count(*) FROM data_keys").fetchone() == (0,)


def test_who_may_not_read_receives_nothing_and_the_message_is_as_it_was(
    bench: Bench, kms: FakeKms, secret: OneQueue
) -> None:
    secret.send("x")
    kms.fails = lambda question, facts: AccessDenied("no") if facts.principal.kind == "user" else None
    for _ in range(3):
        with pytest.raises(KmsAccessDenied):
            as_user(bench, user("a"), "receive_message", queue_url=secret.url)
    (message,) = secret.receive(attribute_names=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_disabled_key_counts_once_the_reuse_period_is_over_and_until_it_is_enabled(
    bench: Bench, kms: FakeKms, secret: OneQueue
) -> None:
    secret.send("x")
    kms.fails = disabled
    secret.send("y")
    bench.now += 300
    with pytest.raises(KmsDisabled, match="is disabled"):
        secret.receive()
    with pytest.raises(KmsDisabled):
        secret.send("z")
    kms.fails = lambda question, facts: None
    assert secret.bodies() == ["x", "y"]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("NotFoundException", "KmsNotFound"),
        ("KMSInvalidStateException", "KmsInvalidState"),
        ("InvalidKeyUsageException", "KmsInvalidKeyUsage"),
        ("DisabledException", "KmsDisabled"),
    ],
)
def test_errors_of_kms_have_their_names_in_sqs(kms: FakeKms, secret: OneQueue, code: str, name: str) -> None:
    kms.fails = lambda question, facts: NamedError(code, "so", 400)
    with pytest.raises(getattr(errors_of, name), match="so"):
        secret.send("x")


def test_a_data_key_of_a_call_that_failed_is_not_used(bench: Bench, kms: FakeKms, secret: OneQueue) -> None:
    with bench.batch(fails=True):
        secret.send("lost")
    secret.send("kept")
    assert kms.counts() == (2, 2)
    bench.restart()
    assert secret.bodies() == ["kept"]


def test_a_queue_changes_its_encryption_with_messages_waiting(bench: Bench, secret: OneQueue) -> None:
    secret.send("by kms")
    secret.set(SqsManagedSseEnabled="true")
    assert "KmsMasterKeyId" not in secret.attributes()
    secret.send("by the region")
    secret.set(SqsManagedSseEnabled="false")
    secret.send("by none")
    secret.set(KmsMasterKeyId="other")
    secret.send("by another")
    secret.set(KmsMasterKeyId="")
    secret.send("by none again")
    rows = bench.reader.execute("SELECT sealed, data_key IS NOT NULL FROM messages ORDER BY number").fetchall()
    assert rows == [(1, 1), (1, 0), (0, 0), (1, 1), (0, 0)]
    assert secret.bodies() == ["by kms", "by the region", "by none", "by another", "by none again"]


@pytest.mark.parametrize("dead", [{"KmsMasterKeyId": "other"}, {"SqsManagedSseEnabled": "true"}, {}])
@pytest.mark.parametrize("own", [{"KmsMasterKeyId": "mine"}, {"SqsManagedSseEnabled": "true"}])
def test_a_dead_letter_keeps_the_data_key_that_sealed_it_and_needs_nobodys_permission_to_move(
    bench: Bench, client: Client, kms: FakeKms, own: dict[str, str], dead: dict[str, str]
) -> None:
    target = OneQueue(client, "dead", **(dead or {"SqsManagedSseEnabled": "false"}))
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}dead", "maxReceiveCount": 1})
    queue = OneQueue(client, "jobs", RedrivePolicy=policy, **own)
    queue.send("x")
    assert queue.bodies(visibility_timeout=0) == ["x"]
    kms.counts()
    assert queue.bodies(visibility_timeout=0) == []
    assert kms.counts() == (0, 0)
    bench.now += 300
    assert target.bodies(visibility_timeout=0) == ["x"]
    assert kms.counts() == (0, 1 if "KmsMasterKeyId" in own else 0)
    client.start_message_move_task(source_arn=f"{ARN}dead")
    kms.fails = disabled
    bench.run(bench.make_call(), next(work.run for work in SERVICE.work if work.name == "move messages"))
    kms.fails = lambda question, facts: None
    assert target.bodies() == []
    assert queue.bodies() == ["x"]


def test_a_move_task_needs_the_keys_of_both_ends(bench: Bench, client: Client, kms: FakeKms) -> None:
    OneQueue(client, "dead", SqsManagedSseEnabled="false")
    policy = json.dumps({"deadLetterTargetArn": f"{ARN}dead", "maxReceiveCount": 1})
    queue = OneQueue(client, "jobs", RedrivePolicy=policy, KmsMasterKeyId="mine")
    queue.send("x")
    for _ in range(2):
        queue.receive(visibility_timeout=0)
    kms.counts()
    for refused in (GenerateDataKeyFor, DecryptDataKey):
        kms.fails = lambda question, facts, refused=refused: (  # type: ignore[misc]
            AccessDenied("no") if isinstance(question, refused) else None
        )
        with pytest.raises(KmsAccessDenied):
            as_user(bench, user("a"), "start_message_move_task", source_arn=f"{ARN}dead")
    kms.fails = lambda question, facts: None
    as_user(bench, user("a"), "start_message_move_task", source_arn=f"{ARN}dead")


def test_a_service_that_sends_needs_the_keys_policy(bench: Bench, kms: FakeKms, secret: OneQueue) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "*", "Resource": "*"}
    secret.set(Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:news"
    delivery = SendToQueue(f"{ARN}secret", "", "sns.amazonaws.com", topic, ACCOUNT, body="hello")
    accept = SERVICE.accepts[SendToQueue]
    kms.fails = lambda question, facts: AccessDenied("sns.amazonaws.com is not authorized")
    with pytest.raises(Undeliverable, match=r"sns\.amazonaws\.com is not authorized"):
        bench.run(bench.make_call(), accept, delivery=delivery)
    seen: list[Any] = []

    def allowed(question: Any, facts: Any) -> None:
        seen.append(question.sender)

    kms.fails = allowed
    bench.run(bench.make_call(), accept, delivery=delivery)
    assert seen == [Sender("sns.amazonaws.com", topic, ACCOUNT)] * 2
    assert secret.bodies() == ["hello"]


def test_a_look_shows_no_body_that_kms_protects(bench: Bench, kms: FakeKms, secret: OneQueue) -> None:
    secret.send("x")
    kms.counts()
    shown = bench.run(bench.make_call(), peek, given={"account": ACCOUNT, "region": "us-east-1", "name": "secret"})
    assert [message["body"] for message in shown["messages"]] == [None]
    assert kms.counts() == (0, 0)


def test_data_keys_are_forgotten_once_nothing_stands_under_them(bench: Bench, secret: OneQueue) -> None:
    secret.send("goes")
    bench.now += 300
    secret.send("stays")
    secret.delete(secret.receive()[0])

    def forget() -> list[Any]:
        run = next(work.run for work in SERVICE.work if work.name == "forget data keys")
        while bench.run(bench.make_call(), run):
            pass
        return [id for (id,) in bench.reader.execute("SELECT id FROM data_keys")]

    assert forget() == [1, 2]
    bench.now += 2 * 86_400
    assert forget() == [2]
    assert not bench.memory.data_keys.sealing
    assert secret.bodies() == ["stays"]


def test_a_fifo_queue_under_a_key_of_kms(bench: Bench, client: Client, kms: FakeKms) -> None:
    queue = OneQueue(client, "q.fifo", FifoQueue="true", ContentBasedDeduplication="true", KmsMasterKeyId="mine")
    first = queue.send("x", message_group_id="g")
    assert queue.send("x", message_group_id="g")["SequenceNumber"] == first["SequenceNumber"]
    bench.restart()
    kms.fails = disabled
    with pytest.raises(KmsDisabled):
        queue.receive(receive_request_attempt_id="a")
    kms.fails = lambda question, facts: None
    assert queue.bodies(receive_request_attempt_id="a") == ["x"]
    assert queue.bodies(receive_request_attempt_id="a") == ["x"]
    assert queue.bodies() == []


@pytest.mark.parametrize("value", ["59", "86401", "-1", "x", "6.5"])
def test_reuse_periods_have_limits(value: str) -> None:
    with pytest.raises(InvalidAttributeValue, match=r"Invalid value for the parameter KmsDataKeyReusePeriodSeconds\."):
        changed(defaults(False), {"KmsDataKeyReusePeriodSeconds": value})


def test_one_kind_of_encryption_at_a_time(kms: FakeKms, client: Client) -> None:
    queue = OneQueue(client, "both", KmsMasterKeyId="alias/aws/sqs", KmsDataKeyReusePeriodSeconds="860")
    shown = queue.attributes("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    assert shown == {
        "KmsMasterKeyId": "alias/aws/sqs",
        "KmsDataKeyReusePeriodSeconds": "860",
        "SqsManagedSseEnabled": "false",
    }
    assert OneQueue(client, "default", KmsMasterKeyId="k").attributes()["KmsDataKeyReusePeriodSeconds"] == "300"
    assert OneQueue(client, "both", KmsMasterKeyId="alias/aws/sqs").url == queue.url
    with pytest.raises(InvalidAttributeName, match="You can use one type of server-side encryption"):
        queue.set(KmsMasterKeyId="k", SqsManagedSseEnabled="true")
