"""`dos-victim`: hosts under attack from forged sources, seen by their backscatter, at any telescope size.

A telescope of N addresses sees q = N / 2^32 of the answers to uniformly forged sources (Moore, Voelker and
Savage, USENIX Security 2001). Fixed thresholds (25 packets, 60 s, 30 packets a minute) make a small telescope
blind; here the question is only whether so many replies, at so many addresses, can be anything else.

**Rate and interval.** Start and end of an attack are unknown; only the first and last reply are seen, S
seconds apart, and n / (qS) is too high. With both ends integrated out, the likelihood of n arrivals is that
of
a Poisson count of the n - 2 inner ones during S, and (n - 2) / S is free of bias: S / D is Beta(n - 1, 2), so
E[(n - 2) / S] = n / D for a true duration D. Hence rate = (n - 2) / (qS) with Garwood's interval of n - 2.

**Dispersion.** A tool that cycles a list sends each forged tuple many times, so the count varies more than a
Poisson one. The variance-to-mean ratio over the telescope's addresses (chi-square of the destinations over
its
degrees of freedom) measures that without knowing the tool; above 1 it widens the interval
(stats.scaled_garwood).
Whether the *choice* of addresses is even is tested on distinct tuples instead; a tool that forges sources
from
some networks only is flagged `subnet_targeted`, and gets no rate, for q means nothing then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from noroshi.analyse.darknet import dos_replies, stats
from noroshi.analyse.darknet.dos_replies import Event, Reduced
from noroshi.analyse.darknet.probe import option
from noroshi.analyse.darknet.wording import duration, quantity, quantity_range, when_many
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject, iso

MIN_REPLIES = 10
"""With ten replies the interval spans a factor of about four, and the chance tests below have power."""
MIN_DST = 8
"""Distinct telescope addresses: less is a conversation with a few, which forged sources do not make."""
MAX_PORT_ENTROPY = 1.5
"""Bits over the attacked ports: victims are attacked on one to a few ports; port-hopping talkers are not
victims."""
UNIFORM_P = 1e-4
"""Chi-square p-value below which the forged sources do not cover the telescope evenly."""
CHANCE = 1e-6
"""Poisson tail of n replies where a stray source of that day sends so many on average."""
CONSTANT = 2
"""Up to so many distinct ports and identifiers, replies have a constant header: as probes made to look like
them."""
ATTACKS_KEPT = 20
LISTED = ("vector", "protocol", "ports", "n", "n_raw", "duration_s", "rate_pps", "rate_low", "rate_high")
"""What is listed of each attack of a victim; the largest has all of `measure`."""
NOWHERE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3", "::/8", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
"""Sources that name nobody (RFC 6890): replies from there leaked out of a network or are forged
themselves."""
_NOWHERE = tuple(address.prefix_range(p) for p in NOWHERE)
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}


def needed(scope: Scope, duration_s: float, baseline: float = 0.0) -> int:
    """Replies an event of that duration needs, so that stray ones cannot explain it."""
    stray = baseline * min(1.0, duration_s / scope.observed_s) if scope.observed_s > 0 else baseline
    return max(int(option(scope, "min_replies", MIN_REPLIES)), stats.poisson_needed(stray, CHANCE))


def floor_pps(scope: Scope, duration_s: float | None = None, baseline: float = 0.0) -> float:
    """The attack rate from which an attack is found with probability 95 % or more; inf when none ever is.

    In packets per second the victim answers, for an attack of `duration_s` (None: as long as the telescope
    was
    observed on this day) whose sources are forged uniformly over IPv4 and not repeated. It is not the rate of
    an attack that happens to give the smallest accepted count (10 replies, found half of the time), but the
    one whose mean count (15.7) reaches that count, on 8 addresses, 95 times in 100.
    A tool that cycles a list must have that many entries fall into the telescope, whatever its rate; ICMP
    errors are rate-limited by who sends them, so UDP floods may lie above the floor and stay unseen.
    baseline: stray replies a day and source (evidence `baseline`).
    """
    seconds = scope.observed_s if duration_s is None else duration_s
    if scope.telescope is None or scope.q <= 0 or seconds <= 0:
        return math.inf
    dst = int(option(scope, "min_dst", MIN_DST))
    mean = stats.mean_for_detection(needed(scope, seconds, baseline), dst, int(scope.size))
    return mean / (scope.q * seconds)


class DosVictim:
    """Victims of denial of service from forged sources, one finding per victim and day.

    Options: `min_replies`, `min_dst`; the floor follows them.
    """

    name = "dos-victim"
    version = 1
    kinds: tuple[str, ...] = ("dos-victim",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    doc = "Victims of DoS attacks with forged sources, from backscatter; thresholds scale with the telescope."
    options = (
        Option("min_replies", MIN_REPLIES, "replies of an attack, once repetitions are taken out"),
        Option("min_dst", MIN_DST, "telescope addresses they reach"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Events of replies, and the level of stray replies, of the scope's day."""
        if scope.telescope is None:
            return Reduced((), 0.0, 0)
        least, dst = int(option(scope, "min_replies", MIN_REPLIES)), int(option(scope, "min_dst", MIN_DST))
        return dos_replies.reduce(query, scope, least, dst, MAX_PORT_ENTROPY)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per victim: its largest event, with the others of the day listed."""
        if scope.telescope is None:
            return []
        by_victim: dict[bytes, list[Event]] = defaultdict(list)
        for event in reduced.events:
            if is_attack(event, scope, reduced.baseline):
                by_victim[event.victim].append(event)
        _, sizes = dos_replies.blocks(scope)
        return [self._finding(v, by_victim[v], sizes, reduced, scope) for v in sorted(by_victim)]

    def _finding(
        self, victim: bytes, events: list[Event], sizes: list[int], reduced: Reduced, scope: Scope
    ) -> Finding:
        assert scope.telescope is not None
        # The largest count, not the highest rate: choosing by rate would bias the rate upwards.
        events = sorted(events, key=lambda e: (-e.n, e.first, e.kind, e.ports))
        measured = [measure(e, scope, sizes) for e in events]
        main, evidence = events[0], dict(measured[0])
        evidence |= {
            "floor_pps": _round(floor_pps(scope, baseline=reduced.baseline)),
            "floor_event_pps": _round(floor_pps(scope, _seconds(main), reduced.baseline)),
            "floor_means": "found with probability 0.95 or more from here on (uniform forging, no repeats)",
            "baseline": round(reduced.baseline, 4),
            "baseline_sources": reduced.sources,
            "needed": needed(scope, _seconds(main), reduced.baseline),
            "size": scope.size,
            "observed_s": scope.observed_s,
            "attack_count": len(events),
            "attacks": [
                {"first_seen": iso(e.first), "last_seen": iso(e.last)} | {k: m[k] for k in LISTED}
                for e, m in zip(events[:ATTACKS_KEPT], measured, strict=False)
            ],
        }
        return Finding(
            kind="dos-victim", subject=Subject("ip", address.text(victim)),
            rule=Rule(self.name, self.version),
            first_seen=min(e.first for e in events), last_seen=max(e.last for e in events),
            confidence=max(confidence(e, m) for e, m in zip(events, measured, strict=True)),
            scope=scope.telescope.name, summary=_summary(address.text(victim), evidence, scope),
            evidence=evidence,
        )  # fmt: skip


def is_attack(event: Event, scope: Scope, baseline: float) -> bool:
    """True when nothing but forged sources explains the replies."""
    if event.dst < option(scope, "min_dst", MIN_DST) or event.port_entropy >= MAX_PORT_ENTROPY:
        return False
    if any(low <= event.victim <= high and len(low) == len(event.victim) for low, high in _NOWHERE):
        return False
    if _constant(event) and event.seqs <= CONSTANT:
        return False  # a sweep with SYN-ACK or RST packets of one make
    return event.n >= needed(scope, _seconds(event), baseline)


def measure(event: Event, scope: Scope, sizes: list[int]) -> dict[str, Any]:
    """What is known of one event, as evidence; rates are null where no rate follows.

    sizes: dark addresses per block of the telescope (dos_replies.blocks).
    """
    seconds = _seconds(event)
    phi, p = dispersion(event, scope), uniform_p(event, sizes)
    targeted = p < UNIFORM_P
    low, rate, high = (None, None, None) if targeted else rate_interval(event, scope)
    protocol, vector = _vector(event)
    names = [f"{protocol}/{port}" for port, _ in event.ports] if event.kind != "echo" else []
    return {
        "vector": vector, "protocol": protocol, "ports": names, "port_count": event.port_count,
        "port_entropy": round(event.port_entropy, 3),
        "n": event.n, "n_raw": event.n_raw, "retransmissions": event.n_raw - event.n, "rst": event.rst,
        "dst_ip_nunique": event.dst, "duration_s": round(seconds, 3), "peak_minute": event.peak_minute,
        "rate_pps": rate, "rate_low": low, "rate_high": high, "rate_confidence": 0.95,
        "rate_is_lower_bound": event.kind.startswith("quoted"),
        "dispersion": round(phi, 3), "uniform_p": float(f"{p:.3g}"), "subnet_targeted": targeted,
        "forged_tuples": event.tuples, "recurrence": round(event.n / event.tuples, 3),
        "recurrence_s": None if event.recurrence_s is None else round(event.recurrence_s, 1),
        "list_cycling": not _constant(event) and event.kind == "tcp" and event.n >= 1.2 * event.tuples,
        "constant_header": _constant(event), "one_port_of_many": event.alone,
    }  # fmt: skip


def rate_interval(event: Event, scope: Scope) -> tuple[float | None, float | None, float | None]:
    """(low, rate, high) in packets per second at the victim; None for IPv6 and for a burst of no length."""
    seconds = _seconds(event)
    if len(event.victim) != 5 or scope.q <= 0 or seconds <= 0 or event.n < 3:
        return None, None, None
    low, high = stats.scaled_garwood(event.n - 2, dispersion(event, scope))
    unit = scope.q * seconds
    return _round(low / unit), _round((event.n - 2) / unit), _round(high / unit)


def dispersion(event: Event, scope: Scope) -> float:
    """Variance over mean of the replies per dark address; 1 for a Poisson count; 1.0 where it means
    nothing."""
    n, size = event.n, scope.size
    if len(event.victim) != 5 or size < 2 or n < 2:
        return 1.0
    return max(0.0, (size / n * event.dst_squares - n) / (size - 1))


def uniform_p(event: Event, sizes: list[int]) -> float:
    """Chi-square p-value of distinct tuples over equal blocks, as many as leave five expected in each."""
    if not event.spread:
        return 1.0
    seen = list(event.spread)
    while len(seen) > 2 and sum(seen) / len(seen) < 5:
        seen = [sum(seen[i : i + 2]) for i in range(0, len(seen), 2)]
        sizes = [sum(sizes[i : i + 2]) for i in range(0, len(sizes), 2)]
    return stats.uniformity_p(seen, [float(s) for s in sizes]) if sum(sizes) else 1.0


def confidence(event: Event, measured: dict[str, Any]) -> int:
    """0-100: 95 for many varied replies, less for few, for constant headers and for uneven spread."""
    value = 95 if event.n >= 30 else 85
    if event.kind in ("udp", "echo"):
        value -= 10  # the forged packet leaves no number in the reply by which it could be told from a probe
    if event.alone:
        value -= 15
    if _constant(event):
        value -= 25
    return value - (25 if measured["subnet_targeted"] else 0)


def _constant(event: Event) -> bool:
    return event.kind == "tcp" and event.dports <= CONSTANT and event.ids <= CONSTANT


def _seconds(event: Event) -> float:
    return (event.last - event.first).total_seconds()


def _round(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _vector(event: Event) -> tuple[str, str]:
    if event.kind.startswith("quoted"):
        number = int(event.kind.partition("-")[2])
        return _PROTOCOLS.get(number, str(number)), "icmp-error"
    if event.kind == "echo":
        return ("icmp" if len(event.victim) == 5 else "icmpv6"), "icmp-reply"
    if event.kind == "udp":
        return "udp", "udp-reply"
    return "tcp", "syn-ack" if event.rst == 0 else "rst" if event.rst == event.n else "syn-ack+rst"


def _summary(victim: str, e: dict[str, Any], scope: Scope) -> dict[str, str]:
    ports = ", ".join(e["ports"][:3]) or e["protocol"]
    size = f"{scope.size:,.0f}"
    many_en, many_ja = when_many(e["attack_count"])
    lasted, lasted_ja = (duration(e["duration_s"], lang) for lang in ("en", "ja"))
    en = f"{victim} was under a DoS attack from forged sources on {ports} for {lasted}"
    ja = f"{victim}（{ports}）を標的とする送信元詐称型DoS攻撃の後方散乱を{lasted_ja}にわたり観測"
    if e["rate_pps"] is not None:
        least_en, least_ja = ("at least ", "以上") if e["rate_is_lower_bound"] else ("about ", "")
        low, high = quantity_range(e["rate_low"], e["rate_high"])
        en += f": {least_en}{quantity(e['rate_pps'])}pps (95% interval {low} to {high}pps)"
        ja += f"。推定攻撃規模は約{quantity(e['rate_pps'])}pps{least_ja}（95%信頼区間 {low}〜{high}pps）"
    elif e["subnet_targeted"]:
        en += "; the forged sources favour some networks, so no rate is given"
        ja += "。詐称された送信元が一部のネットワークに偏っているため、攻撃規模は推定できない"
    en += f"; {e['n']:,} replies reached {e['dst_ip_nunique']:,} of {size} telescope addresses{many_en}."
    ja += f"。応答{e['n']:,}パケットがセンサ{size}アドレス中{e['dst_ip_nunique']:,}アドレスに到達{many_ja}。"
    return {"en": en, "ja": ja}
