#!/usr/bin/env python3
"""What conditions.py computes, from made-up summaries: nothing is started here."""

import copy
import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import conditions  # noqa: E402
import outcomes  # noqa: E402


def client(rate, **more):
    """What is read of a summary."""
    made = {"cps": {"mean": rate}, "duration_s": 2.0,
            "connections": {"failed": 0, "attempted": 2 * rate},
            "requests": {"per_second": rate}, "drops": {}, "send_drops": {},
            "latency_us": {"connect": {"p50": 10.0, "p90": 20.0, "p99": 30.0, "p999": 40.0}},
            "generator": {"behind": 0},
            "environment": {"stalls": {"share": 0.01, "longest_us": 500.0, "over_1ms": 0}}}
    made.update(more)
    return made


def held(rate, opened, lost=0):
    return client(rate, held={"asked": 1, "open": 1, "lost": lost, "opened_in_s": opened})


def both(rate, p50, p90, **more):
    latency = {"connect": {"p50": p50, "p90": p90, "p99": 300.0, "p999": 4000.0}}
    return {"server": client(rate), "client": client(rate, latency_us=latency, **more)}


def beside(completed, failed=0):
    return {"attempted": 2000, "completed": completed, "failed": failed,
            "open": 2000 - completed - failed, "connect_us": {"p50": 321.0}}


def verdicts(row):
    return {each["what"]: (each["value"], each["met"]) for each in row["wanted"]}


def rows():
    return [
        outcomes.held_row({1_000: [held(1e6, 0.01), held(8e5, 0.02)],
                           10_000_000: [held(7e5, 25), held(8.5e5, 12)],
                           1_000_000: [held(8.9e5, 1), held(5e5, 2)]}),
        outcomes.latency_row([(1e6, both(7e5, 60.0, 70.0)), (9e5, both(6.3e5, 5.0, 65.0))]),
        outcomes.flood_row([(client(1e6), client(3e6, beside=beside(2000)), client(9e5)),
                            (client(8e5), client(1.5e6, beside=beside(1970, 10)), client(4e5))]),
        outcomes.deep_row({8_000: [client(9e5)], 800: [client(1e6)]}),
        outcomes.cores_row({1: [client(1e6), client(5e5), client(6e5)],
                            2: [client(1.9e6), client(1.1e6), client(6e5)]}),
        outcomes.requests_row([client(5e6), client(7e6)]),
        outcomes.bulk_row([client(3e3), client(2e3)], 1 << 20),
    ]


def document():
    return {"schema": "pollux.e2e.conditions.1", "began": "2026-01-01T00:00:00Z", "rounds": 2,
            "seconds": 1.5,
            "environment": {"cpu": "a", "tsc_hz": 1, "cores": [0, 1], "kernel": "6", "dpdk": "b",
                            "pollux": "c", "load": 0.5, "huge_pages": True},
            "rows": rows(), "missing": [{"what": "x", "why": "y"}]}


class Rows(unittest.TestCase):
    def test_the_best_beside_many_is_compared_with_the_best_beside_few(self):
        row = rows()[0]
        self.assertEqual(list(row["beside"]), ["1000", "1000000", "10000000"])
        got = verdicts(row)
        self.assertEqual(got["rate beside 1,000,000 open, of that beside 1,000"], (0.89, False))
        self.assertEqual(got["rate beside 10,000,000 open, of that beside 1,000"], (0.85, True))
        self.assertEqual(got["seconds to open 10,000,000"], (12, True))
        self.assertEqual(got["held connections lost"], (0, True))

    def test_one_that_was_held_and_is_lost_is_a_miss(self):
        row = outcomes.held_row({1: [held(5, 0, lost=2)], 2: [held(5, 0)]})
        self.assertEqual(verdicts(row)["held connections lost"], (2, False))
        self.assertEqual(len(row["wanted"]), 2, "of other numbers nothing is wanted")

    def test_latency_is_of_the_best_round_and_losses_are_of_all(self):
        got = verdicts(rows()[1])
        self.assertEqual(got["p50 of connect in the best round, us"], (5.0, True))
        self.assertEqual(got["p90 of connect in the best round, us"], (65.0, True))
        self.assertEqual(got["frames lost"], (0, True))
        worse = both(7e5, 60.0, 101.0, send_drops={"device_full": 3}, drops={"no_buffer": 4},
                     connections={"failed": 1, "attempted": 1})
        row = outcomes.latency_row([(1e6, worse), (1e6, both(7e5, 60.0, 99.0))])
        self.assertEqual(verdicts(row), {"p50 of connect in the best round, us": (60.0, False),
                                         "p90 of connect in the best round, us": (99.0, True),
                                         "failures": (1, False), "frames lost": (7, False)})
        self.assertEqual(row["each"][0]["closed_loop"], 1e6)
        self.assertEqual(row["each"][0]["stalls"], {"share": 0.01, "longest_us": 500.0})

    def test_those_beside_a_flood_are_counted_over_all_rounds(self):
        row = rows()[2]
        self.assertEqual([one["times_the_maximum"] for one in row["each"]], [3.0, 1.875])
        self.assertEqual([one["recovered"] for one in row["each"]], [0.9, 0.5])
        got = verdicts(row)
        # 3,970 of 4,000.
        self.assertEqual(got["completed of those beside the flood"], (0.993, True))
        self.assertEqual(got["rate after the flood, of that before it, in the best round"],
                         (0.9, True))

    def test_two_cores_are_compared_with_one_round_by_round(self):
        row = rows()[4]
        self.assertEqual(row["ratios"], [1.9, 2.2, 1.0])
        self.assertEqual([row["on"][cores]["best"] for cores in ("1", "2")], [1e6, 1.9e6])
        self.assertEqual(verdicts(row)["rate of two cores, of that of one, in the median round"],
                         (1.9, True))
        slow = outcomes.cores_row({1: [client(1e6)], 2: [client(1.899e6)]})
        self.assertEqual([each["met"] for each in slow["wanted"]], [False, True])

    def test_depth_requests_and_bulk(self):
        deep, _, requests, bulk = rows()[3:]
        self.assertEqual(verdicts(deep)["rate of 8,000 at once, of that of 800"], (0.9, True))
        self.assertEqual(verdicts(requests)["requests a second"], (7e6, True))
        # 3,000 replies of a MiB.
        self.assertEqual(bulk["best"], 25165824000)
        self.assertEqual(verdicts(bulk)["bits a second"], (25165824000, True))
        self.assertFalse(verdicts(outcomes.bulk_row([client(2e3)], 1 << 20))["bits a second"][1])


