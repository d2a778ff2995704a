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
    "flowtuple": "noroshi.observe.netlog.flowtuple:FlowTupleSensor",
    "stix": "noroshi.observe.intel.stix:StixSensor",
    "misp": "noroshi.observe.intel.misp:MispSensor",
    "misp-galaxy": "noroshi.observe.intel.galaxy:GalaxySensor",
    "misp-warninglist": "noroshi.observe.intel.warninglist:WarninglistSensor",
    "misp-other": "noroshi.observe.intel.misp_other:MispOtherSensor",
    "mmdb": "noroshi.observe.context.mmdb:MmdbSensor",
    "cve": "noroshi.observe.supply.cve:CveSensor",
    "kev": "noroshi.observe.supply.kev:KevSensor",
    "kev-csv": "noroshi.observe.supply.kev:KevCsvSensor",
    "epss": "noroshi.observe.supply.epss:EpssSensor",
    "cyclonedx": "noroshi.observe.supply.cyclonedx:CycloneDxSensor",
    "cyclonedx-xml": "noroshi.observe.supply.cyclonedx_xml:CycloneDxXmlSensor",
    "spdx": "noroshi.observe.supply.spdx:SpdxSensor",
    "spdx3": "noroshi.observe.supply.spdx:Spdx3Sensor",
    "spdx-tag": "noroshi.observe.supply.spdx_tag:SpdxTagSensor",
    "osv": "noroshi.observe.supply.osv:OsvSensor",
    "networks-csv": "noroshi.observe.context.networks:NetworksCsvSensor",
    "iptoasn": "noroshi.observe.context.networks:IpToAsnSensor",
    "assets-csv": "noroshi.observe.context.assets:AssetsCsvSensor",
    "assets-json": "noroshi.observe.context.assets:AssetsJsonSensor",
    "assets-toml": "noroshi.observe.context.assets:AssetsTomlSensor",
    "cowrie": "noroshi.observe.decoy.cowrie:CowrieSensor",
    "dionaea": "noroshi.observe.decoy.dionaea:DionaeaSensor",
    "dionaea-incidents": "noroshi.observe.decoy.dionaea:DionaeaIncidentSensor",
    "opencanary": "noroshi.observe.decoy.opencanary:OpenCanarySensor",
    "heralding": "noroshi.observe.decoy.heralding:HeraldingSensor",
    "heralding-csv": "noroshi.observe.decoy.heralding:HeraldingCsvSensor",
    "spoki": "noroshi.observe.decoy.spoki:SpokiSensor",
    "spoki-json": "noroshi.observe.decoy.spoki:SpokiJsonSensor",
    "nmap": "noroshi.observe.survey.nmap:NmapSensor",
    "masscan": "noroshi.observe.survey.masscan:MasscanSensor",
    "shodan": "noroshi.observe.survey.shodan:ShodanSensor",
    "zgrab2": "noroshi.observe.survey.zgrab2:Zgrab2Sensor",
    "intelmq": "noroshi.observe.survey.intelmq:IntelmqSensor",
    "shadowserver": "noroshi.observe.survey.shadowserver:ShadowserverSensor",
    "zmap": "noroshi.observe.survey.zmap:ZmapSensor",
    "zeek": "noroshi.observe.netlog.zeek:ZeekSensor",
    "zeek-json": "noroshi.observe.netlog.zeek_json:ZeekJsonSensor",
    "eve": "noroshi.observe.netlog.eve:EveSensor",
    "nfdump": "noroshi.observe.netlog.nfdump:NfdumpSensor",
    "argus": "noroshi.observe.netlog.argus:ArgusSensor",
    "nict-darknet": "noroshi.observe.netlog.nict:NictSensor",
    # Loose formats last: what they know by its content, others know better.
    "ioc-csv": "noroshi.observe.intel.iocs_csv:IocCsvSensor",
    "ioc-json": "noroshi.observe.intel.iocs_json:IocJsonSensor",
    "ioc-list": "noroshi.observe.intel.iocs:IocListSensor",
    "report": "noroshi.observe.intel.report_text:ReportSensor",
    "mapped": "noroshi.observe.mapped:MappedSensor",
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
    # Across kinds of evidence, over the whole lake.
    "own-device": "noroshi.analyse.cross.own_device:OwnDevice",
    "decoy-intrusion": "noroshi.analyse.cross.decoy_intrusion:DecoyIntrusion",
    "known-attacker": "noroshi.analyse.cross.known_attacker:KnownAttacker",
    "vulnerable-service": "noroshi.analyse.cross.vulnerable_service:VulnerableService",
    "exposed-service": "noroshi.analyse.exposure.exposed_service:ExposedService",
    "weak-credential": "noroshi.analyse.exposure.weak_credential:WeakCredential",
    "affected-product": "noroshi.analyse.cross.affected_product:AffectedProduct",
    "exploitation-wave": "noroshi.analyse.cross.exploitation_wave:ExploitationWave",
    "shared-value": "noroshi.analyse.cross.shared_value:SharedValue",
}


