"""Which services an identity may use, by which policies, and when it last tried to: by its policies, and what the gateway saw.

Only services are told apart, not actions: the time of each action is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from awning.contracts import FindLastUse, LastUse
from awning.kit.call import Call
from awning.kit.operation import Needs, Params, operation
from awning.services.iam import lookup, managed, resource_tables, tables
from awning.services.iam.errors import InvalidInput, NoSuchEntity
from awning.services.iam.pages import page_of
from awning.services.iam.quotas import LARGEST_PAGE
from awning.services.iam.resource_tables import Resource
from awning.services.iam.tables import Entity
from awning.services.iam.turns import next_turn

_JOB: Final = "access-report"
_JOBS_KEPT: Final = 7 * 86_400.0
"""Seconds for which a report can be asked for."""
_SLICE: Final = 50
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "acm": "AWS Certificate Manager", "cloudformation": "AWS CloudFormation", "cloudfront": "Amazon CloudFront",
        "cloudwatch": "Amazon CloudWatch", "dynamodb": "Amazon DynamoDB", "ec2": "Amazon EC2",
        "ecr": "Amazon Elastic Container Registry", "ecs": "Amazon Elastic Container Service",
        "elasticache": "Amazon ElastiCache", "elasticloadbalancing": "AWS Elastic Load Balancing",
        "events": "Amazon EventBridge", "firehose": "Amazon Data Firehose", "iam": "AWS Identity and Access Management",
        "kinesis": "Amazon Kinesis Data Streams", "kms": "AWS Key Management Service", "lambda": "AWS Lambda",
        "logs": "Amazon CloudWatch Logs", "mq": "Amazon MQ", "rds": "Amazon RDS", "route53": "Amazon Route 53",
        "s3": "Amazon S3", "secretsmanager": "AWS Secrets Manager", "ses": "Amazon SES", "sns": "Amazon SNS",
        "sqs": "Amazon SQS", "ssm": "AWS Systems Manager", "states": "AWS Step Functions",
        "sts": "AWS Security Token Service",
    }
)  # fmt: skip
"""What a policy for all services is taken to mean."""
_SIGNED_AS: Final[Mapping[str, str]] = MappingProxyType({"cloudwatch": "monitoring"})


def _arn(call: Call, params: Params) -> str | None:
    value: str = params["arn"]
    return value if value.count(":") >= 5 else None


@operation(Needs("iam:GenerateServiceLastAccessedDetails", _arn), honours={"granularity": {"SERVICE_LEVEL"}})
async def generate_service_last_accessed_details(
    call: Call, arn: str, granularity: str = "SERVICE_LEVEL"
) -> dict[str, Any]:
    """Report when a user, a role, a group's users, or all who have a policy last used each service that it opens."""
    entities, texts = await _subjects(call, arn)
    services = sorted({service for text in texts for service in _services(text)})
    used: dict[str, dict[str, tuple[float, str]]] = {service: {} for service in services}
    for start in range(0, len(entities), _SLICE):
        for entity in entities[start : start + _SLICE]:
            for service in services:
                use: LastUse | None = call.ask(FindLastUse(f"{entity.id} {_SIGNED_AS.get(service, service)}"))
                if use is not None:
                    used[service][entity.id] = (use.at, use.region)
        await next_turn()
    kinds = [
        {"Arn": one.arn, "Name": one.name, "Type": one.kind.upper(), "Id": one.id, "Path": one.path} for one in entities
    ]
    return {"JobId": await call.commit(_store, {"used": used, "entities": kinds})}


def _store(call: Call, facts: dict[str, Any]) -> str:
    resource_tables.remove_older(call.db, call.account, _JOB, call.now - _JOBS_KEPT)
    job = call.new_id()
    resource_tables.add(call.db, Resource(0, call.account, _JOB, job, "/", "", call.now, facts=facts))
    return job


@operation(Needs("iam:GetServiceLastAccessedDetails", "*"), reads=True)
def get_service_last_accessed_details(
    call: Call, job_id: str, max_items: int | None = None, marker: str | None = None
) -> dict[str, Any]:
    """Show a report: each service, who of the identities used it last, and how many did."""
    job = _find(call, job_id)
    arns = {one["Id"]: one["Arn"] for one in job.facts["entities"]}
    found, more = page_of(sorted(job.facts["used"]), marker, max_items, str)
    shown = []
    for service in found:
        uses: dict[str, tuple[float, str]] = job.facts["used"][service]
        line: dict[str, Any] = {
            "ServiceName": _NAMES.get(service, service),
            "ServiceNamespace": service,
            "TotalAuthenticatedEntities": len(uses),
        }
        if uses:
            last = max(uses, key=lambda id: (uses[id][0], id))
            line |= {
                "LastAuthenticated": uses[last][0],
                "LastAuthenticatedEntity": arns[last],
                "LastAuthenticatedRegion": uses[last][1],
            }
        shown.append(line)
    return {**_status(job), "JobType": "SERVICE_LEVEL", "ServicesLastAccessed": shown, **more}


