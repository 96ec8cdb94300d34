"""Access logs: configurations, when records leave and what their objects are called, and who lets them in.

Source: S3 user guide, "Logging requests with server access logging", "Enabling Amazon S3 server access logging".
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from awning.contracts import DeliverLog
from awning.kit.deliveries import Undeliverable
from awning.kit.watching import Seen
from awning.net.messages import Endpoint, Request
from awning.services.s3 import access_logs, counting, errors, log_records
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

LOGS = "arn:aws:s3:::logs"


def put(s3: S3, **wanted: Any) -> None:
    s3.put_bucket_logging(bucket="box", bucket_logging_status={"LoggingEnabled": {"TargetBucket": "logs", **wanted}})


def refused(s3: S3, **wanted: Any) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        put(s3, **wanted)
    assert s3.get_bucket_logging(bucket="box") == {}
    return caught.value


@pytest.fixture(autouse=True)
def logs(s3: S3) -> None:
    s3.create_bucket(bucket="logs")


def let_in(s3: S3, **further: Any) -> None:
    """Give `logs` the policy that the user guide gives."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{LOGS}/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::box"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}},
        **further,
    }
    s3.put_bucket_policy(bucket="logs", policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))


def deliver(s3: S3, log: DeliverLog) -> None:
    s3.loop.run_until_complete(access_logs.deliver(s3.call(), log))


def test_a_configuration_is_returned_and_taken_off(s3: S3) -> None:
    assert s3.get_bucket_logging(bucket="box") == {}
    assert s3.room.watch is None
    put(s3, TargetPrefix="log")
    assert s3.room.watch is not None
    assert s3.get_bucket_logging(bucket="box") == {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "log"}}
    put(s3, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    assert s3.get_bucket_logging(bucket="box")["LoggingEnabled"]["TargetPrefix"] == ""
    s3.put_bucket_logging(bucket="box", bucket_logging_status={})
    assert s3.get_bucket_logging(bucket="box") == {}
    assert s3.room.watch is None


def test_where_no_log_may_go(s3: S3) -> None:
    error = refused(s3, TargetBucket="none")
    assert (error.code, error.message) == (
        "InvalidTargetBucketForLogging",
        "The target bucket for logging does not exist",
    )
    assert error.members == {"TargetBucket": "none"}
    s3.create_bucket(bucket="theirs", as_=s3.call(account=OTHER))
    error = refused(s3, TargetBucket="theirs")
    assert error.message == "The owner for the bucket to be logged and the target bucket must be the same."
    west = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(bucket="west", create_bucket_configuration=west, as_=s3.call(region="us-west-2"))
    error = refused(s3, TargetBucket="west")
    assert (error.code, error.status) == ("CrossLocationLoggingProhibitted", 403)
    assert error.members == {"TargetBucketLocation": "us-west-2"}
    assert refused(s3, TargetBucket="").code == "MalformedXML"
    assert refused(s3, TargetObjectKeyFormat={}).code == "MalformedXML"
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "READ"}]
    assert refused(s3, TargetGrants=grants).code == "InvalidArgument"


def sent(s3: S3) -> list[DeliverLog]:
    found = s3.outbox()
    assert all(isinstance(each, DeliverLog) for each in found)
    return found  # type: ignore[return-value]


def test_records_leave_together_after_some_seconds(s3: S3) -> None:
    put(s3, TargetPrefix="p/")
    gathered: counting.Gathered = s3.room.memory.gathered
    gathered.add("box", s3.clock.time, "one")
    gathered.add("box", s3.clock.time + 1, "two")
    gathered.add("gone", s3.clock.time + 1, "for nobody")
    s3.work()
    assert sent(s3) == []
    s3.clock.time += counting.SECONDS
    s3.work()
    (log,) = sent(s3)
    assert (log.arn, log.source, log.account, log.text) == (LOGS, "box", ACCOUNT, "one\ntwo\n")
    assert log.key.startswith("p/2023-11-14-22-13-25-")
    assert gathered.size == 0
    s3.clock.time += counting.SECONDS
    s3.work()
    assert sent(s3) == []


def test_many_records_leave_at_once_in_objects_of_a_bounded_size(s3: S3) -> None:
    put(s3)
    for number in range(3000):
        s3.room.memory.gathered.add("box", s3.clock.time, f"{number:04d}" + "x" * 200)
    s3.work()
    logs = sent(s3)
    assert len(logs) > 8
    assert all(len(log.text) <= counting.LARGEST for log in logs)
    assert [line[:4] for log in logs for line in log.text.splitlines()] == [f"{n:04d}" for n in range(3000)]
    assert len({log.key for log in logs}) == len(logs)


def test_what_is_too_much_is_dropped_and_counted() -> None:
    gathered = counting.Gathered()
    for _ in range(20):
        gathered.add("box", 0.0, "x" * 1024 * 1024)
    assert gathered.dropped == 5
    assert gathered.size <= counting.MOST_HELD


