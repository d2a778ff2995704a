"""Zeek's logs: which fields are read, of what kind, and which columns of which table they become.

Fields by the names of Zeek 3 to 8 and its usual packages (JA3, JA4, HASSH). Shared by the readers of TSV and JSON.
Source: Zeek's documentation, Log Formats and script reference (`base/protocols/*/main.zeek`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch
from noroshi.observe.netlog.columns import Rowset
from noroshi.observe.netlog.values import compute, cves_in, plain_text, protocol_number

_ENDS: Final = {"id.orig_h": "enum", "id.orig_p": "int", "id.resp_h": "enum", "id.resp_p": "int"}
_BASE: Final = {"ts": "float", "uid": "text", **_ENDS}


@dataclass(frozen=True)
class Log:
    """One of Zeek's logs that is stored."""

    table: str
    fields: dict[str, str]
    """Fields read and their kinds (`delimited.KINDS`)."""
    signs: tuple[frozenset[str], ...]
    """Sets of fields of which one whole set tells the log when nothing else does."""
    build: Callable[[Rowset], Any]


def _ends(rows: Rowset, *, required: bool = True) -> dict[str, Any]:
    return {
        "src_ip": rows.address("id.orig_h", required=required),
        "src_port": rows.port("id.orig_p", required=required),
        "dst_ip": rows.address("id.resp_h", required=required),
        "dst_port": rows.port("id.resp_p", required=required),
    }


def _conn(rows: Rowset) -> Any:
    pc = compute()

    ends = _ends(rows)
    began = rows.micros("ts")
    counts = {}
    for side, zeek in (("src", "orig"), ("dst", "resp")):
        counts[f"{side}_packet_count"] = rows.count_of(f"{zeek}_pkts")
        whole, payload = rows.count_of(f"{zeek}_ip_bytes"), rows.count_of(f"{zeek}_bytes")
        counts[f"{side}_byte_count"] = pc.coalesce(whole, payload) if whole.null_count else whole
    protocol = rows.protocol("proto", ends["src_ip"])
    return rows.table(
        "connections", first_seen=began, last_seen=rows.after(began, "duration"), **ends, protocol=protocol,
        service=rows.text("service"), state=rows.text("conn_state"), uid=rows.text("uid"), **counts,
    )  # fmt: skip


def _dns(rows: Rowset) -> Any:
    ends = _ends(rows)
    return rows.table(
        "dns", ts=rows.micros("ts"), **ends, protocol=rows.protocol("proto"), query=rows.text("query"),
        qtype=rows.text("qtype_name"), rcode=rows.text("rcode_name"), answers=rows.texts("answers"),
        uid=rows.text("uid"),
    )  # fmt: skip


def _http(rows: Rowset) -> Any:
    ends = _ends(rows)
    asked = plain_text(rows.text("host"))
    return rows.table(
        "http", ts=rows.micros("ts"), **ends, method=rows.text("method"), host=without_port(asked),
        url=whole_url(rows, asked, ends["dst_port"]), user_agent=rows.text("user_agent"),
        referrer=rows.text("referrer"), status_code=rows.count_of("status_code", small=True),
        request_byte_count=rows.count_of("request_body_len"), uid=rows.text("uid"),
        response_byte_count=rows.count_of("response_body_len"), mime_type=rows.first("resp_mime_types"),
    )  # fmt: skip


def without_port(hosts: Any) -> Any:
    """Hosts as a Host header names them, without the port behind them and without brackets."""
    pc = compute()

    if not pc.any(pc.match_substring(hosts, ":")).as_py():
        return hosts
    return pc.replace_substring_regex(hosts, r"^\[?([^\[\]]*?)\]?(?::[0-9]*)?$", r"\1")


