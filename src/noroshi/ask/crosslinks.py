"""What follows when evidence of different kinds speaks of one value: a table of named joins, a function each.

A join gets the Case and yields CrossLinks; it reads little (LOOKS values at most), judges nothing anew, and says
what it rests on. The analysers of `analyse/cross` ask the same questions of the whole lake and raise findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from noroshi.ask.context import Context
from noroshi.ask.head import Head
from noroshi.ask.rows import Found, Value, covers, spelt
from noroshi.lake.look import has
from noroshi.model.observable import implied, key64
from noroshi.wire.vulnerabilities import (
    EXACT,
    Match,
    is_told,
    judged,
    product_of,
    renamed,
    row_of,
    version_of,
)

if TYPE_CHECKING:
    from noroshi.lake.heads import Links
    from noroshi.lake.snapshot import Snapshot
    from noroshi.model.finding import Finding

LOOKS = 12
"""Further values a join looks up at most, about a millisecond each."""
DECOYS = ("sessions", "logins", "commands", "transfers", "relays")
OBSERVED = (
    "flows", "connections", "dns", "http", "tls", "ssh", "certificates", "alerts", "network_files", *DECOYS, "events",
)  # fmt: skip
_HOSTILE = ("c2", "download", "src", "sends", "hosts", "malware", "payload", "")


@dataclass(frozen=True)
class Case:
    """What is known of a value when the joins are asked."""

    shot: Snapshot
    links: Links
    what: Value
    head: Head
    found: Sequence[Found]
    context: Context
    findings: Sequence[Finding] = ()

    def rows(self, *tables: str, roles: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The rows fetched from these tables."""
        return [
            row for f in self.found if f.table in tables and (not roles or f.role in roles)
            for row in f.rows.to_pylist()
        ]  # fmt: skip

    def stands(self, kind: str, value: str, table: str) -> bool:
        """True when another value stands in that table."""
        if not has(self.shot, table):
            return False
        key = key64(kind, value)
        common = self.links.common([key]).get(key)
        return common is not None and common.stands_in(table)


@dataclass(frozen=True)
class CrossLink:
    """A join that holds."""

    name: str
    text: dict[str, str]
    """`en` and `ja`: one sentence each."""
    values: tuple[tuple[str, str], ...] = ()
    """Observables to go on with."""
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "name": self.name, "text": self.text, "evidence": self.evidence,
            "values": [{"kind": k, "value": v} for k, v in self.values],
        }  # fmt: skip


def darknet_and_decoy(case: Case) -> Iterator[CrossLink]:
    """A source in the darknet that also visited a decoy."""
    dark, decoy = case.head.in_tables("flows", roles=("src",)), case.head.in_tables(*DECOYS, roles=("src",))
    if case.what.kind not in ("ip", "prefix") or not dark or not decoy:
        return
    packets, logins = dark[0].count, sum(s.count for s in decoy if s.table == "logins")
    visits = sum(s.count for s in decoy if s.table == "sessions")
    yield CrossLink(
        "darknet-and-decoy",
        {"en": f"It sent {packets:,} packets into the darknet and also visited a decoy "
               f"({visits:,} sessions, {logins:,} login attempts).",
         "ja": f"ダークネットへ {packets:,} パケットを送り、ハニーポットにも接続しています"
               f"（セッション {visits:,} 件、ログイン試行 {logins:,} 件）。"},
        evidence={"packets": packets, "sessions": visits, "logins": logins},
    )  # fmt: skip


def listed_and_seen(case: Case) -> Iterator[CrossLink]:
    """Named by intelligence, and seen by an own sensor."""
    listed = case.head.in_tables("indicators", "files", "objects")
    seen = [s for s in case.head.stands if s.table in OBSERVED]
    if not listed or not seen:
        return
    roles = sorted({s.role for s in listed if s.role})
    origins = sorted({r["origin"] for r in case.rows("indicators", "files", "objects") if r.get("origin")})
    where = sorted({s.table for s in seen})
    yield CrossLink(
        "listed-and-seen",
        {"en": f"Intelligence names it ({', '.join(roles)}; {', '.join(origins[:3]) or 'origin not given'}), "
               f"and own sensors saw it in {', '.join(where)}.",
         "ja": f"脅威情報に記載があり（{'、'.join(roles)}、出所: {'、'.join(origins[:3]) or '記載なし'}）、"
               f"自組織の観測にも現れています（{'、'.join(where)}）。"},
        evidence={"roles": roles, "origins": origins, "tables": where,
                  "listed": sum(s.count for s in listed), "seen": sum(s.count for s in seen)},
    )  # fmt: skip


