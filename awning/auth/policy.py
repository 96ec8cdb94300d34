"""compile_policy: from a policy document to statements that are quick to ask. Nothing that it doesn't know is passed over.

Source: "Grammar of the IAM JSON policy language" of the IAM user guide; messages as IAM, S3 and SQS word them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from awning.auth.conditions import Condition, compile_conditions
from awning.auth.grammar import check_identity
from awning.auth.malformed import SYNTAX, VERSIONS, MalformedPolicy, check_action, listed
from awning.auth.members import Grade, Members
from awning.auth.patterns import (
    Matcher,
    Template,
    Token,
    Variable,
    compile_tokens,
    plain_text,
    resolve,
    tokenise,
)
from awning.auth.principal import Principal

if TYPE_CHECKING:
    from awning.auth.index import Index

__all__ = ["GUARDS", "Kind", "MalformedPolicy", "Policy", "Statement", "compile_policy"]

Kind = Literal["identity", "resource", "trust", "key", "session", "boundary"]
GUARDS = frozenset({"resource", "trust", "key"})
"""Kinds that stand on a resource and name principals."""

_MOST_REMEMBERED = 512
_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"]
)
_TRUST_ACTIONS = frozenset(
    "sts:" + name
    for name in (
        "assumerole", "assumerolewithsaml", "assumerolewithwebidentity", "assumeroot", "decodeauthorizationmessage",
        "getaccesskeyinfo", "getcalleridentity", "getfederationtoken", "getservicebearertoken", "getsessiontoken",
        "setcontext", "setsourceidentity", "tagsession",
    )
)  # fmt: skip


class Statement:
    """One compiled statement. `covers` answers for resource and conditions; actions and principals are asked before.

    actions, resources: the texts as they were written (`not_action`, `not_resource`: everything but these).
    members: None where the statement names no principals.
    """

    __slots__ = (
        "_matchers",
        "_patterns",
        "_templates",
        "_variables",
        "actions",
        "conditions",
        "deny",
        "index",
        "matches_action",
        "members",
        "not_action",
        "not_resource",
        "of_any",
        "resources",
        "sid",
    )

    def __init__(
        self,
        index: int,
        sid: str | None,
        *,
        deny: bool,
        actions: Sequence[str],
        not_action: bool,
        resources: Sequence[str],
        not_resource: bool,
        variables: bool,
        members: Members | None,
        conditions: tuple[Condition, ...],
    ) -> None:
        self.index = index
        self.sid = sid
        self.deny = deny
        self.actions = tuple(actions)
        self.not_action = not_action
        self.matches_action = _compile_actions(self.actions, not_action)
        self.resources = tuple(resources)
        self.not_resource = not_resource
        self.members = members
        self.conditions = conditions
        self.of_any = not resources or any(not resource.strip("*") and resource for resource in resources)
        self._variables = variables
        self._patterns: list[list[Token]] | None = None
        self._matchers: tuple[Matcher, ...] | None = None
        self._templates: tuple[Template, ...] = ()

    @property
    def patterns(self) -> list[list[Token]]:
        """The resources as tokens. Raises ValueError for a malformed variable."""
        if self._patterns is None:
            self._patterns = [tokenise(one, wildcards=True, variables=self._variables) for one in self.resources]
        return self._patterns

    def covers(self, resource: str, context: Mapping[str, Any]) -> bool:
        """Whether the statement is about this resource, under these conditions."""
        if (self.of_any or self.names(resource, context)) is self.not_resource:
            return False
        for condition in self.conditions:  # noqa: SIM110 - a generator costs more than the loop
            if not condition.holds(context):
                return False
        return True

    def names(self, resource: str, context: Mapping[str, Any]) -> bool:
        """Whether one of the statement's resource patterns matches."""
        if self.of_any:
            return True
        if self._matchers is None:
            self._compile_resources()
        for matcher in self._matchers or ():
            if matcher(resource):
                return True
        for template in self._templates:  # noqa: SIM110
            if template.matches(resource, context):
                return True
        return False

    def _compile_resources(self) -> None:
        """Compile the patterns, those first that are quick to try."""
        matchers: dict[bool, list[Matcher]] = {True: [], False: []}
        templates: list[Template] = []
        for tokens in self.patterns:
            if any(isinstance(token, Variable) for token in tokens):
                templates.append(Template(tokens, "resource"))
            else:
                matchers[plain_text(tokens) is not None].append(compile_tokens(tokens, "resource"))
        self._templates = tuple(templates)
        self._matchers = (*matchers[True], *matchers[False])

    def unresolved(self, context: Mapping[str, Any]) -> list[str]:
        """The variables of its resources that the context has no value for, and that have no default."""
        return sorted(
            {
                token.key
                for tokens in self.patterns
                for token in tokens
                if isinstance(token, Variable) and resolve([token], context) is None
            }
        )

    def reach(self, principal: Principal) -> Grade:
        """How directly the statement means a caller; a statement without principals is about whoever has the policy."""
        return Grade.DIRECT if self.members is None else self.members.reach(principal, deny=self.deny)

    @property
    def label(self) -> str | int:
        """The statement's Sid, else its index."""
        return self.sid or self.index


