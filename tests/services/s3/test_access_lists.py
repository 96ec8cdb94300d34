"""Access control lists, object ownership, and what they come to in a decision.

AWS pages: "Access control list (ACL) overview", "Controlling ownership of objects and disabling ACLs for your bucket", "Blocking
public access to your Amazon S3 storage"; PutObjectAcl and PutBucketAcl of the API reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from awning.auth.decision import Decision
from awning.auth.evaluate import decide
from awning.auth.principal import ANONYMOUS, PEOPLE, Principal, root_of
from awning.services.s3 import errors, lists, names, owners, policies
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

THIRD = "333333333333"
ME, THEM = names.owner_id(ACCOUNT), names.owner_id(OTHER)


def grant(grantee: str, permission: str) -> dict[str, Any]:
    kind = {"URI": grantee, "Type": "Group"} if grantee in lists.GROUPS else {"ID": grantee, "Type": "CanonicalUser"}
    return {"Grantee": kind, "Permission": permission}


def document(owner: str, *grants: tuple[str, str]) -> dict[str, Any]:
    return {"Owner": {"ID": owner}, "Grants": [grant(*one) for one in grants]}


def policy(effect: str, action: str, *resources: str) -> str:
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def box(s3: S3) -> S3:
    """Its bucket `box` has lists, and nothing is blocked."""
    s3.delete_public_access_block(bucket="box")
    s3.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    return s3


def may(
    s3: S3, who: Principal, action: str, key: str | None = None, *, version: str | None = None, operation: str = ""
) -> Decision:
    """Decide as the gateway does."""
    arn = "arn:aws:s3:::box" if key is None else f"arn:aws:s3:::box/{key}"
    call = s3.call(who.account or ACCOUNT, principal=who, operation=operation)
    kind = {"root": "Account", "user": "User", "anonymous": "Anonymous", "service": "Service"}[who.kind]
    context: Mapping[str, Any] = {"aws:principaltype": kind} | ({"s3:versionid": version} if version else {})
    guard = policies.guard(call, arn)
    assert guard is not None
    return decide(
        who,
        action,
        arn,
        context,
        guard_policy=guard.policy,
        resource_account=guard.account,
        block_public=guard.block_public,
        listed=None if guard.acls is None else guard.acls(call, who, action, arn, context),
    )


ROOT, STRANGER = root_of(ACCOUNT), root_of(OTHER)


# Who owns what -------------------------------------------------------------------------------------------------------


def test_ownership_controls_come_and_go(s3: S3) -> None:
    def shown() -> str:
        rules = s3.get_bucket_ownership_controls(bucket="box")["OwnershipControls"]["Rules"]
        return str(rules[0]["ObjectOwnership"])

    assert shown() == "BucketOwnerEnforced"
    for mode in ("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"):
        s3.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": mode}]})
        assert shown() == mode
    s3.delete_bucket_ownership_controls(bucket="box")
    with pytest.raises(errors.OwnershipControlsNotFoundError):
        shown()
    s3.put_object(bucket="box", key="k", body=b"", acl="private")


@pytest.mark.parametrize(
    "rules", [[], [{"ObjectOwnership": "Nobody"}], [{"ObjectOwnership": "ObjectWriter"}] * 2, [{}]]
)
def test_ownership_controls_that_are_none(s3: S3, rules: list[dict[str, str]]) -> None:
    with pytest.raises(errors.MalformedXML):
        s3.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": rules})


def test_a_bucket_that_grants_to_others_keeps_its_lists(box: S3) -> None:
    box.put_bucket_acl(bucket="box", acl="public-read")
    with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
        box.put_bucket_ownership_controls(
            bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )


@pytest.mark.parametrize(
    ("mode", "acl", "owner"),
    [
        ("ObjectWriter", None, THEM),
        ("ObjectWriter", "bucket-owner-full-control", THEM),
        ("BucketOwnerPreferred", None, THEM),
        ("BucketOwnerPreferred", "private", THEM),
        ("BucketOwnerPreferred", "bucket-owner-full-control", ME),
        ("BucketOwnerEnforced", None, ME),
        ("BucketOwnerEnforced", "bucket-owner-full-control", ME),
    ],
)
def test_who_owns_what_another_account_writes(s3: S3, mode: str, acl: str | None, owner: str) -> None:
    s3.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": mode}]})
    s3.put_object(as_=s3.call(OTHER), bucket="box", key="k", body=b"", **({"acl": acl} if acl else {}))
    shown = s3.get_object_acl(bucket="box", key="k")
    assert shown["Owner"] == {"ID": owner}
    given = [grant(owner, "FULL_CONTROL")]
    if acl == "bucket-owner-full-control" and owner == THEM:
        given.append(grant(ME, "FULL_CONTROL"))
    assert shown["Grants"] == given
    (entry,) = s3.list_objects(bucket="box")["Contents"]
    assert entry["Owner"] == {"ID": owner}
    (entry,) = s3.list_objects_v2(bucket="box", fetch_owner=True)["Contents"]
    assert entry["Owner"] == {"ID": owner}
    assert "Owner" not in s3.list_objects_v2(bucket="box")["Contents"][0]
    (entry,) = s3.list_object_versions(bucket="box")["Versions"]
    assert entry["Owner"] == {"ID": owner}


def test_owners_and_lists_come_back_when_lists_are_on_again(box: S3) -> None:
    box.put_object(as_=box.call(OTHER), bucket="box", key="k", body=b"", acl="public-read")
    before = box.get_object_acl(bucket="box", key="k")
    for mode in ("BucketOwnerEnforced", "ObjectWriter"):
        box.put_bucket_ownership_controls(bucket="box", ownership_controls={"Rules": [{"ObjectOwnership": mode}]})
        after = box.get_object_acl(bucket="box", key="k")
        assert after == (before if mode == "ObjectWriter" else lists.shown(ME, lists.private(ME)))
        assert may(box, ANONYMOUS, "s3:GetObject", "k").allowed is (mode == "ObjectWriter")


def test_what_is_uploaded_unsigned_belongs_to_nobody(box: S3) -> None:
    box.put_bucket_acl(bucket="box", acl="public-read-write")
    box.put_object(as_=box.call(principal=ANONYMOUS), bucket="box", key="k", body=b"")
    assert box.get_object_acl(bucket="box", key="k")["Owner"] == {"ID": lists.ANONYMOUS}
    for who in (ROOT, STRANGER, ANONYMOUS):
        assert not may(box, who, "s3:GetObject", "k").allowed
        assert not may(box, who, "s3:PutObjectAcl", "k", operation="PutObjectAcl").allowed
    assert may(box, ROOT, "s3:DeleteObject", "k").allowed
    assert not may(box, ANONYMOUS, "s3:DeleteObject", "k").allowed


# Setting and showing -------------------------------------------------------------------------------------------------

CANNED = {
    "private": [],
    "public-read": [(lists.ALL_USERS, "READ")],
    "public-read-write": [(lists.ALL_USERS, "READ"), (lists.ALL_USERS, "WRITE")],
    "authenticated-read": [(lists.AUTHENTICATED_USERS, "READ")],
    "aws-exec-read": [(lists.EC2, "READ")],
    "bucket-owner-read": [(ME, "READ")],
    "bucket-owner-full-control": [(ME, "FULL_CONTROL")],
    "log-delivery-write": [(lists.LOG_DELIVERY, "WRITE"), (lists.LOG_DELIVERY, "READ_ACP")],
}


@pytest.mark.parametrize("name", CANNED)
def test_canned_lists(box: S3, name: str) -> None:
    given = [grant(*one) for one in CANNED[name]]
    if name != "log-delivery-write":
        box.put_object(as_=box.call(OTHER), bucket="box", key="k", body=b"", acl=name)
        assert box.get_object_acl(bucket="box", key="k")["Grants"] == [grant(THEM, "FULL_CONTROL"), *given]
        box.put_object_acl(bucket="box", key="k", acl="private")
        box.put_object_acl(bucket="box", key="k", acl=name)
        assert box.get_object_acl(bucket="box", key="k")["Grants"] == [grant(THEM, "FULL_CONTROL"), *given]
    box.put_bucket_acl(bucket="box", acl=name)
    expected = [] if name.startswith("bucket-owner") else given
    assert box.get_bucket_acl(bucket="box") == {"Owner": {"ID": ME}, "Grants": [grant(ME, "FULL_CONTROL"), *expected]}


def test_grants_of_headers(box: S3) -> None:
    header = f'uri="{lists.LOG_DELIVERY}", id="{THEM}",id={ME}'
    box.put_object(bucket="box", key="k", body=b"", grant_read=header, grant_write_acp=f"id={THEM}")
    assert box.get_object_acl(bucket="box", key="k")["Grants"] == [
        grant(lists.LOG_DELIVERY, "READ"),
        grant(THEM, "READ"),
        grant(ME, "READ"),
        grant(THEM, "WRITE_ACP"),
    ]
    box.put_bucket_acl(bucket="box", grant_write=header)
    assert len(box.get_bucket_acl(bucket="box")["Grants"]) == 3


def test_a_document(box: S3) -> None:
    box.put_object(bucket="box", key="k", body=b"")
    wanted = document(ME, (ME, "FULL_CONTROL"), (lists.LOG_DELIVERY, "WRITE"))
    box.put_object_acl(bucket="box", key="k", access_control_policy=wanted)
    assert box.get_object_acl(bucket="box", key="k") == wanted
    box.put_bucket_acl(bucket="box", access_control_policy=wanted)
    assert box.get_bucket_acl(bucket="box") == wanted
    box.put_bucket_acl(bucket="box", access_control_policy=document(ME))
    assert box.get_bucket_acl(bucket="box")["Grants"] == []
    with pytest.raises(errors.AccessDenied):
        box.put_object_acl(bucket="box", key="k", access_control_policy=document(THEM, (THEM, "FULL_CONTROL")))


FAKE = "http://acs.amazonaws.com/groups/s3/FakeGroup"


@pytest.mark.parametrize(
    ("params", "code", "name"),
    [
        ({"acl": "fake-acl"}, "InvalidArgument", "x-amz-acl"),
        ({"grant_read": f'uri="{FAKE}"'}, "InvalidArgument", "uri"),
        ({"grant_read": 'fakekey="1234"'}, "InvalidArgument", "x-amz-grant-read"),
        ({"grant_read": "nonsense"}, "InvalidArgument", "x-amz-grant-read"),
        ({"grant_read": 'id="wrong-id"'}, "InvalidArgument", "id"),
        ({"grant_read": 'emailAddress="a@example.com"'}, "MethodNotAllowed", None),
        ({"access_control_policy": {}}, "MalformedACLError", None),
        ({"access_control_policy": {"Grants": [grant(ME, "READ")]}}, "MalformedACLError", None),
        ({"access_control_policy": document(ME, (ME, "WRONG"))}, "MalformedACLError", None),
        ({"access_control_policy": document("wrong-id", (ME, "READ"))}, "InvalidArgument", "CanonicalUser/ID"),
        ({"access_control_policy": document(ME, ("wrong-id", "READ"))}, "InvalidArgument", "CanonicalUser/ID"),
        (
            {"access_control_policy": document(ME, *[(f"{n:064x}", "READ") for n in range(101)])},
            "MalformedACLError",
            None,
        ),
        (
            {
                "access_control_policy": {
                    "Owner": {"ID": ME},
                    "Grants": [{"Grantee": {"Type": "Odd"}, "Permission": "READ"}],
                }
            },
            "MalformedACLError",
            None,
        ),
        (
            {
                "access_control_policy": {
                    "Owner": {"ID": ME},
                    "Grants": [{"Grantee": {"Type": "Group", "URI": FAKE}, "Permission": "READ"}],
                }
            },
            "InvalidArgument",
            "Group/URI",
        ),
        ({}, "MissingSecurityHeader", None),
        ({"acl": "private", "grant_read": f'id="{ME}"'}, "InvalidRequest", None),
        ({"acl": "private", "access_control_policy": document(ME, (ME, "FULL_CONTROL"))}, "UnexpectedContent", None),
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_lists_that_are_none(s3: S3, params: dict[str, Any], code: str, name: str | None, on: bool) -> None:
    """What is wrong with a list is said before whether the bucket has lists."""
    s3.put_object(bucket="box", key="k", body=b"")
    if on:
        s3.delete_bucket_ownership_controls(bucket="box")
    for operation, of in (("put_bucket_acl", {}), ("put_object_acl", {"key": "k"})):
        with pytest.raises(errors.ServiceError) as error:
            getattr(s3, operation)(bucket="box", **of, **params)
        assert error.value.code == code
        assert error.value.members.get("ArgumentName") == name


def test_lists_are_off(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"")
    with pytest.raises(errors.AccessControlListNotSupported):
        s3.put_bucket_acl(bucket="box", acl="private")
    for acl in ("private", "public-read"):
        with pytest.raises(errors.AccessControlListNotSupported):
            s3.put_object_acl(bucket="box", key="k", acl=acl)
        with pytest.raises(errors.AccessControlListNotSupported):
            s3.copy_object(bucket="box", key="c", copy_source="box/k", acl=acl)
        with pytest.raises(errors.AccessControlListNotSupported):
            s3.create_multipart_upload(bucket="box", key="c", acl=acl)
    s3.put_object(bucket="box", key="k", body=b"", grant_full_control=f'id="{ME}"')
    s3.put_object_acl(bucket="box", key="k", acl="bucket-owner-full-control")


def test_a_bucket_is_made_with_a_list(s3: S3) -> None:
    s3.create_bucket(bucket="new", object_ownership="ObjectWriter", grant_read=f'id="{THEM}"')
    assert s3.get_bucket_acl(bucket="new")["Grants"] == [grant(THEM, "READ")]
    with pytest.raises(errors.InvalidBucketAclWithBlockPublicAccessError):
        s3.create_bucket(bucket="open", object_ownership="ObjectWriter", acl="public-read")
    with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
        s3.create_bucket(bucket="open", grant_read=f'id="{THEM}"')
    with pytest.raises(errors.InvalidArgument, match="Invalid x-amz-object-ownership header: Nobody"):
        s3.create_bucket(bucket="open", object_ownership="Nobody")
    assert s3.rows("buckets") == 2


def test_public_lists_are_blocked(box: S3) -> None:
    box.put_object(bucket="box", key="k", body=b"", acl="public-read")
    box.put_public_access_block(bucket="box", public_access_block_configuration={"BlockPublicAcls": True})
    for params in ({"acl": "public-read"}, {"grant_read": f"uri={lists.AUTHENTICATED_USERS}"}):
        for operation, of in (
            ("put_bucket_acl", {}),
            ("put_object_acl", {"key": "k"}),
            ("put_object", {"key": "new", "body": b""}),
            ("copy_object", {"key": "new", "copy_source": "box/k"}),
            ("create_multipart_upload", {"key": "new"}),
        ):
            with pytest.raises(errors.AccessDenied, match="BlockPublicAcls"):
                getattr(box, operation)(bucket="box", **of, **params)
    box.put_object(bucket="box", key="k2", body=b"", grant_read=f"id={THEM}")
    assert may(box, ANONYMOUS, "s3:GetObject", "k").allowed, "what there was stays"
    box.put_public_access_block(bucket="box", public_access_block_configuration={"IgnorePublicAcls": True})
    assert not may(box, ANONYMOUS, "s3:GetObject", "k").allowed
    assert may(box, STRANGER, "s3:GetObject", "k2").allowed
    assert box.files() == []


def test_an_upload_keeps_its_list(box: S3) -> None:
    call = box.call(OTHER)
    upload = box.create_multipart_upload(as_=call, bucket="box", key="k", acl="public-read")["UploadId"]
    part = box.upload_part(bucket="box", key="k", upload_id=upload, part_number=1, body=b"x")
    box.complete_multipart_upload(
        bucket="box", key="k", upload_id=upload, multipart_upload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    shown = box.get_object_acl(bucket="box", key="k")
    assert shown["Owner"] == {"ID": THEM}
    assert may(box, ANONYMOUS, "s3:GetObject", "k").allowed


def test_a_copy_and_an_overwrite_are_private(box: S3) -> None:
    box.put_object(bucket="box", key="k", body=b"", acl="public-read")
    box.copy_object(bucket="box", key="c", copy_source="box/k")
    assert box.get_object_acl(bucket="box", key="c")["Grants"] == [grant(ME, "FULL_CONTROL")]
    box.put_object(bucket="box", key="k", body=b"new")
    assert not may(box, ANONYMOUS, "s3:GetObject", "k").allowed


def test_each_version_has_its_own_list(box: S3) -> None:
    box.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    open_ = box.put_object(bucket="box", key="k", body=b"", acl="public-read")["VersionId"]
    closed = box.put_object(bucket="box", key="k", body=b"")["VersionId"]
    for version, allowed in ((open_, True), (closed, False), ("null", False), ("nonsense", False)):
        assert may(box, ANONYMOUS, "s3:GetObjectVersion", "k", version=version).allowed is allowed
    assert not may(box, ANONYMOUS, "s3:GetObject", "k").allowed
    box.put_object_acl(bucket="box", key="k", version_id=open_, acl="private")
    assert not may(box, ANONYMOUS, "s3:GetObjectVersion", "k", version=open_).allowed
    box.delete_object(bucket="box", key="k")
    with pytest.raises(errors.ServiceError, match="not allowed"):
        box.put_object_acl(bucket="box", key="k", acl="public-read")


# Decisions -----------------------------------------------------------------------------------------------------------

ON_BUCKET = {
    "READ": {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
    "WRITE": {"s3:PutObject"},
    "READ_ACP": {"s3:GetBucketAcl"},
    "WRITE_ACP": {"s3:PutBucketAcl"},
}
ON_OBJECT = {
    "READ": {"s3:GetObject", "s3:GetObjectVersion"},
    "READ_ACP": {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
    "WRITE_ACP": {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
}
OTHERS = {
    *("s3:DeleteBucket", "s3:PutBucketPolicy", "s3:GetBucketLocation", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    *("s3:GetObjectTagging", "s3:PutObjectTagging", "s3:GetBucketTagging", "s3:PutBucketOwnershipControls"),
    *(
        "s3:PutBucketPublicAccessBlock",
        "s3:AbortMultipartUpload",
        "s3:BypassGovernanceRetention",
        "s3:PutBucketVersioning",
    ),
}
OF_OBJECTS = {"s3:PutObject", *ON_OBJECT["READ"], *ON_OBJECT["READ_ACP"], *ON_OBJECT["WRITE_ACP"]} | {
    action for action in OTHERS if "Object" in action or "Upload" in action
}


@pytest.mark.parametrize("permission", lists.PERMISSIONS)
@pytest.mark.parametrize(
    ("grantee", "reached"),
    [(lists.ALL_USERS, {"root", "user", "anonymous"}), (lists.AUTHENTICATED_USERS, {"root", "user"}), (THEM, {"root"})],
)
def test_what_each_permission_allows(box: S3, permission: str, grantee: str, reached: set[str]) -> None:
    """ "Mapping of ACL permissions and access policy permissions". A user of another account needs its own policy as well."""
    box.put_object(bucket="box", key="k", body=b"")
    box.put_bucket_acl(bucket="box", access_control_policy=document(ME, (grantee, permission)))
    box.put_object_acl(bucket="box", key="k", access_control_policy=document(ME, (grantee, permission)))
    everything = set().union(*ON_BUCKET.values(), *ON_OBJECT.values(), OTHERS)
    both = [{one for name, found in table.items() if permission in (name, "FULL_CONTROL") for one in found}
            for table in (ON_BUCKET, ON_OBJECT)]  # fmt: skip
    expected = both[0] | both[1]
    for who in (STRANGER, ANONYMOUS, user("bob", OTHER), root_of(THIRD)):
        same = grantee != THEM or who.account == OTHER
        for action in everything:
            decision = may(box, who, action, "k" if action in OF_OBJECTS else None, version="null")
            wanted = action in expected and who.kind in reached and same and who.kind != "user"
            assert decision.allowed is wanted, (who.arn, action, decision)


def test_the_explanation_names_the_list(box: S3) -> None:
    box.put_object(bucket="box", key="k", body=b"", acl="public-read")
    decision = may(box, ANONYMOUS, "s3:GetObject", "k")
    assert decision.reason == "acl-allow"
    assert decision.policy == "the object's ACL"
    assert decision.lines()[0] == (
        "Allowed: an access control list allows it (policy the object's ACL, statement grant 2: READ to AllUsers)"
    )
    assert any("the object's ACL" in line for line in may(box, ANONYMOUS, "s3:PutObjectAcl", "k").lines()[1:])


def test_no_list_overrides_a_denial(box: S3) -> None:
    box.put_object(bucket="box", key="k", body=b"", acl="public-read")
    box.put_bucket_policy(bucket="box", policy=policy("Deny", "s3:GetObject", "arn:aws:s3:::box/*"))
    for who in (ANONYMOUS, STRANGER, ROOT):
        assert may(box, who, "s3:GetObject", "k").explicit_deny


def test_a_buckets_policy_allows_nothing_with_what_others_own(box: S3) -> None:
    """Bucket policies grant on objects that the bucket's owner owns; they deny on all ("How Amazon S3 authorizes a request")."""
    box.put_bucket_policy(bucket="box", policy=policy("Allow", "s3:*", "arn:aws:s3:::box/*", "arn:aws:s3:::box"))
    box.put_object(as_=box.call(OTHER), bucket="box", key="theirs", body=b"")
    for who in (ANONYMOUS, ROOT, root_of(THIRD)):
        for action in ("s3:GetObject", "s3:GetObjectAcl", "s3:PutObjectAcl"):
            assert not may(box, who, action, "theirs", operation="PutObjectAcl").allowed
        assert may(box, who, "s3:DeleteObject", "theirs").allowed
    assert may(box, STRANGER, "s3:GetObject", "theirs").allowed
    assert may(box, STRANGER, "s3:PutObjectAcl", "theirs", operation="PutObjectAcl").allowed
    box.put_public_access_block(bucket="box", public_access_block_configuration={"RestrictPublicBuckets": True})
    box.put_object_acl(bucket="box", key="theirs", acl="public-read")
    assert not may(box, STRANGER, "s3:ListBucket").allowed
    assert not may(box, ANONYMOUS, "s3:GetObject", "theirs").allowed


