"""A model's constraints: required members, lengths, ranges, patterns, enums.

Fast and slow: a generated function only says whether a parsed request is valid; when it is not, `problems` walks it again
and says what is wrong with it, in AWS's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from awning.protocols.errors import ServiceError
from awning.protocols.facts import Answer, Facts
from awning.protocols.shapes import Shape
from awning.protocols.source import Block, Source

_UNMEASURED: Final = frozenset({"structure", "boolean", "timestamp", "document"})
_SHOWN: Final = 1024
"""So many characters of a client's own value are told back to it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One violated constraint. `path` is as AWS writes it (`tags.1.member.key`), `name` the member as modelled, `text` what
    the constraint demands."""

    rule: str
    path: str
    name: str
    shape: Shape
    value: Any
    text: str
    whole: Any
    in_body: bool


def _bounds(shape: Shape) -> tuple[int | None, int | None]:
    return shape.traits.get("min"), shape.traits.get("max")


def own_conditions(shape: Shape, source: Source, value: str) -> list[str]:
    """Return Python conditions, each true when `value` breaks one of the shape's own constraints."""
    low, high = _bounds(shape)
    conditions: list[str] = []
    if shape.kind in ("string", "blob", "list", "map"):
        if low and high is not None:
            conditions.append(f"not {low} <= len({value}) <= {high}")
        elif low:
            conditions.append(f"len({value}) < {low}")
        elif high is not None:
            conditions.append(f"len({value}) > {high}")
    elif shape.kind in ("integer", "long", "float", "double"):
        if low is not None:
            conditions.append(f"{value} < {low}")
        if high is not None:
            conditions.append(f"{value} > {high}")
    if shape.matches is not None:
        conditions.append(f"{source.constant(shape.name + '_matches', shape.matches.fullmatch)}({value}) is None")
    if shape.values:
        conditions.append(f"{value} not in {source.constant(shape.name + '_values', frozenset(shape.values))}")
    return conditions


def constraints(shape: Shape) -> list[str]:
    """Return the rules that a shape itself has."""
    return [rule for rule, _ in _texts(shape)]


def limited(members: Mapping[str, Shape], required: list[str]) -> bool:
    """Return whether anything can be wrong with keyword arguments that have the right types."""
    return bool(required) or any(constrained(shape) for shape in members.values())


