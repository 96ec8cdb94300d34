"""Buckets: names, regions, who owns what, defaults."""

from __future__ import annotations

import pytest

from awning.kit.tags import request_tags
from awning.services.s3 import errors, names
from tests.services.s3.support import ACCOUNT, OTHER, S3


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Box", "a_b", "-ab", "ab-", ".ab", "a..b", "192.168.5.4", "xn--a", "sthree-a", "amzn-s3-demo-a",
     "a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3", "a--table-s3", "a b", "a\nb", "abc\n"],
)  # fmt: skip
def test_names_that_no_bucket_may_have(name: str) -> None:
    with pytest.raises(errors.InvalidBucketName):
        names.check_bucket(name)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1.2.3", "a-b.c", "192.168.5", "0ab"])
def test_names_that_a_bucket_may_have(name: str) -> None:
    assert names.check_bucket(name) == name


def test_a_name_belongs_to_all_accounts_together(s3: S3) -> None:
    with pytest.raises(errors.BucketAlreadyExists) as raised:
        s3.create_bucket(bucket="box", as_=s3.call(OTHER))
    assert raised.value.members == {"BucketName": "box"}
    # Before any policy is asked: the owner's would only say that a stranger may not create it.
    need, *_ = s3.operations["create_bucket"].needs
    assert callable(need.resource)
    with pytest.raises(errors.BucketAlreadyExists):
        need.resource(s3.call(OTHER), {"bucket": "box"})
    assert need.resource(s3.call(OTHER), {"bucket": "new"}) == "arn:aws:s3:::new"


def test_creating_it_again_is_fine_in_us_east_1_only(s3: S3) -> None:
    assert s3.create_bucket(bucket="box") == {"Location": "/box"}
    west = {"LocationConstraint": "us-west-2"}
    first = s3.create_bucket(
        bucket="west", create_bucket_configuration=west, as_=s3.call(region="us-west-2", base_url="http://h:1")
    )
    assert first == {"Location": "http://h:1/west/"}
    with pytest.raises(errors.BucketAlreadyOwnedByYou):
        s3.create_bucket(bucket="west", create_bucket_configuration=west, as_=s3.call(region="us-west-2"))
    with pytest.raises(errors.BucketAlreadyOwnedByYou):
        s3.create_bucket(bucket="west")


def test_the_location_must_fit_the_region_that_is_asked(s3: S3) -> None:
    with pytest.raises(errors.IllegalLocationConstraintException):
        s3.create_bucket(bucket="new", as_=s3.call(region="eu-west-1"))
    with pytest.raises(errors.IllegalLocationConstraintException):
        s3.create_bucket(
            bucket="new",
            create_bucket_configuration={"LocationConstraint": "us-west-2"},
            as_=s3.call(region="eu-west-1"),
        )
    for bad in ("us-east-1", "nowhere"):
        with pytest.raises(errors.InvalidLocationConstraint):
            s3.create_bucket(bucket="new", create_bucket_configuration={"LocationConstraint": bad})
    s3.create_bucket(bucket="new", create_bucket_configuration={"LocationConstraint": "EU"})
    assert s3.get_bucket_location(bucket="new") == {"LocationConstraint": "eu-west-1"}
    assert s3.get_bucket_location(bucket="box") == {"LocationConstraint": None}


def test_a_request_signed_for_another_region_learns_the_right_one(s3: S3) -> None:
    with pytest.raises(errors.AuthorizationHeaderMalformed) as raised:
        s3.list_objects_v2(bucket="box", as_=s3.call(region="eu-west-1"))
    assert raised.value.members["Region"] == "us-east-1"
    with pytest.raises(errors.AuthorizationQueryParametersError, match="the region 'eu-west-1' is wrong") as presigned:
        s3.list_objects_v2(bucket="box", as_=s3.call(region="eu-west-1", signed="v4-query"))
    assert presigned.value.members["Region"] == "us-east-1"
    with pytest.raises(errors.PermanentRedirect) as redirected:
        s3.head_bucket(bucket="box", as_=s3.call(region="eu-west-1", method="HEAD"))
    assert redirected.value.status == 301
    assert redirected.value.headers == [(b"x-amz-bucket-region", b"us-east-1")]
    # The old signatures name no region: there is nothing to be wrong about.
    assert (
        s3.head_bucket(bucket="box", as_=s3.call(region="eu-west-1", signed="v2-query"))["BucketRegion"] == "us-east-1"
    )


