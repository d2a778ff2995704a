"""What surveys saw open: services one by one, in groups, and every look at a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask import exposure
from noroshi.model import address
from noroshi.model.finding import Finding, iso
from noroshi.web import answers, paging, render, urls
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["services"])
PROTOCOLS = {0: "", 1: "icmp", 6: "tcp", 17: "udp", 132: "sctp"}
JUDGED = ("exposed-service", "vulnerable-service", "weak-credential")
"""Kinds of finding that are about a service."""
COLUMNS = ("ts", "ip", "port", "protocol", "state", "service", "vendor", "product", "version", "model", "title",
           "banner", "hostnames", "cpes", "cves", "certificate", "ssh_key", "hassh", "ja4s", "os", "device", "asn",
           "org", "country", "severity", "tags", "scanner")  # fmt: skip
LINKED = {"port": "port", "service": "service", "product": "product", "version": "version", "device": "device",
          "country": "country", "org": "org", "asn": "asn", "scanner": "scanner", "network": "net"}  # fmt: skip
"""The filter that shows the services of a group, by what they are grouped by."""
LOOKS = 500
"""Looks at a host that are told."""


class ServiceModel(BaseModel):
    """A look at a service."""

    ts: datetime
    ip: str
    port: int
    protocol: str = Field(description="tcp, udp, ... or its number; empty where the survey does not say.")
    state: str
    service: str | None
    vendor: str | None
    product: str | None
    version: str | None
    model: str | None
    title: str | None
    banner: str | None
    hostnames: list[str] | None
    cpes: list[str] | None
    cves: list[str] | None
    certificate: str | None
    ssh_key: str | None
    hassh: str | None
    ja4s: str | None
    os: str | None
    device: str | None
    asn: str | None
    org: str | None
    country: str | None
    severity: int | None
    tags: list[str] | None
    scanner: str | None


class ServicePage(BaseModel):
    """Services as last seen, by address and port."""

    items: list[ServiceModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


class GroupModel(BaseModel):
    """Services that share something."""

    label: str = Field(description="What they share; empty for those of which it is not known.")
    value: int = Field(description="Services.")
    hosts: int
    last_seen: datetime
    href: str = Field(description="The page that shows them; empty when there is none.")


class GroupsModel(BaseModel):
    """Open services in groups, those with most services first."""

    services: int
    hosts: int
    groups: int = Field(description="How many groups there are; `items` are the largest.")
    unit: str
    items: list[GroupModel]


class LookModel(ServiceModel):
    """A look at a service, and what had changed since the look before."""

    changed: list[str]


class HostModel(BaseModel):
    """Every look at a host, newest first."""

    ip: str
    items: list[LookModel]


def _filter(doc: str) -> Any:
    return Query("", max_length=500, description=doc)


def asked(
    port: str = _filter("This port."), service: str = _filter("This application protocol: ssh, telnet, ..."),
    product: str = _filter("Vendor and product hold this."), version: str = _filter("This version."),
    device: str = _filter("This type of device."), country: str = _filter("This country code."),
    org: str = _filter("The holder of the network holds this."), asn: str = _filter("This AS number, as AS64500."),
    scanner: str = _filter("Looked at by this."), net: str = _filter("In this network, or this address."),
    cve: str = _filter("The survey named this CVE."), text: str = _filter("Banner or title of its page holds this."),
) -> dict[str, str]:  # fmt: skip
    """The filters in the URL; those left empty are none."""
    words = {"port": port, "service": service, "product": product, "version": version, "device": device,
             "country": country, "org": org, "asn": asn, "scanner": scanner, "net": net, "cve": cve,
             "text": text}  # fmt: skip
    return {k: v.strip() for k, v in words.items() if v.strip()}


Filters = Annotated[dict[str, str], Depends(asked)]
By = Query(
    "port", pattern=f"^({'|'.join(exposure.GROUPS)})$", description="What the services of a group share."
)


@router.get("/services", response_model=ServicePage, responses=answers.CSV_TOO, name="list_services")
def list_services(
    visit: AsViewer, only: Filters, limit: int = paging.Limit, cursor: str = paging.CursorParam,
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """Open services as last seen in the time range, by address and port."""

    def make() -> answers.Answer:
        found, after = page_of(visit, only, cursor, limit)
        rows = [told(r) for r in found]
        head = [("x-next-cursor", after)] if after else []
        return answers.table(visit, rows, COLUMNS, "services", lambda r: {"items": rows, "next": after}, head)

    return answers.kept(visit, make)


@router.get("/services/groups", response_model=GroupsModel, responses=answers.CSV_TOO, name="group_services")
def group_services(
    visit: AsViewer, only: Filters, by: str = By, top: int = Query(20, ge=1, le=500, description="Groups."),
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """Open services as last seen in the time range, in groups."""

    def make() -> answers.Answer:
        found = grouped(visit, by, only, top)
        rows = groups(visit, by, only, found)
        if not answers.wants_csv(visit):
            return answers.document(
                {"services": found.services, "hosts": found.hosts, "groups": found.n_groups,
                 "unit": visit.words("exposure.unit"), "items": rows}
            )  # fmt: skip
        flat = [{by: r["label"], "services": r["value"], "hosts": r["hosts"], "last_seen": r["last_seen"]}
                for r in rows]  # fmt: skip
        return answers.table(visit, flat, (by, "services", "hosts", "last_seen"), f"services-by-{by}")

    return answers.kept(visit, make)


@router.get("/hosts/{ip}", response_model=HostModel, responses=answers.CSV_TOO, name="get_host")
def get_host(visit: AsViewer, ip: str, format: str = answers.Format) -> Response:
    """Every look at a host, of all times, newest first (the newest 500)."""

    def make() -> answers.Answer:
        name = address.text(address.pack(ip))
        rows = [told(r) | {"changed": r["changed"]} for r in exposure.host(visit.shot, name, LOOKS)]
        if not rows:
            raise NotFound(
                "no survey has looked at this host", where=name, todo="`noroshi pivot` may know more."
            )
        return answers.table(
            visit, rows, (*COLUMNS, "changed"), "host", lambda r: {"ip": name, "items": rows}
        )

    return answers.kept(visit, make)


def page_of(
    visit: Visit, only: Mapping[str, str], cursor: str, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """(rows of one page, the cursor of the next or nothing)."""
    span, after = visit.span, paging.read(visit, cursor)
    place = (str(after[0]), int(after[1]), int(after[2])) if after else None
    found = exposure.services(visit.shot, span.start, span.end, only, limit=limit + 1, after=place)
    page = found[:limit]
    more = len(found) > limit
    return page, paging.make(visit, [page[-1]["ip"], page[-1]["port"], page[-1]["protocol"]]) if more else ""


def grouped(visit: Visit, by: str, only: Mapping[str, str], top: int) -> exposure.Exposure:
    """Open services of the time range in groups."""
    return exposure.exposure(visit.shot, visit.span.start, visit.span.end, by, only, top)


def groups(visit: Visit, by: str, only: Mapping[str, str], found: exposure.Exposure) -> list[dict[str, Any]]:
    """As rows and bars: each leads to the page that shows its services."""
    range_ = {k: v for k in ("range", "from", "to") if (v := visit.request.query_params.get(k))}
    return [
        {"label": render.plain(g.value), "value": g.services, "hosts": g.hosts, "last_seen": iso(g.last_seen),
         "href": urls.with_query("/exposure", {**range_, "by": by, **only, LINKED[by]: value})
         if (value := _value(by, g.value)) else ""}
        for g in found.groups
    ]  # fmt: skip


def _value(by: str, group: str) -> str:
    return "::/0" if by == "network" and group == "IPv6" else group


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A look as it is told."""
    said = {c: row.get(c) for c in COLUMNS}
    return said | {"ts": iso(row["ts"]), "protocol": protocol(row["protocol"])}


def protocol(number: int) -> str:
    """tcp, udp, ...; its number where it has no name here."""
    return PROTOCOLS.get(number, f"ip/{number}")


def place(row: Mapping[str, Any]) -> str:
    """tcp/443: a port as people write it."""
    return f"{protocol(row['protocol']) or '?'}/{row['port']}"


def judged(visit: Visit, ips: Iterable[str] | None = None) -> dict[str, list[Finding]]:
    """Findings about services that stand in the time range, by address."""
    span, wanted = visit.span, set(ips) if ips is not None else None
    found: dict[str, list[Finding]] = defaultdict(list)
    for f in visit.seen.known.chosen(kinds=JUDGED, since=span.start, until=span.end):
        if f.subject.kind == "ip" and (wanted is None or f.subject.value in wanted):
            found[f.subject.value].append(f)
    return found


def concerns(finding: Finding, row: Mapping[str, Any]) -> bool:
    """True when a finding about a host is about this service of it, or does not say which."""
    ports = {str(p) for p in finding.evidence.get("ports") or ()}
    for one in finding.evidence.get("services") or ():
        if isinstance(one, dict) and "port" in one:
            ports.add(str(one["port"]))
    return not ports or place(row) in ports or str(row["port"]) in ports