def test_who_may_list_may_ask_for_what_is_not_there(box: S3) -> None:
    assert not may(box, ANONYMOUS, "s3:GetObject", "none").allowed
    box.put_bucket_acl(bucket="box", acl="public-read")
    assert may(box, ANONYMOUS, "s3:GetObject", "none").allowed


def test_a_writer_deletes_its_own(box: S3) -> None:
    box.put_bucket_acl(bucket="box", acl="public-read-write")
    box.put_object(bucket="box", key="mine", body=b"")
    box.put_object(as_=box.call(OTHER), bucket="box", key="theirs", body=b"")
    assert may(box, STRANGER, "s3:DeleteObject", "theirs").allowed
    assert not may(box, STRANGER, "s3:DeleteObject", "mine").allowed
    assert not may(box, root_of(THIRD), "s3:DeleteObject", "theirs").allowed


def test_who_writes_says_what_others_may(box: S3) -> None:
    """The list that comes with a new object is its writer's to choose; that of an object that is there is its owner's."""
    box.put_bucket_acl(bucket="box", acl="public-read-write")
    box.put_object(bucket="box", key="k", body=b"")
    for operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        assert may(box, STRANGER, "s3:PutObjectAcl", "k", operation=operation).allowed
        assert may(box, ANONYMOUS, "s3:PutObjectAcl", "k", operation=operation).allowed
        assert not may(box, user("bob", OTHER), "s3:PutObjectAcl", "k", operation=operation).allowed
    for operation in ("PutObjectAcl", ""):
        assert not may(box, STRANGER, "s3:PutObjectAcl", "k", operation=operation).allowed


