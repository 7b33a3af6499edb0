"""What is computed from the rates of a run, and the document that they are written as.

Nothing here starts a process or reads a clock: test_figures.py looks at all of it.
"""

import statistics

SCHEMA = "pollux.e2e.1"
# Where the best round of a bare link is so much better than its worst, the machine had two speeds.
TWO_PHASES = 1.5


def series(rates):
    """Best, median and spread (best / worst; null where a round had nothing) of a rate a round."""
    best, worst = max(rates), min(rates)
    return {"rates": [round(rate, 1) for rate in rates], "best": round(best, 1),
            "median": round(statistics.median(rates), 1),
            "spread": round(best / worst, 3) if worst > 0 else None}


def share(connections_per_second, packets_received, bounced_per_second):
    """S: of the packets that a core can take and give back over the bare link in a second, the part
    that one side takes while it does TCP. packets_received: by that side, for one connection."""
    return round(connections_per_second * packets_received / bounced_per_second, 4)


def cycles(tsc_hz, connections_per_second, packets_per_connection):
    """TSC cycles that a side's one core has for a connection and for a packet that it receives or
    sends: the whole core's time, polls that found nothing included."""
    each = tsc_hz / connections_per_second
    return {"per_connection": round(each, 1), "per_packet": round(each / packets_per_connection, 1)}


def best_round(rounds, rate):
    """Of the outcomes of a row, one a round, that with the highest rate."""
    return max(rounds, key=rate)


def bare_row(link, rounds):
    """A row of the bare link, from what bare_link printed in each round."""
    best = best_round(rounds, lambda outcome: outcome["frames_per_second"])
    return {"name": f"bare {link}", "kind": "bare", "link": link, "unit": "packets/s",
            **series([outcome["frames_per_second"] for outcome in rounds]),
            "on": {key: best[key] for key in ("frame_bytes", "window", "huge_pages")},
            "busy": {"server": best["busy"]}}


def pollux_row(link, rounds, exchange):
    """A row of the connection rate, from pollux-bench's summary of each round and from what the
    packets of an exchange have shown (packets.Exchange.facts())."""
    best = best_round(rounds, lambda outcome: outcome["client"]["cps"]["mean"])
    server, client = best["server"], best["client"]
    rate = client["cps"]["mean"]
    packets = {"server_rx": client["packets"]["tx_per_connection"],
               "client_rx": client["packets"]["rx_per_connection"]}
    packets["all"] = round(packets["server_rx"] + packets["client_rx"], 3)
    ends = {"server": server, "client": client}
    busy = {name: core(end, name, "busy") for name, end in ends.items()}
    spent = cycles(client["environment"]["tsc_hz"], rate, packets["all"])
    spent["in_busy_polls"] = {
        name: {"per_connection": core(end, name, "cycles_per_connection"),
               "per_packet": core(end, name, "cycles_per_packet")} for name, end in ends.items()}
    return {"name": f"pollux {link}", "kind": "pollux", "link": link, "unit": "connections/s",
            **series([outcome["client"]["cps"]["mean"] for outcome in rounds]),
            "on": {**exchange, "checksum_offloads": server["environment"]["offloads"],
                   "huge_pages": client["memory"]["huge_pages"]},
            "packets_per_connection": packets, "busy": busy, "tsc_cycles": spent,
            "retransmitted": sum(outcome[end]["tcp"]["retransmitted"]
                                 for outcome in rounds for end in ends),
            "drops": sum(sum(outcome[end]["drops"].values()) for outcome in rounds for end in ends),
            "stalls": max(outcome["client"]["environment"]["stalls"]["share"]
                          for outcome in rounds)}


def core(summary, role, what):
    """The mean over the cores of one end of a summary."""
    values = [entry[what] for entry in summary["cores"] if entry["role"] == role]
    return round(statistics.mean(values), 3) if values else 0.0


