# SPDX-License-Identifier: Apache-2.0
"""What is aimed at, and what a run reached, as rows: met is None where it was not measured or is not judged; the note
says why it is not judged, or where docs/PERFORMANCE.md says what the limit is."""
import collections
import operator

Row = collections.namedtuple("Row", "goal wanted found met note")

# The heading in docs/PERFORMANCE.md of each kind of row.
SECTIONS = {
    "peers": "Ring and peers",
    "rate": "At a rate",
    "flat": "Flat out",
    "itch": "ITCH",
    "sink": "Loader",
    "text": "Text: CSV and NDJSON",
    "steady": "Steady state",
}
HOLDS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}
LAST_HOP = "hand_over"
TAIL_RATIO_MAX = 20
RELAY_US_MAX = 10  # a bare relay of more was disturbed
LINE_RATIO_MIN = 0.95  # no record is faster than the line: it moved while it was probed
KEPT_ROUNDS_MIN = 5


def text(value):
    if value is None:
        return "not measured"
    if isinstance(value, str):
        return value
    if abs(value) >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def way(found, part, rate, wait="auto", durability=None, placement=None):
    for run in found.get(part, {}).get("runs", []):
        if (run["rate"] == rate and run["wait"] == wait and durability in (None, run["durability"])
                and placement in (None, run.get("placement"))):
            return run
    return None


def p50_us(run, hop):
    return run["latency_ns"][hop]["p50"] / 1000 if run and hop in run["latency_ns"] else None


# ---- rows ------------------------------------------------------------------------------------------------------------
def row(kind, goal, sign, limit, value, unit, unjudged):
    wanted = f"{sign} {text(limit)}{unit}"
    if value is None:
        return Row(goal, wanted, text(None), None, "")
    if unjudged:
        return Row(goal, wanted, text(value) + unit, None, f"not judged: {unjudged}")
    met = HOLDS[sign](value, limit)
    return Row(goal, wanted, text(value) + unit, met, "" if met else f"docs/PERFORMANCE.md, {SECTIONS[kind]}")


def at_most(kind, goal, limit, value, unit="", unjudged=None):
    return row(kind, goal, "<=", limit, value, unit, unjudged)


def at_least(kind, goal, limit, value, unit=""):
    return row(kind, goal, ">=", limit, value, unit, None)


# ---- where the machine forbids a judgement ---------------------------------------------------------------------------
def doubtful_trips(to_line, kept):
    """Why round trips that took `to_line` times as long as the bare line, `kept` rounds of them, say nothing."""
    if to_line is not None and to_line < LINE_RATIO_MIN:
        return f"{to_line:.2f} of the bare line, which was slow"
    if kept is not None and kept < KEPT_ROUNDS_MIN:
        return f"rounds kept: {kept}, fewer than {KEPT_ROUNDS_MIN}"
    return None


def idle_p99_ns(probes, part):
    """The worst core's, before or after the part; None where nobody looked."""
    return max((core["p99"] for probe in probes.get(part, ()) for core in probe["cores"]), default=None)


def doubtful_tail(run, p50_ns, idle_ns):
    for whose, p99_ns in (("idle loop's", idle_ns), ("bare relay's", run.get("raw_relay_p99_ns"))):
        if p99_ns is not None and p99_ns > TAIL_RATIO_MAX * p50_ns:
            return f"{whose} p99 {p99_ns / 1000:,.0f} us"
    return None


# ---- what is aimed at, part by part ----------------------------------------------------------------------------------
def of_hop(found):
    hop = found.get("hop", {})
    yield at_most("peers", "round trip of a 64-byte record through two rings, by the bare cache line's", 1.3,
                  hop.get("rtt_ratio"), unjudged=doubtful_trips(hop.get("rtt_ratio"), hop.get("rtt_kept")))
    for batch in hop.get("batches", []):
        yield at_least("peers", f"batches of {batch['record_bytes']} bytes, by a plain copy", 0.8, batch["copy_ratio"])


def beside_peers(found, part, record_bytes):
    """Ours and the peers' rows of one group, those with a figure."""
    rows = [of for of in found.get("peers", {}).get("rows", [])
            if of["part"] == part and of["record_bytes"] == record_bytes and of.get("kept")]
    ours = next((of for of in rows if of["transport"] == "millrace"), None)
    return ours, [of for of in rows if of["transport"] not in ("millrace", "(no transport)")]


def rate_by_best_peer(found, part, record_bytes):
    ours, peers = beside_peers(found, part, record_bytes)
    return ours["median"] / max(of["median"] for of in peers) if ours and peers else None


def of_peers(found):
    ours, peers = beside_peers(found, "round_trip", 64)
    trip, doubt = None, None
    if ours and peers:  # each by its own probes of the line
        best = min(peers, key=lambda of: of["to_limit"])
        trip = ours["to_limit"] / best["to_limit"]
        doubt = doubtful_trips(min(ours["to_limit"], best["to_limit"]), min(ours["kept"], best["kept"]))
    yield at_most("peers", "round trip of a 64-byte record, by the best peer's", 0.7, trip, unjudged=doubt)
    yield row("peers", "round trip of a 64-byte record, below every peer's", "<", 1, trip, "", doubt)
    yield at_least("peers", "records of 64 bytes one at a time, by the best peer's", 3,
                   rate_by_best_peer(found, "one_at_a_time", 64))
    for size in sorted({of["record_bytes"] for of in found.get("peers", {}).get("rows", []) if of["part"] == "batches"}):
        if beside_peers(found, "batches", size)[0]:  # bare numbers: no record of ours
            yield at_least("peers", f"batches of {size} bytes, by the best peer's", 1,
                           rate_by_best_peer(found, "batches", size))


