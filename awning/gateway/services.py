"""Which service a request is for: its names in signatures, hosts, targets, paths and forms, as one table.

Pure, and without any model: a service's model is loaded only once a request for it has come. A test compares it with botocore's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Known:
    """A service by its botocore name.

    signing: its name in a signature's scope. hosts: first labels of its host names, where they are not the signing name.
    target: before the dot in X-Amz-Target, and after `/service/` in a path. version: the form's `Version`, where the
    service speaks query or ec2. paths: how its REST paths begin, where another service signs by the same name.
    header: a header that comes with these paths. rest: its REST format, where it has one and that is not rest-json.
    """

    name: str
    signing: str
    hosts: tuple[str, ...] = ()
    target: str = ""
    version: str = ""
    paths: tuple[bytes, ...] = ()
    header: bytes = b""
    rest: str = ""


_ELB: Final = "elasticloadbalancing"

# fmt: off
SERVICES: Final[tuple[Known, ...]] = (
    Known("acm", "acm", target="CertificateManager"),
    Known("acm-pca", "acm-pca", target="ACMPrivateCA"),
    Known("application-autoscaling", "application-autoscaling", target="AnyScaleFrontendService"),
    Known("autoscaling", "autoscaling", version="2011-01-01"),
    Known("cloudfront", "cloudfront", rest="rest-xml"),
    Known("cloudfront-keyvaluestore", "cloudfront-keyvaluestore"),
    Known("cloudwatch", "monitoring", target="GraniteServiceVersion20100801", version="2010-08-01"),
    Known("ec2", "ec2", version="2016-11-15"),
    Known("ecr", "ecr", target="AmazonEC2ContainerRegistry_V20150921"),
    Known("ecr-public", "ecr-public", target="SpencerFrontendService"),
    Known("ecs", "ecs", target="AmazonEC2ContainerServiceV20141113"),
    Known("efs", "elasticfilesystem"),
    Known("eks", "eks"),
    Known("elasticache", "elasticache", version="2015-02-02"),
    Known("elb", _ELB, version="2012-06-01"),
    Known("elbv2", _ELB, version="2015-12-01"),
    Known("events", "events", target="AWSEvents"),
    Known("firehose", "firehose", target="Firehose_20150804"),
    Known("iam", "iam", version="2010-05-08"),
    Known("kinesis", "kinesis", target="Kinesis_20131202"),
    Known("kinesis-video-archived-media", "kinesisvideo", paths=(
        b"/getClip", b"/getDASHStreamingSessionURL", b"/getHLSStreamingSessionURL", b"/getImages",
        b"/getMediaForFragmentList", b"/listFragments")),
    Known("kinesis-video-media", "kinesisvideo", paths=(b"/getMedia", b"/putMedia")),
    Known("kinesis-video-signaling", "kinesisvideo", paths=(
        b"/v1/get-ice-server-config", b"/v1/send-alexa-offer-to-master")),
    Known("kinesisanalytics", "kinesisanalytics", target="KinesisAnalytics_20150814"),
    Known("kinesisanalyticsv2", "kinesisanalytics", target="KinesisAnalytics_20180523"),
    Known("kinesisvideo", "kinesisvideo"),
    Known("kms", "kms", target="TrentService"),
    Known("lambda", "lambda"),
    Known("logs", "logs", hosts=("stream-logs", "streaming-logs"), target="Logs_20140328"),
    Known("mq", "mq"),
    Known("opensearch", "es"),
    Known("pipes", "pipes"),
    Known("rds", "rds", version="2014-10-31"),
    Known("redshift", "redshift", version="2012-12-01"),
    Known("redshift-data", "redshift-data", target="RedshiftData"),
    Known("resourcegroupstaggingapi", "tagging", target="ResourceGroupsTaggingAPI_20170126"),
    Known("route53", "route53", rest="rest-xml"),
    Known("route53domains", "route53domains", target="Route53Domains_v20140515"),
    Known("route53resolver", "route53resolver", target="Route53Resolver"),
    Known("s3", "s3", rest="rest-xml"),
    Known("s3control", "s3", hosts=("s3-control",), paths=(b"/v20180820/",), header=b"x-amz-account-id",
          rest="rest-xml"),
    Known("scheduler", "scheduler"),
    Known("secretsmanager", "secretsmanager", target="secretsmanager"),
    Known("servicediscovery", "servicediscovery", hosts=("data-servicediscovery",), target="Route53AutoNaming_v20170314"),
    Known("ses", "ses", hosts=("email",), version="2010-12-01"),
    Known("sesv2", "ses", hosts=("email",), paths=(b"/v2/",)),
    Known("sns", "sns", version="2010-03-31"),
    Known("sqs", "sqs", hosts=("queue",), target="AmazonSQS", version="2012-11-05"),
    Known("ssm", "ssm", target="AmazonSSM"),
    Known("sts", "sts", version="2011-06-15"),
)
# fmt: on

BY_NAME: Final[Mapping[str, Known]] = {known.name: known for known in SERVICES}
_BY_TARGET: Final[Mapping[bytes, str]] = {known.target.encode(): known.name for known in SERVICES if known.target}
_BY_VERSION: Final[Mapping[bytes, str]] = {known.version.encode(): known.name for known in SERVICES if known.version}


_UNVERSIONED: Final[Mapping[bytes, str]] = {b"ConfirmSubscription": "sns", b"Unsubscribe": "sns"}
"""Actions that links in notifications ask for, without a version."""


class _Among(NamedTuple):
    """The services that a label may mean, by what tells them apart; `otherwise`: the one of them where nothing does."""

    targeted: frozenset[str]
    by_path: tuple[Known, ...]
    versioned: tuple[Known, ...]
    otherwise: str


def _group() -> dict[str, _Among]:
    found: dict[str, list[Known]] = {}
    for known in SERVICES:
        for name in {known.signing, *known.hosts}:
            found.setdefault(name, []).append(known)
    return {name: _tell_apart(among) for name, among in found.items()}


def _tell_apart(among: Sequence[Known]) -> _Among:
    if len(among) == 1:
        return _Among(frozenset(), (), (), among[0].name)
    plain = [known for known in among if not known.paths and not known.target]
    return _Among(
        frozenset(known.name for known in among if known.target),
        tuple(known for known in among if known.paths),
        tuple(known for known in among if known.version),
        (plain or among)[-1].name,
    )


_BY_LABEL: Final[Mapping[str, _Among]] = _group()


def signing_name(service: str) -> str:
    """The name that signatures for a service are scoped to."""
    known = BY_NAME.get(service)
    return service if known is None else known.signing


def format_of(service: str) -> str:
    """The format of a service that has just one; "" for others, whose requests tell it by their looks."""
    known = BY_NAME.get(service)
    if known is None or known.target:
        return ""
    return ("ec2" if service == "ec2" else "query") if known.version else known.rest or "rest-json"


def is_dated(path: bytes) -> bool:
    """Whether a path begins with a date, as the versions of REST APIs other than S3's do."""
    return re.match(rb"/\d{4}-\d\d-\d\d/", path) is not None


