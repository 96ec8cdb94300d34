"""Filter policies of subscriptions, compiled: does a message with these attributes, or this body, belong to a subscription?

Pure. Source: "Amazon SNS subscription filter policies" in the SNS developer guide; the texts of errors are AWS's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from awning.services.sns.filter_rules import RESERVED, Rule
from awning.services.sns.json_errors import not_json

LARGEST_POLICY = 256 * 1024
MOST_KEYS = 5
MOST_COMBINATIONS = 150
MOST_WITHIN = 8

Attributes = Mapping[str, Mapping[str, str]]
_Conditions = list[tuple[str, Rule]]
"""Dotted paths of properties and their rules: all of them must hold."""


class Filter:
    """A compiled policy. `matches(attributes, body)` is true where the subscription takes the message.

    `attributes` as Publish takes them: names to {"DataType": …, "StringValue": …}.
    """

    __slots__ = ("_alternatives",)

    def __init__(self, alternatives: list[_Conditions]) -> None:
        self._alternatives = alternatives

    def matches(self, attributes: Attributes, body: str) -> bool:
        raise NotImplementedError


class AttributeFilter(Filter):
    """A policy on message attributes: all of an alternative's names have a value that its rule takes."""

    __slots__ = ()

    def matches(self, attributes: Attributes, body: str) -> bool:
        for conditions in self._alternatives:
            for name, rule in conditions:
                attribute = attributes.get(name)
                if not (rule.absent if attribute is None else _attribute_matches(rule, attribute)):
                    break
            else:
                return True
        return False


class BodyFilter(Filter):
    """A policy on the body: a JSON object; anything else belongs to no subscription.

    Properties may lie in arrays: one element of an array must satisfy all that a policy says of its elements.
    """

    __slots__ = ("_trees",)

    def __init__(self, alternatives: list[_Conditions]) -> None:
        super().__init__(alternatives)
        self._trees = [_Tree(conditions) for conditions in alternatives]

    def matches(self, attributes: Attributes, body: str) -> bool:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        return isinstance(content, dict) and any(tree.matches(content) for tree in self._trees)


def compile(policy_text: str, scope: str) -> Filter:
    """Compile a filter policy. `scope` is "MessageAttributes" or "MessageBody".

    Raises ValueError with AWS's text ("FilterPolicy: …"), to stand after "Invalid parameter: ".
    """
    if scope not in ("MessageAttributes", "MessageBody"):
        raise ValueError(
            f"FilterPolicyScope: Invalid value [{scope}]. Please use either MessageBody or MessageAttributes"
        )
    if len(policy_text.encode()) > LARGEST_POLICY:
        raise ValueError("FilterPolicy: Filter policy is too large")
    try:
        policy = orjson.loads(policy_text)
    except orjson.JSONDecodeError:
        raise ValueError(f"FilterPolicy: {not_json(policy_text)}") from None
    if not isinstance(policy, dict):
        raise ValueError("FilterPolicy: Filter is not an object")
    if len(policy) > MOST_KEYS:
        raise ValueError(f"FilterPolicy: Filter policy can not have more than {MOST_KEYS} keys")
    rules: dict[int, Rule] = {}
    nested = _check(policy, rules)
    if nested and scope == "MessageAttributes":
        raise ValueError("Filter policy scope MessageAttributes does not support nested filter policy")
    if _combinations(policy, 1) > MOST_COMBINATIONS:
        raise ValueError("FilterPolicy: Filter policy is too complex")
    alternatives = list(_expand(policy, "", rules))
    return AttributeFilter(alternatives) if scope == "MessageAttributes" else BodyFilter(alternatives)


def _is_either(key: str, value: Any) -> bool:
    """Whether this is an OR of alternatives; else "$or" is a property's name like any other."""
    return (
        key == "$or"
        and isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(each, dict) and each and not RESERVED.intersection(each) for each in value)
    )


def _check(policy: Mapping[str, Any], rules: dict[int, Rule]) -> bool:
    """Compile the rules of a policy, by the identity of their lists; return whether it is nested. Raises ValueError."""
    nested = False
    for key, value in policy.items():
        if _is_either(key, value):
            for each in value:
                nested |= _check(each, rules)
        elif isinstance(value, dict):
            if not value:
                raise ValueError("FilterPolicy: Empty objects are not allowed")
            _check(value, rules)
            nested = True
        elif isinstance(value, list):
            if not value:
                raise ValueError("FilterPolicy: Empty arrays are not allowed")
            try:
                rules[id(value)] = Rule(value)
            except ValueError as error:
                raise ValueError(f"FilterPolicy: {error}") from None
        else:
            raise ValueError(f'FilterPolicy: "{key}" must be an object or an array')
    return nested


