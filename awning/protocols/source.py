"""Python source that is written at run time: functions line by line, and the constants that they use.

The text stays readable: `str(source)` is what was compiled, with its constants as comments, and tracebacks show its lines.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Block:
    """The lines of one function, with the indentation that it is at."""

    def __init__(self, head: str) -> None:
        self.lines = [head]
        self._depth = 1

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def indent(self, head: str) -> Iterator[None]:
        """Write `head` and indent what follows inside the `with`."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1


class Source:
    """A module being written. `title` names it in tracebacks."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.names: dict[str, Any] = {}
        self.blocks: list[Block] = []
        self._taken: dict[str, int] = {}

    def function(self, name: str, parameters: str) -> Block:
        """Open a new function; `name` must come from `unique` or be the only one of its kind."""
        block = Block(f"def {name}({parameters}):")
        self.blocks.append(block)
        return block

    def unique(self, hint: str) -> str:
        """Return a name like `hint` that no other function or constant has."""
        hint = "".join(c if c.isalnum() else "_" for c in hint)
        count = self._taken.get(hint, 0)
        self._taken[hint] = count + 1
        return hint if count == 0 else f"{hint}_{count + 1}"

    def constant(self, hint: str, value: Any) -> str:
        """Give a value a name and return it."""
        name = self.unique(hint.upper())
        self.names[name] = value
        return name

    def helper(self, function: Any, name: str = "") -> str:
        """Let the source call `function` under its own name (or `name`)."""
        name = name or function.__name__.lstrip("_")
        known = self.names.setdefault(name, function)
        if known != function:
            raise ValueError(f"{self.title}: two helpers are called {name}")
        return name

    def __str__(self) -> str:
        used = [f"# {name} = {value!r}" for name, value in self.names.items() if name.isupper()]
        return "\n".join([f"# {self.title}", *used, *("\n" + "\n".join(block.lines) for block in self.blocks), ""])

    def compile(self, entry: str) -> Callable[..., Any]:
        """Compile all functions and return the one called `entry`."""
        text = str(self)
        file = f"<awning {self.title}>"
        namespace = dict(self.names)
        exec(compile(text, file, "exec"), namespace)
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        result: Callable[..., Any] = namespace[entry]
        return result
