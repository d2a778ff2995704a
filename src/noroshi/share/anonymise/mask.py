"""What a mask does: the face every view has, and the one that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.model.finding import Finding


class Mask(Protocol):
    """Changes values as a profile says; the same value becomes the same one everywhere in what a recipient gets."""

    profile: str
    """Name of the profile, for the audit log."""

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        """An observable as the recipient sees it; None when it is dropped. role: its role in links, where known."""

    def table(self, name: str, rows: pa.Table) -> pa.Table:
        """Rows of the lake's table `name` (any of its columns, addresses binary) with the same columns; what is
        dropped is null, rows that may not leave (k-minimum) are left out."""

    def finding(self, finding: Finding) -> Finding | None:
        """A finding with subject, summary, evidence, scope and times masked, and a new id when its subject changed;
        None when it may not leave."""

    def text(self, text: str) -> str | None:
        """Free text with every value in it masked as alone; None when the profile drops text."""

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """A JSON object of intelligence (STIX, MISP) with every text in it masked; None when it may not leave.
        The object itself, unchanged and with its own id, when nothing in it is masked."""


class Plain:
    """The mask of those who see everything as it is."""

    profile = "plain"

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        """The value."""
        return value

    def table(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows."""
        return rows

    def finding(self, finding: Finding) -> Finding | None:
        """The finding."""
        return finding

    def text(self, text: str) -> str | None:
        """The text."""
        return text

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """The object."""
        return thing