def _combinations(policy: Mapping[str, Any], depth: int) -> int:
    """The number of values, multiplied over the properties of a conjunction, each by its depth, and added over an OR."""
    total = 1
    for key, value in policy.items():
        if _is_either(key, value):
            total *= sum([_combinations(each, depth) for each in value])
        elif isinstance(value, dict):
            total *= _combinations(value, depth + 1)
        else:
            total *= len(value) * depth
    return total


def _expand(policy: Mapping[str, Any], prefix: str, rules: Mapping[int, Rule]) -> Iterator[_Conditions]:
    """Yield the alternatives of a policy."""
    alternatives: list[_Conditions] = [[]]
    for key, value in policy.items():
        if _is_either(key, value):
            further = [found for each in value for found in _expand(each, prefix, rules)]
        elif isinstance(value, dict):
            further = list(_expand(value, f"{prefix}{key}.", rules))
        else:
            further = [[(prefix + key, rules[id(value)])]]
        alternatives = [one + other for one in alternatives for other in further]
    yield from alternatives


def _attribute_matches(rule: Rule, attribute: Mapping[str, str]) -> bool:
    """Whether one of an attribute's values is right. Binary values are not looked at."""
    if rule.present:
        return True
    kind = attribute["DataType"]
    if kind == "String.Array":
        return _any_matches(rule, attribute["StringValue"])
    if kind.startswith("String"):
        return rule.matches(attribute["StringValue"])
    if kind.startswith("Number"):
        try:
            return rule.matches(_number(attribute["StringValue"]))
        except ValueError:
            return False
    return False


def _any_matches(rule: Rule, text: str) -> bool:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(values, list):
        return rule.matches(values)
    return any(rule.matches(value) for value in values if not isinstance(value, list | dict))


def _number(text: str) -> int | float:
    """A Number attribute's value. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        return float(text)


class _Tree:
    """One alternative of a policy on bodies, laid out along the properties' names.

    A property "a.b" of a policy or a body stands for "b" within "a" as well, as on AWS. Properties with different first
    names never lie in one array, so each first name is a tree by itself. Raises ValueError where one has too many rules.
    """

    __slots__ = ("_absent", "_trees")

    def __init__(self, conditions: _Conditions) -> None:
        self._absent = 0
        trees: dict[str, tuple[_Node, int]] = {}
        for place, (path, rule) in enumerate(conditions):
            bit = 1 << place
            if rule.absent:
                self._absent |= bit
            segments = path.split(".")
            root, all_ = trees.get(segments[0], (_Node(), 0))
            root.add(segments, 0, bit, rule)
            trees[segments[0]] = root, all_ | bit
        self._trees = list(trees.values())
        if any(all_.bit_count() > MOST_WITHIN for _, all_ in self._trees):
            raise ValueError("FilterPolicy: Filter policy is too complex")

    def matches(self, content: dict[str, Any]) -> bool:
        for root, all_ in self._trees:
            found = [0]
            satisfied = _walk(root, content, found)
            needed = all_ & ~(self._absent & ~found[0])
            if not any(mask & needed == needed for mask in satisfied):
                return False
        return True


class _Node:
    """What a policy says below one property: `leaves` of this property itself, and `names` of those within it, at any
    depth, by their dotted names."""

    __slots__ = ("leaves", "names")

    def __init__(self) -> None:
        self.leaves: list[tuple[int, Rule]] = []
        self.names: dict[str, _Node] = {}

    def add(self, segments: list[str], at: int, bit: int, rule: Rule) -> None:
        if at == len(segments):
            self.leaves.append((bit, rule))
            return
        for end in range(at + 1, len(segments) + 1):
            child = self.names.setdefault(".".join(segments[at:end]), _Node())
            child.add(segments, end, bit, rule)


_NOTHING = frozenset((0,))


def _walk(node: _Node, value: Any, found: list[int]) -> frozenset[int]:
    """The sets of rules (bits) that this value can satisfy, each set at once. `found` gathers the properties that are there."""
    if isinstance(value, dict):
        sets = _NOTHING
        for name, child in node.names.items():
            if name in value:
                inner = _walk(child, value[name], found)
                if inner is not _NOTHING:
                    sets = frozenset([one | other for one in sets for other in inner])
        return sets
    if isinstance(value, list):
        gathered = {mask for each in value for mask in _walk(node, each, found)}
        return frozenset(gathered) if gathered - _NOTHING else _NOTHING
    if not node.leaves:
        return _NOTHING
    mask = 0
    for bit, rule in node.leaves:
        found[0] |= bit
        if rule.matches(value):
            mask |= bit
    return frozenset((mask,)) if mask else _NOTHING