def test_partitioned_keys_and_their_days(s3: S3) -> None:
    put(s3, TargetPrefix="p/", TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    for at in (s3.clock.time - 86_400, s3.clock.time):
        s3.room.memory.gathered.add("box", at, "line")
    s3.clock.time += counting.SECONDS
    s3.work()
    begins = [log.key.rpartition("-")[0] for log in sent(s3)]
    assert begins == [
        f"p/{ACCOUNT}/us-east-1/box/2023/11/13/2023-11-13-00-00-00",
        f"p/{ACCOUNT}/us-east-1/box/2023/11/14/2023-11-14-00-00-00",
    ]
    put(s3, TargetObjectKeyFormat={"PartitionedPrefix": {}})
    s3.room.memory.gathered.add("box", s3.clock.time, "line")
    s3.clock.time += counting.SECONDS
    s3.work()
    (log,) = sent(s3)
    assert log.key.startswith(f"{ACCOUNT}/us-east-1/box/2023/11/14/2023-11-14-22-13-30-")


def test_a_stop_keeps_the_records(s3: S3) -> None:
    put(s3)
    s3.room.memory.gathered.add("box", s3.clock.time, "last words")
    s3.loop.run_until_complete(s3.room.write(s3.call(), access_logs.send_all))
    assert [log.text for log in sent(s3)] == ["last words\n"]


def test_records_become_an_object_where_the_policy_lets_them(s3: S3) -> None:
    log = DeliverLog(LOGS, source="box", account=ACCOUNT, key="k", text="a line\n")
    for nothing in (
        {},
        {"Resource": f"{LOGS}/else/*"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::no"}}},
    ):
        if nothing:
            let_in(s3, **nothing)
        with pytest.raises(Undeliverable):
            deliver(s3, log)
    let_in(s3)
    deliver(s3, log)
    deliver(s3, log)
    assert s3.get("logs", "k") == b"a line\n"
    assert s3.head_object(bucket="logs", key="k")["ContentType"] == "text/plain"
    assert [entry["Key"] for entry in s3.list_objects_v2(bucket="logs")["Contents"]] == ["k"]


def test_another_account_that_takes_the_name_of_the_target_gets_no_records(s3: S3) -> None:
    """The source and the target bucket must be owned by the same account."""
    s3.delete_bucket(bucket="logs")
    s3.create_bucket(as_=s3.call(OTHER), bucket="logs")
    everyone = {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject"}
    policy = {"Version": "2012-10-17", "Statement": {**everyone, "Resource": f"{LOGS}/*"}}
    s3.put_bucket_policy(as_=s3.call(OTHER), bucket="logs", policy=json.dumps(policy))
    with pytest.raises(Undeliverable, match="no bucket logs"):
        deliver(s3, DeliverLog(LOGS, source="box", account=ACCOUNT, key="k", text="a line\n"))
    deliver(s3, DeliverLog(LOGS, source="theirs", account=OTHER, key="k", text="a line\n"))


def test_hostile_requests_end_no_field_and_no_record() -> None:
    hostile = 'a "b" c\r\nd\t\x7f'
    raw = hostile.encode()
    target = b'/box/a%0A%22%20"\xff'
    headers = {b"referer": raw, b"user-agent": raw, b"host": raw}
    request = Request("GET", target, target, b"", headers, Endpoint("127.0.0.1", 1, "127.0.0.1", 2))
    seen = Seen(
        request, "0" * 16, user(), None, "GetObject", target, hostile, 1e9, 404, "NoSuchKey", {}, 0, 0.1, whole=0.2
    )
    line = log_records.write(seen, "box", log_records.place_of(seen)[1], ACCOUNT, "us-east-1")
    assert not set(line) & {"\r", "\n", "\t", "\x7f"}
    fields = re.findall(r'\[[^]]*\]|"[^"]*"|[^ ]+', line)
    assert (len(fields), " ".join(fields)) == (27, line)
    assert fields[15] == fields[16] == '"a %22b%22 c%0D%0Ad%09%7F"'
    assert fields[22] == "a%20%22b%22%20c%0D%0Ad%09%7F"


def test_a_list_lets_them_in_too_with_the_grants_that_were_asked_for(s3: S3) -> None:
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(bucket="logs", ownership_controls=controls)
    friend = "a" * 64
    grants = [
        {"Grantee": {"Type": "CanonicalUser", "ID": friend}, "Permission": "READ"},
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"},
    ]
    put(s3, TargetGrants=grants)
    s3.room.memory.gathered.add("box", s3.clock.time, "line")
    s3.clock.time += counting.SECONDS
    s3.work()
    (log,) = sent(s3)
    with pytest.raises(Undeliverable):
        deliver(s3, log)
    s3.put_bucket_acl(bucket="logs", acl="log-delivery-write")
    deliver(s3, log)
    shown = s3.get_object_acl(bucket="logs", key=log.key)["Grants"]
    assert (friend, "READ") in [(grant["Grantee"].get("ID"), grant["Permission"]) for grant in shown]
    let_in(s3, Effect="Deny", Condition={})
    with pytest.raises(Undeliverable):
        deliver(s3, log)