def test_acls_are_off(s3: S3) -> None:
    with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
        s3.create_bucket(bucket="new", acl="public-read")
    s3.create_bucket(bucket="new", acl="private", object_ownership="BucketOwnerEnforced")
    assert s3.get_bucket_ownership_controls(bucket="new") == {
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    }
    for acl in ("private", "public-read"):
        with pytest.raises(errors.AccessControlListNotSupported):
            s3.put_object(bucket="new", key="k", body=b"", acl=acl)
    s3.put_object(bucket="new", key="k", body=b"", acl="bucket-owner-full-control")


def test_only_an_empty_bucket_is_deleted(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"1")
    with pytest.raises(errors.BucketNotEmpty):
        s3.delete_bucket(bucket="box")
    s3.delete_object(bucket="box", key="k")
    s3.delete_bucket(bucket="box")
    for name in ("delete_bucket", "head_bucket", "list_objects_v2", "get_bucket_location"):
        with pytest.raises(errors.NoSuchBucket):
            getattr(s3, name)(bucket="box")
    s3.create_bucket(bucket="box", as_=s3.call(OTHER))


def test_a_deleted_bucket_takes_its_uploads_along(s3: S3) -> None:
    upload = s3.create_multipart_upload(bucket="box", key="k")["UploadId"]
    s3.upload_part(bucket="box", key="k", upload_id=upload, part_number=1, body=b"x" * 100_000)
    s3.delete_bucket(bucket="box")
    s3.create_bucket(bucket="box")
    s3.work()
    assert [s3.rows(table) for table in ("uploads", "parts", "contents", "doomed_contents", "doomed_buckets")] == [
        0
    ] * 5


def test_the_expected_owner_is_checked_everywhere(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"1", expected_bucket_owner=ACCOUNT)
    for name in ("head_bucket", "get_bucket_location", "list_objects", "list_objects_v2", "delete_bucket"):
        with pytest.raises(errors.AccessDenied):
            getattr(s3, name)(bucket="box", expected_bucket_owner=OTHER)
    for name in ("get_object", "head_object", "delete_object", "get_object_tagging"):
        with pytest.raises(errors.AccessDenied):
            getattr(s3, name)(bucket="box", key="k", expected_bucket_owner=OTHER)
    with pytest.raises(errors.AccessDenied):
        s3.put_object(bucket="box", key="k", body=b"2", expected_bucket_owner=OTHER)
    assert s3.get("box", "k") == b"1"


def test_buckets_are_listed_by_account_in_pages(s3: S3) -> None:
    for name in ("bee", "ape", "cat"):
        s3.create_bucket(bucket=name)
    s3.create_bucket(bucket="west", create_bucket_configuration={"LocationConstraint": "us-west-2"})
    s3.create_bucket(bucket="theirs", as_=s3.call(OTHER))
    whole = s3.list_buckets()
    assert [b["Name"] for b in whole["Buckets"]] == ["ape", "bee", "box", "cat", "west"]
    assert "ContinuationToken" not in whole
    seen: list[str] = []
    page = s3.list_buckets(max_buckets=2)
    seen += [b["Name"] for b in page["Buckets"]]
    while "ContinuationToken" in page:
        page = s3.list_buckets(max_buckets=2, continuation_token=page["ContinuationToken"])
        seen += [b["Name"] for b in page["Buckets"]]
    assert seen == ["ape", "bee", "box", "cat", "west"]
    assert [b["Name"] for b in s3.list_buckets(prefix="b")["Buckets"]] == ["bee", "box"]
    assert [b["Name"] for b in s3.list_buckets(bucket_region="us-west-2")["Buckets"]] == ["west"]
    with pytest.raises(errors.InvalidArgument):
        s3.list_buckets(max_buckets=0)
    with pytest.raises(errors.InvalidArgument):
        s3.list_buckets(continuation_token="bm9uc2Vuc2U=")