@operation(Needs("iam:GetServiceLastAccessedDetailsWithEntities", "*"), reads=True)
def get_service_last_accessed_details_with_entities(
    call: Call, job_id: str, service_namespace: str, max_items: int | None = None, marker: str | None = None
) -> dict[str, Any]:
    """Show of a report who may use one service, and when each last did."""
    job = _find(call, job_id)
    if service_namespace not in job.facts["used"]:
        raise NoSuchEntity(f"The service namespace {service_namespace} is not part of this report.")
    uses = job.facts["used"][service_namespace]
    entities = sorted(job.facts["entities"], key=lambda one: str(one["Arn"]))
    found, more = page_of(entities, marker, max_items, lambda one: str(one["Arn"]))
    details = [
        {"EntityInfo": one} | ({"LastAuthenticated": uses[one["Id"]][0]} if one["Id"] in uses else {}) for one in found
    ]
    return {**_status(job), "EntityDetailsList": details, **more}


@operation(Needs("iam:ListPoliciesGrantingServiceAccess", _arn), reads=True)
def list_policies_granting_service_access(
    call: Call, arn: str, service_namespaces: list[str], marker: str | None = None
) -> dict[str, Any]:
    """List, for each of these services, the policies of a user, group or role that open it, a user's groups' included."""
    entity = _entity(call, arn)
    if entity is None:
        raise InvalidInput(f"ARN {arn} is not valid.")
    policies = list(_policies(call, entity))
    found, more = page_of(sorted(set(service_namespaces)), marker, None, str)
    entries = [
        {
            "ServiceNamespace": service,
            "Policies": [described for described, text in policies if _opens(text, service)],
        }
        for service in found
    ]
    return {"PoliciesGrantingServiceAccess": entries, **more}


def _find(call: Call, job_id: str) -> Resource:
    found = resource_tables.find(call.db, call.account, _JOB, job_id)
    if found is None:
        raise NoSuchEntity(f"The job with id {job_id} cannot be found.")
    return found


def _status(job: Resource) -> dict[str, Any]:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.created, "JobCompletionDate": job.created}


def _entity(call: Call, arn: str) -> Entity | None:
    """The user, group or role of an ARN of this account; None for what is no such ARN. Raises NoSuchEntity."""
    start, _, rest = arn.partition(f"arn:aws:iam::{call.account}:")
    kind = tables.KINDS.get(rest.partition("/")[0])
    if start or kind is None:
        return None
    found = tables.find_entity_by_arn(call.db, arn)
    if found is None:
        raise NoSuchEntity(f"The {kind} with name {arn.rpartition('/')[2]} cannot be found.")
    return found


async def _subjects(call: Call, arn: str) -> tuple[list[Entity], list[str]]:
    """Whose uses an ARN asks for, and the policies by which they may use services. Raises InvalidInput, NoSuchEntity."""
    entity = _entity(call, arn)
    if entity is not None:
        entities = await _members(call, entity) if entity.kind == "group" else [entity]
        return entities, [text for _, text in _policies(call, entity)]
    policy = lookup.policy(call, arn)
    text = lookup.document(call, policy)
    found: dict[int, Entity] = {}
    after = ""
    while users := tables.users_of_policy(call.db, call.account, policy.arn, False, after=after, limit=LARGEST_PAGE):
        after = f"{users[-1].kind}/{users[-1].name.lower()}"
        for one in users:
            members = await _members(call, one) if one.kind == "group" else [one]
            found |= {member.row: member for member in members}
        await next_turn()
    return list(found.values()), [text]


async def _members(call: Call, group: Entity) -> list[Entity]:
    """A group's members, read page by page, so that no other request waits for them."""
    found: list[Entity] = []
    while users := tables.members_of(call.db, group.row, found[-1].name.lower() if found else "", LARGEST_PAGE):
        found += users
        await next_turn()
    return found


def _policies(call: Call, entity: Entity) -> Iterator[tuple[dict[str, Any], str]]:
    """What describes each policy of an identity, and its document; those of a user's groups too."""
    groups: Sequence[Entity] = tables.groups_of(call.db, entity.row) if entity.kind == "user" else ()
    seen: set[str] = set()
    for one in (entity, *groups):
        inline, attached = tables.documents_of(call.db, [one.row])
        for name, text in inline:
            kind = {"EntityType": one.kind.upper(), "EntityName": one.name}
            yield {"PolicyName": name, "PolicyType": "INLINE", **kind}, text
        for arn, own in attached:
            if arn in seen:
                continue
            seen.add(arn)
            described = {"PolicyName": arn.rpartition("/")[2], "PolicyType": "MANAGED", "PolicyArn": arn}
            of_aws = managed.find(arn)
            yield described, own or (of_aws[1].document if of_aws else "{}")


def _services(text: str) -> set[str]:
    """The services that a policy opens: those that we know, and those that it names."""
    named = {
        action.partition(":")[0].lower()
        for _, actions in _allowed(text)
        for action in actions
        if ":" in action and not set("*?") & set(action.partition(":")[0])
    }
    return {service for service in (*_NAMES, *named) if _opens(text, service)}


def _opens(text: str, service: str) -> bool:
    """Whether a policy allows any action of a service, somewhere, under whatever conditions."""
    for excluding, actions in _allowed(text):
        fits = [action for action in actions if fnmatchcase(service, action.partition(":")[0].lower())]
        if excluding and not any(action.partition(":")[2] in ("*", "") for action in fits):
            return True
        if fits and not excluding:
            return True
    return False


def _allowed(text: str) -> Iterator[tuple[bool, list[str]]]:
    """The actions of each statement that allows; True before those that are left out."""
    statements = json.loads(text).get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement["Effect"] == "Allow":
            actions = statement.get("Action", statement.get("NotAction", []))
            yield "NotAction" in statement, [actions] if isinstance(actions, str) else actions