def whole_url(rows: Rowset, asked: Any, ports: Any) -> Any:
    """The address asked for: `uri` when it is whole, else http, the Host header (or the server) and `uri`.

    A CONNECT asks for an end, not for an address: null. Names and passwords before an @ are dropped.
    """
    import pyarrow as pa

    pc = compute()

    if not rows.has("uri"):
        return pa.nulls(rows.count, pa.string())
    uri = plain_text(rows.text("uri"))
    server = plain_text(rows.text("id.resp_h"))
    six = pc.match_substring(server, ":")
    server = pc.if_else(six, pc.binary_join_element_wise("[", server, "]", ""), server)
    host = pc.if_else(pc.equal(asked, "").fill_null(True), server, asked)
    odd = pc.and_(pc.not_equal(ports, 80), pc.invert(pc.match_substring_regex(host, r":[0-9]+$")))
    shown = pc.if_else(odd, pc.binary_join_element_wise(":", ports.cast(pa.string()), ""), "")
    whole = pc.binary_join_element_wise("http://", host, shown, uri, "")
    absolute = pc.match_substring_regex(uri, r"^[A-Za-z][A-Za-z0-9+.-]*://")
    if pc.any(absolute).as_py():
        bare = pc.replace_substring_regex(uri, r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1")
        whole = pc.if_else(absolute, bare, whole)
    sound = pc.or_(pc.starts_with(uri, "/"), absolute)
    return pc.if_else(sound, whole, None)


def _ssl(rows: Rowset) -> Any:
    pc = compute()

    ends = _ends(rows)
    texts = {n: rows.text(n) for n in ("version", "cipher", "server_name", "subject", "issuer", *_JA)}
    certificate = pc.coalesce(rows.first("cert_chain_fps"), plain_text(rows.text("cert_chain_fp")))
    return rows.table(
        "tls", ts=rows.micros("ts"), **ends, **texts, certificate=certificate,
        validation=rows.text("validation_status"), established=rows.flag("established"), uid=rows.text("uid"),
    )  # fmt: skip


_JA: Final = ("ja3", "ja3s", "ja4", "ja4s")


def _quic(rows: Rowset) -> Any:
    """A handshake like any other. Where Zeek logs what is inside in ssl.log too, the two have one uid."""
    pc = compute()

    ends = _ends(rows)
    given = plain_text(rows.text("version"))
    # `1`, `draft-29`, `unknown-0a1a2a3a`: numbers Zeek has a name for; `quicv2` names itself.
    named = pc.starts_with(given, "quic")
    version = pc.if_else(named, given, pc.binary_join_element_wise("QUIC", given, ""))
    version = pc.replace_substring_regex(version, r"(?i)^quicv?([0-9]+)$", r"QUICv\1")
    texts = {n: rows.text(n) for n in ("server_name", *_JA)}
    return rows.table("tls", ts=rows.micros("ts"), **ends, **texts, version=version, uid=rows.text("uid"))


def _files(rows: Rowset) -> Any:
    """Zeek 5.1 and later names the connection and the direction in it, earlier versions who sent and received."""
    import pyarrow as pa

    pc = compute()

    ends = _directed(rows)
    for end, field in (("src_ip", "tx_hosts"), ("dst_ip", "rx_hosts")):
        if rows.has(field):
            ends[end] = pc.coalesce(ends[end], rows.first_address(field).cast(pa.binary()))
    lost, seen, whole = (
        rows.count_of("missing_bytes"),
        rows.count_of("seen_bytes"),
        rows.count_of("total_bytes"),
    )
    cut = pc.or_kleene(pc.greater(lost, 0), rows.flag("timedout"))
    short = pc.less(seen, whole).fill_null(False)
    names = pc.replace_substring_regex(plain_text(rows.text("filename")), r"^.*[/\\]", "")
    return rows.table(
        "network_files", ts=rows.micros("ts"), **ends, service=pc.utf8_lower(plain_text(rows.text("source"))),
        filename=pc.if_else(pc.equal(names, ""), None, names), type=rows.text("mime_type"),
        size=pc.coalesce(whole, seen), complete=pc.invert(pc.or_kleene(cut, short)), md5=rows.text("md5"),
        sha1=rows.text("sha1"), sha256=rows.text("sha256"),
        uid=pc.coalesce(plain_text(rows.text("uid")), plain_text(rows.first("conn_uids"))),
    )  # fmt: skip


def _directed(rows: Rowset) -> dict[str, Any]:
    """The ends of a file: the originator's side sent it when `is_orig` says so; a file of its own has none."""
    import pyarrow as pa

    pc = compute()

    sent = rows.flag("is_orig").fill_null(True)
    found = {
        "ip": [rows.address(f"id.{end}_h", required=False).cast(pa.binary()) for end in ("orig", "resp")],
        "port": [rows.port(f"id.{end}_p", required=False) for end in ("orig", "resp")],
    }
    return {
        f"{side}_{what}": pc.if_else(sent, *(pair if side == "src" else reversed(pair)))
        for what, pair in found.items()
        for side in ("src", "dst")
    }


def _ssh(rows: Rowset) -> Any:
    ends = _ends(rows)
    return rows.table(
        "ssh", ts=rows.micros("ts"), **ends, client=rows.text("client"), server=rows.text("server"),
        auth_success=rows.flag("auth_success"), hassh=rows.text("hassh"), uid=rows.text("uid"),
        auth_attempt_count=rows.count_of("auth_attempts", small=True),
        hassh_server=rows.either("hasshServer", "hassh_server"), host_key=rows.text("host_key"),
    )  # fmt: skip


def _x509(rows: Rowset) -> Any:
    named = "certificate."
    return rows.table(
        "certificates", ts=rows.micros("ts"), certificate=rows.text("fingerprint"),
        subject=rows.text(f"{named}subject"), issuer=rows.text(f"{named}issuer"),
        serial=rows.text(f"{named}serial"), not_before=rows.moment(f"{named}not_valid_before"),
        not_after=rows.moment(f"{named}not_valid_after"), key_type=rows.text(f"{named}key_type"),
        key_bits=rows.count_of(f"{named}key_length", small=True), san=_joined(rows, "san.dns", "san.ip"),
    )  # fmt: skip


def _joined(rows: Rowset, *names: str) -> Any:
    import pyarrow as pa

    columns = [rows.texts(n).to_pylist() for n in names if rows.has(n)]
    if not columns:
        return rows.texts(names[0])
    joined = [[x for c in cells if c for x in c] or None for cells in zip(*columns, strict=True)]
    return pa.array(joined, pa.list_(pa.string()))


def _cves(column: Any) -> Any:
    import pyarrow as pa

    pc = compute()

    if not pc.any(pc.match_substring(column, "CVE", ignore_case=True)).as_py():
        return pa.nulls(len(column), pa.list_(pa.string()))
    return pa.array([cves_in(t) for t in column.to_pylist()], pa.list_(pa.string()))


def _notice(rows: Rowset) -> Any:
    import pyarrow as pa

    pc = compute()

    ends = _ends(rows, required=False)
    for column, field in (("src_ip", "src"), ("dst_ip", "dst")):
        if rows.has(field):
            ends[column] = pc.coalesce(
                ends[column].cast(pa.binary()), rows.address(field, required=False).cast(pa.binary())
            )
    if rows.has("p"):
        ends["dst_port"] = pc.coalesce(ends["dst_port"], rows.port("p", required=False))
    message, more = plain_text(rows.text("msg")), plain_text(rows.text("sub"))
    message = pc.binary_join_element_wise(message, more, "; ", null_handling="skip")
    rows.fail(rows.nulls("note"), "value", "there is no note")
    return rows.table(
        "alerts", ts=rows.micros("ts"), **ends, protocol=_protocol_or_null(rows), signature=rows.text("note"),
        engine=rows.constant("zeek-notice"), message=message, cves=_cves(message), uid=rows.text("uid"),
    )  # fmt: skip


def _protocol_or_null(rows: Rowset) -> Any:
    import pyarrow as pa

    if not rows.has("proto"):
        return pa.nulls(rows.count, pa.int16())
    return pa.array([protocol_number(p) for p in plain_text(rows.text("proto")).to_pylist()], pa.int16())


def _weird(rows: Rowset) -> Any:
    ends = _ends(rows, required=False)
    rows.fail(rows.nulls("name"), "value", "there is no name")
    return rows.table(
        "alerts", ts=rows.micros("ts"), **ends, engine=rows.constant("zeek-weird"),
        signature=rows.text("name"), message=rows.text("addl"), uid=rows.text("uid"),
    )  # fmt: skip


def _signs(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(s.split()) for s in sets)


LOGS: Final[dict[str, Log]] = {
    "conn": Log(
        "connections",
        _BASE | {
            "proto": "enum", "service": "enum", "duration": "float", "conn_state": "enum",
            "orig_bytes": "int", "resp_bytes": "int", "orig_pkts": "int", "orig_ip_bytes": "int",
            "resp_pkts": "int", "resp_ip_bytes": "int",
        },
        _signs("id.orig_h conn_state", "id.orig_h orig_pkts resp_pkts", "id.orig_h orig_bytes resp_bytes"),
        _conn,
    ),
    "dns": Log(
        "dns",
        _BASE | {
            "proto": "enum", "query": "text", "qtype_name": "enum", "rcode_name": "enum", "answers": "texts",
        },
        _signs("id.orig_h trans_id proto", "id.orig_h query", "id.orig_h qtype_name", "id.orig_h rcode_name"),
        _dns,
    ),
    "http": Log(
        "http",
        _BASE | {
            "method": "enum", "host": "enum", "uri": "text", "referrer": "enum", "user_agent": "enum",
            "status_code": "int", "request_body_len": "int", "response_body_len": "int",
            "resp_mime_types": "texts",
        },
        _signs("id.orig_h trans_depth request_body_len", "id.orig_h method uri"),
        _http,
    ),
    "ssl": Log(
        "tls",
        _BASE | {
            "version": "enum", "cipher": "enum", "server_name": "enum", "subject": "enum", "issuer": "enum",
            "cert_chain_fps": "texts", "cert_chain_fp": "text", "ja3": "enum", "ja3s": "enum", "ja4": "enum",
            "ja4s": "enum", "validation_status": "enum", "established": "bool",
        },
        _signs("id.orig_h cipher", "id.orig_h resumed established", "id.orig_h ssl_history"),
        _ssl,
    ),
    "quic": Log(
        "tls",
        _BASE | {
            "version": "enum", "server_name": "enum", "ja3": "enum", "ja3s": "enum", "ja4": "enum", "ja4s": "enum",
        },
        _signs("id.orig_h client_initial_dcid", "id.orig_h client_scid server_scid"),
        _quic,
    ),
    "files": Log(
        "network_files",
        _BASE | {
            "tx_hosts": "texts", "rx_hosts": "texts", "conn_uids": "texts", "source": "enum", "mime_type": "enum",
            "filename": "text", "is_orig": "bool", "seen_bytes": "int", "total_bytes": "int",
            "missing_bytes": "int", "timedout": "bool", "md5": "text", "sha1": "text", "sha256": "text",
        },
        _signs("fuid seen_bytes", "fuid mime_type source"),
        _files,
    ),
    "ssh": Log(
        "ssh",
        _BASE | {
            "client": "enum", "server": "enum", "auth_success": "bool", "auth_attempts": "int",
            "hassh": "enum", "hasshServer": "enum", "hassh_server": "enum", "host_key": "enum",
        },
        _signs("id.orig_h auth_attempts", "id.orig_h kex_alg", "id.orig_h hassh"),
        _ssh,
    ),
    "x509": Log(
        "certificates",
        {
            "ts": "float", "fingerprint": "text", "certificate.serial": "text", "certificate.subject": "text",
            "certificate.issuer": "enum", "certificate.not_valid_before": "float",
            "certificate.not_valid_after": "float", "certificate.key_type": "enum",
            "certificate.key_length": "int", "san.dns": "texts", "san.ip": "texts",
        },
        _signs("certificate.serial", "certificate.subject"),
        _x509,
    ),
    "notice": Log(
        "alerts",
        _BASE | {
            "proto": "enum", "note": "enum", "msg": "text", "sub": "text", "src": "enum", "dst": "enum",
            "p": "int",
        },
        _signs("note msg", "note suppress_for"),
        _notice,
    ),
    "weird": Log(
        "alerts",
        _BASE | {"name": "enum", "addl": "text"},
        _signs("name notice peer", "name notice addl", "name notice source"),
        _weird,
    ),
}  # fmt: skip
"""In the order of guessing by fields."""

KNOWN: Final = frozenset(
    """analyzer arp broker capture_loss cluster communication config conn-summary dce_rpc dhcp dnp3 dnp3_control
    dnp3_objects dpd ftp httpsummary intel irc kerberos known_certs known_devices known_hosts known_modbus
    known_services ldap ldap_search loaded_scripts login_analyzer modbus modbus_register_change mqtt_connect
    mqtt_publish mqtt_subscribe mysql netcontrol netcontrol_drop netcontrol_shunt netcontrol_catch_release
    notice_alarm ntlm ntp ocsp opcua_binary openflow packet_filter pe postgresql print prof radius rdp
    redis reporter rfb s7comm signatures sip smb_cmd smb_files smb_mapping smtp snmp socks software stats
    stderr stdout suricata_corelight syslog telemetry telemetry_histogram traceroute tunnel unknown_protocols
    websocket wireguard barnyard2 unified2 bacnet cip enip profinet ethercat tds stun stun_nat""".split()  # noqa: SIM905  a list of words is read more easily than a list of texts
)
"""Zeek's other logs: recognised, told, not stored."""
_OTHER_SIGNS: Final[dict[str, tuple[frozenset[str], ...]]] = {
    "dhcp": _signs("mac lease_time", "mac msg_types", "mac assigned_addr", "uids client_addr"),
    "smtp": _signs("id.orig_h helo", "id.orig_h mailfrom"),
    "tunnel": _signs("tunnel_type action"),
    "software": _signs("software_type unparsed_version", "software_type name"),
    "packet_filter": _signs("filter init success"),
    "stats": _signs("pkts_proc bytes_recv", "peer mem"),
    "capture_loss": _signs("ts_delta percent_lost"),
    "pe": _signs("is_exe is_64bit", "compile_ts subsystem"),
    "dpd": _signs("analyzer failure_reason"),
    "analyzer": _signs("analyzer_kind analyzer_name"),
    "ntp": _signs("id.orig_h stratum"),
    "kerberos": _signs("id.orig_h request_type"),
    "smb_mapping": _signs("id.orig_h share_type"),
    "smb_files": _signs("id.orig_h action name"),
    "dce_rpc": _signs("id.orig_h named_pipe", "id.orig_h endpoint operation"),
    "ntlm": _signs("id.orig_h domainname", "id.orig_h server_nb_computer_name"),
    "ftp": _signs("id.orig_h command reply_code", "id.orig_h data_channel.passive"),
    "rdp": _signs("id.orig_h security_protocol", "id.orig_h cookie"),
    "sip": _signs("id.orig_h call_id"),
    "snmp": _signs("id.orig_h get_requests"),
    "ocsp": _signs("hashAlgorithm issuerNameHash"),
    "reporter": _signs("level message location"),
    "known_services": _signs("host port_num port_proto"),
    "arp": _signs("operation src_mac", "arp_msg", "orig_hw resp_hw"),
}


def which(path: str, fields: Collection[str]) -> str:
    """The log's name, by `#path` or `_path` when that is one of Zeek's, else by its fields; `` for neither."""
    if path in LOGS or path in KNOWN:
        return path
    have = frozenset(fields)
    for name, signs in (*_OTHER_SIGNS.items(), *((n, log.signs) for n, log in LOGS.items())):
        if any(s <= have for s in signs):
            return name
    return ""


class Counted:
    """Lines of logs that are known but not stored, told once for each log when the source ends."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._held: dict[str, tuple[int, bytes, int]] = {}

    def add(self, name: str, offset: int, line: bytes, count: int = 1) -> None:
        """Counts lines of the log `name`, the first of them at `offset`."""
        first, sample, so_far = self._held.get(name, (offset, line, 0))
        self._held[name] = (first, sample, so_far + count)

    def told(self, what: str) -> Iterator[Reject]:
        """A reject for each log; `what` calls it, as `Zeek's log`."""
        for name, (offset, line, count) in self._held.items():
            self._counts[f"not_stored.{name}"] = count
            lines = "1 line" if count == 1 else f"{count:,} lines"
            detail = f"{what} {name} is known but not stored: {lines}"
            yield Reject(offset, "not-stored", detail, line, count)
        self._held.clear()


def batch(name: str, rows: Rowset) -> Iterator[Batch | Reject]:
    """Rows of the log `name` as a batch of its table, and the rejects of those that do not fit."""
    log = LOGS[name]
    table = log.build(rows)
    yield from rows.rejects()
    if table.num_rows:
        yield Batch(log.table, table)


def joined(found: list[Batch]) -> Iterator[Batch]:
    """One batch for each table of several."""
    tables: dict[str, list[Any]] = {}
    for one in found:
        tables.setdefault(one.table, []).append(one.rows)
    for name, pieces in tables.items():
        yield Batch(name, pieces[0] if len(pieces) == 1 else _united(pieces))


def _united(pieces: list[Any]) -> Any:
    import pyarrow as pa

    schemas = [p.schema for p in pieces]
    if all(s.equals(schemas[0]) for s in schemas[1:]):
        return pa.concat_tables(pieces)
    # A column may be dictionary-encoded in one and plain in another, or all null and so missing.
    plain = [
        pa.table({n: plain_text(c) for n, c in zip(p.column_names, p.columns, strict=True)}) for p in pieces
    ]
    return pa.concat_tables(plain, promote_options="default")
