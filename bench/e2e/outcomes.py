"""What conditions.py makes of the outcomes of its rounds, and the document that they make.

Nothing here starts a process or reads a clock: test_outcomes.py looks at all of it.
"""

import statistics

import figures

SCHEMA = "pollux.e2e.conditions.1"

# What is wanted of a machine that is left alone (docs/roadmap.md, "Speed").
RATE_BESIDE = {1_000_000: 0.9, 10_000_000: 0.8}  # of the rate beside the fewest
OPENED_IN = {10_000_000: 20}  # seconds
LATENCY = {"p50": 50, "p90": 100}  # us, of connect, in the best round
SUCCEEDED = 0.99  # of the connections beside a flood
RECOVERED = 0.8  # of the rate before it, in the second that begins a second after it
DEEP = 0.8  # of the best rate
TWO_CORES = 1.9  # times the rate of one
REQUESTS = 6e6  # a second
BULK = 20e9  # bits a second
OPEN_LOOP = 0.7  # of the closed loop of the same round
FLOOD = 3  # times the closed loop of the same round


def at_least(what, value, bound):
    return {"what": what, "value": value, "at_least": bound, "met": value >= bound}


def at_most(what, value, bound):
    return {"what": what, "value": value, "at_most": bound, "met": value <= bound}


def rate(summary):
    return summary["cps"]["mean"]


def failures(rounds):
    return sum(client["connections"]["failed"] for client in rounds)


def lost(both):
    """Frames that either end has dropped, or could not send."""
    return sum(sum(both[end][kind].values()) for end in ("server", "client")
               for kind in ("drops", "send_drops"))


def stalls(summary):
    return {key: summary["environment"]["stalls"][key] for key in ("share", "longest_us")}


def ratio(a, b):
    return round(a / b, 3) if b else 0.0


def held_row(rounds):
    """The connection rate beside connections that are open and silent. rounds: of each number of
    them pollux-bench's client, one a round."""
    counts = sorted(rounds)
    rates = {count: figures.series([rate(client) for client in rounds[count]]) for count in counts}
    opened = {count: min(client["held"]["opened_in_s"] for client in rounds[count])
              for count in counts}
    wanted = [at_least(f"rate beside {count:,} open, of that beside {counts[0]:,}",
                       ratio(rates[count]["best"], rates[counts[0]]["best"]), RATE_BESIDE[count])
              for count in counts if count in RATE_BESIDE and count != counts[0]]
    wanted += [at_most(f"seconds to open {count:,}", opened[count], OPENED_IN[count])
               for count in counts if count in OPENED_IN]
    every = [client for count in counts for client in rounds[count]]
    wanted += [at_most("failures", failures(every), 0),
               at_most("held connections lost", sum(c["held"]["lost"] for c in every), 0)]
    return {"name": "held", "unit": "connections/s",
            "beside": {str(count): {**rates[count], "opened_in_s": opened[count]}
                       for count in counts},
            "wanted": wanted}


def latency_row(rounds):
    """Latency of connect in an open loop. rounds: rate of a closed loop, and pollux-bench's object
    of the open one."""
    each = [{"closed_loop": closed, "rate": rate(both["client"]),
             **{name: both["client"]["latency_us"]["connect"][name]
                for name in ("p50", "p90", "p99", "p999")},
             "failed": both["client"]["connections"]["failed"], "lost": lost(both),
             "behind": both["client"]["generator"]["behind"], "stalls": stalls(both["client"])}
            for closed, both in rounds]
    best = min(each, key=lambda one: one["p90"])
    wanted = [at_most(f"{name} of connect in the best round, us", best[name], bound)
              for name, bound in LATENCY.items()]
    wanted += [at_most("failures", sum(one["failed"] for one in each), 0),
               at_most("frames lost", sum(one["lost"] for one in each), 0)]
    return {"name": "latency", "unit": "us", "at": OPEN_LOOP, "each": each, "wanted": wanted}


