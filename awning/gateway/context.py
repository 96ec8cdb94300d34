"""The global condition keys of a request, each worked out only when a policy's condition asks for it.

Source: "AWS global condition context keys" in the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from awning.auth.principal import Principal
from awning.net.messages import Request


class Context(Mapping[str, Any]):
    """Condition keys in lower case to values. `find_own` gives the service's keys for this call, when first asked.

    A key that ends in a slash stands for a family (`s3:existingobjecttag/`): its value is a function from the resource's ARN to
    the family's members, names in lower case, asked only where a condition names one.
    """

    __slots__ = ("_find_own", "_now", "_own", "_principal", "_region", "_request", "resource", "resource_account")

    def __init__(
        self,
        request: Request,
        principal: Principal,
        region: str,
        now: float,
        find_own: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._request = request
        self._principal = principal
        self._region = region
        self._now = now
        self._find_own = find_own
        self._own: dict[str, Any] | None = None
        self.resource = ""
        self.resource_account: str | None = None
        """What is decided upon, and who owns it; set before each decision."""

    def let_go(self) -> None:
        """Forget the call; the service's own keys can't be asked for after this."""
        self._find_own = None

    @property
    def own(self) -> Mapping[str, Any]:
        """The service's own keys."""
        if self._own is None:
            found = self._find_own() if self._find_own is not None else {}
            self._own = {name.lower(): value for name, value in found.items() if value is not None}
        return self._own

    def get(self, key: str, default: Any = None) -> Any:
        finder = _FINDERS.get(key)
        if finder is not None:
            found = finder(self)
            return default if found is None else found
        own = self.own
        if key in own:
            return own[key]
        family, slash, name = key.partition("/")
        if slash and callable(find := own.get(family + slash)):
            return find(self.resource).get(name, default)
        if key.startswith("aws:principaltag/"):
            wanted = key[len("aws:principaltag/") :]
            for name, value in self._principal.tags.items():
                if name.lower() == wanted:
                    return value
        return default

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in self.own if key not in _FINDERS)
        yield from (key for key in _FINDERS if self.get(key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def plus(self, further: Mapping[str, Any]) -> Context:
        """The same request with further keys of the service."""
        own = self.own
        return Context(self._request, self._principal, self._region, self._now, lambda: {**own, **further})

    def header(self, name: bytes) -> str | None:
        value = self._request.headers.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    def principal_arn(self) -> str | None:
        return None if self._principal.kind == "anonymous" else self._principal.arn

    def principal_account(self) -> str | None:
        return self._principal.account or None

    def principal_type(self) -> str:
        return {"root": "Account", "user": "User", "role": "AssumedRole", "anonymous": "Anonymous"}.get(
            self._principal.kind, "Service"
        )

    def token_issue_time(self) -> str | None:
        issued = self._principal.issued
        return None if issued is None else _moment(issued)

    def has_mfa(self) -> str | None:
        """Only temporary credentials say; none of ours were issued with MFA."""
        return None if self._principal.issued is None else "false"

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


_FINDERS: Mapping[str, Callable[[Context], Any]] = {
    "aws:currenttime": Context.current_time,
    "aws:epochtime": Context.epoch_time,
    "aws:multifactorauthpresent": Context.has_mfa,
    "aws:principalaccount": Context.principal_account,
    "aws:principalarn": Context.principal_arn,
    "aws:principaltype": Context.principal_type,
    "aws:referer": lambda context: context.header(b"referer"),
    "aws:requestedregion": Context.region,
    "aws:resourceaccount": lambda context: context.resource_account,
    "aws:securetransport": Context.secure_transport,
    "aws:sourceidentity": lambda context: context._principal.source_identity,
    "aws:sourceip": Context.source_ip,
    "aws:tokenissuetime": Context.token_issue_time,
    "aws:useragent": lambda context: context.header(b"user-agent"),
    "aws:userid": Context.user_id,
    "aws:username": Context.user_name,
    "aws:viaawsservice": lambda context: "false",
    "s3:resourceaccount": lambda context: context.resource_account,
    "s3:tlsversion": Context.tls_version,
}