class Policy:
    """A compiled policy. `id` is its ARN or name, as decisions name it; `document` what it was compiled from.

    together: the indexes of lists of policies that begin with this one (auth/index.py).
    """

    __slots__ = ("_remembered", "document", "id", "kind", "statements", "together", "version")

    def __init__(
        self, id: str, kind: Kind, version: str, statements: Sequence[Statement], document: Mapping[str, Any]
    ) -> None:
        self.id = id
        self.kind: Kind = kind
        self.version = version
        self.statements = tuple(statements)
        self.document = document
        self.together: dict[tuple[Policy, ...], Index] = {}
        self._remembered: dict[str, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = {}

    def about(self, action: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """Return the denying and the allowing statements about an action ("s3:GetObject")."""
        found = self._remembered.get(action)
        if found is None:
            name = action.lower()
            about = [statement for statement in self.statements if statement.matches_action(name)]
            found = (tuple([one for one in about if one.deny]), tuple([one for one in about if not one.deny]))
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[action] = found
        return found

    def __repr__(self) -> str:
        return f"Policy({self.id!r}, {self.kind!r}, {len(self.statements)} statements)"


def compile_policy(
    document: str | Mapping[str, Any],
    *,
    id: str,
    kind: Kind,
    needs_resource: bool = True,
    newest: bool = False,
    ids: Mapping[str, str] | None = None,
    stored: bool = False,
    any_resource: bool = False,
) -> Policy:
    """Compile a policy document. Raises MalformedPolicy.

    kind: identity, session and boundary policies name no principals; the others stand on a resource and must. Without the consent
    of a trust policy (a role's, which names no resources) or a key policy (KMS) nobody may, not even in the own account.
    needs_resource: False for services whose resource policies may leave Resource out (the resource itself is meant).
    newest: refuse the version of 2008, as IAM does of managed policies. ids: see Members; find them by auth/named.py.
    stored: it was found good when it was put; what is in it is compiled when a decision first comes to it.
    any_resource: for services that do not look at the form of what a resource policy names; what is no ARN matches nothing.
    """
    found = _load(document, kind)
    if kind not in GUARDS and not stored:
        check_identity(found, newest=newest)
    unknown = found.keys() - _POLICY_ELEMENTS
    if unknown:
        raise MalformedPolicy(_by_kind(kind, f"Unknown field {min(unknown)}"), min(unknown))
    version = found.get("Version", "2008-10-17")
    if version not in VERSIONS:
        raise MalformedPolicy("The policy must contain a valid version string", "Version")
    if not isinstance(found.get("Id", ""), str):
        raise MalformedPolicy(SYNTAX, "Id")
    if "Statement" not in found:
        raise MalformedPolicy(_by_kind(kind, "Missing required field Statement"), "Statement")
    given = listed(found["Statement"])
    if not given:
        raise MalformedPolicy(_by_kind(kind, "Could not parse the policy: Statement is empty!"), "Statement")
    statements = [
        _Reader(kind, version, index, one, needs_resource, ids, stored, any_resource).read()
        for index, one in enumerate(given)
    ]
    sids = [statement.sid for statement in statements if statement.sid]
    if len(sids) != len(set(sids)):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.", "Statement")
    return Policy(id, kind, version, statements, found)


def _load(document: str | Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    if not isinstance(document, str):
        return document
    none = "Policies must be valid JSON and the first byte must be '{'"
    if kind == "trust":
        none = "This policy contains invalid Json"
    try:
        found = json.loads(document, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        at = f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise MalformedPolicy(_by_kind(kind, none), at) from None
    if not isinstance(found, dict):
        raise MalformedPolicy(_by_kind(kind, none), "line 1 column 1")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an element was given twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _by_kind(kind: Kind, text: str) -> str:
    """IAM says little about its own policies; services say more about theirs."""
    return text if kind in GUARDS else SYNTAX


class _Reader:
    """Reads one statement, and says where it is wrong."""

    def __init__(
        self,
        kind: Kind,
        version: str,
        index: int,
        given: Any,
        needs_resource: bool,
        ids: Mapping[str, str] | None,
        stored: bool,
        any_resource: bool,
    ) -> None:
        self.kind = kind
        self.variables = version == "2012-10-17"
        self.index = index
        self.given: Any = given
        self.needs_resource = needs_resource
        self.ids = ids
        self.stored = stored
        self.any_resource = any_resource

    def error(self, message: str, element: str = "") -> MalformedPolicy:
        position = f"Statement[{self.index}]" + (f".{element}" if element else "")
        return MalformedPolicy(message, position)

    def read(self) -> Statement:
        given = self.given
        if not isinstance(given, dict):
            raise self.error(SYNTAX)
        for name in given:
            if name not in _STATEMENT_ELEMENTS:
                raise self.error(_by_kind(self.kind, f"Unknown field {name}"), str(name))
        if "Effect" not in given:
            raise self.error(_by_kind(self.kind, "Missing required field Effect"), "Effect")
        if given["Effect"] not in ("Allow", "Deny"):
            raise self.error(_by_kind(self.kind, f"Invalid effect: {given['Effect']}"), "Effect")
        sid = self.read_sid()
        members = self.read_members()
        actions, not_action = self.read_actions()
        resources, not_resource = self.read_resources()
        made = Statement(
            self.index,
            sid,
            deny=given["Effect"] == "Deny",
            actions=actions,
            not_action=not_action,
            resources=resources,
            not_resource=not_resource,
            variables=self.variables,
            members=members,
            conditions=self.read_conditions(),
        )
        if not self.stored:
            try:
                made.patterns  # noqa: B018 - reading them finds the malformed ones
            except ValueError as error:
                raise self.error(str(error), "NotResource" if not_resource else "Resource") from None
        return made

    def read_sid(self) -> str | None:
        sid = self.given.get("Sid")
        if sid is None:
            return None
        if not isinstance(sid, str):
            raise self.error(SYNTAX, "Sid")
        return sid

    def texts(self, name: str) -> list[str]:
        """An element that is a text or a list of texts."""
        value = self.given[name]
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in values):
            raise self.error(SYNTAX, name)
        return values

    def one_of(self, name: str, other: str) -> str | None:
        """Which of two elements is there; both are too many."""
        if name in self.given and other in self.given:
            raise self.error(SYNTAX, other)
        return name if name in self.given else other if other in self.given else None

    def read_members(self) -> Members | None:
        name = self.one_of("Principal", "NotPrincipal")
        if self.kind not in GUARDS:
            if name is not None:
                raise self.error("Policy document should not specify a principal.", name)
            return None
        if name is None:
            raise self.error("Missing required field Principal", "Principal")
        if self.kind == "trust" and name == "NotPrincipal" and self.given["Effect"] == "Allow":
            raise self.error("Allow with NotPrincipal is not allowed.", name)
        given = self.given[name]
        if given == "*":
            return Members({"AWS": ["*"]}, negated=name == "NotPrincipal")
        if not isinstance(given, dict) or not given:
            raise self.error("Invalid principal in policy", name)
        elements: dict[str, list[str]] = {}
        for kind, value in given.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(one, str) for one in values):
                raise self.error("Invalid principal in policy", f"{name}.{kind}")
            elements[kind] = values
        try:
            return Members(elements, negated=name == "NotPrincipal", ids=self.ids)
        except ValueError as error:
            raise self.error(str(error), name) from None

    def read_actions(self) -> tuple[list[str], bool]:
        name = self.one_of("Action", "NotAction")
        missing = _SAYS[self.kind]("Missing required field Action", "Policy statement must contain actions.")
        if name is None:
            raise self.error(missing, "Action")
        actions = self.texts(name)
        if not actions:
            raise self.error(missing, name)
        for action in actions:
            if self.stored:
                continue
            check_action(action, f"Statement[{self.index}].{name}")
            if self.kind in ("resource", "key") and not re.fullmatch(r"\*|[^:]+:[A-Za-z0-9*?_-]+", action):
                raise self.error("Policy has invalid action", name)
            if self.kind == "trust" and not _is_trust_action(action):
                raise self.error("AssumeRole policy may only specify STS AssumeRole actions.", name)
        return actions, name == "NotAction"

    def read_resources(self) -> tuple[list[str], bool]:
        name = self.one_of("Resource", "NotResource")
        if self.kind == "trust":
            if name is not None:
                raise self.error(f"Has prohibited field {name}", name)
            return [], False
        if name is None and self.kind in GUARDS and not self.needs_resource:
            return [], False
        missing = _SAYS[self.kind]("Missing required field Resource", "Policy statement must contain resources.")
        if name is None:
            raise self.error(missing, "Resource")
        resources = self.texts(name)
        if not resources:
            raise self.error(missing, name)
        for resource in resources:
            self.check_arn(resource, name)
        return resources, name == "NotResource"

    def check_arn(self, resource: str, name: str) -> None:
        if resource == "*" or self.kind not in GUARDS or self.any_resource:
            return
        parts = resource.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn":
            raise self.error("Policy has invalid resource", name)

    def read_conditions(self) -> tuple[Condition, ...]:
        given = self.given.get("Condition")
        if given is None:
            return ()
        if not isinstance(given, dict):
            raise self.error(SYNTAX, "Condition")
        block: dict[str, dict[str, list[str]]] = {}
        for name, keys in given.items():
            if not isinstance(keys, dict):
                raise self.error(SYNTAX, f"Condition.{name}")
            if not keys:
                continue
            block[name] = {key: self.condition_values(name, key, value) for key, value in keys.items()}
        try:
            return compile_conditions(block, variables=self.variables, stored=self.stored)
        except ValueError as error:
            raise self.error(str(error), "Condition") from None

    def condition_values(self, name: str, key: str, value: Any) -> list[str]:
        values = value if isinstance(value, list) else [value]
        texts: list[str] = []
        for one in values:
            if isinstance(one, bool):
                texts.append("true" if one else "false")
            elif isinstance(one, (str, int, float)):
                texts.append(str(one))
            else:
                raise self.error(SYNTAX, f"Condition.{name}.{key}")
        return texts


def _is_trust_action(action: str) -> bool:
    """Whether an action is one that is done to a role; a pattern must match some of them."""
    wanted = action.lower()
    if wanted in _TRUST_ACTIONS:
        return True
    return wanted.startswith("sts:") and any(
        compile_tokens(tokenise(wanted, wildcards=True, variables=False))(known) for known in _TRUST_ACTIONS
    )


_SAYS: dict[Kind, Callable[[str, str], str]] = {
    "identity": lambda _, iam: iam,
    "session": lambda _, iam: iam,
    "boundary": lambda _, iam: iam,
    "resource": lambda service, _: service,
    "key": lambda service, _: service,
    "trust": lambda service, _: service,
}


@lru_cache(maxsize=2048)
def _compile_actions(actions: tuple[str, ...], negated: bool) -> Callable[[str], bool]:
    """A predicate on lower-case action names."""
    exact: set[str] = set()
    matchers: list[Matcher] = []
    for action in actions:
        tokens = tokenise(action.lower(), wildcards=True, variables=False)
        text = plain_text(tokens)
        if text is not None:
            exact.add(text)
        else:
            matchers.append(compile_tokens(tokens))

    def matches(name: str) -> bool:
        return (name in exact or any(matcher(name) for matcher in matchers)) is not negated

    return matches
