#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The order book, written a second time: dictionaries instead of tables, and nothing shared with the C code.

    book_model.py FILE          an ITCH 5.0 file, messages framed by 2-byte lengths

prints what the operator order_book makes of it, one line a record, and its counters at the end:

    quote SEQUENCE LOCATE BID SHARES ORDERS ASK SHARES ORDERS CROSSED
    trade SEQUENCE LOCATE SIDE SHARES PRICE MATCH ORDER
    alert SEQUENCE LOCATE KIND LETTER ORDER
    count NAME VALUE

Prices are integers of 1/10,000; the sequence is the message's place in the file, from 1.
"""
import struct
import sys
from collections import defaultdict


def messages(path):
    with open(path, "rb") as file:
        content = file.read()
    at = 0
    while at + 2 <= len(content):
        (length,) = struct.unpack_from(">H", content, at)
        if length == 0 or at + 2 + length > len(content):
            return
        yield content[at + 2 : at + 2 + length]
        at += 2 + length


class Model:
    def __init__(self):
        self.orders = {}  # ref -> [locate, side, price, shares]
        self.sides = defaultdict(lambda: defaultdict(dict))  # (locate, side) -> price -> ref -> shares
        self.never_announced = set()
        self.not_tracked = set()
        self.counts = defaultdict(int)
        self.lines = []

    # ---- the book ----
    def insert(self, ref, locate, side, price, shares):
        self.orders[ref] = [locate, side, price, shares]
        self.sides[locate, side][price][ref] = shares

    def remove(self, ref):
        locate, side, price, _ = self.orders.pop(ref)
        level = self.sides[locate, side][price]
        del level[ref]
        if not level:
            del self.sides[locate, side][price]

    def best(self, locate, side):
        levels = self.sides[locate, side]
        if not levels:
            return (0, 0, 0)
        price = max(levels) if side == "B" else min(levels)
        return (price, sum(levels[price].values()), len(levels[price]))

    def top(self, locate):
        return self.best(locate, "B") + self.best(locate, "S")

    # ---- what is said ----
    def alert(self, kind, counter, ref):
        self.counts[counter] += 1
        self.lines.append(f"alert {self.sequence} {self.locate} {kind} {self.letter} {ref}")

    def trade(self, side, shares, price, match, ref):
        self.counts["trades"] += 1
        self.lines.append(f"trade {self.sequence} {self.locate} {side} {shares} {price} {match} {ref}")

    def compare(self, before):
        after = self.top(self.locate)
        if after == before:
            return
        crossed, was_crossed = (t[2] > 0 and t[5] > 0 and t[0] >= t[3] for t in (after, before))
        self.counts["quotes"] += 1
        numbers = " ".join(str(n) for n in after)
        self.lines.append(f"quote {self.sequence} {self.locate} {numbers} {int(crossed)}")
        if crossed and not was_crossed:
            self.alert("crossed", "crossed", self.ref)

    def known(self, ref):
        """The order, or None after saying that it is unknown."""
        order = self.orders.get(ref)
        if order and order[0] == self.locate:
            return order
        if ref in self.not_tracked:
            self.alert("unknown_reference", "untracked_reference", ref)
        else:
            self.never_announced.add(ref)
            self.alert("unknown_reference", "unknown_reference", ref)
        return None

    # ---- messages ----
    def enter(self, ref, side, price, shares):
        if ref in self.orders:
            self.alert("duplicate_reference", "duplicate_reference", ref)
        else:
            self.insert(ref, self.locate, side, price, shares)

    def reduce(self, ref, shares):
        order = self.orders[ref]
        if shares > order[3]:
            self.alert("overfill", "overfill", ref)
        if shares >= order[3]:
            self.remove(ref)
        else:
            order[3] -= shares
            self.sides[order[0], order[1]][order[2]][ref] = order[3]

    def take(self, sequence, m):
        self.sequence, self.letter = sequence, chr(m[0])
        (self.locate,) = struct.unpack_from(">H", m, 1)
        if self.letter in "AFECXDU":
            (self.ref,) = struct.unpack_from(">Q", m, 11)
        before = self.top(self.locate)
        handler = getattr(self, "on_" + self.letter, None)
        if handler:
            handler(m)
            self.compare(before)

    def on_A(self, m):
        side, shares, _, price = struct.unpack_from(">cI8sI", m, 19)
        self.enter(self.ref, side.decode(), price, shares)

    on_F = on_A

    def on_E(self, m):
        shares, match = struct.unpack_from(">IQ", m, 19)
        order = self.known(self.ref)
        if order:
            side, price = order[1], order[2]
            self.reduce(self.ref, shares)
            self.trade(side, shares, price, match, self.ref)

    def on_C(self, m):
        shares, match, printable, price = struct.unpack_from(">IQcI", m, 19)
        order = self.known(self.ref)
        side = order[1] if order else "-"
        if order:
            self.reduce(self.ref, shares)
        if printable != b"N":
            self.trade(side, shares, price, match, self.ref)

    def on_X(self, m):
        (shares,) = struct.unpack_from(">I", m, 19)
        if self.known(self.ref):
            self.reduce(self.ref, shares)

    def on_D(self, m):
        if self.known(self.ref):
            self.remove(self.ref)

    def on_U(self, m):
        new_ref, shares, price = struct.unpack_from(">QII", m, 19)
        order = self.known(self.ref)
        if order:
            side = order[1]
            self.remove(self.ref)
            self.enter(new_ref, side, price, shares)
        elif new_ref in self.orders:
            self.alert("duplicate_reference", "duplicate_reference", new_ref)
        elif new_ref not in self.never_announced:
            self.not_tracked.add(new_ref)

    def on_P(self, m):
        ref, side, shares, _, price, match = struct.unpack_from(">QcI8sIQ", m, 11)
        self.trade(side.decode(), shares, price, match, ref)

    def on_Q(self, m):
        shares, _, price, match = struct.unpack_from(">Q8sIQ", m, 11)
        if shares > 0:
            self.trade("-", shares, price, match, 0)


def main():
    model = Model()
    for sequence, message in enumerate(messages(sys.argv[1]), 1):
        model.take(sequence, message)
    counts = model.counts
    counts["unknown_orders"] = len(model.never_announced)
    counts["orders_live"] = len(model.orders)
    counts["levels_live"] = sum(len(levels) for levels in model.sides.values())
    print("\n".join(model.lines))
    for name in ("unknown_reference", "unknown_orders", "untracked_reference", "crossed", "overfill",
                 "duplicate_reference", "quotes", "trades", "orders_live", "levels_live"):
        print("count", name, counts[name])


main()