def test_only_log_delivery_is_log_delivery(box: S3) -> None:
    box.put_bucket_acl(bucket="box", acl="log-delivery-write")
    service = Principal("service", "", *("logging.s3.amazonaws.com",) * 4)
    assert may(box, service, "s3:PutObject", "log").allowed
    assert not may(box, Principal("service", "", *("sns.amazonaws.com",) * 4), "s3:PutObject", "log").allowed
    for who in (STRANGER, ANONYMOUS):
        assert not may(box, who, "s3:PutObject", "log").allowed
    assert PEOPLE.isdisjoint({"service", "anonymous"})


def test_a_list_that_is_changed_is_told(box: S3) -> None:
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:events"
    box.neighbours.listening[arn] = True
    box.put_bucket_notification_configuration(
        bucket="box",
        notification_configuration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectAcl:Put"]}]},
    )
    box.put_object(bucket="box", key="k", body=b"")
    box.outbox()
    box.put_object_acl(bucket="box", key="k", acl="private")
    assert box.outbox() == []
    box.put_object_acl(bucket="box", key="k", acl="public-read")
    (letter,) = box.outbox()
    assert "ObjectAcl:Put" in str(letter)


def test_a_list_is_for_the_object_that_it_was_allowed_for(box: S3) -> None:
    """Between the decision and the commit the key may have become another's."""
    box.put_object(as_=box.call(OTHER), bucket="box", key="k", body=b"")
    with pytest.raises(errors.AccessDenied):
        box.put_object_acl(
            bucket="box", key="k", acl="public-read", deny=lambda action, arn: action == "s3:PutObjectAcl"
        )
    assert owners.id_of(OTHER) == THEM
