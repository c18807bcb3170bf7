# SPDX-License-Identifier: Apache-2.0
"""What is aimed at, and what a run reached: [(goal, wanted, found, reached)], reached None where not measured."""


def text(value):
    if value is None:
        return "not measured"
    if isinstance(value, str):
        return value
    if abs(value) >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def way(found, part, rate, wait="auto", durability=None):
    for run in found.get(part, {}).get("runs", []):
        if run["rate"] == rate and run["wait"] == wait and durability in (None, run["durability"]):
            return run
    return None


def p50_us(run, hop):
    return run["latency_ns"][hop]["p50"] / 1000 if run and hop in run["latency_ns"] else None


def goals(found):
    """`found`: {part: its JSON object}."""
    rows = []

    def at_most(goal, limit, value, unit=""):
        rows.append((goal, f"<= {text(limit)}{unit}", text(value) + (unit if value is not None else ""),
                     None if value is None else value <= limit))

    def at_least(goal, limit, value, unit=""):
        rows.append((goal, f">= {text(limit)}{unit}", text(value) + (unit if value is not None else ""),
                     None if value is None else value >= limit))

    hop = found.get("hop", {})
    at_most("round trip of a 64-byte record through two rings, by the bare cache line's", 1.3, hop.get("rtt_ratio"))
    for batch in hop.get("batches", []):
        at_least(f"batches of {batch['record_bytes']} bytes, by a plain copy", 0.8, batch["copy_ratio"])
    for rate in (10000, 100000, 1000000):
        run = way(found, "trio", rate)
        last = "hand_over"
        at_most(f"trio, {rate:,}/s: due to published in the egress ring, p50", 1, p50_us(run, "to_egress"), " us")
        at_most(f"trio, {rate:,}/s: due to handed to the kernel, p50", 3, p50_us(run, last), " us")
        if run and last in run["latency_ns"]:
            of = run["latency_ns"][last]
            if rate <= 200000:  # a relay of more than 10 us was disturbed
                at_most(f"trio, {rate:,}/s: handed to the kernel, p50, by the bare relay's", 1.5,
                        of.get("p50_by_raw_relay") if run.get("raw_relay_ns", 0) <= 10000 else None)
            at_most(f"trio, {rate:,}/s: handed to the kernel, p99 by p50", 20, of["p99"] / max(1, of["p50"]))
        for wait in ("spin", "yield", "park"):
            other, mine = p50_us(way(found, "trio-compare", rate, wait), last), p50_us(run, last)
            if other is not None and mine is not None:
                at_most(f"trio, {rate:,}/s: auto, placed, by all {wait}, p50, handed to the kernel", 1, mine / other)
    none, batch = way(found, "trio-flat", 0, durability="none"), way(found, "trio-flat", 0, durability="batch")
    at_least("trio flat out, durability none, records/s", 30e6, none and none["records_per_second"]["median"])
    at_least("trio flat out, durability batch, by the best raw loop of synced writes", 0.8,
             batch and "ratio" in batch and batch["ratio"]["median"] or None)
    for rate in (1, 1000):
        run = way(found, "trio-idle", rate)
        at_most(f"trio at {rate:,}/s under auto, durability batch, cores in all", 0.02, run and run["cores"]["median"])
    itch = found.get("itch", {})
    at_least("ITCH flat out, file to book to journal, messages/s", 10e6, itch.get("tuned_per_second"))
    at_most("ITCH decode, one core", 15, itch and 1e9 / itch["decoded_per_second"] or None, " ns")
    at_most("ITCH book, one core", 40, itch and 1e9 / itch["book_per_second"] or None, " ns")
    for part, name in (("none", "none"), ("long", "none, records of 1 KiB"), ("batch", "batch"), ("direct", "direct")):
        sink = found.get(f"sink-{part}", {})
        at_least(f"journal sink, {name}, by the best raw loop", 0.9, sink.get("ratio"))
        at_least(f"journal sink, {name}, by the best such loop fed by another process", 0.9, sink.get("fed_ratio"))
    for case in found.get("lines", {}).get("cases", []):
        at_least(f"{case['case']}: text to records, MB/s a core", 500, case["mb_per_s"])
    steady = found.get("steady")
    if steady:
        of = steady["stages"].values()
        at_most("system calls a record, the busiest stage", 0.02, max(s["calls_a_record"] for s in of))
        at_most("allocations that as many records again cost", 100,
                max(s["allocations_twice"] - s["allocations"] for s in of))
        at_most("resident memory, more after the first quarter", 1024,
                max(s["memory"]["more_kib"] if s["memory"] else 0 for s in of), " KiB")
    first = found.get("first-record", {}).get("ms", {}).get("median")
    at_most("run to first record out", 100, first, " ms")
    return rows
