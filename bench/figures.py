"""What bench/run measured: rows in a file, medians, paired ratios, tables.

A row is SYSTEM, METRIC, ROUND, FIGURE, VALUE, with tabs between them. All systems run in
each round, one after the other, so that what disturbs the machine disturbs all: a ratio
is taken within a round, and the median of the ratios is what counts.
"""

import collections
import math
import statistics

Figure = collections.namedtuple("Figure", "name unit scale better")

CALLS = Figure("calls_per_s", "k/s", 1e-3, "more")
LATENCY = Figure("p50_us", "us", 1, "less")
MEGABYTES = Figure("calls_per_s", "MB/s", 1.048576, "more")


def main_figure(metric):
    """What a metric is judged by."""
    if metric.startswith("L"):
        return LATENCY
    return MEGABYTES if metric == "B" else CALLS


class Rows:
    """values[system, metric, figure][round]"""

    def __init__(self):
        self.values = collections.defaultdict(dict)
        self.systems = []
        self.metrics = []
        self.n_rounds = 0

    def add(self, system, metric, number, figure, value):
        if system not in self.systems:
            self.systems.append(system)
        if metric not in self.metrics:
            self.metrics.append(metric)
        self.values[system, metric, figure][number] = value
        self.n_rounds = max(self.n_rounds, number)

    def read(self, path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                system, metric, number, figure, value = line.rstrip("\n").split("\t")
                self.add(system, metric, int(number), figure, float(value))

    def median(self, system, metric, figure):
        values = self.values.get((system, metric, figure))
        return statistics.median(values.values()) if values else None

    def ratios(self, system, base, metric, figure):
        """Of the rounds in which both ran."""
        ours = self.values.get((system, metric, figure), {})
        theirs = self.values.get((base, metric, figure), {})
        return sorted(ours[i] / theirs[i] for i in ours if theirs.get(i))

    def combined(self, system, metric, names, combine):
        """Of the rounds that have all of these figures: combine(figure, ...), in order."""
        columns = [self.values.get((system, metric, name), {}) for name in names]
        rounds = set.intersection(*map(set, columns))
        return sorted(combine(*(column[i] for column in columns)) for i in rounds)


def median_interval(ordered):
    """
    The narrowest pair of order statistics that holds the median with 95 %: how many of n
    values lie below the true median is binomial with 1/2, whatever their distribution.
    None: fewer than six values cannot say.
    """
    n = len(ordered)
    outside = 0.0
    best = None
    for k in range(n // 2):
        outside += 2 * math.comb(n, k) / 2 ** n
        if outside > 0.05:
            break
        best = ordered[k], ordered[n - 1 - k]
    return best


def number_text(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else \
        f"{value:.2f}"


def ratio_text(ordered):
    if not ordered:
        return "-"
    interval = median_interval(ordered)
    text = f"{statistics.median(ordered):.2f}"
    return f"{text} [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else text


def table_text(heads, rows):
    """In Markdown, columns in line, the first one to the left."""
    cells = [heads, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join("| " + " | ".join(
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths))) + " |"
        for row in [heads, rule, *rows])


def medians_table(rows, systems, metrics):
    lines = []
    for metric in metrics:
        figure = main_figure(metric)
        medians = [rows.median(system, metric, figure.name) for system in systems]
        lines.append([f"{metric}, {figure.unit}", *(
            number_text(value and value * figure.scale) for value in medians)])
    return table_text(["metric", *systems], lines)


def ratios_table(rows, systems, metrics, base):
    others = [system for system in systems if system != base]
    lines = [[metric, *(ratio_text(rows.ratios(system, base, metric,
                                               main_figure(metric).name))
                        for system in others)] for metric in metrics]
    return table_text([f"/ {base}", *others], lines)


def cpu_table(rows, systems, metrics):
    def cell(system, metric):
        both = [rows.median(system, metric, f"{side}_cpu_us")
                for side in ("client", "server")]
        return "-" if None in both else " + ".join(map(number_text, both))
    return table_text(["CPU, us a call", *systems],
                      [[metric, *(cell(system, metric) for system in systems)]
                       for metric in metrics])


def nodes_table(rows, systems, metrics):
    """Of N1, N2, ...: how near to what all workers would do if only the sleeps took time,
    and how many CPUs were in use, as nothing is near to it once all of them are."""
    def cells(system, metric):
        ideal = rows.combined(system, metric, ["calls_per_s", "ideal_per_s"],
                              lambda calls, ideal: calls / ideal)
        cpus = rows.combined(system, metric,
                             ["calls_per_s", "client_cpu_us", "server_cpu_us"],
                             lambda calls, client, server: calls * (client + server) / 1e6)
        return [ratio_text(ideal), number_text(statistics.median(cpus) if cpus else None)]
    heads = [head for system in systems for head in (f"{system}, of ideal", "CPUs in use")]
    return table_text(["nodes", *heads], [
        [metric, *(cell for system in systems for cell in cells(system, metric))]
        for metric in metrics])


def rates_table(rows, metrics):
    """Of R1000, R2000, ...: latency against what was asked for."""
    names = ["calls_per_s", "unsent", "p50_us", "p90_us", "p99_us", "p999_us"]
    lines = [[f"{system} {metric[1:]}/s", *(
        number_text(rows.median(system, metric, name)) for name in names)]
        for system in rows.systems for metric in metrics
        if rows.median(system, metric, "p50_us") is not None]
    return table_text(["offered", *names], lines)


def all_tables(rows, base="raw"):
    systems = rows.systems
    nodes = [metric for metric in rows.metrics if metric[0] == "N"]
    rates = [metric for metric in rows.metrics if metric[0] == "R"]
    plain = [metric for metric in rows.metrics if metric not in nodes + rates]
    tables = []
    if plain:
        tables.append("Medians\n\n" + medians_table(rows, systems, plain))
        if base in systems and len(systems) > 1:
            tables.append(f"Medians of the ratios to {base} within a round, and their "
                          "95 % interval\n\n" + ratios_table(rows, systems, plain, base))
        tables.append("Medians of CPU time, client + servers\n\n" +
                      cpu_table(rows, systems, plain))
    if nodes:
        ours = [system for system in systems
                if any((system, metric, "calls_per_s") in rows.values for metric in nodes)]
        tables.append("Nodes\n\n" + medians_table(rows, ours, nodes) + "\n\n" +
                      nodes_table(rows, ours, nodes))
    if rates:
        tables.append("Latency against offered load, medians\n\n" +
                      rates_table(rows, rates))
    return "\n\n".join(tables)