def own_device(case: Case) -> Iterator[CrossLink]:
    """An own or a customer's device that attacks."""
    mine = [*case.context.own, *(str(a.get("name") or a.get("value")) for a in case.context.assets)]
    acts = [
        s for s in case.head.stands
        if (s.table in ("flows", *DECOYS) and s.role == "src") or (s.table == "events" and s.role == "src")
        or (s.table == "indicators" and s.role in _HOSTILE)
    ]  # fmt: skip
    if not mine or not acts:
        return
    owners = sorted({str(a["owner"]) for a in case.context.assets if a.get("owner")})
    contacts = sorted({str(a["contact"]) for a in case.context.assets if a.get("contact")})
    who = ", ".join(owners) or mine[0]
    where = ", ".join(dict.fromkeys(s.table for s in acts))
    yield CrossLink(
        "own-device",
        {"en": f"It is ours or a customer's ({who}) and stands as a source in {where}: tell its owner.",
         "ja": f"自組織か顧客の機器です（{who}）。{where} に送信元として現れています。所有者への連絡が必要です。"},
        evidence={"own": mine, "owners": owners, "contacts": contacts, "tables": sorted({s.table for s in acts})},
    )  # fmt: skip


def exposed_and_vulnerable(case: Case) -> Iterator[CrossLink]:
    """An exposed service -> CPE -> CVE -> KEV -> the product that contains it; judged as `vulnerable-service` does."""
    services = case.rows("services")
    exposed = dict.fromkeys((c, r.get("version") or "") for r in services for c in r.get("cpes") or ())
    named = dict.fromkeys(c for r in services for c in r.get("cves") or ())
    if case.what.kind == "cpe" and case.head.in_tables("services"):
        exposed = {(case.what.value, ""): None} | exposed
    done: set[tuple[str, str]] = set()
    for cpe, words in exposed:
        version = version_of(cpe, words)
        if (cpe, version) in done or len(done) >= LOOKS:
            continue
        done.add((cpe, version))
        if found := _holding_for(case, cpe, words):
            yield _exposed(case, cpe, version, found)
    if named:
        yield CrossLink(
            "exposed-and-vulnerable",
            {"en": f"A survey names {len(named)} CVEs of its services: {', '.join(list(named)[:5])}.",
             "ja": f"調査結果は公開サービスの CVE を {len(named)} 件挙げています: {'、'.join(list(named)[:5])}。"},
            tuple(("cve", c) for c in list(named)[:10]), {"cves": list(named)[:50]},
        )  # fmt: skip


def _exposed(case: Case, cpe: str, version: str, found: list[tuple[Match, bool]]) -> CrossLink:
    """One exposed product, in words."""
    sure = [m.id for m, _ in found if m.how == EXACT]
    kev = [m.id for m, exploited in found if exploited]
    ids = kev + [i for i in sure if i not in kev]
    products = sorted({p for b in _bare(cpe) for p in _products(case, "cpe", b)})
    what = f"{_short(cpe)} {version}".strip() if version not in cpe else _short(cpe)
    some = f" ({len(kev)} known to be exploited)" if kev else ""
    some_ja = f"（うち悪用確認済み {len(kev)} 件）" if kev else ""
    first, first_ja = ", ".join(ids[:3]), "、".join(ids[:3])
    if sure:
        count = (
            "a known vulnerability affects"
            if len(found) == 1
            else f"{len(found)} known vulnerabilities affect"
        )
        en = f"It exposes {what}, a version that {count}{some}: {first}."
        ja = f"既知の脆弱性 {len(found)} 件{some_ja}の影響を受けるバージョンの {what} を公開しています: {first_ja}。"
    else:
        en = (
            f"It exposes {what}, of which vulnerabilities are known to be exploited ({len(found)}: {first}); "
            "whether its version is affected is not known."
        )
        ja = (
            f"{what} を公開しています。悪用が確認された脆弱性が {len(found)} 件ある製品ですが（{first_ja}）、"
            "このバージョンが影響を受けるかは不明です。"
        )
    return CrossLink(
        "exposed-and-vulnerable", {"en": en, "ja": ja},
        (("cpe", cpe), *(("cve", i) for i in ids[:10] if i.startswith("CVE-"))),
        {"cpe": cpe, "version": version, "vulnerabilities": len(found), "exact": len(sure), "kev": kev,
         "products": products},
    )  # fmt: skip


def _bare(cpe: str) -> list[str]:
    return [cpe, *(v for k, v in implied("cpe", cpe) if k == "cpe")]


def _short(cpe: str) -> str:
    parts = cpe.split(":")
    return " ".join(p.replace("\\", "") for p in parts[3:6] if p not in ("*", "-")) or cpe


_RANGE = ("id", "origin", "cpe", "version_type", "ecosystem", "from_version", "after_version", "below_version",
          "to_version", "versions", "status")  # fmt: skip
RANGES = 500
"""Rows of `affected` read for a product at most: the newest; a system has more, which `noroshi analyse` reads."""