# Pages of the watchtower in the order of its navigation: modules with a `router` and a `PAGE` (docs/extend-pages.md).
PAGES: dict[str, str] = {
    "now": "noroshi.web.pages.now",
    "findings": "noroshi.web.pages.findings",
    "cases": "noroshi.web.pages.cases",
    "darknet": "noroshi.web.pages.darknet",
    "exposure": "noroshi.web.pages.exposure",
    "honeypots": "noroshi.web.pages.honeypots",
    "sharing": "noroshi.web.pages.sharing",
    "recipient": "noroshi.web.pages.recipient",
    "notices": "noroshi.web.pages.notices",
    "operators": "noroshi.web.pages.operators",
    "releases": "noroshi.web.pages.releases",
    "audit": "noroshi.web.pages.audit",
    "reports": "noroshi.web.pages.reports",
    "works": "noroshi.web.pages.works",
    "watches": "noroshi.web.pages.watches",
    "users": "noroshi.web.pages.users",
    "account": "noroshi.web.pages.account",
    "lake": "noroshi.web.pages.lake",
    "signin": "noroshi.web.pages.signin",
    "search": "noroshi.web.pages.search",
    "entity": "noroshi.web.pages.entity",
}

# Nouns of the API under /api/v1: modules with a `router`.
NOUNS: dict[str, str] = {
    "findings": "noroshi.web.api.findings",
    "pivot": "noroshi.web.api.pivot",
    "why": "noroshi.web.api.why",
    "search": "noroshi.web.api.search",
    "tables": "noroshi.web.api.tables",
    "runs": "noroshi.web.api.runs",
    "rejects": "noroshi.web.api.rejects",
    "sql": "noroshi.web.api.sql",
    "events": "noroshi.web.api.events",
    "me": "noroshi.web.api.me",
    "account": "noroshi.web.api.account",
    "traffic": "noroshi.web.api.traffic",
    "services": "noroshi.web.api.services",
    "decoys": "noroshi.web.api.decoys",
    "verdicts": "noroshi.web.api.verdicts",
    "cases": "noroshi.web.api.cases",
    "recipients": "noroshi.web.api.recipients",
    "exports": "noroshi.web.api.exports",
    "reports": "noroshi.web.api.reports",
    "works": "noroshi.web.api.works",
    "audit": "noroshi.web.api.audit",
    "notices": "noroshi.web.api.notices",
    "operators": "noroshi.web.api.operators",
    "releases": "noroshi.web.api.releases",
    "watches": "noroshi.web.api.watches",
    "users": "noroshi.web.api.users",
}

# What else the server speaks, at paths of its own: modules with a `router`.
SERVICES: dict[str, str] = {}


def _load(target: str) -> object:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)()


def sensor(name: str) -> Sensor:
    """A new sensor of that format; KeyError when there is none."""
    return cast("Sensor", _load(SENSORS[name]))


def analyser(name: str) -> Analyser:
    """A new analyser of that name; KeyError when there is none."""
    return cast("Analyser", _load(ANALYSERS[name]))
