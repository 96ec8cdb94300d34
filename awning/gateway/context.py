"""The global condition keys of a request, each worked out only when a policy's condition asks for it.

Source: "AWS global condition context keys" in the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from awning.auth.principal import Kind, Principal
from awning.net.messages import Request

FindTags = Callable[[], tuple[Mapping[str, str], list[str]]]
"""A request's tags, and the keys of tags that it names."""


class Context(Mapping[str, Any]):
    """Condition keys in lower case to values.

    find_own: the service's keys for this call. find_tags: the request's tags. tags_of: those of the resource of an ARN. Each is
    called when a condition first asks for it. called_via: the services through which the caller's request came, in order.
    A key of the service's that ends in a slash stands for a family (`s3:existingobjecttag/`): its value is a function from the
    resource's ARN to the family's members, names in lower case.
    """

    __slots__ = (
        "_called_via",
        "_find_own",
        "_find_tags",
        "_now",
        "_own",
        "_principal",
        "_region",
        "_request",
        "_request_tags",
        "_tags_of",
        "resource",
        "resource_account",
    )

    def __init__(
        self,
        request: Request,
        principal: Principal,
        region: str,
        now: float,
        find_own: Callable[[], Mapping[str, Any]] | None = None,
        find_tags: FindTags | None = None,
        tags_of: Callable[[str], Mapping[str, str]] | None = None,
        called_via: tuple[str, ...] = (),
    ) -> None:
        self._request = request
        self._principal = principal
        self._region = region
        self._now = now
        self._find_own = find_own
        self._find_tags = find_tags
        self._tags_of = tags_of
        self._called_via = called_via
        self._own: dict[str, Any] | None = None
        self._request_tags: tuple[Mapping[str, str], list[str]] | None = None
        self.resource = ""
        self.resource_account: str | None = None
        """What is decided upon, and who owns it; set before each decision."""

    def let_go(self) -> None:
        """Forget the call; what it would have to be asked for is absent after this."""
        self._find_own = self._find_tags = self._tags_of = None

    @property
    def own(self) -> Mapping[str, Any]:
        """The service's own keys."""
        if self._own is None:
            found = self._find_own() if self._find_own is not None else {}
            self._own = {name.lower(): value for name, value in found.items() if value is not None}
        return self._own

    @property
    def request_tags(self) -> tuple[Mapping[str, str], list[str]]:
        """The request's tags, their keys in lower case; and the keys of tags that it names, as it writes them."""
        if self._request_tags is None:
            tags, keys = self._find_tags() if self._find_tags is not None else ({}, [])
            self._request_tags = _folded(tags), keys
        return self._request_tags

    def get(self, key: str, default: Any = None) -> Any:
        finder = _FINDERS.get(key)
        if finder is not None:
            found = finder(self)
            return default if found is None else found
        family, slash, name = key.partition("/")
        find_family = _FAMILIES.get(family) if slash else None
        if find_family is not None:
            return find_family(self).get(name, default)
        own = self.own
        if key in own:
            return own[key]
        if slash and callable(find := own.get(family + slash)):
            return find(self.resource).get(name, default)
        return self._principal.provider_facts.get(key, default)

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in _FINDERS if self.get(key) is not None)
        for family, find in _FAMILIES.items():
            yield from (f"{family}/{name}" for name in find(self))
        for key, value in self.own.items():
            if callable(value):
                yield from (key + name for name in value(self.resource))
            else:
                yield key
        yield from (key for key in self._principal.provider_facts if key not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def plus(self, further: Mapping[str, Any], via: str | None = None) -> Context:
        """The same request with further keys of the service, and as it goes on through a service on the caller's behalf."""
        own = self.own
        return Context(
            self._request,
            self._principal,
            self._region,
            self._now,
            lambda: {**own, **further},
            lambda: self.request_tags,
            self._tags_of,
            self._called_via if via is None else (*self._called_via, via),
        )

    def header(self, name: bytes) -> str | None:
        value = self._request.headers.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    def principal_arn(self) -> str | None:
        return None if self._principal.kind == "anonymous" else self._principal.arn

    def principal_account(self) -> str | None:
        return self._principal.account or None

    def principal_tags(self) -> Mapping[str, str]:
        return _folded(self._principal.tags)

    def resource_tags(self) -> Mapping[str, str]:
        return _folded(self._tags_of(self.resource)) if self._tags_of is not None else {}

    def tag_keys(self) -> list[str] | None:
        return self.request_tags[1] or None

    def principal_type(self) -> str:
        return _TYPES[self._principal.kind]

    def is_service(self) -> str:
        return "true" if self._principal.kind == "service" else "false"

    def service_name(self) -> str | None:
        return self._principal.name if self._principal.kind == "service" else None

    def called_via(self) -> list[str] | None:
        return list(self._called_via) or None

    def called_via_first(self) -> str | None:
        return self._called_via[0] if self._called_via else None

    def called_via_last(self) -> str | None:
        return self._called_via[-1] if self._called_via else None

    def token_issue_time(self) -> str | None:
        issued = self._principal.issued
        return None if issued is None else _moment(issued)

    def has_mfa(self) -> str | None:
        """Only temporary credentials say so, and a request that itself shows a second factor."""
        principal = self._principal
        if "aws:multifactorauthpresent" in self.own:
            return "true"
        return None if principal.issued is None else "false" if principal.mfa is None else "true"

    def mfa_age(self) -> str | None:
        mfa = self._principal.mfa
        if "aws:multifactorauthpresent" in self.own:
            mfa = self._now
        return None if mfa is None else str(max(0, int(self._now - mfa)))

    def provider(self) -> str | None:
        return self._principal.provider

    def user_id(self) -> str | None:
        return self._principal.user_id or None

    def user_name(self) -> str | None:
        return self._principal.name if self._principal.kind == "user" else None

    def current_time(self) -> str:
        return _moment(self._now)

    def epoch_time(self) -> str:
        return str(int(self._now))

    def source_ip(self) -> str:
        return self._request.endpoint.peer_host

    def secure_transport(self) -> str:
        return "true" if self._request.endpoint.secure else "false"

    def tls_version(self) -> str | None:
        version = self._request.endpoint.tls_version
        return version.removeprefix("TLSv") if version else None

    def region(self) -> str:
        return self._region


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _folded(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {key.lower(): value for key, value in tags.items()}


_TYPES: Mapping[Kind, str] = {
    "root": "Account",
    "user": "User",
    "role": "AssumedRole",
    "federated-user": "FederatedUser",
    "federated": "Federated",
    "service": "Service",
    "anonymous": "Anonymous",
}

_FAMILIES: Mapping[str, Callable[[Context], Mapping[str, str]]] = {
    "aws:principaltag": Context.principal_tags,
    "aws:requesttag": lambda context: context.request_tags[0],
    "aws:resourcetag": Context.resource_tags,
}

_FINDERS: Mapping[str, Callable[[Context], Any]] = {
    "aws:calledvia": Context.called_via,
    "aws:calledviafirst": Context.called_via_first,
    "aws:calledvialast": Context.called_via_last,
    "aws:currenttime": Context.current_time,
    "aws:epochtime": Context.epoch_time,
    "aws:federatedprovider": Context.provider,
    "aws:multifactorauthage": Context.mfa_age,
    "aws:multifactorauthpresent": Context.has_mfa,
    "aws:principalaccount": Context.principal_account,
    "aws:principalarn": Context.principal_arn,
    "aws:principalisawsservice": Context.is_service,
    "aws:principalservicename": Context.service_name,
    "aws:principaltype": Context.principal_type,
    "aws:referer": lambda context: context.header(b"referer"),
    "aws:requestedregion": Context.region,
    "aws:resourceaccount": lambda context: context.resource_account,
    "aws:securetransport": Context.secure_transport,
    "aws:sourceidentity": lambda context: context._principal.source_identity,
    "aws:sourceip": Context.source_ip,
    "aws:tagkeys": Context.tag_keys,
    "aws:tokenissuetime": Context.token_issue_time,
    "aws:useragent": lambda context: context.header(b"user-agent"),
    "aws:userid": Context.user_id,
    "aws:username": Context.user_name,
    "aws:viaawsservice": lambda context: "true" if context._called_via else "false",
    "s3:resourceaccount": lambda context: context.resource_account,
    "s3:tlsversion": Context.tls_version,
}

# Not among these, and so absent from every request, are the keys of networks that do not stand (aws:SourceVpc, aws:SourceVpce,
# aws:VpcSourceIp) and of organisations (aws:PrincipalOrgID, aws:ResourceOrgID, aws:SourceOrgID): a Null condition on them holds.
