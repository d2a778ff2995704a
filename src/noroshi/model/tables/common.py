"""Columns that many tables share."""

from __future__ import annotations

from noroshi.model.schema import Column

OFFSET = Column(
    "offset", "int64", "Offset of what the row was read from in the decompressed source.", "bytes"
)
RUN_ID = Column("run_id", "string", "The run that stored the row.")
TLP = Column("tlp", "string", "Marking of the row: the source's own, else the run's.")
TS = Column("ts", "ts", "When it happened.")
UID = Column("uid", "string", "The sensor's name for the connection, which joins its tables.", "", True)
SESSION_ID = Column("session_id", "string", "The decoy's name for the session; unique with `decoy` and time.")
DECOY = Column("decoy", "string", "Name of the decoy that saw it.", "", True)
SERVICE = Column("service", "string", "Application protocol: ssh, telnet, http, smb, ...", "", True)
CONFIDENCE = Column("confidence", "int16", "Confidence of the source, as STIX: 0 to 100.", "%", True)
DOCUMENT = Column(
    "document", "string", "The document it stands in: event uuid, report id, else the run's digest."
)
ORIGIN = Column(
    "origin", "string", "Who made the document: organisation or feed, as written there.", "", True
)

ENDS = (
    Column("src_ip", "address", "Source address."),
    Column("src_port", "int32", "Source port; 0 where there is none."),
    Column("dst_ip", "address", "Destination address."),
    Column("dst_port", "int32", "Destination port; 0 where there is none."),
)
LAST = (OFFSET, RUN_ID)
