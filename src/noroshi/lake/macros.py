"""SQL macros for people: ip('192.0.2.1'), ip_text(x), in_net(x, '192.0.2.0/24').

Plain SQL without lambdas or subqueries, so that DuckDB folds them over constants: `in_net(src_ip,
'192.0.2.0/24')` becomes two blob constants around a column, and whole row groups are skipped. A parameter of
a macro is pasted wherever it stands, so the bodies use theirs sparingly. No extension is needed.
"""

from __future__ import annotations

import duckdb

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_H = "[0-9a-f]{1,4}"
# RFC 4291, 2.2: eight groups, or fewer with one `::` that stands for at least one
_V6 = "|".join(
    [f"({_H}:){{7}}{_H}", f"({_H}:){{1,7}}:", f":(:{_H}){{1,7}}", "::"]
    + [f"({_H}:){{1,{7 - n}}}(:{_H}){{1,{n}}}" for n in range(1, 7)]
)


def _quad(t: str) -> str:
    """SQL: the first four numbers of a dotted quad as arguments."""
    return ", ".join(f"split_part({t}, '.', {i})::INTEGER" for i in (1, 2, 3, 4))


def _shorten() -> str:
    """SQL: groups framed by colons, the longest run of two or more zero groups (the first of equals) cut."""
    runs = "".join(
        f" WHEN contains(s, '{':0' * n}:') THEN regexp_replace(s, '{':0' * n}:', '::')"
        for n in range(8, 1, -1)
    )
    return f"CASE{runs} ELSE s END"


_MACROS = {
    "_ip4(t)": f"printf('04%02x%02x%02x%02x', {_quad('t')})",
    # a dotted quad at the end of an IPv6 text, as two groups
    "_ip6_tail(t)": rf"""CASE WHEN regexp_full_match(t, '.*:{_V4}') THEN concat(
        regexp_replace(t, '[^:]*$', ''), printf('%02x%02x:%02x%02x', {_quad("regexp_extract(t, '[^:]*$')")}))
        ELSE t END""",
    # every group 4 digits wide: three zeros before each, then the last four digits of each
    "_ip6_wide(t)": r"regexp_replace(regexp_replace(t, '([0-9a-f]+)', '000\1', 'g'),"
    r" '[0-9a-f]*([0-9a-f]{4})', '\1', 'g')",
    # what stands left of `::` filled with zeros on the right, or-ed with what stands right of it
    "_ip6_join(w)": """(unhex('06' || rpad(replace(split_part(w, '::', 1), ':', ''), 32, '0'))::BIT
        | unhex('06' || lpad(replace(split_part(w, '::', 2), ':', ''), 32, '0'))::BIT)::BLOB""",
    "_ip6(t)": f"CASE WHEN regexp_full_match(t, '{_V6}') THEN hex(_ip6_join(_ip6_wide(t))) END",
    "_ip6_unmap(h)": "regexp_replace(h, '^0600000000000000000000FFFF', '04')",
    # what is no address fails in a cast that names it: a call of error() would keep this from being folded
    "_ip_bad(t)": "concat('not an IP address: ', t)::INTEGER::VARCHAR",
    "_ip_net(t)": f"""unhex(CASE WHEN regexp_full_match(t, '{_V4}') THEN _ip4(t)
        ELSE coalesce(_ip6(_ip6_tail(t)), _ip_bad(t)) END)""",
    "_ip_host(t)": f"""unhex(CASE WHEN t IS NULL THEN NULL WHEN regexp_full_match(t, '{_V4}') THEN _ip4(t)
        ELSE coalesce(_ip6_unmap(_ip6(_ip6_tail(t))), _ip_bad(t)) END)""",
    "ip(address)": "_ip_host(lower(trim(address)))",
    "_ip4_text(n)": "concat((n >> 24) & 255, '.', (n >> 16) & 255, '.', (n >> 8) & 255, '.', n & 255)",
    "_ip6_short(s)": _shorten(),
    "_ip6_groups(h)": r"regexp_replace(regexp_replace(h, '(.{4})', ':\1', 'g') || ':',"
    r" ':0{1,3}([0-9a-f])', ':\1', 'g')",
    # the frame's colons go, those of `::` stay
    "_ip6_text(h)": r"regexp_replace(regexp_replace(_ip6_short(_ip6_groups(h)), '^:([^:])', '\1'),"
    r" '([^:]):$', '\1')",
    "ip_text(x)": """CASE
        WHEN octet_length(x::BLOB) = 5 AND x[1:1] = unhex('04') THEN _ip4_text(TRY_CAST(x::BIT AS BIGINT))
        WHEN octet_length(x::BLOB) = 17 AND x[1:1] = unhex('06') THEN _ip6_text(lower(substr(hex(x), 3)))
        ELSE lower(hex(x::BLOB)) END""",
    # 1 for the version byte and the network's bits, 0 for the host's; a wrong length gives an empty bit
    # string, and the operator's message about unequal sizes
    "_mask(bits, length)": """CASE WHEN length BETWEEN 0 AND bits
        THEN rpad(repeat('1', 8 + length), 8 + bits, '0') ELSE '1' END::BIT""",
    "_bits(net)": "CASE WHEN contains(net, ':') THEN 128 ELSE 32 END",
    "_length(net)": "CASE WHEN contains(net, '/') THEN split_part(net, '/', 2)::INTEGER ELSE _bits(net) END",
    "_base(net)": "_ip_net(lower(trim(split_part(net, '/', 1))))",
    "net_first(net)": "(_base(net)::BIT & _mask(_bits(net), _length(net)))::BLOB",
    "net_last(net)": "(_base(net)::BIT | ~_mask(_bits(net), _length(net)))::BLOB",
    "in_net(x, net)": "(x BETWEEN net_first(net) AND net_last(net))",
}  # fmt: skip


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Create the macros on a connection.

    ip(text) is the stored form (model.address) and fails on what is no address; ip_text(x) is canonical text
    (RFC 5952), plain hexadecimal for a blob that is no address; in_net(x, prefix) holds when x lies in the
    prefix, host bits ignored; net_first(prefix) and net_last(prefix) are its ends.
    """
    con.execute(";".join(f"CREATE OR REPLACE MACRO {face} AS ({body})" for face, body in _MACROS.items()))
