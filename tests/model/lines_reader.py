#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real CSV and NDJSON read a second time, by Python's own csv, json and decimal modules.

    lines_reader.py KIND compare OUTPUT INPUT...   every row of the CSV file OUTPUT against the inputs
    lines_reader.py KIND totals INPUT...           `name value` lines: what the run's counts must say

KIND is retail, trades, tickers, temperature, gps or cards; what its columns become stands in ROWS below.
Ends with 1 at the first difference.
"""
import csv
import datetime
import decimal
import glob
import gzip
import itertools
import json
import sys

D = decimal.Decimal


def text(path):
    return (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="")


def table(paths):
    for path in sorted(paths):
        with text(path) as file:
            yield from csv.DictReader(file)


def events(paths, kind):
    for path in paths:
        with text(path) as file:
            for line in file:
                received, _, content = line.partition(" ")
                event = json.loads(content).get("data", {})
                if event.get("e") == kind:
                    yield event | {"received": int(received)}


def instant(seconds, nanoseconds=0):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds:09d}Z"


def of_ms(milliseconds):
    return instant(milliseconds // 1000, milliseconds % 1000 * 1000000)


def of_ns(ns):
    return instant(ns // 10**9, ns % 10**9)


def of_text(moment):
    return moment.replace(" ", "T") + ".000000000Z"


def fixed(number, digits):
    return str(D(number).quantize(D(1).scaleb(-digits)) + 0)  # there is no -0


def flag(condition):
    return "true" if condition else "false"


def retail(paths):
    for row in table(paths):
        quantity, price = int(row["Quantity"]), D(row["UnitPrice"])
        yield {
            "invoice": row["InvoiceNo"], "stock": row["StockCode"], "description": row["Description"] or "?",
            "quantity": str(quantity), "date": of_text(row["InvoiceDate"]), "price": fixed(price, 3),
            "customer": str(int(float(row["CustomerID"] or 0))), "country": row["Country"],
            "total": fixed(quantity * price, 3), "returned": flag(quantity < 0)}


def trades(paths):
    for event in events(paths, "trade"):
        yield {
            "symbol": event["s"], "price": fixed(event["p"], 8), "quantity": fixed(event["q"], 8),
            "side": "sell" if event["m"] else "buy", "event": of_ms(event["T"])}


def tickers(paths):
    for event in events(paths, "bookTicker"):
        yield {
            "update": str(event["u"]), "symbol": event["s"], "bid": fixed(event["b"], 2),
            "bid_size": fixed(event["B"], 3), "ask": fixed(event["a"], 2), "ask_size": fixed(event["A"], 3),
            "event": of_ms(event["T"]), "received": of_ns(event["received"])}


def temperature(paths):
    for row in table(paths):
        yield {"timestamp": of_text(row["timestamp"]), "value": float(row["value"])}


def gps(paths):
    for row in table(paths):
        yield {
            "lat": float(row["lat"]), "lng": float(row["lng"]), "datetime": of_text(row["datetime"]),
            "uid": row["uid"]}


def cards(paths):
    for row in table(paths):
        yield {
            "Time": str(int(float(row["Time"]))), "Amount": fixed(row["Amount"], 2), "Class": row["Class"],
            "V1": float(row["V1"]), "V14": float(row["V14"]), "V27": float(row["V27"]), "V28": float(row["V28"])}


ROWS = {"retail": retail, "trades": trades, "tickers": tickers, "temperature": temperature, "gps": gps, "cards": cards}


def compare(kind, output, *paths):
    compared = 0
    with open(output, newline="") as file:
        for found, expected in itertools.zip_longest(csv.DictReader(file), ROWS[kind](paths)):
            if found and expected:
                found = {
                    name: float(found[name]) if isinstance(value, float) and found.get(name) else found.get(name)
                    for name, value in expected.items()}
            if found != expected:
                sys.exit(f"row {compared + 1}: found {found}, expected {expected}")
            compared += 1
    print(f"{compared} agree")


def totals(kind, *paths):
    if kind == "retail":
        rows = list(table(paths))
        print("rows", len(rows))
        print("returns", sum(int(row["Quantity"]) < 0 for row in rows))
        print("missing_customers", sum(row["CustomerID"] == "" for row in rows))
        print("missing_descriptions", sum(row["Description"] == "" for row in rows))
        print("quoted", sum(any(c in row["Description"] for c in '",\n') for row in rows))
        print("units", sum(int(row["Quantity"]) for row in rows))
        print("value", sum(int(row["Quantity"]) * D(row["UnitPrice"]) for row in rows))
    elif kind in ("trades", "tickers"):
        lines = sum(1 for path in paths for _ in text(path))
        rows = list(ROWS[kind](paths))
        print("lines", lines)
        print("rows", len(rows))
        print("units", sum(D(row.get("quantity") or row["bid_size"]) for row in rows).normalize())
    else:
        print("rows", sum(1 for _ in ROWS[kind](paths)))


if __name__ == "__main__":
    {"compare": compare, "totals": totals}[sys.argv[2]](
        sys.argv[1], *itertools.chain.from_iterable(glob.glob(path) or [path] for path in sys.argv[3:]))
