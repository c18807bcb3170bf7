# SPDX-License-Identifier: Apache-2.0
"""Goals and tables of bench/report, of made-up figures (tests/e2e/report.sh)."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../bench/report"))
import goals
import run

RATE = 10000


def trio_run(p50, p99, wait="auto", **more):
    return {"rate": RATE, "wait": wait, "durability": "none", "latency_ns": {"hand_over": {"p50": p50, "p99": p99}}, **more}


def probes(p99):
    return {"trio": [{"cores": [{"p99": 1}, {"p99": p99}]}, {"cores": [{"p99": 2}]}]}


def peer(transport, part, median, record_bytes=64, kept=5, to_limit=0.0):
    return {"transport": transport, "part": part, "record_bytes": record_bytes, "median": median, "kept": kept,
            "to_limit": to_limit}


def verdict(words, found, around=None):
    """Of the one goal that has all the words."""
    rows = [row for row in goals.goals(found, around) if words in row.goal]
    assert len(rows) == 1, rows
    return goals.verdict(rows[0])


class Tails(unittest.TestCase):
    TAIL = "10,000/s: handed to the kernel, p99 by p50"

    def judged(self, p99_idle, **more):
        return verdict(self.TAIL, {"trio": {"runs": [trio_run(1000, 30000, **more)]}}, probes(p99_idle))

    def test_judged_on_a_quiet_machine(self):
        self.assertEqual(self.judged(20000), "NO: docs/PERFORMANCE.md, At a rate")

    def test_not_judged_where_the_idle_loop_is_late(self):
        self.assertEqual(self.judged(21000), "not judged: idle loop's p99 21 us")

    def test_not_judged_where_the_bare_relay_is_late(self):
        self.assertEqual(self.judged(20, raw_relay_p99_ns=25000), "not judged: bare relay's p99 25 us")

    def test_judged_without_probes(self):
        self.assertEqual(verdict(self.TAIL, {"trio": {"runs": [trio_run(1000, 20000)]}}), "yes")


class Trips(unittest.TestCase):
    def judged(self, ratio, kept):
        return verdict("through two rings", {"hop": {"rtt_ratio": ratio, "rtt_kept": kept}})

    def test_each_verdict(self):
        self.assertEqual(self.judged(0.95, 5), "yes")
        self.assertEqual(self.judged(1.31, 5), "NO: docs/PERFORMANCE.md, Ring and peers")
        self.assertEqual(self.judged(0.94, 5), "not judged: 0.94 of the bare line, which was slow")
        self.assertEqual(self.judged(1.1, 4), "not judged: rounds kept: 4, fewer than 5")


class Peers(unittest.TestCase):
    def found(self, trip=1.0, one=90, kept=5):
        return {"peers": {"rows": [
            peer("millrace", "round_trip", 100, kept=kept, to_limit=trip), peer("boost", "round_trip", 150, to_limit=1.6),
            peer("pipe", "round_trip", 900, to_limit=9),
            {"transport": "iceoryx", "part": "round_trip", "record_bytes": 64, "failure": "no daemon"},
            peer("millrace", "one_at_a_time", one), peer("boost", "one_at_a_time", 30), peer("pipe", "one_at_a_time", 3),
            peer("boost", "batches", 70, 8),
            peer("millrace", "batches", 99, 44), peer("boost", "batches", 100, 44), peer("(no transport)", "batches", 200, 44),
            peer("millrace", "batches", 50), peer("boost", "batches", 50), peer("(no transport)", "batches", 60)]}}

    def test_round_trip(self):
        self.assertEqual(verdict("record, by the best peer's", self.found()), "yes")
        self.assertRegex(verdict("record, by the best peer's", self.found(trip=1.2)), "^NO")
        self.assertEqual(verdict("below every peer's", self.found(trip=1.2)), "yes")
        self.assertRegex(verdict("below every peer's", self.found(trip=1.6)), "^NO")
        self.assertRegex(verdict("below every peer's", self.found(kept=4)), "^not judged: rounds kept: 4")

    def test_one_at_a_time(self):
        self.assertEqual(verdict("one at a time", self.found()), "yes")
        self.assertRegex(verdict("one at a time", self.found(one=89)), "^NO")

    def test_batches_of_each_size_that_the_ring_has(self):
        of = {row.goal: row.met for row in goals.goals(self.found()) if row.goal.startswith("batches")}
        self.assertEqual(of, {"batches of 44 bytes, by the best peer's": False,
                              "batches of 64 bytes, by the best peer's": True})


class Waits(unittest.TestCase):
    def found(self, *placed):
        return {"trio": {"runs": [trio_run(4000, 4000, placement="auto")]},
                "trio-compare": {"runs": [trio_run(3000, 3000, "spin", placement="none"),
                                          trio_run(9000, 9000, placement="none"), *placed]}}

    def test_of_the_same_run(self):
        self.assertEqual(verdict("by all spin", self.found(trio_run(2000, 2000, placement="auto"))), "yes")

    def test_else_of_the_part_before(self):
        self.assertRegex(verdict("by all spin", self.found()), "^NO")


class Tables(unittest.TestCase):
    def lines(self, found):
        return list(run.flat_table(found))

    def test_distributions(self):
        lines = self.lines({"decode_ns": {"n": 7, "p50": 12.95, "p99.9": 1500}, "latency_ns": {"p50": 2588671, "p99.9": 8519679}})
        self.assertIn("| decode_ns | 12.95 ns |  |  | 1.5 us |  |  | 7 |", lines)
        self.assertIn("| latency_ns | 2.589 ms |  |  | 8.52 ms |  |  |  |", lines)

    def test_spreads_and_dicts(self):
        lines = self.lines({"ms": {"min": 1, "median": 2, "max": 3}, "one_at_a_time": {"kept": 3}})
        self.assertIn("| ms | 1 | 2 | 3 |", lines)
        self.assertIn("one_at_a_time:", lines)
        self.assertIn("| 3 |", lines)

    def test_a_row_that_failed(self):
        lines = self.lines({"rows": [{"transport": "a", "kept": 3}, {"transport": "b", "failure": "why"}]})
        self.assertIn("| a | 3 |  |", lines)
        self.assertIn("| b |  | why |", lines)

    def test_no_digest(self):
        self.assertNotIn("digest", "\n".join(self.lines({"digest": 12, "n": 1})))


if __name__ == "__main__":
    unittest.main()