def constrained(shape: Shape, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether anything can be wrong with a value of this shape that has the right types."""
    low, high = _bounds(shape)
    if low or high is not None or shape.matches is not None or shape.values or shape.required:
        return True
    if shape.name in seen:
        return False
    seen = seen | {shape.name}
    if shape.kind == "structure":
        return any(constrained(member, seen) for member in shape.members.values())
    if shape.kind == "list":
        return constrained(shape.item, seen)
    return shape.kind == "map" and (constrained(shape.key, seen) or constrained(shape.value, seen))


class Checker:
    """Writes the function that says whether a parsed request is valid."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, str] = {}

    def top(self, members: Mapping[str, Shape], required: list[str], name: str = "valid") -> str | None:
        """Write the check of an operation's keyword arguments; return its name, or None where nothing can be wrong."""
        if not limited(members, required):
            return None
        name = self._source.unique(name)
        self._structure(self._source.function(name, "out"), members, required)
        return name

    def inline(self, block: Block, members: Mapping[str, Shape], required: list[str], fail: str) -> None:
        """Write the same check of `out` in place; `fail` is the statement for what is not valid."""
        self._members(block, members, required, fail)

    def _structure(self, block: Block, members: Mapping[str, Shape], required: list[str]) -> None:
        self._members(block, members, required, "return False")
        block.line("return True")

    def _members(self, block: Block, members: Mapping[str, Shape], required: list[str], fail: str) -> None:
        bare = [name for name, shape in members.items() if name in required and not constrained(shape)]
        if bare:
            block.line(f"if {_missing(bare, 'out')}: {fail}")
        for name, shape in members.items():
            if not constrained(shape):
                continue
            block.line(f"value = out.get({name!r})")
            if name in required:
                block.line(f"if value is None: {fail}")
                self._value(block, shape, "value", 0, fail)
            else:
                with block.indent("if value is not None:"):
                    self._value(block, shape, "value", 0, fail)

    def _value(self, block: Block, shape: Shape, value: str, depth: int, fail: str) -> None:
        conditions = own_conditions(shape, self._source, value)
        if conditions:
            block.line(f"if {' or '.join(conditions)}: {fail}")
        if shape.kind == "structure" and constrained(shape):
            if any(constrained(member) for member in shape.members.values()):
                block.line(f"if not {self._function(shape)}({value}): {fail}")
            else:
                block.line(f"if {_missing(shape.required, value)}: {fail}")
        elif shape.kind == "list" and constrained(shape.item):
            with block.indent(f"for item{depth} in {value}:"):
                self._value(block, shape.item, f"item{depth}", depth + 1, fail)
        elif shape.kind == "map" and (constrained(shape.key) or constrained(shape.value)):
            with block.indent(f"for key{depth}, item{depth} in {value}.items():"):
                self._value(block, shape.key, f"key{depth}", depth + 1, fail)
                self._value(block, shape.value, f"item{depth}", depth + 1, fail)

    def _function(self, shape: Shape) -> str:
        known = self._known.get(shape.name)
        if known is None:
            known = self._known[shape.name] = self._source.unique(f"valid_{shape.name}")
            self._structure(self._source.function(known, "out"), shape.members, list(shape.required))
        return known


def _missing(names: Iterable[str], value: str) -> str:
    return " or ".join(f"{name!r} not in {value}" for name in names)


def lower_first(name: str) -> str:
    """A member's name as AWS's validation messages write it."""
    return name[:1].lower() + name[1:]


def _texts(shape: Shape) -> Iterator[tuple[str, str]]:
    """Yield (rule, what it demands) for a shape's own constraints."""
    low, high = _bounds(shape)
    number = shape.kind in ("integer", "long", "float", "double")
    what, rule = ("value", "range") if number else ("length", "length")
    if high is not None:
        yield rule, f"Member must have {what} less than or equal to {high}"
    if low is not None:
        yield rule, f"Member must have {what} greater than or equal to {low}"
    if shape.matches is not None:
        yield "pattern", f"Member must satisfy regular expression pattern: {shape.traits['pattern']}"
    if shape.values:
        yield "enum", f"Member must satisfy enum value set: [{', '.join(shape.values)}]"


def _broken(shape: Shape, value: Any) -> Iterator[tuple[str, str]]:
    low, high = _bounds(shape)
    size = value if isinstance(value, (int, float)) else len(value)
    for rule, text in _texts(shape):
        if "less than" in text:
            wrong = size > high  # type: ignore[operator]
        elif "greater than" in text:
            wrong = size < low  # type: ignore[operator]
        elif rule == "pattern":
            assert shape.matches is not None
            wrong = shape.matches.fullmatch(value) is None
        else:
            wrong = value not in shape.values
        if wrong:
            yield rule, text


def problems(members: Mapping[str, tuple[str, Shape]], required: list[str], out: Mapping[str, Any]) -> list[Problem]:
    """Return all that is wrong with an operation's keyword arguments. `members` maps them to (model's name, shape)."""
    found: list[Problem] = []
    for name, (modelled, shape) in members.items():
        in_body = shape.location is None
        if (value := out.get(name)) is not None:
            _walk(found, shape, value, lower_first(modelled), modelled, in_body)
        elif name in required:
            found.append(
                Problem(
                    "required", lower_first(modelled), modelled, shape, None, "Member must not be null", None, False
                )
            )
    return found


def _walk(found: list[Problem], shape: Shape, value: Any, path: str, name: str, in_body: bool) -> None:
    for rule, text in _broken(shape, value) if shape.kind not in _UNMEASURED else ():
        found.append(Problem(rule, path, name, shape, value, text, value, in_body))
    if shape.kind == "structure":
        for member_name, member in shape.members.items():
            below = f"{path}.{lower_first(member_name)}"
            if (item := value.get(member_name)) is not None:
                _walk(found, member, item, below, member_name, in_body)
            elif member_name in shape.required:
                found.append(
                    Problem("required", below, member_name, member, None, "Member must not be null", None, in_body)
                )
    elif shape.kind == "list":
        _walk_items(found, shape.item, enumerate(value, 1), value, path, name, in_body, "Member")
    elif shape.kind == "map":
        _walk_items(found, shape.key, ((key, key) for key in value), value, path, name, in_body, "Map keys")
        _walk_items(found, shape.value, value.items(), value, path, name, in_body, "Map value")


def _walk_items(
    found: list[Problem], shape: Shape, items: Any, whole: Any, path: str, name: str, in_body: bool, what: str
) -> None:
    """Items of a scalar kind are all told at once, as AWS does; structures and lists each by their number."""
    for number, item in items:
        if shape.kind in ("structure", "list", "map"):
            _walk(found, shape, item, f"{path}.{number}.member", name, in_body)
            continue
        broken = list(_broken(shape, item)) if shape.kind not in _UNMEASURED else []
        if broken:
            demands = ", ".join(text for _, text in _texts(shape))
            found.append(
                Problem(
                    broken[0][0],
                    path,
                    name,
                    shape,
                    item,
                    f"{what} must satisfy constraint: [{demands}]",
                    whole,
                    in_body,
                )
            )
            return


def show(value: Any) -> str:
    """Write a value as AWS's messages do, shortened."""
    if value is None:
        return "null"
    if isinstance(value, list):
        text = f"[{', '.join(show(item) for item in value[:20])}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{key}={show(item)}' for key, item in list(value.items())[:20])}}}"
    elif isinstance(value, bytes):
        text = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def refuse(facts: Facts, found: list[Problem]) -> ServiceError:
    """Return the error for these problems: those that the service only lists, all in one; else its answer to the first."""
    if not found:
        raise AssertionError("the compiled check and the walk disagree about a request")
    answers = [_answer(facts, problem) for problem in found]
    listed = [problem for problem, answer in zip(found, answers, strict=True) if answer is None]
    if listed and facts.invalid is not None:
        if facts.hashed:
            listed.sort(key=lambda problem: _bucket(problem.path.partition(".")[0]))
        told = "; ".join(
            f"{_shown(facts, p)} at '{p.path}' failed to satisfy constraint: {_demanded(facts, p)}" for p in listed
        )
        return facts.invalid.error(count=len(listed), s="" if len(listed) == 1 else "s", problems=told)
    problem, answer = found[0], answers[0]
    if answer is None:
        return facts.malformed.error(reason=problem.text)
    return answer.error(
        name=problem.name,
        member=problem.path,
        wire=problem.shape.wire_name or problem.name,
        value=show(problem.value),
        minimum=problem.shape.traits.get("min"),
        maximum=problem.shape.traits.get("max"),
    )


def _answer(facts: Facts, problem: Problem) -> Answer | None:
    """The service's own answer to a problem, where it has one."""
    in_xml = problem.in_body and facts.invalid is None
    answer = facts.answers.get((f"xml {problem.rule}" if in_xml else problem.rule, problem.name))
    if answer is None and problem.rule == "required" and problem.shape.location is None and "." not in problem.path:
        answer = facts.answers.get(("required", "payload"))
    if answer is None and problem.rule == "pattern":
        pattern = problem.shape.traits["pattern"]
        if pattern in facts.patterns:
            return facts.patterns[pattern]
    if answer is None and not in_xml:
        answer = facts.answers.get((problem.rule, None))
    return answer


def _bucket(text: str) -> int:
    """Where a Java hash map of 16 buckets keeps a text."""
    code = 0
    for char in text:
        code = (31 * code + ord(char)) & 0xFFFFFFFF
    return (code ^ code >> 16) & 15


def _demanded(facts: Facts, problem: Problem) -> str:
    if problem.name in facts.never_null and problem.text.endswith("]"):
        return problem.text[:-1] + ", Member must not be null]"
    return problem.text


def _shown(facts: Facts, problem: Problem) -> str:
    if facts.hides_values:
        return "Value"
    return "Value null" if problem.whole is None else f"Value '{show(problem.whole)}'"
