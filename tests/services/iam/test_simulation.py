"""The policy simulator: decisions, the statements that made them and where they stand, and keys that nobody gave."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from awning.services.iam.positions import span_of_statement
from tests.services.iam.support import ACCOUNT
from tests.services.iam.wire import Boto

BUCKET = "arn:aws:s3:::bucket"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(house):
    return Boto(house).client("iam")


def custom(iam, *policies, actions=("s3:GetObject",), **more):
    answer = iam.simulate_custom_policy(PolicyInputList=list(policies), ActionNames=list(actions), **more)
    return answer["EvaluationResults"]


def test_a_policy_allows_denies_or_says_nothing(iam):
    policy = document(allow("s3:*"), deny("s3:DeleteObject"))
    found = custom(iam, policy, actions=["s3:GetObject", "s3:DeleteObject", "sqs:SendMessage"])
    assert [one["EvalDecision"] for one in found] == ["allowed", "explicitDeny", "implicitDeny"]
    assert [len(one["MatchedStatements"]) for one in found] == [1, 1, 0]
    assert all(one["EvalResourceName"] == "*" and "ResourceSpecificResults" not in one for one in found)


def test_a_matched_statement_is_shown_where_it_stands(iam):
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    (found,) = custom(iam, policy)
    assert found["MatchedStatements"] == [
        {
            "SourcePolicyId": "PolicyInputList.1",
            "SourcePolicyType": "IAM Policy",
            "StartPosition": {"Line": 1, "Column": 41},
            "EndPosition": {"Line": 1, "Column": len(policy) - 1},
        }
    ]


def test_lines_are_counted_and_texts_that_look_like_statements_are_not_taken_for_them():
    text = '{\n  "Id": "\\"Statement\\": [{",\n  "Statement": {\n    "Effect": "Allow"\n  }\n}'
    assert span_of_statement(text, 0) == ((3, 16), (5, 4))
    text = '{"Statement":[{"Sid":"}"},\n {"Sid":"b"}]}'
    assert span_of_statement(text, 0) == ((1, 15), (1, 26))
    assert span_of_statement(text, 1) == ((2, 2), (2, 13))


def test_each_resource_has_a_result_of_its_own(iam):
    found = custom(iam, document(allow("s3:GetObject", f"{BUCKET}/a")), ResourceArns=[f"{BUCKET}/a", f"{BUCKET}/b"])
    assert [(one["EvalResourceName"], one["EvalDecision"]) for one in found] == [
        (f"{BUCKET}/a", "allowed"),
        (f"{BUCKET}/b", "implicitDeny"),
    ]
    assert found[0]["ResourceSpecificResults"][0]["EvalResourceDecision"] == "allowed"


def test_conditions_hold_for_the_keys_that_are_given_and_the_others_are_named(iam):
    condition = {"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    policy = document(allow("s3:GetObject", **condition))
    (found,) = custom(iam, policy)
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("implicitDeny", ["aws:RequestedRegion"])
    entry = {"ContextKeyName": "aws:requestedregion", "ContextKeyValues": ["eu-west-1"], "ContextKeyType": "string"}
    (found,) = custom(iam, policy, ContextEntries=[entry])
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("allowed", [])


def test_a_boundary_limits_and_says_so(iam):
    found = custom(
        iam,
        document(allow("*")),
        actions=["s3:GetObject", "sqs:SendMessage"],
        PermissionsBoundaryPolicyInputList=[document(allow("s3:*"))],
    )
    assert [one["EvalDecision"] for one in found] == ["allowed", "implicitDeny"]
    details = [one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for one in found]
    assert details == [True, False]


def test_a_resources_policy_allows_its_caller(iam):
    caller = f"arn:aws:iam::{ACCOUNT}:user/alice"
    statement = allow("s3:GetObject", f"{BUCKET}/*", Principal={"AWS": caller})
    params = {"ResourcePolicy": document(statement), "ResourceArns": [f"{BUCKET}/a"]}
    (found,) = custom(iam, document(allow("sqs:*")), CallerArn=caller, **params)
    assert found["EvalDecision"] == "allowed"
    assert [one["SourcePolicyType"] for one in found["MatchedStatements"]] == ["Resource Policy"]
    (found,) = custom(iam, document(allow("sqs:*")), CallerArn=caller.replace("alice", "bob"), **params)
    assert found["EvalDecision"] == "implicitDeny"
    with pytest.raises(ClientError, match="CallerArn"):
        custom(iam, document(allow("sqs:*")), **params)


def test_a_users_own_and_its_groups_policies_are_simulated_with_further_ones(iam):
    iam.create_user(UserName="alice")
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="alice")
    iam.put_group_policy(GroupName="staff", PolicyName="queues", PolicyDocument=document(allow("sqs:*")))
    iam.attach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    arn = f"arn:aws:iam::{ACCOUNT}:user/alice"
    actions = ["sqs:SendMessage", "s3:GetObject", "s3:PutObject"]
    found = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions)["EvaluationResults"]
    assert [one["EvalDecision"] for one in found] == ["allowed", "allowed", "implicitDeny"]
    assert [one["SourcePolicyId"] for one in found[0]["MatchedStatements"]] == ["queues"]
    assert [one["SourcePolicyId"] for one in found[1]["MatchedStatements"]] == ["AmazonS3ReadOnlyAccess"]
    found = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=actions, PolicyInputList=[document(deny("sqs:*"), allow("s3:PutObject"))]
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in found] == ["explicitDeny", "allowed", "allowed"]


def test_results_come_in_pages(iam):
    actions = [f"s3:Action{number}" for number in range(5)]
    paginator = iam.get_paginator("simulate_custom_policy")
    pages = paginator.paginate(
        PolicyInputList=[document(allow("s3:*"))], ActionNames=actions, PaginationConfig={"PageSize": 2}
    )
    assert [[one["EvalActionName"] for one in page["EvaluationResults"]] for page in pages] == [
        actions[:2], actions[2:4], actions[4:],
    ]  # fmt: skip


def test_context_keys_are_named_as_they_are_written(iam):
    condition = {"StringEquals": {"aws:RequestedRegion": "${aws:PrincipalTag/region, 'eu-west-1'}"}}
    policy = document(allow("s3:GetObject", f"{BUCKET}/${{aws:username}}/*", Condition=condition))
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[policy])["ContextKeyNames"]
    assert sorted(keys) == ["aws:PrincipalTag/region", "aws:RequestedRegion", "aws:username"]
    iam.create_user(UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=policy)
    arn = f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == keys


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/nobody", "NoSuchEntity"),
        (f"arn:aws:iam::{ACCOUNT}:policy/nobody", "InvalidInput"),
        ("arn:aws:iam::123456789012:nobody", "InvalidInput"),
    ],
)
def test_what_is_no_user_group_or_role_is_refused(iam, arn, code):
    with pytest.raises(ClientError) as caught:
        iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert caught.value.response["Error"]["Code"] == code


def test_policies_and_actions_that_make_no_sense_are_refused(iam):
    with pytest.raises(ClientError, match="InvalidInput"):
        custom(iam, "{}")
    with pytest.raises(ClientError, match="InvalidInput"):
        custom(iam, document(allow("*")), actions=["s3:*"])
