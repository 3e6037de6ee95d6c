"""Draw results/*.json, and the training of the bundled model, into figures/*.svg.

pip install matplotlib
python -m benchmarks.plots [FOLDER OF RESULTS [FOLDER OF FIGURES]]
"""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
CURVE = HERE.parent / "weights" / "training" / "curve.jsonl"  # weights/training/train.py wrote it
# Colours of Okabe and Ito, which colour-blind people can tell apart. Markers say the same.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#666666"
QUALITY_COLORS = (BLUE, ORANGE, GREY, "#009E73")
PRECISIONS = {"float32": BLUE, "int8": ORANGE}
PRODUCTS = {
    "query_key_value": "query, key, value",
    "attention_output": "attention output",
    "intermediate": "intermediate",
    "output": "output",
    "attention, 20 tokens": "attention, 20 tokens",
    "attention, 130 tokens": "attention, 130 tokens",
    "attention, 512 tokens": "attention, 512 tokens",
}


def speed(results: Any) -> Figure:
    """Speed in units of the best onnxruntime: the median, the slowest and the fastest run."""
    models = list(dict.fromkeys(row["model"] for row in results))
    kinds = list(dict.fromkeys(kind_of(row) for row in results))
    figure, columns = pyplot.subplots(1, len(models), figsize=(4 * len(models) + 1, 3.4), sharey=True, squeeze=False)
    for axes, model in zip(columns[0], models, strict=True):
        rows = [row for row in results if row["model"] == model]
        for shift, (precision, color) in zip((-0.13, 0.13), PRECISIONS.items(), strict=True):
            ratios = [row["systems"][f"onnxruntime {precision}"]["to_minibert"] for row in rows]
            medians, places = [each["median"] for each in ratios], [kinds.index(kind_of(row)) + shift for row in rows]
            spread = [[each["median"] - each["least"] for each in ratios], [each["greatest"] - each["median"] for each in ratios]]
            marker = "o" if precision == "float32" else "s"
            axes.errorbar(medians, places, xerr=spread, fmt=marker, color=color, capsize=2.5, label=precision)
        axes.axvline(1, color=GREY, linewidth=1)
        axes.set(title=model, xscale="log", xlabel="times as fast as onnxruntime", yticks=range(len(kinds)))
        axes.set_yticklabels(kinds)
        plain_numbers(axes)
    columns[0][0].invert_yaxis()
    legend_below(figure, columns[0][0])
    return figure


def kind_of(row: Any) -> str:
    return str(row["texts"]) + (", 1 thread" if row["threads"] == 1 else "")


def legend_below(figure: Figure, axes: Axes) -> None:
    """Draw one legend for all panels, below them."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)


def plain_numbers(axes: Axes) -> None:
    """Write 0.5, 1, 2, 3 on a logarithmic axis instead of powers of ten."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in (0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20) if low <= tick <= high] or [1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)


