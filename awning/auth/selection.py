"""Selection: of the statements about one action, however many, one that covers a resource under a request's conditions.

Only those are looked at whose resources may match: by the exact text, by prefix, or by three letters that a pattern cannot
do without; and of many for one resource only those whose rarest condition holds for the value that the request has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from awning.auth.patterns import Matcher, Template, Token, Variable, compile_tokens, plain_text, prefix_text

if TYPE_CHECKING:
    from awning.auth.conditions import Condition
    from awning.auth.policy import Policy, Statement

Found = tuple["Policy", "Statement"]
Pending = tuple[Found, tuple["Condition", ...]]
"""A statement, and those of its conditions that are left to ask."""

_FEW = 8
_MOST_KEPT = 64
_END = "\x00"
Gram = tuple[str, str, str]


class Selection:
    """Some statements about an action, each with its policy."""

    __slots__ = ("_any", "_exact", "_patterns", "_prefixes")

    def __init__(self, statements: Iterable[Found]) -> None:
        everything: list[Found] = []
        exact: dict[str, list[Found]] = {}
        prefixes: dict[str, list[Found]] = {}
        patterns: dict[tuple[Token, ...], list[Found]] = {}
        for found in statements:
            statement = found[1]
            if statement.of_any and statement.not_resource:
                continue
            if statement.of_any or statement.not_resource:
                everything.append(found)
                continue
            for tokens in statement.patterns:
                text, prefix = plain_text(tokens), prefix_text(tokens)
                if text is not None:
                    exact.setdefault(text, []).append(found)
                elif prefix is not None:
                    prefixes.setdefault(prefix, []).append(found)
                else:
                    patterns.setdefault(tuple(tokens), []).append(found)
        self._any = Bucket.of(everything) if everything else None
        self._exact = {text: Bucket.of(several) for text, several in exact.items()}
        self._prefixes = _Prefixes(prefixes) if prefixes else None
        self._patterns = _Patterns(patterns) if patterns else None

    def find(self, resource: str, context: Mapping[str, Any]) -> Found | None:
        """Return a statement that covers a resource, with its policy; None where none does."""
        if self._any is not None and (found := self._any.find(resource, context)) is not None:
            return found
        if (bucket := self._exact.get(resource)) is not None and (found := bucket.find(resource, context)) is not None:
            return found
        if self._prefixes is not None and (found := self._prefixes.find(resource, context)) is not None:
            return found
        if self._patterns is not None and (found := self._patterns.find(resource, context)) is not None:
            return found
        return None


class _Prefixes:
    """Statements by the prefix of their resources: the longest that fits is found by bisection, the shorter ones from it."""

    __slots__ = ("_buckets", "_parents", "_texts")

    def __init__(self, prefixes: Mapping[str, Sequence[Found]]) -> None:
        self._texts = sorted(prefixes)
        self._buckets = [Bucket.of(prefixes[text]) for text in self._texts]
        self._parents: list[int] = []
        for at, text in enumerate(self._texts):
            parent = at - 1
            while parent >= 0 and not text.startswith(self._texts[parent]):
                parent = self._parents[parent]
            self._parents.append(parent)

    def find(self, resource: str, context: Mapping[str, Any]) -> Found | None:
        at = bisect_right(self._texts, resource) - 1
        while at >= 0:
            if (
                resource.startswith(self._texts[at])
                and (found := self._buckets[at].find(resource, context)) is not None
            ):
                return found
            at = self._parents[at]
        return None


class _Patterns:
    """Statements by patterns of their resources. Of many only those are tried whose rarest three letters occur in a text."""

    __slots__ = ("_always", "_by_gram")

    def __init__(self, patterns: Mapping[tuple[Token, ...], Sequence[Found]]) -> None:
        made = [(tokens, _Pattern(tokens, Bucket.of(several))) for tokens, several in patterns.items()]
        self._always: list[_Pattern] = []
        self._by_gram: dict[Gram, list[_Pattern]] = {}
        if len(made) <= _FEW:
            self._always.extend([pattern for _, pattern in made])
            return
        runs = [_runs_of(tokens) for tokens, _ in made]
        shared = Counter(run for several in runs for run in several)
        rarest = [min(several, key=lambda run: (shared[run], -len(run)), default="") for several in runs]
        grams = [(_grams_of(run), pattern) for run, (_, pattern) in zip(rarest, made, strict=True)]
        counts = Counter(gram for several, _ in grams for gram in several)
        for several, pattern in grams:
            if several:
                self._by_gram.setdefault(min(several, key=counts.__getitem__), []).append(pattern)
            else:
                self._always.append(pattern)

    def find(self, resource: str, context: Mapping[str, Any]) -> Found | None:
        for pattern in self._always:
            if pattern.matches(resource, context) and (found := pattern.bucket.find(resource, context)) is not None:
                return found
        if self._by_gram:
            text = f"{_END}{resource}{_END}"
            for gram in self._by_gram.keys() & zip(text, text[1:], text[2:], strict=False):
                for pattern in self._by_gram[gram]:
                    if (
                        pattern.matches(resource, context)
                        and (found := pattern.bucket.find(resource, context)) is not None
                    ):
                        return found
        return None


def _runs_of(tokens: Sequence[Token]) -> list[str]:
    """The literals, of at least three letters, that a text must have to match; the ends of the text count as letters."""
    runs = [_END]
    for token in tokens:
        if isinstance(token, str):
            runs[-1] += token
        else:
            runs.append("")
    runs[-1] += _END
    return [run for run in runs if len(run) > 2]


def _grams_of(run: str) -> list[Gram]:
    """Each three letters in a row, each once, the last first: patterns differ less in how they begin."""
    backwards = run[::-1]
    return list(dict.fromkeys(zip(backwards[2:], backwards[1:], backwards, strict=False)))


class _Pattern:
    """One pattern, compiled when it is first tried."""

    __slots__ = ("_matcher", "_template", "_tokens", "bucket")

    def __init__(self, tokens: Sequence[Token], bucket: Bucket) -> None:
        self.bucket = bucket
        self._tokens = tokens
        self._matcher: Matcher | None = None
        self._template: Template | None = None

    def matches(self, resource: str, context: Mapping[str, Any]) -> bool:
        if self._matcher is not None:
            return self._matcher(resource)
        if self._template is None:
            if not any(isinstance(token, Variable) for token in self._tokens):
                self._matcher = compile_tokens(self._tokens, "resource")
                return self._matcher(resource)
            self._template = Template(self._tokens, "resource")
        return self._template.matches(resource, context)


class Bucket:
    """Statements whose resource matches, but for those of NotResource: one whose conditions hold, and that excepts it not."""

    __slots__ = ("_few", "_groups", "_several", "_unconditional")

    def __init__(self, several: Iterable[Pending]) -> None:
        distinct: dict[tuple[Any, ...], Pending] = {}
        self._unconditional: Found | None = None
        for found, conditions in several:
            excepted = found[1].resources if found[1].not_resource else None
            if not conditions and excepted is None:
                self._unconditional = found
                break
            identity = (excepted, *[condition.identity for condition in conditions])
            distinct.setdefault(identity, (found, conditions))
        self._several = [] if self._unconditional is not None else list(distinct.values())
        self._few = len(self._several) <= _FEW
        self._groups: list[_Group] | None = None

    @classmethod
    def of(cls, several: Iterable[Found]) -> Bucket:
        return cls([(found, found[1].conditions) for found in several])

    def find(self, resource: str, context: Mapping[str, Any]) -> Found | None:
        if self._unconditional is not None:
            return self._unconditional
        if not self._few:
            if self._groups is None:
                self._divide()
            for group in self._groups or ():
                if (found := group.find(resource, context)) is not None:
                    return found
        for found, conditions in self._several:
            for condition in conditions:
                if not condition.holds(context):
                    break
            else:
                if not (found[1].not_resource and found[1].names(resource, context)):
                    return found
        return None

    def _divide(self) -> None:
        """Group many by the key of a condition: of each statement by that which fewest others share, dates last."""
        counts = Counter(condition.identity for _, conditions in self._several for condition in conditions)
        by_key: dict[str, list[tuple[Condition, Pending]]] = {}
        rest: list[Pending] = []
        for found, conditions in self._several:
            steady = [condition for condition in conditions if not condition.varies]
            if not steady:
                rest.append((found, conditions))
                continue
            lead = min(steady, key=lambda one: (counts[one.identity], one.of_date))
            left = tuple([condition for condition in conditions if condition is not lead])
            by_key.setdefault(lead.key, []).append((lead, (found, left)))
        self._groups = [_Group(key, several) for key, several in by_key.items()]
        self._several = rest


class _Group:
    """Statements with conditions on one key, without variables: which of them hold follows from the key's value alone."""

    __slots__ = ("_kept", "_key", "_several")

    def __init__(self, key: str, several: Sequence[tuple[Condition, Pending]]) -> None:
        self._key = key
        self._several = several
        self._kept: dict[str | tuple[str, ...] | None, Bucket] = {}

    def find(self, resource: str, context: Mapping[str, Any]) -> Found | None:
        value = context.get(self._key)
        if isinstance(value, list):
            value = tuple(value)
        if not _is_plain(value):
            return self._bucket(value).find(resource, context)
        bucket = self._kept.get(value)
        if bucket is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            bucket = self._kept[value] = self._bucket(value)
        return bucket.find(resource, context)

    def _bucket(self, value: Any) -> Bucket:
        one = {self._key: value}
        return Bucket([pending for condition, pending in self._several if condition.holds(one)])


def _is_plain(value: Any) -> bool:
    """Whether a value is told from others by comparing: numbers and truths are not (1 equals True)."""
    if value is None or isinstance(value, str):
        return True
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