def flood_row(rounds):
    """SYNs, some whole connections beside them, and what the server does afterwards. rounds: three
    of pollux-load's summaries: before, flood, after."""
    each = []
    for before, flood, after in rounds:
        offered = flood["connections"]["attempted"] / flood["duration_s"]
        beside = flood["beside"]
        each.append({"before": rate(before), "offered": round(offered, 1),
                     "times_the_maximum": ratio(offered, rate(before)),
                     "beside": {key: beside[key] for key in ("attempted", "completed", "failed",
                                                             "open")},
                     "beside_p50_us": beside["connect_us"]["p50"],
                     "after": rate(after), "recovered": ratio(rate(after), rate(before)),
                     "stalls": stalls(flood)})
    attempted = sum(one["beside"]["attempted"] for one in each)
    completed = sum(one["beside"]["completed"] for one in each)
    return {"name": "flood", "unit": "connections/s", "each": each,
            "wanted": [at_least("completed of those beside the flood", ratio(completed, attempted),
                                SUCCEEDED),
                       at_least("rate after the flood, of that before it, in the best round",
                                max(one["recovered"] for one in each), RECOVERED)]}


def deep_row(rounds):
    """A closed loop that is much too deep. rounds: of each depth pollux-bench's client."""
    best, deep = sorted(rounds)
    rates = {depth: figures.series([rate(client) for client in rounds[depth]])
             for depth in (best, deep)}
    every = rounds[best] + rounds[deep]
    return {"name": "deep", "unit": "connections/s",
            "at_once": {str(depth): rates[depth] for depth in (best, deep)},
            "wanted": [at_least(f"rate of {deep:,} at once, of that of {best:,}",
                                ratio(rates[deep]["best"], rates[best]["best"]), DEEP),
                       at_most("failures", failures(every), 0)]}


def cores_row(rounds):
    """Two cores, each with both ends, beside one of them. rounds: of each number of cores
    pollux-bench's client, one a round: what is compared has run one after the other."""
    rates = {cores: figures.series([rate(client) for client in rounds[cores]]) for cores in (1, 2)}
    ratios = [ratio(rate(two), rate(one)) for one, two in zip(rounds[1], rounds[2])]
    return {"name": "cores", "unit": "connections/s",
            "on": {str(cores): rates[cores] for cores in (1, 2)}, "ratios": ratios,
            "wanted": [at_least("rate of two cores, of that of one, in the median round",
                                round(statistics.median(ratios), 3), TWO_CORES),
                       at_most("failures", failures(rounds[1] + rounds[2]), 0)]}


def requests_row(rounds):
    """Requests on kept connections. rounds: pollux-bench's client."""
    got = figures.series([client["requests"]["per_second"] for client in rounds])
    return {"name": "requests", "unit": "requests/s", **got,
            "wanted": [at_least("requests a second", got["best"], REQUESTS),
                       at_most("failures", failures(rounds), 0)]}


def bulk_row(rounds, body):
    """Bits of body a second. rounds: pollux-bench's client; body: bytes of each reply's."""
    got = figures.series([client["requests"]["per_second"] * body * 8 for client in rounds])
    return {"name": "bulk", "unit": "bit/s", **got,
            "wanted": [at_least("bits a second", got["best"], BULK),
                       at_most("failures", failures(rounds), 0)]}


# --- The document ---