def _holding_for(case: Case, cpe: str, words: str) -> list[tuple[Match, bool]]:
    """Vulnerabilities that hold for an exposed product, with whether each is known to be exploited, these first."""
    from noroshi.lake.look import look

    product = product_of(cpe)
    # Names without version are linked too, so that one look into the links tells whether there is anything.
    if product is None or not case.stands("cpe", bare := _bare(cpe)[-1], "affected"):
        return []
    low, high = spelt("cpe", bare)
    read, _ = look(case.shot, "affected", "cpe", low, high, _RANGE, RANGES)
    rows = [r for r in read.to_pylist() if covers("cpe", bare, r["cpe"])]
    stands = {}
    for name in list(dict.fromkeys(r["id"] for r in rows if not r["id"].startswith("CVE-")))[: 4 * LOOKS]:
        if cves := _stands_for(case, name):
            stands[name] = cves
    found = judged(cpe, words, [row_of(r) for r in renamed(rows, stands)])
    # What is exact is told in any case; what is not, only if exploited: each is looked up, the exact first.
    found.sort(key=lambda m: (m.how != EXACT, m.id))
    told = [(m, _is_exploited(case, m.id)) for m in found[: 4 * LOOKS]]
    told += [(m, False) for m in found[4 * LOOKS :] if m.how == EXACT]
    return sorted((t for t in told if is_told(*t)), key=lambda t: (not t[1], t[0].how != EXACT, t[0].id))


def _stands_for(case: Case, name: str) -> tuple[str, ...]:
    """The CVEs that an advisory names as its own."""
    rows = case.shot.rows("vulnerabilities", "id", name, ("id", "aliases"), 20).to_pylist()
    return tuple(sorted({a for r in rows for a in r["aliases"] or () if a.startswith("CVE-")}))


def _is_exploited(case: Case, id: str) -> bool:
    rows = case.shot.rows("vulnerabilities", "id", id, ("id", "kev"), 20).to_pylist()
    return any(r["kev"] for r in rows)


def _affected(case: Case) -> list[dict[str, Any]]:
    """What a vulnerability affects, under this name and the others it has."""
    from noroshi.lake.look import look

    rows = case.rows("affected")
    held = {r["id"] for r in rows} | {case.what.value}
    others = {r["id"] for r in case.rows("vulnerabilities")}
    others |= {
        a for r in case.rows("vulnerabilities") if r["id"] == case.what.value for a in r.get("aliases") or ()
    }
    # Of an advisory all its CVEs are meant; of a CVE not the other CVEs of an advisory that names it.
    if case.what.kind == "cve":
        others = {o for o in others if not o.startswith("CVE-")}
    for name in sorted(others - held)[:LOOKS]:
        read, _ = look(case.shot, "affected", "id", name, name, ("id", "cpe", "purl", "status"), 200)
        rows += [r for r in read.to_pylist() if r["id"] == name]
    return [r for r in rows if r.get("status") != "unaffected"]


def _products(case: Case, kind: str, value: str) -> list[str]:
    """Products whose bill of materials contains it."""
    if not case.stands(kind, value, "components"):
        return []
    rows = _holding(case, "components", kind, kind, value, ("product", "product_version", "document"))
    return sorted(
        {" ".join(filter(None, (r["product"] or r["document"], r["product_version"]))) for r in rows}
    )


