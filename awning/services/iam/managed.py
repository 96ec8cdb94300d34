"""AWS's own managed policies, as data: the same in every account, and never changed by a client.

Documents follow the published ones; those that do so approximately, because AWS's own list thousands of actions, say it
in their description. Of each there is the one version that AWS shows; more documents stand in managed.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from awning.services.iam.linked_services import LINKED, POLICIES
from awning.services.iam.tables import Policy, Version

PREFIX: Final = "arn:aws:iam::aws:policy/"
_BEGAN: Final = 1423162800
"""6 February 2015, when AWS introduced managed policies."""


def _allow(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions) if len(actions) > 1 else actions[0], "Resource": "*"}


_READ_ONLY: Final = _allow(
    "acm:Describe*", "acm:Get*", "acm:List*", "autoscaling:Describe*", "autoscaling:Get*", "cloudfront:Describe*",
    "cloudfront:Get*", "cloudfront:List*", "cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*",
    "ec2:Describe*", "ec2:Get*", "ec2:Search*", "ecr:BatchCheck*", "ecr:BatchGet*", "ecr:Describe*", "ecr:Get*",
    "ecr:List*", "ecs:Describe*", "ecs:List*", "eks:Describe*", "eks:List*", "elasticache:Describe*",
    "elasticache:List*", "elasticloadbalancing:Describe*", "events:Describe*", "events:List*", "events:Test*",
    "firehose:Describe*", "firehose:List*", "iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*",
    "kinesis:Describe*", "kinesis:Get*", "kinesis:List*", "kms:Describe*", "kms:Get*", "kms:List*", "lambda:Get*",
    "lambda:List*", "logs:Describe*", "logs:FilterLogEvents", "logs:Get*", "logs:ListTagsLogGroup", "logs:StartQuery",
    "logs:StopQuery", "mq:Describe*", "mq:List*", "rds:Describe*", "rds:Download*", "rds:List*", "route53:Get*",
    "route53:List*", "route53:Test*", "s3:DescribeJob", "s3:Get*", "s3:List*", "ses:Describe*", "ses:Get*",
    "ses:List*", "sns:Check*", "sns:Get*", "sns:List*", "sqs:Get*", "sqs:List*", "sqs:Receive*",
    "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken", "tag:Get*",
)  # fmt: skip

_POWER_USER: Final[list[dict[str, Any]]] = [
    {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
    _allow(
        "account:GetAccountInformation",
        "account:GetGovCloudAccountInformation",
        "account:GetPrimaryEmail",
        "account:ListRegions",
        "iam:CreateServiceLinkedRole",
        "iam:DeleteServiceLinkedRole",
        "iam:ListRoles",
        "organizations:DescribeEffectivePolicy",
        "organizations:DescribeOrganization",
    ),
]

_STATEMENTS: Final[Mapping[str, tuple[str, list[dict[str, Any]]]]] = MappingProxyType(
    {
        "AdministratorAccess": ("Provides full access to AWS services and resources.", [_allow("*")]),
        "AmazonS3FullAccess": (
            "Provides full access to all buckets via the AWS Management Console.",
            [_allow("s3:*", "s3-object-lambda:*")],
        ),
        "AmazonS3ReadOnlyAccess": (
            "Provides read only access to all buckets via the AWS Management Console.",
            [_allow("s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*")],
        ),
        "AmazonSQSFullAccess": (
            "Provides full access to Amazon SQS via the AWS Management Console.",
            [_allow("sqs:*")],
        ),
        "IAMFullAccess": (
            "Provides full access to IAM via the AWS Management Console.",
            [
                _allow(
                    "iam:*",
                    "organizations:DescribeAccount",
                    "organizations:DescribeOrganization",
                    "organizations:DescribeOrganizationalUnit",
                    "organizations:DescribePolicy",
                    "organizations:ListChildren",
                    "organizations:ListParents",
                    "organizations:ListPoliciesForTarget",
                    "organizations:ListRoots",
                    "organizations:ListPolicies",
                    "organizations:ListTargetsForPolicy",
                )
            ],
        ),
        "AmazonSNSFullAccess": (
            "Provides full access to Amazon SNS via the AWS Management Console.",
            [_allow("sns:*")],
        ),
        "AmazonSNSReadOnlyAccess": (
            "Provides read only access to Amazon SNS via the AWS Management Console.",
            [_allow("sns:GetTopicAttributes", "sns:List*")],
        ),
        "AmazonSQSReadOnlyAccess": (
            "Provides read only access to Amazon SQS via the AWS Management Console.",
            [
                _allow(
                    "sqs:GetQueueAttributes",
                    "sqs:GetQueueUrl",
                    "sqs:ListDeadLetterSourceQueues",
                    "sqs:ListQueues",
                    "sqs:ListMessageMoveTasks",
                    "sqs:ListQueueTags",
                )
            ],
        ),
        "IAMReadOnlyAccess": (
            "Provides read only access to IAM via the AWS Management Console.",
            [
                _allow(
                    "iam:GenerateCredentialReport",
                    "iam:GenerateServiceLastAccessedDetails",
                    "iam:Get*",
                    "iam:List*",
                    "iam:SimulateCustomPolicy",
                    "iam:SimulatePrincipalPolicy",
                )
            ],
        ),
        "IAMUserChangePassword": (
            "Provides the ability for an IAM user to change their own password.",
            [
                {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "arn:aws:iam::*:user/${aws:username}"},
                _allow("iam:GetAccountPasswordPolicy"),
            ],
        ),
        "AmazonKinesisFullAccess": (
            "Provides full access to all streams via the AWS Management Console.",
            [_allow("kinesis:*")],
        ),
        "AmazonDynamoDBFullAccess": (
            "Provides full access to Amazon DynamoDB via the AWS Management Console (approximate: DynamoDB's own actions).",
            [_allow("dynamodb:*", "dax:*")],
        ),
        "AmazonDynamoDBReadOnlyAccess": (
            "Provides read only access to Amazon DynamoDB via the AWS Management Console (approximate: DynamoDB's own "
            "actions).",
            [
                _allow(
                    "dynamodb:BatchGetItem",
                    "dynamodb:Describe*",
                    "dynamodb:GetItem",
                    "dynamodb:GetResourcePolicy",
                    "dynamodb:List*",
                    "dynamodb:PartiQLSelect",
                    "dynamodb:Query",
                    "dynamodb:Scan",
                )
            ],
        ),
        "AmazonEC2FullAccess": (
            "Provides full access to Amazon EC2 via the AWS Management Console (approximate: without service-linked "
            "roles).",
            [_allow("ec2:*", "elasticloadbalancing:*", "cloudwatch:*", "autoscaling:*")],
        ),
        "AmazonEC2ReadOnlyAccess": (
            "Provides read only access to Amazon EC2 via the AWS Management Console.",
            [
                _allow("ec2:Describe*", "ec2:GetSecurityGroupsForVpc"),
                _allow("elasticloadbalancing:Describe*"),
                _allow("cloudwatch:ListMetrics", "cloudwatch:GetMetricStatistics", "cloudwatch:Describe*"),
                _allow("autoscaling:Describe*"),
            ],
        ),
        "AmazonEC2ContainerRegistryReadOnly": (
            "Provides read-only access to Amazon EC2 Container Registry repositories.",
            [
                _allow(
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:GetRepositoryPolicy",
                    "ecr:DescribeRepositories",
                    "ecr:ListImages",
                    "ecr:DescribeImages",
                    "ecr:BatchGetImage",
                    "ecr:GetLifecyclePolicy",
                    "ecr:GetLifecyclePolicyPreview",
                    "ecr:ListTagsForResource",
                    "ecr:DescribeImageScanFindings",
                )
            ],
        ),
        "CloudWatchFullAccess": (
            "Provides full access to CloudWatch (approximate: without service-linked roles).",
            [
                _allow(
                    "autoscaling:Describe*",
                    "cloudwatch:*",
                    "logs:*",
                    "sns:*",
                    "iam:GetPolicy",
                    "iam:GetPolicyVersion",
                    "iam:GetRole",
                    "oam:ListSinks",
                )
            ],
        ),
        "CloudWatchLogsFullAccess": (
            "Provides full access to CloudWatch Logs.",
            [_allow("logs:*", "cloudwatch:GenerateQuery")],
        ),
        "AWSLambda_FullAccess": (
            "Grants full access to AWS Lambda service, AWS Lambda console features, and other related AWS services "
            "(approximate: Lambda, what it is triggered by, and passing roles to it).",
            [
                _allow(
                    "cloudformation:DescribeStacks",
                    "cloudformation:ListStackResources",
                    "cloudwatch:ListMetrics",
                    "cloudwatch:GetMetricData",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                    "kms:ListAliases",
                    "iam:GetPolicy",
                    "iam:GetPolicyVersion",
                    "iam:GetRole",
                    "iam:GetRolePolicy",
                    "iam:ListAttachedRolePolicies",
                    "iam:ListRolePolicies",
                    "iam:ListRoles",
                    "lambda:*",
                    "logs:DescribeLogGroups",
                    "states:DescribeStateMachine",
                    "states:ListStateMachines",
                    "tag:GetResources",
                    "xray:GetTraceSummaries",
                    "xray:BatchGetTraces",
                ),
                {
                    "Effect": "Allow",
                    "Action": "iam:PassRole",
                    "Resource": "*",
                    "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
                },
            ],
        ),
        "service-role/AWSLambdaBasicExecutionRole": (
            "Provides write permissions to CloudWatch Logs.",
            [_allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")],
        ),
        "service-role/AWSLambdaSQSQueueExecutionRole": (
            "Provides receive message, delete message, and read attribute access to SQS queues, and write permissions "
            "to CloudWatch logs.",
            [
                _allow(
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                )
            ],
        ),
        "service-role/AmazonECSTaskExecutionRolePolicy": (
            "Provides access to other AWS service resources that are required to run Amazon ECS tasks.",
            [
                _allow(
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                )
            ],
        ),
        "PowerUserAccess": (
            "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
            _POWER_USER,
        ),
        "ReadOnlyAccess": (
            "Provides read-only access to AWS services and resources (approximate: the services that awning knows).",
            [_READ_ONLY],
        ),
    }
)


_LINKED: Final[Mapping[str, tuple[str, list[dict[str, Any]]]]] = MappingProxyType(
    {
        POLICIES + one.policy: (
            f"What {one.service} may do by its service-linked role (approximate: reading its own resources).",
            [_allow(*(f"{one.service.split('.')[-3]}:{verb}*" for verb in ("Describe", "Get", "List")))],
        )
        for one in LINKED.values()
        if one.policy is not None
    }
)


_DATA: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    json.loads(files("awning.services.iam").joinpath("managed.json").read_bytes())
)
"""By name: the version that AWS shows, when it and the first were published; and statements, where they stand there whole."""


def _build(name: str, description: str | None, statements: list[dict[str, Any]]) -> tuple[Policy, Version]:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=4)
    identifier = "ANPA" + hashlib.sha256(name.encode()).hexdigest()[:17].upper()
    folder, _, bare = name.rpartition("/")
    shown = _DATA.get(name, {"version": 1, "created": _BEGAN, "updated": _BEGAN})
    number, created, updated = shown["version"], float(shown["created"]), float(shown["updated"])
    policy = Policy(
        0, "aws", bare, f"/{folder}/" if folder else "/", identifier, PREFIX + name, description, MappingProxyType({}),
        created, updated, number, number,
    )  # fmt: skip
    return policy, Version(number, document, updated)


def _build_all() -> dict[str, tuple[Policy, Version]]:
    described: dict[str, tuple[str | None, list[dict[str, Any]]]] = {**_STATEMENTS, **_LINKED}
    for name, shown in _DATA.items():
        if name not in described:
            described[name] = (None, shown["statements"])
    ordered = sorted(described, key=lambda name: name.rpartition("/")[2])
    return {PREFIX + name: _build(name, *described[name]) for name in ordered}


_BY_ARN: Final[Mapping[str, tuple[Policy, Version]]] = MappingProxyType(_build_all())


def find(arn: str) -> tuple[Policy, Version] | None:
    """A policy of AWS's own and its only version, or None."""
    return _BY_ARN.get(arn)


def every() -> Iterator[Policy]:
    """All of them, by name."""
    return (policy for policy, _ in _BY_ARN.values())