NUMBER = (int, float)
WANTED = {"what": str, "value": NUMBER, "met": bool}
STALLS = {"share": NUMBER, "longest_us": NUMBER}
SERIES = {"rates": [NUMBER], "best": NUMBER, "median": NUMBER}
ROWS = {
    "held": {"beside": dict},
    "latency": {"at": NUMBER,
                "each": [{"closed_loop": NUMBER, "rate": NUMBER, "p50": NUMBER, "p90": NUMBER,
                          "p99": NUMBER, "p999": NUMBER, "failed": int, "lost": int,
                          "behind": int, "stalls": STALLS}]},
    "flood": {"each": [{"before": NUMBER, "offered": NUMBER, "times_the_maximum": NUMBER,
                        "beside": {"attempted": int, "completed": int, "failed": int, "open": int},
                        "beside_p50_us": NUMBER, "after": NUMBER, "recovered": NUMBER,
                        "stalls": STALLS}]},
    "deep": {"at_once": dict},
    "cores": {"on": dict, "ratios": [NUMBER]},
    "requests": SERIES,
    "bulk": SERIES,
}
DOCUMENT = {"schema": str, "began": str, "rounds": int, "seconds": NUMBER,
            "environment": {"cpu": str, "tsc_hz": int, "cores": [int], "kernel": str, "dpdk": str,
                            "pollux": str, "load": NUMBER, "huge_pages": bool},
            "rows": [{"name": str, "unit": str, "wanted": [WANTED]}],
            "missing": [{"what": str, "why": str}]}


def faults(document):
    """Where a document is not what "pollux.e2e.conditions.1" promises."""
    found = figures.faults(document, DOCUMENT)
    if found:
        return found
    if document["schema"] != SCHEMA:
        found.append(f"document.schema is {document['schema']!r}, not {SCHEMA!r}")
    for number, row in enumerate(document["rows"]):
        at = f"document.rows[{number}]"
        if row["name"] not in ROWS:
            found.append(f"{at}.name is {row['name']!r}")
            continue
        found += figures.faults(row, ROWS[row["name"]], at)
        found += [f"{at}: '{each['what']}' has no bound, or two" for each in row["wanted"]
                  if ("at_least" in each) == ("at_most" in each)]
        for group in ("beside", "at_once", "on"):
            for name, each in row.get(group, {}).items():
                found += figures.faults(each, SERIES, f"{at}.{group}[{name}]")
    return found


# --- What people read ---

def shown(value):
    """A rate, a time or a share: "1.02 M", "46.2", "0.981"."""
    if value >= 1e9:
        return f"{value / 1e9:.2f} G"
    if value >= 1e4:
        return figures.scaled(value)
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def text(document):
    """The document as lines."""
    lines = []
    for row in document["rows"]:
        lines.append(f"{row['name']} ({row['unit']})")
        for group, words in (("beside", "open beside it"), ("at_once", "at once"),
                             ("on", "cores")):
            for name, got in row.get(group, {}).items():
                more = f", opened in {got['opened_in_s']:.1f} s" if "opened_in_s" in got else ""
                lines.append(f"  {int(name):>12,} {words}: best {shown(got['best'])}, median "
                             f"{shown(got['median'])}{more}")
        if "best" in row:
            lines.append(f"  best {shown(row['best'])}, median {shown(row['median'])}")
        for one in row.get("each", []):
            lines.append("  " + (latency_text(one) if row["name"] == "latency"
                                 else flood_text(one)))
        for each in row["wanted"]:
            word, bound = (("at least", each["at_least"]) if "at_least" in each
                           else ("at most", each["at_most"]))
            lines.append(f"  {'met ' if each['met'] else 'MISS'}  {each['what']}: "
                         f"{shown(each['value'])}, wanted {word} {shown(bound)}")
    lines += [f"missing: {each['what']}: {each['why']}" for each in document["missing"]]
    return lines


def latency_text(one):
    return (f"at {shown(one['rate'])} of {shown(one['closed_loop'])}: connect p50 {one['p50']:.1f}"
            f" p90 {one['p90']:.1f} p99 {one['p99']:.1f} p99.9 {one['p999']:.1f}; "
            f"{one['failed']} failed, {one['lost']} frames lost; machine away "
            f"{one['stalls']['share']:.2%}, longest {one['stalls']['longest_us']:.0f} us")


def flood_text(one):
    beside = one["beside"]
    return (f"before {shown(one['before'])}, SYNs {shown(one['offered'])} "
            f"({one['times_the_maximum']:.1f} times), beside them {beside['completed']:,} of "
            f"{beside['attempted']:,} (p50 {one['beside_p50_us']:.0f} us), after "
            f"{shown(one['after'])}")
