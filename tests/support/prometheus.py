#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics in Prometheus text form, read strictly.

    prometheus.py series PAGE            checks the form and the naming conventions, prints the series' names
    prometheus.py agree PAGE OBJECT      every total of PAGE against the object of `stat --json`
"""
import json
import re
import sys

SERIES = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')


def parse(path):
    """{(name, ((label, value), ...)): number}, in order; ends with 1 where the page breaks a rule."""
    types, helps, found, current = {}, set(), {}, None
    content = open(path).read()
    assert content.endswith("\n"), "the last line has no end"
    for number, line in enumerate(content.splitlines(), 1):
        place = f"{path}:{number}: {line}"
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in helps, f"{place}: a second HELP"
            helps.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == current and kind in ("counter", "gauge", "histogram"), place
            assert (kind == "counter") == name.endswith("_total"), f"{place}: _total is for counters"
            types[name] = kind
        else:
            match = SERIES.match(line)
            assert match, f"{place}: no series"
            name, labels, value = match.groups()
            family = re.sub("_(bucket|sum|count)$", "", name) if types.get(current) == "histogram" else name
            assert family == current and family in types, f"{place}: outside its family"
            key = name, tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert key not in found, f"{place}: a second time"
            found[key] = float(value)
            assert types[family] == "gauge" or found[key] >= 0, f"{place}: less than zero"
    for (name, labels), value in found.items():
        if name.endswith("_bucket") and dict(labels)["le"] == "+Inf":
            rest = tuple(label for label in labels if label[0] != "le")
            assert value == found[name[: -len("bucket")] + "count", rest], f"{name}: +Inf is not the count"
            steps = [v for (n, l), v in found.items() if n == name and set(rest) <= set(l)]
            assert steps == sorted(steps), f"{name}: buckets fall"
    return found


def agree(page, path):
    found, status = parse(page), json.load(open(path))
    expected = {("millrace_balance", ()): float(status["balance"])}
    for stage, figures in status["stages"].items():
        label = ("stage", stage)
        for count in ("in", "out", "emitted", "filtered", "duplicate", "late"):
            expected[f"millrace_stage_records_{count}_total", (label,)] = figures[count]
        expected["millrace_stage_records_in_flight", (label,)] = figures["in_flight"]
        for reason, count in figures["rejected_by_reason"].items():
            expected["millrace_stage_records_rejected_total", (label, ("reason", reason))] = count
        for schema, count in figures["schemas_in"].items():
            expected["millrace_stage_schema_records_in_total", (label, ("schema", schema))] = count
        for schema, count in figures["schemas_out"].items():
            expected["millrace_stage_schema_records_emitted_total", (label, ("schema", schema))] = count
        for counter, count in figures["counters"].items():
            expected["millrace_stage_plugin_events_total", (label, ("counter", counter))] = count
    for ring, figures in status["rings"].items():
        label = ("ring", ring)
        expected["millrace_ring_capacity_bytes", (label,)] = figures["capacity_bytes"]
        expected["millrace_ring_written_bytes_total", (label,)] = figures["written_bytes"]
        expected["millrace_ring_records_dropped_total", (label,)] = figures["dropped"]
    for hop, figures in status["latency_ns"].items():
        expected["millrace_latency_seconds_count", (("hop", hop),)] = figures["count"]
    for key, value in expected.items():
        if found.get(key) != value:
            sys.exit(f"{key}: {found.get(key)}, the object has {value}")
    print(f"{len(expected) > 60} agree")


if __name__ == "__main__":
    if sys.argv[1] == "series":
        print("\n".join(f"{name}{dict(labels)}" for name, labels in parse(sys.argv[2])))
    else:
        agree(*sys.argv[2:])
