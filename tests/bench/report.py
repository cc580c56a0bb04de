# SPDX-License-Identifier: MIT
"""Collects the rows of the bench and prints them as one plain table."""

from statistics import median

HEAD = ("figure", "what", "baton", "beside it", "ratio", "limit", "")


def _number(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


class Report:
    def __init__(self):
        self.rows = []
        self.samples = {}

    def add(self, figure, what, value=None, beside=None, ratio=None, limit=None, ok=None,
            beside_name=""):
        """ok: True, False, or None where there is no limit (or nothing was measured)."""
        self.rows.append({"figure": figure, "what": what, "baton": value, "beside": beside,
                          "beside_name": beside_name, "ratio": ratio, "limit": limit, "ok": ok})

    def add_at_most(self, figure, what, value, limit, unit=""):
        self.add(figure, what, value, limit=f"<= {limit}{unit}", ok=value <= limit)

    def add_ratio(self, figure, what, samples, name, beside_name, at_most):
        """Median costs, and the median of the ratios of each round; at_most is its limit."""
        ours, theirs = samples.get(name), samples.get(beside_name)
        if not theirs:
            return
        if not ours:
            self.add(figure, what, beside=median(theirs), beside_name=beside_name)
            return
        ratio = median(our / their for our, their in zip(ours, theirs))
        self.add(figure, what, median(ours), median(theirs), ratio,
                 None if at_most is None else f"<= {at_most:g}",
                 None if at_most is None else ratio <= at_most, beside_name)

    def keep(self, figure, samples):
        self.samples.setdefault(figure, []).append(samples)

    def all_ok(self):
        return all(row["ok"] is not False for row in self.rows)

    def table(self):
        lines = [HEAD]
        for row in self.rows:
            beside = _number(row["beside"])
            if row["beside_name"]:
                beside += " " + row["beside_name"]
            verdict = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
            lines.append((row["figure"], row["what"], _number(row["baton"]), beside,
                          _number(row["ratio"]), row["limit"] or "", verdict))
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
        return "\n".join("  ".join(
            text.rjust(width) if 2 <= i <= 4 else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths))).rstrip() for line in lines)
