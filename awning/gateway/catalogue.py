"""The rooms as the gateway sees them: each with its wire model and its operations, bound when first called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from awning.gateway.services import signing_name
from awning.kit.errors import NotImplementedHere
from awning.kit.operation import Operation
from awning.kit.room import Room
from awning.kit.service import Service
from awning.protocols.model import BoundOperation, Model, ModelOperation
from awning.protocols.registry import Registry


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation ready to be called: its declaration, and its compiled wire form."""

    name: str
    label: str
    """`sqs.SendMessage`, for logs."""
    operation: Operation
    wire: BoundOperation


class Entry:
    """A room in the catalogue, as one of its models has it. The model is loaded with the first request for it."""

    def __init__(self, room: Room, registry: Registry, service: Service) -> None:
        self.room = room
        self.service = service
        self.name = service.name
        self.signing = signing_name(service.model)
        """What signatures for it are scoped to."""
        self._registry = registry
        self._model: Model | None = None
        self._bound: dict[str, Bound] = {}
        self._declared = service.operations()

    @property
    def model(self) -> Model:
        """The compiled wire model."""
        if self._model is None:
            self._model = self._registry.model(self.service.model, self.service.protocols)
        return self._model

    def bound(self, operation: ModelOperation) -> Bound:
        """Return an operation ready to be called. Raises NotImplementedHere where the room does not have it."""
        found = self._bound.get(operation.name)
        if found is None:
            declared = self._declared.get(operation.function_name)
            if declared is None:
                raise NotImplementedHere(f"{operation.name} of {self.name} is not supported by awning yet.")
            defaults = self.service.defaults(declared, operation.members)
            wire = operation.bind(declared.parameters, declared.honours, defaults)
            found = Bound(operation.name, f"{self.name}.{operation.name}", declared, wire)
            self._bound[operation.name] = found
        return found

    def stamp(self) -> str:
        """What the room's declarations are written in, as a checksum: while it stays, they need not be checked again."""
        found = 0
        for folder in sorted({Path(module.__file__).parent for module in self.service.modules if module.__file__}):
            for file in sorted(folder.glob("*.py")):
                found = crc32(file.read_bytes(), crc32(file.name.encode(), found))
        return f"{found:08x}"

    def check(self) -> None:
        """Match every declared operation with the model. Raises CoverageError where one does not fit."""
        known = {operation.function_name: operation for operation in self.model.operations.values()}
        for name in self._declared:
            if name not in known:
                raise LookupError(f"{self.name}: the model has no operation {name}")
            self.bound(known[name])

    def forget(self) -> None:
        """Let go of the model, until a request needs it."""
        self._model = None
        self._bound.clear()
