"""Metrics configurations; what is counted is seen in tests/clients/test_watching.py.

Source: S3 API reference, PutBucketMetricsConfiguration, ListBucketMetricsConfigurations.
"""

from __future__ import annotations

from typing import Any

import pytest

from awning.kit.call import Call
from awning.services.s3 import buckets, errors, settings
from awning.services.s3.counting import Meter
from tests.services.s3.support import S3


def put(s3: S3, id_: str, **filter_: Any) -> dict[str, Any]:
    made = {"Id": id_, **({"Filter": filter_} if filter_ else {})}
    s3.put_bucket_metrics_configuration(bucket="box", id=id_, metrics_configuration=made)
    return made


def test_configurations_are_put_listed_and_deleted(s3: S3) -> None:
    assert s3.list_bucket_metrics_configurations(bucket="box") == {"IsTruncated": False, "MetricsConfigurationList": []}
    with pytest.raises(errors.NoSuchConfiguration):
        s3.get_bucket_metrics_configuration(bucket="box", id="all")
    every = put(s3, "all")
    both = put(s3, "both", And={"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]})
    assert s3.get_bucket_metrics_configuration(bucket="box", id="both") == {"MetricsConfiguration": both}
    assert s3.list_bucket_metrics_configurations(bucket="box")["MetricsConfigurationList"] == [every, both]
    put(s3, "both", Prefix="b/")
    assert s3.get_bucket_metrics_configuration(bucket="box", id="both")["MetricsConfiguration"]["Filter"] == {
        "Prefix": "b/"
    }
    for id_ in ("all", "both"):
        assert s3.room.watch is not None
        s3.delete_bucket_metrics_configuration(bucket="box", id=id_)
    assert s3.room.watch is None
    with pytest.raises(errors.NoSuchConfiguration):
        s3.delete_bucket_metrics_configuration(bucket="box", id="all")


def test_lists_come_a_hundred_at_a_time(s3: S3) -> None:
    for number in range(103):
        put(s3, f"id{number:03d}")
    first = s3.list_bucket_metrics_configurations(bucket="box")
    assert (first["IsTruncated"], len(first["MetricsConfigurationList"])) == (True, 100)
    token = first["NextContinuationToken"]
    rest = s3.list_bucket_metrics_configurations(bucket="box", continuation_token=token)
    assert [made["Id"] for made in rest["MetricsConfigurationList"]] == ["id100", "id101", "id102"]
    with pytest.raises(errors.InvalidArgument):
        s3.list_bucket_metrics_configurations(bucket="box", continuation_token="nonsense")


def test_what_is_no_configuration_is_refused(s3: S3) -> None:
    def refused(id_: str, **made: Any) -> str:
        with pytest.raises(errors.ServiceError) as caught:
            s3.put_bucket_metrics_configuration(bucket="box", id=id_, metrics_configuration=made)
        return caught.value.code

    assert refused("a", Id="b") == "InvalidArgument"
    assert refused("a" * 65, Id="a" * 65) == "InvalidArgument"
    assert refused("a", Id="a", Filter={}) == "MalformedXML"
    assert refused("a", Id="a", Filter={"Prefix": "a", "Tag": {"Key": "a", "Value": "b"}}) == "MalformedXML"
    assert refused("a", Id="a", Filter={"And": {"Prefix": "a"}}) == "MalformedXML"
    assert refused("a", Id="a", Filter={"Tag": {"Key": "", "Value": "b"}}) == "InvalidTag"

    def fill(call: Call) -> None:
        settings.put(call, buckets.find(call, "box"), "metrics", {str(n): {"Id": str(n)} for n in range(1000)})

    s3.loop.run_until_complete(s3.room.write(s3.call(), fill))
    assert refused("one-more", Id="one-more") == "TooManyConfigurations"


def test_what_was_counted_goes_with_its_bucket(s3: S3) -> None:
    for name in ("box", "other"):
        made = {"Id": "all"}
        if name != "box":
            s3.create_bucket(bucket=name)
        s3.put_bucket_metrics_configuration(bucket=name, id="all", metrics_configuration=made)
        s3.room.memory.meters[name, "all"] = Meter()
        s3.room.memory.gathered.add(name, s3.clock.time, "a record")
    s3.delete_bucket(bucket="box")
    assert list(s3.room.memory.meters) == [("other", "all")]
    assert s3.room.watch is not None
    s3.delete_bucket(bucket="other")
    assert s3.room.memory.meters == {}
    assert s3.room.watch is None
    gathered = s3.room.memory.gathered
    assert (gathered.lines, gathered.size, gathered.since) == ({}, 0, None)
