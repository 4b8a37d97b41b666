# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Tables in Markdown of what was measured."""

import statistics

from rows import Ratio

NAMES = {"cpu": "CPU", "first": "first byte", "memory": "memory", "whole": "with the server's own"}


def spread(values):
    if not values:
        return "–"
    middle, low, high = statistics.median(values), min(values), max(values)
    form = "%.0f" if middle >= 20 else "%.1f" if middle >= 4 else "%.3f"
    return form % middle if form % low == form % high else "%s (%s–%s)" % tuple(form % v for v in (middle, low, high))


def table(head, lines):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print()


def told(goal):
    if goal is None:
        return ""
    return "≤ %.2f × best peer" % goal.most if isinstance(goal, Ratio) else "≤ %g" % goal.most


def judge(goal, ours, by):
    """The best peer, our ratio to it, and whether the goal is met; None where that can't be said.  `ours` and the peers'
    lists in `by` have a figure a round, or None where it failed."""
    medians = {name: statistics.median(known) for name, known in
               ((name, [v for v in values if v is not None]) for name, values in by.items()) if known}
    best = min(medians, key=medians.get) if medians else None
    # Round by round, since the machine may be slower in one than in another.
    ratio = statistics.median(a / b for a, b in zip(ours, by[best]) if b) if best else None
    if goal is None:
        return best, ratio, None
    if isinstance(goal, Ratio):
        return best, ratio, None if ratio is None else round(ratio, 2) <= goal.most
    return best, ratio, round(statistics.median(ours), 2) <= goal.most


def summary(rows, figures, names, sizes):
    """What the JSON has of the rows: by row and figure, the unit, the goal, and by server the figures of all rounds.  The
    short form meets and misses nothing."""
    result = {}
    for row in rows:
        by = figures[row.name]
        result[row.name] = one = {"title": row.title, "figures": {}, "wall": {}, "resumed": {}}
        for figure, goal in row.goals.items():
            goal = None if sizes.short else goal
            unit, scale = sizes.unit(row, figure)
            values = {name: [f and f[figure] * scale for f in by[name]] for name in names if name in by}
            best, ratio, met = judge(goal, values[names[0]], {n: v for n, v in values.items() if n != names[0]})
            one["figures"][figure] = {"unit": unit, "goal": told(goal), "by": values, "best": best, "ratio": ratio,
                                      "met": met}
        for extra in ("wall", "resumed"):
            one[extra] = {name: [f[extra] for f in by[name] if f] for name in by if by[name][0] and extra in by[name][0]}
    return result


def cells(values, names):
    return [spread([v for v in values.get(name, ()) if v is not None]) for name in names]


def tell(result, names):
    """The table of goals.  wharfd is the first name."""
    lines = []
    for one in result.values():
        for figure, f in one["figures"].items():
            verdict = {True: "met", False: "**missed**", None: ""}[f["met"]]
            ratio = "%.2f × %s" % (f["ratio"], f["best"]) if f["ratio"] is not None else ""
            lines.append(["%s: %s, %s" % (one["title"], NAMES[figure], f["unit"]), f["goal"], verdict, ratio]
                         + cells(f["by"], names))
    table(["row", "goal", "", "%s is" % names[0]] + names, lines)


def tell_more(result, names):
    """Wall time, and which share of the data connections resumed a session."""
    lines = []
    for one in result.values():
        if not one["wall"]:
            continue
        line = [one["title"]]
        for name, cell in zip(names, cells(one["wall"], names)):
            resumed = one["resumed"].get(name)
            line.append(cell + (", %.0f %%" % (100 * statistics.mean(resumed)) if resumed else ""))
        lines.append(line)
    if lines:
        table(["wall time, in the row's unit; data connections that resumed"] + names, lines)