def of_kernel_hand_over(rate, run, idle_ns):
    of = run["latency_ns"][LAST_HOP]
    if rate <= 200000:
        relay_us = run.get("raw_relay_ns", 0) / 1000
        yield at_most("rate", f"trio, {rate:,}/s: handed to the kernel, p50, by the bare relay's (own goal)", 1.5,
                      of.get("p50_by_raw_relay"),
                      unjudged=f"bare relay {relay_us:,.0f} us, disturbed" if relay_us > RELAY_US_MAX else None)
    p50_ns = max(1, of["p50"])
    yield at_most("rate", f"trio, {rate:,}/s: handed to the kernel, p99 by p50", TAIL_RATIO_MAX, of["p99"] / p50_ns,
                  unjudged=doubtful_tail(run, p50_ns, idle_ns))


def of_waits(found, rate):
    """Auto, placed, beside the others: of the same run where that has both."""
    mine = p50_us(way(found, "trio-compare", rate, placement="auto") or way(found, "trio", rate), LAST_HOP)
    for wait in ("spin", "yield", "park"):
        other = p50_us(way(found, "trio-compare", rate, wait), LAST_HOP)
        if other is not None and mine is not None:
            yield at_most("rate", f"trio, {rate:,}/s: auto, placed, by all {wait}, p50, handed to the kernel", 1,
                          mine / other)


def of_rates(found, probes):
    for rate in (10000, 100000, 1000000):
        run = way(found, "trio", rate)
        yield at_most("rate", f"trio, {rate:,}/s: due to published in the egress ring, p50", 1,
                      p50_us(run, "to_egress"), " us")
        yield at_most("rate", f"trio, {rate:,}/s: due to handed to the kernel, p50", 3, p50_us(run, LAST_HOP), " us")
        if run and LAST_HOP in run["latency_ns"]:
            yield from of_kernel_hand_over(rate, run, idle_p99_ns(probes, "trio"))
        yield from of_waits(found, rate)


def of_flat(found):
    none, batch = way(found, "trio-flat", 0, durability="none"), way(found, "trio-flat", 0, durability="batch")
    yield at_least("flat", "trio flat out, durability none, records/s", 30e6, none and none["records_per_second"]["median"])
    yield at_least("flat", "trio flat out, durability batch, by the best raw loop of synced writes", 0.8,
                   batch and "ratio" in batch and batch["ratio"]["median"] or None)


def of_idle(found):
    for rate in (1, 1000):
        run = way(found, "trio-idle", rate)
        yield at_most("rate", f"trio at {rate:,}/s under auto, durability batch, cores in all", 0.02,
                      run and run["cores"]["median"])


def of_itch(found):
    itch = found.get("itch", {})
    yield at_least("itch", "ITCH flat out, file to book to journal, messages/s", 10e6, itch.get("tuned_per_second"))
    yield at_most("itch", "ITCH decode, one core", 15, itch and 1e9 / itch["decoded_per_second"] or None, " ns")
    yield at_most("itch", "ITCH book, one core", 40, itch and 1e9 / itch["book_per_second"] or None, " ns")


def of_sinks(found):
    for part, name in (("none", "none"), ("long", "none, records of 1 KiB"), ("batch", "batch"), ("direct", "direct")):
        sink = found.get(f"sink-{part}", {})
        yield at_least("sink", f"journal sink, {name}, by the best raw loop", 0.9, sink.get("ratio"))
        yield at_least("sink", f"journal sink, {name}, by the best such loop fed by another process", 0.9,
                       sink.get("fed_ratio"))


def of_text(found):
    for case in found.get("lines", {}).get("cases", []):
        yield at_least("text", f"{case['case']}: text to records, MB/s a core", 500, case["mb_per_s"])


def of_steady(found):
    steady = found.get("steady")
    if steady:
        of = steady["stages"].values()
        yield at_most("steady", "system calls a record, the busiest stage", 0.02, max(s["calls_a_record"] for s in of))
        yield at_most("steady", "allocations that as many records again cost", 100,
                      max(s["allocations_twice"] - s["allocations"] for s in of))
        yield at_most("steady", "resident memory, more after the first quarter", 1024,
                      max(s["memory"]["more_kib"] if s["memory"] else 0 for s in of), " KiB")
    yield at_most("steady", "run to first record out", 100, found.get("first-record", {}).get("ms", {}).get("median"),
                  " ms")


def goals(found, probes=None):
    """`found`: {part: its JSON object}; `probes`: {part: the idle loop before and after it}."""
    return [*of_hop(found), *of_peers(found), *of_rates(found, probes or {}), *of_flat(found), *of_idle(found),
            *of_itch(found), *of_sinks(found), *of_text(found), *of_steady(found)]


def verdict(of, no="NO"):
    """yes; no, and the section that says what the limit is; why it is not judged; or nothing, not measured."""
    return {True: "yes", False: f"{no}: {of.note}", None: of.note}[of.met]