def growth(results: Any) -> Figure:
    """Tokens per second over the length of one text, and over the number of texts."""
    panels = list(dict.fromkeys((row["model"], row["grows"]) for row in results))
    figure, grid = pyplot.subplots(len(panels) // 2, 2, figsize=(8.5, 3.1 * (len(panels) // 2)), squeeze=False)
    for axes, (model, grows) in zip(grid.flat, panels, strict=True):
        rows = [row for row in results if (row["model"], row["grows"]) == (model, grows)]
        for system in ("minibert int8", "minibert float32", "onnxruntime int8", "onnxruntime float32"):
            name, precision = system.split()
            style = {"linestyle": "-", "marker": "o"} if name == "minibert" else {"linestyle": "--", "marker": "x"}
            speeds = [row["systems"][system]["tokens_per_s"] for row in rows]
            axes.plot([row["number"] for row in rows], speeds, color=PRECISIONS[precision], markersize=4, label=system, **style)
        numbers = [row["number"] for row in rows]
        axes.set(title=model, xlabel=grows, ylabel="tokens per second", xscale="log", ylim=0)
        axes.set_xticks(numbers, [str(number) for number in numbers], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    legend_below(figure, grid.flat[0])
    return figure


def roofline(results: Any) -> Figure:
    """The share of one thread's measured peak that the products of a layer reach.

    The attention of int8 models is a share of the peak of int16.
    """
    models = list(dict.fromkeys(row["model"] for row in results["models"]))
    figure, columns = pyplot.subplots(1, len(models), figsize=(4 * len(models) + 1.5, 3.6), sharey=True, squeeze=False)
    for axes, model in zip(columns[0], models, strict=True):
        for shift, row in zip((-0.19, 0.19), [row for row in results["models"] if row["model"] == model], strict=True):
            shares = [100 * row["ops"][name]["share_of_peak"] for name in PRODUCTS]
            places = [place + shift for place in range(len(PRODUCTS))]
            peak = results["peaks_gops"][row["precision"]]["1"]
            label = f"{row['precision']}, peak {peak:,.0f} GOP/s"
            if row["precision"] == "int8":
                label += f" (attention: int16, {results['peaks_gops']['int16']['1']:,.0f})"
            axes.barh(places, shares, 0.36, color=PRECISIONS[row["precision"]], edgecolor="black", linewidth=0.5, label=label)
        axes.set(title=model, xlabel="% of the measured peak of one thread", xlim=(0, 100), yticks=range(len(PRODUCTS)))
        axes.set_yticklabels(PRODUCTS.values())
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
    columns[0][0].invert_yaxis()
    legend_below(figure, columns[0][0])
    return figure


def quality(results: Any) -> Figure:
    """Quality against speed. A line joins the int8 form of a model to its float32 form."""
    figure, columns = pyplot.subplots(1, 2, figsize=(9, 3.8))
    measures: dict[str, Callable[[Any], float]] = {
        "STS benchmark, dev: Spearman x 100": lambda row: row["sts"],
        "retrieval: recall@10, %": lambda row: 100 * row["recall"]["all"],
    }
    for axes, (title, measure) in zip(columns, measures.items(), strict=True):
        for color, marker, (name, rows) in zip(QUALITY_COLORS, "osD^v", by_model(results["systems"]).items(), strict=False):
            speeds, heights = [row["tokens_per_s"] for row in rows], [measure(row) for row in rows]
            axes.plot(speeds, heights, "-", marker=marker, color=color, label=name)
            for row, speed, height, (side, shift) in zip(rows, speeds, heights, (("right", 5), ("left", -11)), strict=False):
                note = f"{row['system'].rpartition(', ')[2]}, {row['mb']:.0f} MB"
                axes.annotate(note, (speed, height), (0, shift), textcoords="offset points", ha=side, fontsize=7)
        axes.set(title=title, xscale="log", xlabel="tokens per second", ylim=(0, 105))
        axes.margins(x=0.35)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(color="#dddddd", linewidth=0.6)
    legend_below(figure, columns[0])
    return figure


def by_model(rows: list[Any]) -> dict[str, list[Any]]:
    """Group rows by model. Their names differ after the last comma only."""
    models: dict[str, list[Any]] = {}
    for row in rows:
        models.setdefault(row["system"].rpartition(", ")[0], []).append(row)
    return models


def training(reports: list[Any]) -> Figure:
    """The training of the bundled model: its losses, and its score on STS."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2))
    ends = [max(report["tokens"] for report in reports if report["round"] == number) for number in range(reports[-1]["round"] + 1)]
    millions = [(sum(ends[: report["round"]]) + report["tokens"]) / 1e6 for report in reports]
    losses = {
        "sentence": "1 - cosine of sentences",
        "token": "share of token vectors missed",
        "similarity": "square error of similarities",
        "pair": "cross-entropy of a query's passages",
    }
    for (name, label), color, marker in zip(losses.items(), QUALITY_COLORS, "osD^", strict=False):
        values = [report.get(name, math.nan) for report in reports]
        left.plot(millions, values, "-", color=color, marker=marker, markersize=3, label=label)
    left.set(title="losses", xlabel="million tokens", yscale="log")
    right.plot(millions, [report["sts_dev"] for report in reports], "-", color=BLUE, marker="o", markersize=3)
    right.set(title="STS benchmark, dev: Spearman x 100", xlabel="million tokens")
    for axes in (left, right):
        axes.grid(color="#dddddd", linewidth=0.6)
    legend_below(figure, left)
    return figure


FIGURES: dict[str, Callable[[Any], Figure]] = {"speed": speed, "growth": growth, "roofline": roofline, "quality": quality}


def main() -> None:
    given = [Path(each) for each in sys.argv[1:]]
    source, target = (given + [HERE / "results", HERE / "figures"][len(given) :])[:2]
    target.mkdir(exist_ok=True)
    options = {"svg.fonttype": "none", "svg.hashsalt": "minibert", "figure.constrained_layout.use": True, "font.size": 9}
    options |= {"axes.spines.top": False, "axes.spines.right": False, "font.family": "sans-serif", "axes.titlesize": 10}
    with pyplot.rc_context(options):
        for name, draw in FIGURES.items():
            save(draw(json.loads((source / f"{name}.json").read_text())["results"]), target / f"{name}.svg")
        save(training([json.loads(line) for line in CURVE.read_text().splitlines()]), target / "training.svg")


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