def kernel_row(rounds, on):
    """A row of the kernel. Each round: rate, and packets received by either side."""
    best = best_round(rounds, lambda outcome: outcome["rate"])
    packets = {name: round(best[name] / best["connections"], 3)
               for name in ("server_rx", "client_rx")}
    packets["all"] = round(sum(packets.values()), 3)
    return {"name": "kernel", "kind": "kernel", "link": "veth", "unit": "connections/s",
            **series([outcome["rate"] for outcome in rounds]), "on": on,
            "packets_per_connection": packets}


def compare(rows):
    """Puts into the rows what takes two of them: S, and the ratio to the kernel; best against best,
    null where the other one is not there."""
    bare = {row["link"]: row["best"] for row in rows if row["kind"] == "bare"}
    kernel = next((row["best"] for row in rows if row["kind"] == "kernel"), None)
    for row in rows:
        if row["kind"] != "pollux":
            continue
        bounced, packets = bare.get(row["link"]), row["packets_per_connection"]
        row["S"] = None if not bounced else {
            "server": share(row["best"], packets["server_rx"], bounced),
            "client": share(row["best"], packets["client_rx"], bounced)}
        row["to_kernel"] = round(row["best"] / kernel, 2) if kernel else None
    return rows


def instructions(counted, packets_all):
    """From what tools/cost has counted for a connection at each end. Each packet of a connection is
    handled at both: sent by one, received by the other."""
    return {"of": "a connection over ring, on one thread, in virtual time (tools/cost)",
            **{end: {"per_connection": number,
                     "per_packet": round(number / packets_all / (2 if end == "both" else 1), 1)}
               for end, number in counted.items()}}


# --- The document's shape: a type, (type, None) where it may be null, {name: shape}, [shape] ---

NUMBER = (int, float)
MAYBE_NUMBER = (int, float, None)
ROW = {"name": str, "kind": str, "link": str, "unit": str, "rates": [NUMBER], "best": NUMBER,
       "median": NUMBER, "spread": MAYBE_NUMBER, "on": dict}
PACKETS = {"server_rx": NUMBER, "client_rx": NUMBER, "all": NUMBER}
EACH = {"per_connection": NUMBER, "per_packet": NUMBER}
SHARES = {"server": NUMBER, "client": NUMBER}
COUNTED = {"of": str, "both": EACH}
KINDS = {
    "bare": {"on": {"frame_bytes": int, "window": int, "huge_pages": bool},
             "busy": {"server": NUMBER}},
    "pollux": {"on": {"tcp_options": str, "checksums": str, "checksum_offloads": str,
                      "closes": str, "request_bytes": int, "reply_bytes": int, "body_bytes": int,
                      "huge_pages": bool},
               "packets_per_connection": PACKETS, "busy": {"server": NUMBER, "client": NUMBER},
               "tsc_cycles": {**EACH, "in_busy_polls": {"server": EACH, "client": EACH}},
               "retransmitted": int, "drops": int, "stalls": NUMBER, "S": (dict, None),
               "to_kernel": MAYBE_NUMBER},
    "kernel": {"on": {"tcp_options": str, "checksums": str, "closes": str, "body_bytes": int},
               "packets_per_connection": PACKETS},
}
DOCUMENT = {"schema": str, "began": str, "rounds": int, "seconds": NUMBER,
            "environment": {"cpu": str, "tsc_hz": int, "cores": [int], "kernel": str, "dpdk": str,
                            "pollux": str, "load": NUMBER},
            "rows": [ROW], "instructions": (dict, None), "missing": [{"what": str, "why": str}]}


