"""The pickle inside a torch checkpoint -> dicts, lists, tuples, numbers, text and tensors.

A pickle is a program for a small stack machine. Python's own machine imports and calls what the
program names. This machine executes nothing. It has only the opcodes that describe weights, and
only the names in `torch_objects`. A name becomes a `Global`, which is text and nothing else. The
few names that a program may call stand for functions in `torch_objects`. Everything else is refused
by name.

No code here recurses into, hashes or prints what a file has built. The keys of dicts are text or
small numbers, so a file cannot choose keys that collide.

Bounds: a program has at most MAX_PICKLE_BYTES and MAX_OPCODES. An opcode makes at most one object,
so all objects take some ten megabytes. Time is linear, because nothing is copied twice.

Sources: opcodes in Python's pickletools; what torch writes, and which of it is harmless, in
PyTorch's torch/serialization.py and torch/_weights_only_unpickler.py.
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .torch_objects import FUNCTIONS, STORAGES, Global, OrderedDict, Storage, kind, make_storage

# BERT-large has 400 tensors; with their optimizer it has 48,000 opcodes and 150 kB. An opcode makes
# at most one object of 100 bytes.
MAX_PICKLE_BYTES = 1 << 20
MAX_OPCODES = 1 << 17
MAX_TEXT_BYTES = 4096
MAX_INTEGER_BYTES = 16
MAX_INDEX = 1 << 16  # of integer keys, which are an optimizer's numbers of the parameters


@dataclass(frozen=True)
class Unpickled:
    """The object, every storage that it mentions, and where in the file the pickle ends."""

    value: object
    storages: dict[str, Storage]
    end: int


def unpickle(data: bytes | mmap.mmap, begin: int, end: int, where: str) -> Unpickled:
    r"""The object of the pickle that begins at byte `begin` and ends before `end`.

    Raises ValueError that begins with `where`.

    >>> unpickle(b"(not mine)" + bytes([0x80, 2]) + b"K\x07.", 10, 15, "x.bin").value
    7
    """
    machine = Machine(data, begin, min(end, begin + MAX_PICKLE_BYTES))
    at = begin
    try:
        if machine.take(2) != b"\x80\x02":
            raise ValueError("expected a pickle of protocol 2")
        for _ in range(MAX_OPCODES):
            at = machine.position
            opcode = machine.take(1)
            if opcode == b".":
                value = machine.pop()
                if machine.stack or machine.marks:
                    raise ValueError(f"expected one object at the end, found {len(machine.stack)} more, {len(machine.marks)} marks")
                return Unpickled(value, machine.storages, machine.position)
            if opcode not in OPCODES:
                raise ValueError(f"opcode 0x{opcode[0]:02x} does not describe weights")
            OPCODES[opcode](machine)
        raise ValueError(f"expected at most {MAX_OPCODES} opcodes, found more")
    except ValueError as error:
        raise ValueError(f"{where}: byte {at - begin}: {error}") from None


class Machine:
    """The state of a program: its bytes, a stack with marks, a memo, and the storages by key."""

    def __init__(self, data: bytes | mmap.mmap, begin: int, end: int) -> None:
        self.data, self.position, self.end = data, begin, end
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}

    def take(self, count: int) -> bytes:
        """The next bytes of the program."""
        left = self.end - self.position
        if count > left:
            raise ValueError(f"expected {count} bytes more, found {left}; the pickle is cut off or longer than {MAX_PICKLE_BYTES} bytes")
        self.position += count
        return self.data[self.position - count : self.position]

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, min(self.end, self.position + MAX_TEXT_BYTES))
        if end < 0:
            raise ValueError("expected a name and the end of its line, found no end")
        return self.text(end + 1 - self.position)[:-1]

    def text(self, size: int) -> str:
        encoded = self.take(size)
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"expected text in UTF-8, found {encoded!r:.200} ({error.reason})") from None

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def push(self, value: object) -> None:
        self.stack.append(value)

    def top(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("expected something on the stack, found nothing")
        return self.stack[-1]

    def pop(self) -> object:
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise ValueError("expected a mark on the stack, found none")
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items


Operation = Callable[[Machine], None]


def _constant(value: object) -> Operation:
    return lambda machine: machine.push(value)


def _number(layout: str) -> Operation:
    return lambda machine: machine.push(machine.number(layout))


def _tuple(size: int) -> Operation:
    return lambda machine: machine.push(tuple([machine.pop() for _ in range(size)][::-1]))


def _put(layout: str) -> Operation:
    def put(machine: Machine) -> None:
        index = machine.number(layout)
        if index >= MAX_OPCODES:
            raise ValueError(f"expected at most {MAX_OPCODES} things in the memo, found number {index}")
        machine.memo[index] = machine.top()

    return put


def _get(layout: str) -> Operation:
    def get(machine: Machine) -> None:
        index = machine.number(layout)
        if index not in machine.memo:
            raise ValueError(f"expected something in the memo, found no number {index}")
        machine.push(machine.memo[index])

    return get


def _long(machine: Machine) -> None:
    size = machine.number("<B")
    if size > MAX_INTEGER_BYTES:
        raise ValueError(f"expected an integer of at most {MAX_INTEGER_BYTES} bytes, found {size}")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _text(machine: Machine) -> None:
    size = machine.number("<I")
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"expected a text of at most {MAX_TEXT_BYTES} bytes, found {size}")
    machine.push(machine.text(size))


def _append(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if type(target) is not list:
        raise ValueError(f"expected a list to append to, found {kind(target)}")
    target.extend(items)


def _set(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError(f"expected a dict, keys and values, found {kind(target)} and {len(items)} items")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not (type(key) is str or (type(key) is int and 0 <= key < MAX_INDEX)):
            raise ValueError(f"expected text or a number below {MAX_INDEX} as a key, found {kind(key)}")
        if key in target:
            raise ValueError(f"duplicate key {key!r:.200}")
        target[key] = value


def _global(machine: Machine) -> None:
    name = f"{machine.line()}.{machine.line()}"
    if name not in FUNCTIONS and name not in STORAGES:
        shown = name if name.isprintable() else repr(name)
        expected = f"expected one of {', '.join([*FUNCTIONS, *STORAGES])}"
        raise ValueError(f"the pickle names {shown:.200}; {expected}; save the state_dict of the model alone")
    machine.push(Global(name))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    if not isinstance(function, Global) or function.name not in FUNCTIONS or not isinstance(arguments, tuple):
        raise ValueError(f"the pickle calls {kind(function)} with {kind(arguments)}; expected one of {', '.join(FUNCTIONS)} with a tuple")
    machine.push(FUNCTIONS[function.name](arguments))


def _build(machine: Machine) -> None:
    attributes, target = machine.pop(), machine.top()
    if not isinstance(target, OrderedDict) or not isinstance(attributes, dict):
        raise ValueError(f"the pickle gives attributes to {kind(target)} from {kind(attributes)}; expected an OrderedDict and a dict")


def _persistent(machine: Machine) -> None:
    storage = make_storage(machine.pop())
    if machine.storages.setdefault(storage.key, storage) != storage:
        raise ValueError(f"storage {storage.key!r:.200} is described twice, as {machine.storages[storage.key]!s:.200} and {storage!s:.200}")
    machine.push(storage)


OPCODES: dict[bytes, Operation] = {
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"K": _number("<B"),  # BININT1
    b"M": _number("<H"),  # BININT2
    b"J": _number("<i"),  # BININT
    b"\x8a": _long,  # LONG1
    b"G": _number(">d"),  # BINFLOAT
    b"X": _text,  # BINUNICODE
    b"(": lambda machine: machine.marks.append(len(machine.stack)),
    b")": _constant(()),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"t": lambda machine: machine.push(tuple(machine.pop_to_mark())),
    b"]": lambda machine: machine.push([]),
    b"a": lambda machine: _append(machine, [machine.pop()]),
    b"e": lambda machine: _append(machine, machine.pop_to_mark()),
    b"}": lambda machine: machine.push({}),
    b"s": lambda machine: _set(machine, [machine.pop(), machine.pop()][::-1]),
    b"u": lambda machine: _set(machine, machine.pop_to_mark()),
    b"q": _put("<B"),  # BINPUT
    b"r": _put("<I"),  # LONG_BINPUT
    b"h": _get("<B"),  # BINGET
    b"j": _get("<I"),  # LONG_BINGET
    b"c": _global,
    b"R": _reduce,
    b"b": _build,
    b"Q": _persistent,  # BINPERSID
}
