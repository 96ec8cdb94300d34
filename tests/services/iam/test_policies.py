"""Managed and inline policies: versions, attachments, quotas."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from awning.auth.principal import root_of
from awning.contracts import FindPolicyText
from awning.kit.errors import AccessDenied
from awning.services.iam import managed
from awning.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)

ACCOUNT = "123456789012"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def document(action: str = "s3:*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def arn(house):
    return house.iam.create_policy(policy_name="Work", path="/team/", policy_document=document("s3:Get*"))["Policy"][
        "Arn"
    ]


def test_a_policy_is_described_as_it_was_created(house, arn):
    found = house.iam.get_policy(policy_arn=arn)["Policy"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/team/Work"
    assert found["PolicyId"].startswith("ANPA")
    assert (found["DefaultVersionId"], found["AttachmentCount"], found["IsAttachable"]) == ("v1", 0, True)
    version = house.iam.get_policy_version(policy_arn=arn, version_id="v1")["PolicyVersion"]
    assert unquote(version["Document"]) == document("s3:Get*")
    assert version["IsDefaultVersion"] is True


def test_a_taken_name_is_refused_whatever_its_path_and_case(house, arn):
    with pytest.raises(EntityAlreadyExists, match="A policy called WORK already exists"):
        house.iam.create_policy(policy_name="WORK", policy_document=document())


def test_a_policy_of_another_account_is_not_there(house, arn):
    other = root_of("210987654321")
    with pytest.raises(AccessDenied):
        house.iam.get_policy(policy_arn=arn, by=other)
    house.iam.create_user(user_name="alice", by=other)
    with pytest.raises(NoSuchEntity, match="does not exist or is not attachable"):
        house.iam.attach_user_policy(user_name="alice", policy_arn=arn, by=other)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("arn:aws:iam::1:policy/x", InvalidInput),
        ("nonsense-nonsense-nonsense", ValidationError),
        ("arn:aws:s3:::bucket-name-x", InvalidInput),
    ],
)
def test_an_arn_that_is_none_is_invalid(house, wrong, error):
    with pytest.raises(error, match=f"^ARN {wrong} is not valid"):
        house.iam.get_policy(policy_arn=wrong)


@pytest.mark.parametrize("text", ["", "{\0}", "€", "ā"])
def test_a_document_has_printable_characters_only(house, text):
    with pytest.raises(ValidationError, match="printable"):
        house.iam.create_policy(policy_name="bad", policy_document=text)
    with pytest.raises(ValidationError, match="printable"):
        house.iam.create_role(role_name="bad", assume_role_policy_document=text)


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": 1}', '{"Version": "2020-01-01", "Statement": []}'])
def test_a_malformed_document_is_refused_everywhere(house, arn, text):
    house.iam.create_user(user_name="alice")
    with pytest.raises(MalformedPolicyDocument):
        house.iam.create_policy(policy_name="bad", policy_document=text)
    with pytest.raises(MalformedPolicyDocument):
        house.iam.create_policy_version(policy_arn=arn, policy_document=text)
    with pytest.raises(MalformedPolicyDocument):
        house.iam.put_user_policy(user_name="alice", policy_name="bad", policy_document=text)


def test_an_error_is_told_in_iams_words_alone(house):
    with pytest.raises(MalformedPolicyDocument, match=r"prefaced by a vendor, e\.g\., iam, sdb, ec2, etc\.$"):
        house.iam.create_policy(policy_name="bad", policy_document=document("GetObject"))


def test_an_error_says_where_the_fault_is(house):
    lost = {"StringEquals": {"a\r\nb\u20ac": {}}}
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": lost}
    for text, place in (
        (document("GetObject"), b"Statement[0].Action"),
        ('{\n  "Version": nonsense}', b"line 2 column 14"),
        (json.dumps({"Version": "2012-10-17", "Statement": [statement]}), b"a%0D%0Ab%E2%82%AC"),
    ):
        with pytest.raises(MalformedPolicyDocument) as caught:
            house.iam.create_policy(policy_name="bad", policy_document=text)
        [(name, value)] = caught.value.headers
        assert name == b"X-Awning-Position"
        assert value.endswith(place)


def test_a_new_policy_is_shown_without_its_description_and_empty_tags(house):
    made = house.iam.create_policy(policy_name="plain", policy_document=document(), description="what for")["Policy"]
    assert not {"Description", "Tags"} & made.keys()
    shown = house.iam.get_policy(policy_arn=made["Arn"])["Policy"]
    assert (shown["Description"], shown["Tags"]) == ("what for", [])


def test_versions_of_no_policy_are_missing_as_versions(house):
    arn = f"arn:aws:iam::{ACCOUNT}:policy/none"
    for call in (
        house.iam.get_policy_version,
        house.iam.set_default_policy_version,
        house.iam.delete_policy_version,
    ):
        with pytest.raises(NoSuchEntity, match="none version v1 does not exist or is not attachable"):
            call(policy_arn=arn, version_id="v1")


def test_tags_of_policies_are_listed_by_length_first(house, arn):
    house.iam.tag_policy(policy_arn=arn, tags=[{"Key": key, "Value": ""} for key in ("abc", "b", "z", "a")])
    assert [tag["Key"] for tag in house.iam.list_policy_tags(policy_arn=arn)["Tags"]] == ["a", "b", "z", "abc"]
    first = house.iam.list_policy_tags(policy_arn=arn, max_items=3)
    rest = house.iam.list_policy_tags(policy_arn=arn, marker=first["Marker"])
    assert [tag["Key"] for tag in rest["Tags"]] == ["abc"]


def test_a_managed_policy_has_6144_characters_at_most(house):
    long = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:" + "x" * 200] * 31, "Resource": "*"}],
        }
    )
    with pytest.raises(LimitExceeded, match="Cannot exceed quota for PolicySize: 6144"):
        house.iam.create_policy(policy_name="long", policy_document=long)
    house.iam.create_policy(policy_name="airy", policy_document=document().replace(" ", " " * 7000))


def test_a_policy_has_five_versions_and_never_uses_a_number_twice(house, arn):
    for number in range(2, 6):
        made = house.iam.create_policy_version(policy_arn=arn, policy_document=document(f"s3:Get{number}"))
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
        assert "Document" not in made["PolicyVersion"]
    with pytest.raises(LimitExceeded, match="up to 5 versions"):
        house.iam.create_policy_version(policy_arn=arn, policy_document=document())
    house.iam.delete_policy_version(policy_arn=arn, version_id="v5")
    made = house.iam.create_policy_version(policy_arn=arn, policy_document=document("sqs:*"), set_as_default=True)
    assert made["PolicyVersion"]["VersionId"] == "v6"
    first = house.iam.list_policy_versions(policy_arn=arn, max_items=2)
    assert [version["VersionId"] for version in first["Versions"]] == ["v6", "v4"]
    rest = house.iam.list_policy_versions(policy_arn=arn, marker=first["Marker"])
    assert [version["VersionId"] for version in rest["Versions"]] == ["v3", "v2", "v1"]
    assert [version["IsDefaultVersion"] for version in first["Versions"]] == [True, False]
    assert house.iam.get_policy(policy_arn=arn)["Policy"]["DefaultVersionId"] == "v6"


def test_the_default_version_is_the_one_in_effect(house, arn):
    house.iam.create_user(user_name="alice")
    key = house.iam.create_access_key(user_name="alice")["AccessKey"]
    house.iam.attach_user_policy(user_name="alice", policy_arn=arn)
    before = house.as_key(key).policies
    house.iam.create_policy_version(policy_arn=arn, policy_document=document("sqs:*"))
    assert house.as_key(key).policies == before
    house.iam.set_default_policy_version(policy_arn=arn, version_id="v2")
    assert house.ask(FindPolicyText(arn)) == document("sqs:*")
    assert house.as_key(key).policies != before
    with pytest.raises(DeleteConflict, match="Cannot delete the default version of a policy"):
        house.iam.delete_policy_version(policy_arn=arn, version_id="v2")
    for wrong in ("v9", "v99999999999999999999"):
        with pytest.raises(NoSuchEntity):
            house.iam.set_default_policy_version(policy_arn=arn, version_id=wrong)
    with pytest.raises(ValidationError):
        house.iam.get_policy_version(policy_arn=arn, version_id="two")


def test_a_policy_in_use_or_with_versions_is_not_deleted(house, arn):
    house.iam.create_user(user_name="alice")
    house.iam.attach_user_policy(user_name="alice", policy_arn=arn)
    with pytest.raises(DeleteConflict, match="Cannot delete a policy attached to entities"):
        house.iam.delete_policy(policy_arn=arn)
    house.iam.detach_user_policy(user_name="alice", policy_arn=arn)
    house.iam.put_user_permissions_boundary(user_name="alice", permissions_boundary=arn)
    with pytest.raises(DeleteConflict):
        house.iam.delete_policy(policy_arn=arn)
    house.iam.delete_user_permissions_boundary(user_name="alice")
    house.iam.create_policy_version(policy_arn=arn, policy_document=document())
    with pytest.raises(DeleteConflict, match="more than one version"):
        house.iam.delete_policy(policy_arn=arn)
    house.iam.delete_policy_version(policy_arn=arn, version_id="v2")
    house.iam.delete_policy(policy_arn=arn)
    with pytest.raises(NoSuchEntity):
        house.iam.get_policy(policy_arn=arn)
    assert house.iam.create_policy(policy_name="Work", policy_document=document())["Policy"]["DefaultVersionId"] == "v1"


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_attaching_and_detaching(house, arn, kind):
    make(house, kind, "it")
    named = {f"{kind}_name": "it"}
    attach, detach = getattr(house.iam, f"attach_{kind}_policy"), getattr(house.iam, f"detach_{kind}_policy")
    listing = getattr(house.iam, f"list_attached_{kind}_policies")
    attach(**named, policy_arn=arn)
    attach(**named, policy_arn=arn)
    attach(**named, policy_arn=ADMIN)
    assert house.iam.get_policy(policy_arn=arn)["Policy"]["AttachmentCount"] == 1
    listed = listing(**named)
    assert [policy["PolicyName"] for policy in listed["AttachedPolicies"]] == ["Work", "AdministratorAccess"]
    page = listing(**named, max_items=1)
    assert page["IsTruncated"] is True
    assert listing(**named, marker=page["Marker"])["AttachedPolicies"][0]["PolicyArn"] == ADMIN
    assert len(listing(**named, path_prefix="/team/")["AttachedPolicies"]) == 1
    detach(**named, policy_arn=arn)
    with pytest.raises(NoSuchEntity, match="was not found"):
        detach(**named, policy_arn=arn)
    with pytest.raises(NoSuchEntity, match="does not exist or is not attachable"):
        attach(**named, policy_arn=f"arn:aws:iam::{ACCOUNT}:policy/none")
    with pytest.raises(NoSuchEntity, match=f"The {kind} with name none cannot be found"):
        attach(**{f"{kind}_name": "none"}, policy_arn=arn)


def test_ten_policies_can_be_attached(house):
    house.iam.create_role(role_name="r", assume_role_policy_document=TRUST)
    for number in range(11):
        house.iam.create_policy(policy_name=f"p{number}", policy_document=document())
    arns = [f"arn:aws:iam::{ACCOUNT}:policy/p{number}" for number in range(11)]
    for each in arns[:10]:
        house.iam.attach_role_policy(role_name="r", policy_arn=each)
    with pytest.raises(LimitExceeded, match="Cannot exceed quota for PoliciesPerRole: 10"):
        house.iam.attach_role_policy(role_name="r", policy_arn=arns[10])
    house.iam.attach_role_policy(role_name="r", policy_arn=arns[0])


def test_who_uses_a_policy(house, arn):
    for kind in ("user", "role", "group"):
        make(house, kind, f"a-{kind}")
        getattr(house.iam, f"attach_{kind}_policy")(**{f"{kind}_name": f"a-{kind}"}, policy_arn=arn)
    make(house, "user", "bounded")
    house.iam.put_user_permissions_boundary(user_name="bounded", permissions_boundary=arn)
    found = house.iam.list_entities_for_policy(policy_arn=arn)
    assert [user["UserName"] for user in found["PolicyUsers"]] == ["a-user"]
    assert [role["RoleName"] for role in found["PolicyRoles"]] == ["a-role"]
    assert [group["GroupName"] for group in found["PolicyGroups"]] == ["a-group"]
    only = house.iam.list_entities_for_policy(policy_arn=arn, entity_filter="Role")
    assert only["PolicyUsers"] == []
    assert len(only["PolicyRoles"]) == 1
    bounds = house.iam.list_entities_for_policy(policy_arn=arn, policy_usage_filter="PermissionsBoundary")
    assert [user["UserName"] for user in bounds["PolicyUsers"]] == ["bounded"]
    first = house.iam.list_entities_for_policy(policy_arn=arn, max_items=2)
    rest = house.iam.list_entities_for_policy(policy_arn=arn, marker=first["Marker"])
    assert [len(rest[key]) for key in ("PolicyGroups", "PolicyRoles", "PolicyUsers")] == [0, 0, 1]


def test_lists_of_policies_by_scope_use_and_path(house, arn):
    house.iam.create_policy(policy_name="idle", policy_document=document())
    house.iam.create_user(user_name="alice")
    house.iam.attach_user_policy(user_name="alice", policy_arn=arn)
    house.iam.attach_user_policy(user_name="alice", policy_arn=ADMIN)

    def names(**given):
        return [policy["PolicyName"] for policy in house.iam.list_policies(max_items=300, **given)["Policies"]]

    aws = [policy.name for policy in managed.every()]
    assert names() == ["idle", "Work", *aws]
    assert names(scope="Local") == ["idle", "Work"]
    assert names(scope="AWS") == aws
    assert names(only_attached=True) == ["Work", "AdministratorAccess"]
    assert names(path_prefix="/team/") == ["Work"]
    assert names(policy_usage_filter="PermissionsBoundary") == []
    collected, marker = [], None
    while True:
        page = house.iam.list_policies(max_items=1, marker=marker)
        collected += [policy["PolicyName"] for policy in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = page["Marker"]
    assert collected == names()


def test_policies_of_aws_can_be_read_and_not_changed(house):
    assert house.iam.get_policy(policy_arn=ADMIN)["Policy"]["Path"] == "/"
    version = house.iam.get_policy_version(policy_arn=ADMIN, version_id="v1")["PolicyVersion"]
    assert json.loads(unquote(version["Document"]))["Statement"][0]["Action"] == "*"
    assert len(house.iam.list_policy_versions(policy_arn=ADMIN)["Versions"]) == 1
    for change in (
        lambda: house.iam.delete_policy(policy_arn=ADMIN),
        lambda: house.iam.create_policy_version(policy_arn=ADMIN, policy_document=document()),
        lambda: house.iam.tag_policy(policy_arn=ADMIN, tags=[{"Key": "a", "Value": "b"}]),
    ):
        with pytest.raises(ValidationError):
            change()
    with pytest.raises(NoSuchEntity):
        house.iam.get_policy(policy_arn=managed.PREFIX + "NoneOfTheirs")


@pytest.mark.parametrize("policy", list(managed.every()), ids=lambda policy: policy.name)
def test_every_policy_of_aws_compiles_and_stays_itself(house, policy):
    text = house.ask(FindPolicyText(policy.arn))
    house.iam.create_user(user_name="alice")
    house.iam.create_access_key(user_name="alice")
    house.iam.attach_user_policy(user_name="alice", policy_arn=policy.arn)
    key = house.iam.list_access_keys(user_name="alice")["AccessKeyMetadata"][0]
    assert len(house.as_key(key).policies) == 1
    assert json.loads(text)["Version"] == "2012-10-17"
    assert policy.id.startswith("ANPA")
    assert len(policy.id) == 21


@pytest.mark.parametrize(("kind", "most"), [("user", 2048), ("role", 10240), ("group", 5120)])
def test_inline_policies_share_a_quota(house, kind, most):
    make(house, kind, "it")
    named = {f"{kind}_name": "it"}
    put = getattr(house.iam, f"put_{kind}_policy")
    size = len("".join(document("").split()))
    put(**named, policy_name="a", policy_document=document("s3:" + "x" * (most - 2 * size - 7)))
    put(**named, policy_name="b", policy_document=document("s3:x"))
    with pytest.raises(LimitExceeded, match=f"Maximum policy size of {most} bytes exceeded for {kind} it"):
        put(**named, policy_name="b", policy_document=document("s3:xy"))
    put(**named, policy_name="A", policy_document=document("s3:*"))
    put(**named, policy_name="b", policy_document=document("s3:xy"))


@pytest.mark.parametrize("kind", ["user", "role", "group"])
def test_inline_policies(house, kind):
    make(house, kind, "it")
    named = {f"{kind}_name": "it"}
    put, get = getattr(house.iam, f"put_{kind}_policy"), getattr(house.iam, f"get_{kind}_policy")
    listing, delete = getattr(house.iam, f"list_{kind}_policies"), getattr(house.iam, f"delete_{kind}_policy")
    for name in ("b", "a", "c"):
        put(**named, policy_name=name, policy_document=document())
    put(**named, policy_name="a", policy_document=document("sqs:*"))
    assert get(**named, policy_name="a") == {
        f"{kind.capitalize()}Name": "it",
        "PolicyName": "a",
        "PolicyDocument": get(**named, policy_name="a")["PolicyDocument"],
    }
    assert unquote(get(**named, policy_name="a")["PolicyDocument"]) == document("sqs:*")
    first = listing(**named, max_items=2)
    assert first["PolicyNames"] == ["a", "b"]
    assert listing(**named, marker=first["Marker"]) == {"PolicyNames": ["c"], "IsTruncated": False}
    delete(**named, policy_name="a")
    for missing in (get, delete):
        with pytest.raises(NoSuchEntity, match=f"The {kind} policy with name a cannot be found"):
            missing(**named, policy_name="a")


def test_tags_of_policies_are_distinguished_by_case(house, arn):
    house.iam.tag_policy(policy_arn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}])
    assert len(house.iam.list_policy_tags(policy_arn=arn)["Tags"]) == 2
    house.iam.untag_policy(policy_arn=arn, tag_keys=["a"])
    assert house.iam.get_policy(policy_arn=arn)["Policy"]["Tags"] == [{"Key": "A", "Value": "2"}]


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
)


def make(house, kind, name):
    further = {"assume_role_policy_document": TRUST} if kind == "role" else {}
    getattr(house.iam, f"create_{kind}")(**{f"{kind}_name": name}, **further)