class Document(unittest.TestCase):
    def test_has_the_shape_it_promises(self):
        self.assertEqual(outcomes.faults(document()), [])

    def test_says_what_is_wrong(self):
        wrong = copy.deepcopy(document())
        wrong["schema"] = "pollux.e2e.1"
        wrong["rows"][1]["each"][1]["p90"] = None
        wrong["rows"][3]["wanted"][0]["at_most"] = 1
        del wrong["rows"][0]["beside"]["1000"]["best"]
        wrong["rows"][6]["name"] = "else"
        self.assertEqual(outcomes.faults(wrong), [
            "document.schema is 'pollux.e2e.1', not 'pollux.e2e.conditions.1'",
            "document.rows[0].beside[1000].best is missing",
            "document.rows[1].each[1].p90 is null",
            "document.rows[3]: 'rate of 8,000 at once, of that of 800' has no bound, or two",
            "document.rows[6].name is 'else'"])

    def test_is_told_in_lines(self):
        told = "\n".join(outcomes.text(document()))
        for line in ("  10,000,000 open beside it: best 850.00 k, median 775.00 k, opened in "
                     "12.0 s",
                     "  MISS  rate beside 1,000,000 open, of that beside 1,000: 0.890, wanted at "
                     "least 0.900",
                     "  at 630.00 k of 900.00 k: connect p50 5.0 p90 65.0 p99 300.0 p99.9 4000.0; "
                     "0 failed, 0 frames lost; machine away 1.00%, longest 500 us",
                     "  before 1.00 M, SYNs 3.00 M (3.0 times), beside them 2,000 of 2,000 "
                     "(p50 321 us), after 900.00 k",
                     "             2 cores: best 1.90 M, median 1.10 M",
                     "  met   bits a second: 25.17 G, wanted at least 20.00 G",
                     "missing: x: y"):
            self.assertIn(line + "\n", told + "\n")


class Options(unittest.TestCase):
    def test_all_is_measured_unless_some_is_asked_for(self):
        self.assertEqual(conditions.parse([]).names, list(outcomes.ROWS))
        self.assertEqual(conditions.parse(["deep", "held"]).names, ["held", "deep"])
        self.assertEqual(conditions.parse([]).held, [1_000, 1_000_000, 10_000_000])
        self.assertEqual(conditions.parse(["--held", "9", "--held", "5"]).held, [5, 9])

    def test_what_makes_no_sense_is_refused(self):
        for words in (["else"], ["--held", "9"], ["--held", "9", "--held", "9"],
                      ["--rounds", "0"], ["--cores", "1,1"], ["--json", "/no/such/folder/x"]):
            with self.subTest(words), self.assertRaises(SystemExit) as ended, \
                    mock.patch("sys.stderr"):
                conditions.parse(words)
            self.assertEqual(ended.exception.code, 2)

    def test_what_does_not_fit_is_left_out_and_said(self):
        made = conditions.Conditions(conditions.parse(["--held", "1", "--held", "2", "--held",
                                                       "999999999"]), "", lambda _: None)
        with mock.patch.object(made, "bench", lambda *_, **__: {"client": held(5, 0)}), \
                mock.patch.object(conditions, "available_bytes", lambda: 10 << 30):
            row = made.held()
        self.assertEqual(list(row["beside"]), ["1", "2"])
        self.assertEqual(made.missing, [{"what": "999,999,999 open",
                                         "why": "10 GiB are free, it takes 1213"}])


if __name__ == "__main__":
    unittest.main()