def test_tags(s3: S3) -> None:
    with pytest.raises(errors.NoSuchTagSet):
        s3.get_bucket_tagging(bucket="box")
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "empty", "Value": ""}]
    s3.put_bucket_tagging(bucket="box", tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(bucket="box") == {"TagSet": tags}
    for bad in ([{"Key": "a", "Value": ""}] * 2, [{"Key": "", "Value": ""}], [{"Key": "aws:x", "Value": ""}],
                [{"Key": "a", "Value": "v" * 257}], [{"Key": "a!", "Value": ""}]):  # fmt: skip
        with pytest.raises(errors.InvalidTag):
            s3.put_bucket_tagging(bucket="box", tagging={"TagSet": bad})
    with pytest.raises(errors.BadRequest):
        s3.put_bucket_tagging(bucket="box", tagging={"TagSet": [{"Key": f"k{n}", "Value": ""} for n in range(51)]})
    s3.delete_bucket_tagging(bucket="box")
    with pytest.raises(errors.NoSuchTagSet):
        s3.get_bucket_tagging(bucket="box")


def test_a_bucket_that_was_never_versioned_says_nothing(s3: S3) -> None:
    assert s3.get_bucket_versioning(bucket="box") == {}


def test_what_a_new_bucket_brings_needs_permissions_of_its_own(s3: S3) -> None:
    def asked(**params: object) -> list[str]:
        given = {"bucket": "new", **params}
        needs = s3.operations["create_bucket"].needs
        return [n.action for n in needs if callable(n.resource) and n.resource(s3.call(), given)]

    assert asked() == ["s3:CreateBucket"]
    assert asked(acl="private") == ["s3:CreateBucket"]
    assert asked(acl="public-read") == ["s3:CreateBucket", "s3:PutBucketAcl"]
    assert asked(object_ownership="BucketOwnerEnforced") == ["s3:CreateBucket", "s3:PutBucketOwnershipControls"]
    tags = {"Tags": [{"Key": "team", "Value": "x"}]}
    assert asked(create_bucket_configuration=tags) == ["s3:CreateBucket", "s3:TagResource"]


def test_policies_see_the_tags_that_a_bucket_gets(s3: S3) -> None:
    tags = [{"Key": "team", "Value": "x"}]
    create, tag = s3.operations["create_bucket"], s3.operations["put_bucket_tagging"]
    for operation, params in (
        (create, {"bucket": "new", "create_bucket_configuration": {"Tags": tags}}),
        (tag, {"bucket": "box", "tagging": {"TagSet": tags}}),
    ):
        assert request_tags(operation, s3.call(), params) == ({"team": "x"}, ["team"])


def test_asking_for_a_private_list_makes_a_bucket_that_has_lists(s3: S3) -> None:
    """As S3 does, though its reference does not say so: clients that send `private` with each request can use their bucket."""
    s3.create_bucket(bucket="fresh", acl="private")
    rules = s3.get_bucket_ownership_controls(bucket="fresh")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    s3.put_object(bucket="fresh", key="k", body=b"x", acl="private")
    s3.create_bucket(bucket="strict", acl="private", object_ownership="BucketOwnerEnforced")
    with pytest.raises(errors.AccessControlListNotSupported):
        s3.put_object(bucket="strict", key="k", body=b"x", acl="private")


def test_a_region_that_is_none_is_told_which_to_ask(s3: S3) -> None:
    with pytest.raises(errors.AuthorizationHeaderMalformed) as refused:
        s3.create_bucket(bucket="box", as_=s3.call(region="US"))
    assert refused.value.members["Region"] == "us-east-1"