def _holding(
    case: Case, table: str, column: str, kind: str, value: str, columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Some rows of a table whose column holds the value, or a version of it."""
    from noroshi.lake.look import look

    low, high = spelt(kind, value)
    rows, _ = look(case.shot, table, column, low, high, (*columns, column), 200)
    return [r for r in rows.to_pylist() if covers(kind, value, r[column])]


def contained_in_products(case: Case) -> Iterator[CrossLink]:
    """A vulnerability, package or product that stands in our own bills of materials."""
    what, products, kev = case.what, dict[str, None](), False
    if what.kind in ("purl", "cpe") and case.head.in_tables("components"):
        products |= dict.fromkeys(_products(case, what.kind, what.value))
        products |= dict.fromkeys(str(r.get("product") or r.get("document")) for r in case.rows("components"))
    elif what.kind in ("cve", "advisory"):
        affected = _affected(case)
        for kind in ("purl", "cpe"):
            for value in list(dict.fromkeys(r[kind] for r in affected if r.get(kind)))[:LOOKS]:
                for one in _bare(value) if kind == "cpe" else [value]:
                    products |= dict.fromkeys(_products(case, kind, one))
        kev = any(r.get("kev") for r in case.rows("vulnerabilities"))
    if not products:
        return
    names = ", ".join(list(products)[:5])
    yield CrossLink(
        "contained-in-products",
        {"en": f"{len(products)} products contain it: {names}" + ("; it is known to be exploited." if kev else "."),
         "ja": f"構成部品に含む製品が {len(products)} 件あります: {names}"
               + ("。悪用が確認されている脆弱性です。" if kev else "。")},
        evidence={"products": list(products)[:100], "kev": kev},
    )  # fmt: skip


def published_then_surged(case: Case) -> Iterator[CrossLink]:
    """A CVE was published, and then a port surged on which the product is exposed."""
    if case.what.kind != "cve":
        return
    published = min(
        (r["published"] for r in case.rows("vulnerabilities") if r.get("published")), default=None
    )
    if published is None:
        return
    ports = _ports(case)
    for finding in _surges(case, published.date()):
        if finding.subject.value in ports:
            day = finding.first_seen.date().isoformat()
            yield CrossLink(
                "published-then-surged",
                {"en": f"Published on {published.date()}; {finding.subject.value}, where the product is exposed, "
                       f"surged on {day}.",
                 "ja": f"{published.date()} に公開され、製品が公開されている {finding.subject.value} への通信が "
                       f"{day} に急増しました。"},
                evidence={"port": finding.subject.value, "finding": finding.id, "day": day},
            )  # fmt: skip


SURGE_DAYS = 60
"""Days after publication in which a surge is told: mass exploitation begins within weeks, if it does."""


def _ports(case: Case) -> set[str]:
    """Ports (`tcp/443`) on which surveys found what the CVE affects."""
    protocols = {6: "tcp", 17: "udp"}
    rows = case.rows("services")
    cpes = dict.fromkeys(r["cpe"] for r in _affected(case) if r.get("cpe"))
    for cpe in list(dict.fromkeys(b for c in cpes for b in _bare(c)))[:LOOKS]:
        if case.stands("cpe", cpe, "services"):
            rows += _holding(case, "services", "cpes", "cpe", cpe, ("port", "protocol"))
    return {f"{protocols[r['protocol']]}/{r['port']}" for r in rows if r["protocol"] in protocols}


def _surges(case: Case, published: date) -> list[Finding]:
    from noroshi.ask.about import of_kind

    until = published + timedelta(days=SURGE_DAYS)
    return [f for f in of_kind(case.shot, "port-surge") if published <= f.first_seen.date() <= until]


def exploited_here(case: Case) -> Iterator[CrossLink]:
    """A CVE that alerts, decoys or own sensors saw used."""
    if case.what.kind not in ("cve", "technique"):
        return
    seen = case.head.in_tables("alerts", "commands", "events", "http")
    if not seen:
        return
    sources = len({r["src_ip"] for r in case.rows("alerts", "commands") if r.get("src_ip")})
    where = ", ".join(sorted({s.table for s in seen}))
    count = sum(s.count for s in seen)
    yield CrossLink(
        "exploited-here",
        {"en": f"Own sensors saw it used: {count:,} times in {where}, {sources} sources in the rows looked at.",
         "ja": f"自組織の観測で利用が確認されています（{where} に {count:,} 件、確認した行の送信元は {sources} 件）。"},
        evidence={"count": count, "tables": sorted({s.table for s in seen})},
    )  # fmt: skip


def same_tool(case: Case) -> Iterator[CrossLink]:
    """A fingerprint or key that many addresses share."""
    if case.what.kind not in ("hassh", "ja3", "ja4", "ja3s", "ja4s", "ssh-key", "certificate", "credential"):
        return
    columns = ("src_ip", "ip")
    hosts = {r[c] for r in case.rows(*{f.table for f in case.found}) for c in columns if r.get(c)}
    if len(hosts) < 2:
        return
    where = ", ".join(sorted({s.table for s in case.head.stands}))
    yield CrossLink(
        "same-tool",
        {"en": f"{len(hosts)} addresses share it in the rows looked at ({where}): the same tool, key or actor.",
         "ja": f"確認した行では {len(hosts)} 個のアドレスが共有しています（{where}）。同じツール、鍵、"
               "または攻撃者の可能性があります。"},
        evidence={"addresses": len(hosts), "tables": sorted({s.table for s in case.head.stands})},
    )  # fmt: skip


JOINS: dict[str, Callable[[Case], Iterator[CrossLink]]] = {
    "own-device": own_device,
    "darknet-and-decoy": darknet_and_decoy,
    "listed-and-seen": listed_and_seen,
    "exposed-and-vulnerable": exposed_and_vulnerable,
    "contained-in-products": contained_in_products,
    "published-then-surged": published_then_surged,
    "exploited-here": exploited_here,
    "same-tool": same_tool,
}
"""The joins, the most urgent first."""


def all_of(case: Case) -> list[CrossLink]:
    """Every join that holds."""
    return [link for join in JOINS.values() for link in join(case)]