def faults(value, shape=None, where="document"):
    """Where a document is not what "pollux.e2e.1" promises; more than it promises is no fault."""
    if shape is None:
        found = faults(value, DOCUMENT, where)
        if found:
            return found
        if value["schema"] != SCHEMA:
            found.append(f"{where}.schema is {value['schema']!r}, not {SCHEMA!r}")
        for number, row in enumerate(value["rows"]):
            at = f"{where}.rows[{number}]"
            if row["kind"] not in KINDS:
                found.append(f"{at}.kind is {row['kind']!r}")
                continue
            found += faults(row, KINDS[row["kind"]], at)
            if len(row["rates"]) != value["rounds"]:
                found.append(f"{at} has {len(row['rates'])} rates in {value['rounds']} rounds")
            if row.get("S"):
                found += faults(row["S"], SHARES, f"{at}.S")
        if value["instructions"]:
            found += faults(value["instructions"], COUNTED, f"{where}.instructions")
        return found
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        found = [f"{where}.{name} is missing" for name in shape if name not in value]
        for name in shape:
            if name in value:
                found += faults(value[name], shape[name], f"{where}.{name}")
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no array"]
        return [fault for number, each in enumerate(value)
                for fault in faults(each, shape[0], f"{where}[{number}]")]
    kinds = shape if isinstance(shape, tuple) else (shape,)
    if value is None:
        return [] if None in kinds else [f"{where} is null"]
    # To Python a truth value is a number.
    wrong = isinstance(value, bool) and bool not in kinds
    if wrong or not isinstance(value, tuple(kind for kind in kinds if kind is not None)):
        return [f"{where} is {value!r}"]
    return []


# --- The table that people read ---

def scaled(rate):
    """"25.91 M", "18.8 k", "312"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if rate >= size:
            return f"{rate / size:.2f} {letter}"
    return f"{rate:.0f}"


def text(document):
    """The document as lines."""
    lines = [f"{'':14}{'best':>10}{'median':>10}{'spread':>8}{'S server':>10}{'S client':>10}"
             f"{'pkts/conn':>11}{'cyc/conn':>10}{'cyc/pkt':>9}{'busy s/c':>12}{'x kernel':>10}"]
    for row in document["rows"]:
        spread = "-" if row["spread"] is None else f"{row['spread']:.2f}"
        line = (f"{row['name']:14}{scaled(row['best']):>10}{scaled(row['median']):>10}{spread:>8}")
        s, packets, spent = row.get("S"), row.get("packets_per_connection"), row.get("tsc_cycles")
        line += f"{s['server']:>10.3f}{s['client']:>10.3f}" if s else f"{'-':>10}{'-':>10}"
        line += f"{packets['all']:>11.2f}" if packets else f"{'-':>11}"
        line += (f"{spent['per_connection']:>10.0f}{spent['per_packet']:>9.0f}" if spent
                 else f"{'-':>10}{'-':>9}")
        line += f"{'/'.join(f'{value:.0%}' for value in row.get('busy', {}).values()) or '-':>12}"
        line += f"{row['to_kernel']:>10.1f}" if row.get("to_kernel") else f"{'-':>10}"
        lines.append(line)
    lines.append("bare: packets/s that a core swaps and sends back; the others: connections/s."
                 " Cycles: TSC, the whole core of one side.")
    if document["instructions"]:
        counted = document["instructions"]
        lines.append("instructions: " + "; ".join(
            f"{end} {counted[end]['per_connection']:,} a connection,"
            f" {counted[end]['per_packet']:.0f} a packet" for end in counted if end != "of")
            + f"; of {counted['of']}")
    lines += [f"{row['name']}: {described(row['on'])}" for row in document["rows"]]
    lines += [f"missing: {each['what']}: {each['why']}" for each in document["missing"]]
    phases = [row["name"] for row in document["rows"]
              if row["kind"] == "bare" and (row["spread"] or TWO_PHASES) >= TWO_PHASES]
    if phases:
        lines.append(f"The machine had more than one speed in this run ({', '.join(phases)}):"
                     " compare the best, not the median.")
    return lines


def described(on):
    """What was on, in a line: "closes server, request bytes 85, ..."."""
    words = {True: "yes", False: "no"}
    return ", ".join(f"{name.replace('_', ' ')} "
                     f"{words[value] if isinstance(value, bool) else value}"
                     for name, value in on.items())
