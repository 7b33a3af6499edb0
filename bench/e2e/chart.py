#!/usr/bin/env python3
"""usage: chart.py JSON IMAGE   Draws the document of run.py, or of conditions.py. Needs matplotlib
(Debian: python3-matplotlib); exit code 3 without it."""

import json
import sys


def draw(document, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    rates(axes[0], document, "bare", "bare link, M packets/s", 1e6)
    rates(axes[1], document, "pollux kernel", "connections/s, k (log)", 1e3)
    axes[1].set_xscale("log")
    axes[1].set_xlim(left=1)
    shares(axes[2], document)
    environment = document["environment"]
    figure.suptitle(f"{environment['cpu']}, one core a side, {document['rounds']} rounds of "
                    f"{document['seconds']:g} s; bar: best, line: median, dots: rounds")
    figure.savefig(path, dpi=120)


def draw_conditions(document, path):
    """All that is wanted, a bar each: how far above what is wanted (right) or below."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    wanted = [(row["name"], each) for row in document["rows"] for each in row["wanted"]
              if each.get("at_least") or each.get("at_most")]  # not those that are to be nothing
    figure, axis = pyplot.subplots(figsize=(10, 1.5 + 0.4 * len(wanted)), constrained_layout=True)
    for at, (_, each) in enumerate(wanted):
        value = max(each["value"], 1e-9)
        ratio = value / each["at_least"] if "at_least" in each else each["at_most"] / value
        axis.barh(at, min(max(ratio, 0.1), 10), color="#c8d6e5" if each["met"] else "#e8c4c0")
    axis.axvline(1, color="#c0392b")
    axis.set_xscale("log")
    axis.set_xlim(0.1, 11)
    axis.set_yticks(range(len(wanted)), [f"{name}: {each['what']}" for name, each in wanted])
    axis.invert_yaxis()
    axis.set_xlabel("of what is wanted (log; right of the line: met)")
    figure.suptitle(f"{document['environment']['cpu']}, one core a side, "
                    f"{document['rounds']} rounds of {document['seconds']:g} s")
    figure.savefig(path, dpi=120)


def rates(axis, document, kinds, title, unit):
    """A bar a row, its median as a line, its rounds as dots."""
    rows = [row for row in document["rows"] if row["kind"] in kinds.split()]
    for at, row in enumerate(rows):
        axis.barh(at, row["best"] / unit, color="#c8d6e5")
        axis.plot([rate / unit for rate in row["rates"]], [at] * len(row["rates"]), "k.", alpha=0.5)
        axis.plot([row["median"] / unit] * 2, [at - 0.4, at + 0.4], color="#c0392b")
    label(axis, rows, title)


def shares(axis, document):
    """S of server and client, side by side."""
    rows = [row for row in document["rows"] if row.get("S")]
    for at, row in enumerate(rows):
        axis.barh(at - 0.2, row["S"]["server"], height=0.4, color="#2c3e50",
                  label=None if at else "server")
        axis.barh(at + 0.2, row["S"]["client"], height=0.4, color="#95a5a6",
                  label=None if at else "client")
    label(axis, rows, "S: share of the bare link")
    if rows:
        axis.legend(loc="lower left")


def label(axis, rows, title):
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel(title)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        import matplotlib  # noqa: F401
    except ImportError as reason:
        print(reason, file=sys.stderr)
        return 3
    with open(arguments[0], encoding="utf-8") as file:
        document = json.load(file)
    kind = draw_conditions if ".conditions." in document["schema"] else draw
    kind(document, arguments[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
