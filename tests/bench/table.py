# SPDX-License-Identifier: 0BSD
"""The bench's table: a row a measurement, with its aim, its yardstick's noise and a verdict."""
import json
import statistics

REFUSED_MAX = 0.01  # more, and a row is not called reached: refusing is quick

HEAD = (
    f"{'what':<44} {'ours':>9} {'p50 ms':>7} {'p99 ms':>7}  {'beside':<11} {'its':>9} "
    f"{'ratio':>6} {'aim':>7} {'noise':>6}  verdict"
)


def spread(values):
    """min..max in percent of the median: what the machine's other work does to a measurement."""
    return (max(values) - min(values)) / statistics.median(values) * 100


class Table:
    """Prints as it goes; with a path, also writes a JSON object a line there."""

    def __init__(self, only="", path=None):
        self.only, self.verdicts, self.null_rates, self.sound = only.lower(), [], [], True
        self.file = open(path, "w", encoding="utf-8") if path else None

    def wants(self, *names):
        """Whether one of the rows (or the section) of these names was asked for."""
        return not self.only or any(self.only in name.lower() for name in names)

    def head(self):
        print(HEAD, flush=True)

    def say(self, text):
        """What is not a figure: why a row is left out, what the machine is like."""
        print("- " + text, flush=True)
        self._json(say=text)

    def _json(self, **row):
        if self.file:
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.file.flush()

    def _verdict(self, reached):
        self.verdicts.append(reached)
        return "reached" if reached else "not reached"

    def beside(self, name, ours, yardstick, theirs, aim=None):
        """Loads of the rounds of ours beside those of the yardstick, in the same order. The ratio
        is the median of the rounds' own ratios, so that what slows a whole round down is left out
        of it.
        """
        ratio = statistics.median(o.rate / t.rate for o, t in zip(ours, theirs))
        noise = spread([t.rate for t in theirs])
        refused, asked = sum(o.refused for o in ours), sum(o.asked for o in ours)
        rate, p50, p99 = (
            statistics.median(getattr(o, k) for o in ours) for k in ("rate", "p50", "p99")
        )
        its = statistics.median(t.rate for t in theirs)
        notes = []
        if refused:
            notes.append(f"{refused:,} of {asked:,} failed")
        if any(o.repeated for o in ours):
            notes.append("ran out of users: shorter --seconds")
        if sum(t.refused for t in theirs):
            notes.append(f"the yardstick failed {sum(t.refused for t in theirs):,} times")
        reached = None
        if aim is not None:
            reached = (
                ratio >= aim
                and refused <= REFUSED_MAX * asked
                and not any(o.repeated for o in ours)
            )
        self._row(name, rate, p50, p99, yardstick, its, ratio, aim, ">=", noise, reached, notes)

    def slower(self, name, ours, yardstick, theirs, aim):
        """Medians of latency, in ms; the ratio is to be small."""
        ratio = statistics.median(o.p50 / t.p50 for o, t in zip(ours, theirs))
        refused = sum(o.refused for o in ours) + sum(t.refused for t in theirs)
        asked = sum(o.asked for o in ours) + sum(t.asked for t in theirs)
        repeated = any(o.repeated for o in ours + theirs)
        notes = [f"{refused:,} of {asked:,} failed"] if refused else []
        notes += ["ran out of users: shorter --seconds"] if repeated else []
        rate, p50, p99 = (
            statistics.median(getattr(o, k) for o in ours) for k in ("rate", "p50", "p99")
        )
        notes.append(f"its p50 {statistics.median(t.p50 for t in theirs):.2f} ms")
        self._row(
            name,
            rate,
            p50,
            p99,
            yardstick,
            statistics.median(t.rate for t in theirs),
            ratio,
            aim,
            "<=",
            spread([t.p50 for t in theirs]),
            ratio <= aim and refused <= REFUSED_MAX * asked and not repeated,
            notes,
        )

    def figure(self, name, value, unit, aim=None, notes=(), good=True):
        """A figure without a yardstick, at most aim. good: whether what was measured went as it
        should."""
        reached = None if aim is None else bool(good) and value <= aim
        self.sound = self.sound and bool(good)
        verdict = "" if reached is None else self._verdict(reached)
        notes = list(notes) + ([] if good else ["it FAILED"])
        shown = f"{value:,.1f} {unit}"
        bound = f"<= {aim:g}" if aim is not None else ""
        print(
            f"{name:<44} {shown:>25}  {'':<11} {'':>9} {'':>6} {bound:>7} {'':>6}  "
            + "; ".join(filter(None, [verdict, *notes])),
            flush=True,
        )
        self._json(
            name=name, value=round(value, 3), unit=unit, aim=aim, reached=reached, notes=notes
        )

    def _row(self, name, rate, p50, p99, yardstick, its, ratio, aim, sign, noise, reached, notes):
        bound = f"{sign} {aim:g}" if aim is not None else ""
        words = ([] if reached is None else [self._verdict(reached)]) + notes
        print(
            f"{name:<44} {rate:>9,.0f} {p50:>7.2f} {p99:>7.2f}  {yardstick:<11} {its:>9,.0f} "
            f"{ratio:>6.2f} "
            f"{bound:>7} {noise:>5.0f}%  " + "; ".join(words),
            flush=True,
        )
        self._json(
            name=name,
            rate=round(rate, 1),
            p50_ms=p50,
            p99_ms=p99,
            beside=yardstick,
            beside_rate=round(its, 1),
            ratio=round(ratio, 3),
            aim=aim,
            sign=sign,
            noise_percent=round(noise, 1),
            reached=reached,
            notes=notes,
        )

    def end(self):
        """The card of the machine's noise, and the sum."""
        if self.null_rates:
            runs = len(self.null_rates)
            self.say(
                f"noise of the machine: the null program ran {runs} times, median "
                f"{statistics.median(self.null_rates):,.0f}"
                f" requests a second, min..max {spread(self.null_rates):.0f} % of it"
            )
        self.say(f"{sum(self.verdicts)} of {len(self.verdicts)} aims reached")
