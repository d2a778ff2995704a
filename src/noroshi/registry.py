"""What there is to run, by name: one row each, imported on use.

The CLI, the generated docs and the contract tests read these rows; nothing else lists them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from noroshi.model.analyser import Analyser
    from noroshi.model.sensor import Sensor

SENSORS: dict[str, str] = {
    "pcap": "noroshi.observe.darknet.pcap:PcapSensor",
    "pcapng": "noroshi.observe.darknet.pcap:PcapngSensor",
    "cowrie": "noroshi.observe.decoy.cowrie:CowrieSensor",
    "zeek": "noroshi.observe.netlog.zeek:ZeekSensor",
    "zeek-json": "noroshi.observe.netlog.zeek_json:ZeekJsonSensor",
}

# In the order they run: a later one may read what an earlier one left as findings of the same day.
ANALYSERS: dict[str, str] = {
    "inside-talker": "noroshi.analyse.darknet.inside_talker:InsideTalker",
    "investigation-scanner": "noroshi.analyse.darknet.investigation_scanner:InvestigationScanner",
    "scanner": "noroshi.analyse.darknet.scanner:Scanner",
    "dos-victim": "noroshi.analyse.darknet.dos_victim:DosVictim",
    "reflection-abuse": "noroshi.analyse.darknet.reflection_abuse:ReflectionAbuse",
    "misconfiguration": "noroshi.analyse.darknet.misconfiguration:Misconfiguration",
    "infected-host": "noroshi.analyse.darknet.infected_host:InfectedHost",
    "port-surge": "noroshi.analyse.darknet.port_surge:PortSurge",
}


def _load(target: str) -> object:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)()


def sensor(name: str) -> Sensor:
    """A new sensor of that format; KeyError when there is none."""
    return cast("Sensor", _load(SENSORS[name]))


def analyser(name: str) -> Analyser:
    """A new analyser of that name; KeyError when there is none."""
    return cast("Analyser", _load(ANALYSERS[name]))
