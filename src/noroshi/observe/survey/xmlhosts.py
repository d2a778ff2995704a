"""Hosts of a scan in nmap's XML, read as a stream: one host at a time, its ports taken out as they end.

Expat does the parsing. A document type that declares entities is refused, tokens, depth and hosts are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading

CHUNK: Final = 64 << 10
"""Bytes given to the parser at a time."""
TOKEN: Final = 16 << 20
"""Bytes of one tag or text at most; expat keeps an unfinished one whole."""
DEPTH: Final = 64
"""Elements within each other at most; nmap's tables of scripts reach some ten."""
HOST: Final = 32 << 20
"""Bytes that are kept of one host beside its ports, and of one port."""
NODES: Final = 50_000
"""Elements that are kept of one host beside its ports, and of one port."""
PORTS: Final = 3 * 65_536
"""Ports of one host at most: all of TCP, UDP and SCTP."""
ALL_PORTS: Final = 128 << 20
"""Bytes of all ports of one host together that are kept."""
_ENCODINGS: Final = frozenset({b"utf-8", b"utf-16", b"iso-8859-1", b"us-ascii"})
_DECLARED: Final = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*["']([^"'>]*)""")


@dataclass(slots=True)
class Node:
    """An element: its name, attributes, children and text."""

    tag: str
    attrib: dict[str, str]
    offset: int
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def find(self, tag: str) -> Node | None:
        """The first child of that name."""
        return next((c for c in self.children if c.tag == tag), None)

    def every(self, tag: str) -> Iterator[Node]:
        """All children of that name."""
        return (c for c in self.children if c.tag == tag)

    def get(self, name: str) -> str | None:
        """An attribute; None when it is missing or empty."""
        return self.attrib.get(name) or None

    def walk(self) -> Iterator[Node]:
        """All elements below."""
        stack = self.children[::-1]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children[::-1])


@dataclass
class Host:
    """A host: its element without the ports, and what `port` made of those."""

    node: Node
    ports: list[Any]
    root: dict[str, str]
    """Attributes of the root element."""


class _StopError(Exception):
    """The document is refused."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def hosts(reading: Reading, port: Callable[[Node], object]) -> Iterator[Host | Reject]:
    """Every host of the source that is whole, and rejects for what is not.

    port: called with each `port` element when it ends; what it returns is kept in `Host.ports`.
    A document that is cut or not well-formed gives the hosts before that place, a reject, and `reading.problem`.
    Reasons: truncated, xml, entity, token-length, depth, host-size.
    """
    data = reading.stream.read(CHUNK)
    work = _Work(port, _encoding(data))
    fed = 0
    try:
        while True:
            work.parser.Parse(data, not data)
            fed += len(data)
            reading.advance(len(data))
            yield from work.take()
            if not data:
                break
            if fed - max(work.parser.CurrentByteIndex, 0) > TOKEN:
                raise _StopError("token-length", f"a tag or text longer than {TOKEN:,} bytes")
            data = reading.stream.read(CHUNK)
    except _StopError as e:
        reason, detail, position = e.reason, e.detail, max(work.parser.CurrentByteIndex, 0)
    except expat.ExpatError as e:
        cut = e.code in (3, 5, 6)  # no element found, unclosed token, partial character
        reason, position = "truncated" if cut else "xml", max(work.parser.ErrorByteIndex, 0)
        detail = f"the document ends within it ({fed:,} bytes)" if cut else expat.ErrorString(e.code)
    except (LookupError, ValueError) as e:  # should expat ask Python for an encoding all the same
        reason, position, detail = "xml", 0, str(e)[:200]
    else:
        return
    yield from work.take()
    if work.stack:
        detail += f"; the host that begins at byte {work.stack[0].offset:,} is not whole"
        position = work.stack[0].offset if reason == "truncated" else position
    reading.problem = reading.problem or f"byte {position:,}: {detail}"
    yield Reject(position, reason, detail)


def _encoding(head: bytes) -> str | None:
    """The encoding to read a document in; None leaves it to expat, which knows those of _ENCODINGS.

    Any other that is declared would be looked up among Python's codecs, by a name that stands in the file.
    """
    wide = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"<\x00": "UTF-16LE", b"\x00<": "UTF-16BE"}
    if head[:2] in wide:
        return wide[head[:2]]
    declared = _DECLARED.match(head)
    return None if declared is None or declared[1].lower() in _ENCODINGS else "UTF-8"


class _Work:
    """The parser and the host it is in."""

    def __init__(self, port: Callable[[Node], object], encoding: str | None) -> None:
        self.parser = expat.ParserCreate(encoding)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.EntityDeclHandler = self._entity
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.port = port
        self.stack: list[Node] = []
        self.root: dict[str, str] = {}
        self.depth = 0
        self.done: list[Host | Reject] = []
        self.ports: list[Any] = []
        self.nodes = self.port_nodes = self.port_at = self.all_ports = self.lost = 0
        self.in_port = False

    def take(self) -> list[Host | Reject]:
        """What became whole meanwhile."""
        done, self.done = self.done, []
        return done

    def _entity(self, *_: object) -> None:
        raise _StopError("entity", "the document type declares entities")

    def _start(self, tag: str, attrib: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise _StopError("depth", f"more than {DEPTH} elements within each other")
        if self.depth == 1:
            self.root = attrib
        if not self.stack:
            if tag == "host":
                self.stack.append(Node(tag, attrib, self.parser.CurrentByteIndex))
            return
        at: int = self.parser.CurrentByteIndex
        if tag == "port" and not self.in_port:
            self.in_port, self.port_at, self.port_nodes = True, at, 0
        node = Node(tag, attrib, at)
        if self._room(at):
            self.stack[-1].children.append(node)
        self.stack.append(node)

    def _room(self, at: int) -> bool:
        """Counts an element; False when there is too much to keep. Without entities no element holds more
        characters than it has bytes, so that offsets tell the size."""
        if self.in_port:
            self.port_nodes += 1
            fits = self.port_nodes <= NODES and at - self.port_at <= HOST
        else:
            self.nodes += 1
            fits = self.nodes <= NODES and at - self.stack[0].offset - self.all_ports <= HOST
        self.lost += not fits
        return fits

    def _data(self, data: str) -> None:
        if self.stack and not data.isspace() and self._room(self.parser.CurrentByteIndex):
            self.stack[-1].text += data

    def _end(self, tag: str) -> None:
        self.depth -= 1
        if not self.stack:
            return
        node = self.stack.pop()
        if tag == "port" and self.in_port and not any(n.tag == "port" for n in self.stack):
            self.in_port = False
            parent = self.stack[-1]
            if parent.children and parent.children[-1] is node:
                parent.children.pop()
            self.all_ports += self.parser.CurrentByteIndex - self.port_at
            if len(self.ports) < PORTS and self.all_ports <= ALL_PORTS:
                self.ports.append(self.port(node))
            else:
                self.lost += 1
        if not self.stack:
            self._host(node)

    def _host(self, node: Node) -> None:
        self.done.append(Host(node, self.ports, self.root))
        if self.lost:
            detail = f"a host with more than can be kept: {self.lost:,} elements or texts of it are missing"
            self.done.append(Reject(node.offset, "host-size", detail, count=self.lost))
        self.ports = []
        self.nodes = self.port_nodes = self.port_at = self.all_ports = self.lost = 0
        self.in_port = False