def is_label(label: str) -> bool:
    """Whether a label of a host name names a service."""
    return label in _BY_LABEL


def find(label: str, path: bytes, headers: Mapping[bytes, bytes], query: bytes, body: bytes) -> str:
    """Return the service that a request is for, among those that `label` (a signing name, or a host's label) may mean.

    body: what is known of it; a form's Version tells services of one name apart. A label that no service has is returned
    as it is.
    """
    among = _BY_LABEL.get(label)
    if among is None:
        return label
    if among.targeted:
        target = named_by_target(path, headers)
        if target in among.targeted:
            return target or label
    for known in among.by_path:
        if path.startswith(known.paths) and (not known.header or known.header in headers):
            return known.name
    if among.versioned:
        versions = (version_of(query), version_of(body))
        for known in among.versioned:
            if known.version.encode() in versions:
                return known.name
    return among.otherwise


def named_by_target(path: bytes, headers: Mapping[bytes, bytes]) -> str | None:
    """The service that X-Amz-Target, or the path of RPC v2, names."""
    target = headers.get(b"x-amz-target")
    if target is not None:
        return _BY_TARGET.get(target.rpartition(b".")[0])
    if path.startswith(b"/service/") and b"smithy-protocol" in headers:
        return _BY_TARGET.get(path.split(b"/", 3)[2])
    return None


def version_of(form: bytes) -> bytes:
    """A form's Version; dates have nothing to decode."""
    return _value_of(form, b"Version=")


def _value_of(form: bytes, name: bytes) -> bytes:
    for pair in form.split(b"&"):
        if pair.startswith(name):
            return pair[len(name) :]
    return b""


def named_by_form(query: bytes, body: bytes) -> str | None:
    """The service whose API has the Version that a form names, or whose links name none."""
    found = _BY_VERSION.get(version_of(query)) or _BY_VERSION.get(version_of(body))
    return found or _UNVERSIONED.get(_value_of(query, b"Action="))
