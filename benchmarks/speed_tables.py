"""Tables of speed, start and memory. report.py writes them into the pages."""

from typing import Any

from .markdown import load, machine_and_versions, measured_on, paragraph, table

FLOOR = ("python -c pass", "import numpy")  # of start.json


def is_single(row: dict[str, Any]) -> bool:
    """True if texts come one by one."""
    return bool(row["texts"].startswith("one "))


def cost(row: dict[str, Any], system: str) -> str:
    """Milliseconds if texts come one by one, else tokens per second."""
    found = row["systems"][system]
    return f"{found['ms_per_text']:.3g} ms" if is_single(row) else f"{found['tokens_per_s']:,}"


def cost_and_configuration(row: dict[str, Any], system: str) -> str:
    """The cost, and the configuration that was the best."""
    return f"{cost(row, system)} ({row['systems'][system]['configuration']})"


def _spread(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['greatest']:.2f})"


def case(row: dict[str, Any]) -> list[str]:
    """The model and the texts of a row."""
    return [row["model"], row["texts"] + (", 1 thread" if row["threads"] == 1 else "")]


def speed() -> str:
    """The speed of minibert, onnxruntime, torch and sentence-transformers."""
    content = load("speed")
    rows, others, slower = [], [], []
    for row in content["results"]:
        for precision in ("float32", "int8"):
            ours, theirs = f"minibert {precision}", f"onnxruntime {precision}"
            ratio = row["systems"][theirs]["to_minibert"]
            rows.append([*case(row), precision, cost(row, ours), cost_and_configuration(row, theirs), _spread(ratio)])
            if ratio["median"] < 1:
                slower.append(f"{', '.join(case(row))}, {precision}")
        if "torch" in row["systems"]:
            others.append([*case(row), cost(row, "minibert float32"), *_others(row)])
    return "\n\n".join(
        [
            paragraph(
                "Texts in, vectors out: tokens per second, or milliseconds for one text. The last column says how many times as fast",
                "minibert is, with the spread of the runs.",
                f"onnxruntime is faster for: {'; '.join(slower)}." if slower else "The median is nowhere below 1.",
            ),
            table(["model", "texts", "precision", "minibert", "onnxruntime (its best)", "ratio (spread)"], rows),
            paragraph(
                "Other systems on the same texts. The number in brackets says how many times as fast minibert float32 is. torch has",
                "float32 or bfloat16, whichever is faster.",
            ),
            table(["model", "texts", "minibert float32", "minibert on NumPy alone", "torch (its best)", "sentence-transformers"], others),
            paragraph(
                "Medians of 5 paired runs. `benchmarks/speed.py`;",
                measured_on(content, "numpy", "numba", "onnxruntime", "tokenizers", "torch", "sentence-transformers"),
            ),
        ]
    )


def _others(row: dict[str, Any]) -> list[str]:
    systems = row["systems"]
    ratios = {name: f" [{systems[name]['to_minibert']['median']:.3g}]" for name in ("minibert numpy", "torch", "sentence-transformers")}
    return [(cost if name == "minibert numpy" else cost_and_configuration)(row, name) + ratio for name, ratio in ratios.items()]


def roofline() -> str:
    """The time of each op of a layer, and its share of the measured peak."""
    content = load("roofline")
    results = content["results"]
    models = results["models"]
    names = dict.fromkeys(name for model in models for name in model["ops"])
    rows = [[name.replace("_", " "), *(_time_and_share(model["ops"].get(name)) for model in models)] for name in names]
    peaks = "; ".join(f"{name} {each['1']:,.0f} and {each['2']:,.0f}" for name, each in results["peaks_gops"].items())
    return "\n\n".join(
        [
            table(["op", *(f"{model['model']} {model['precision']}" for model in models)], rows),
            paragraph(
                f"Peaks of one thread and of two, in 10⁹ multiplications and additions a second: {peaks}. Batches have",
                f"{results['tokens']} tokens. Medians of 7. `benchmarks/roofline.py`;",
                measured_on(content, "numpy", "numba"),
            ),
        ]
    )


def _time_and_share(op: dict[str, Any] | None) -> str:
    if op is None:
        return ""
    share = f" ({100 * op['share_of_peak']:.0f} %)" if "share_of_peak" in op else ""
    return f"{op['us_per_token']:.3g}{share}"


def start() -> str:
    """The cost of a fresh process, and of an installation."""
    content = load("start")
    results = content["results"]
    first = results["begin"][0]["systems"]
    rows = [["", *_process(name, first[name])] for name in FLOOR]
    rows += [
        [f"{row['model']} ({row['file_mb']:.0f} MB)", *_process(name, found)]
        for row in results["begin"]
        for name, found in row["systems"].items()
        if name not in FLOOR
    ]
    installed = [[row["what"], f"{row['mb']:,.0f} MB"] for row in results["installed"]]
    compilation = results["compilation"]
    return "\n\n".join(
        [
            table(["model", "process", "to the vector (least)", "to its end", "processor", "memory", "time / libraries"], rows),
            paragraph(
                f"The very first time, Numba compiles the kernels: {compilation['first_vector_s']:.0f} s up to the first vector. The first",
                f"large call then compiles the tokenizer: {compilation['tokenizer_adds_s']:.0f} s more.",
            ),
            table(["installed, with dependencies", "size"], installed),
            paragraph(
                f"Medians of {results['rounds']} fresh processes (3 for the compilation), and the least. The last column divides the times",
                "up to the vector, and has the spread of the runs. `benchmarks/start.py`;",
                measured_on(content, "numpy", "numba", "onnxruntime", "tokenizers"),
            ),
        ]
    )


def _process(name: str, found: dict[str, Any]) -> list[str]:
    return [
        name,
        f"{found['vector_ms']:,.0f} ms ({found['least_vector_ms']:,.0f})",
        f"{found['end_ms']:,.0f} ms",
        f"{found['cpu_ms']:,.0f} ms",
        f"{found['peak_mb']:,.0f} MB",
        _spread(found["to_libraries"]),
    ]


def loops() -> str:
    """The loops of a library beside those that Numba compiles for the processor."""
    content = load("loops")
    rows = [
        [
            row.get("model", "tokenizer alone"),
            row.get("precision", ""),
            row["texts"] + (", 2 threads" if row.get("threads") == 2 else ""),
            *(_speed(row, name) for name in ("library", "numba")),
            f"{row['ratio']:.3f}",
            f"{row['ratio_of_least']:.3f}",
        ]
        for row in content["results"]["rows"]
    ]
    return "\n\n".join(
        [
            table(["model", "precision", "texts", "library", "Numba", "time, library / Numba", "of the least times"], rows),
            paragraph(
                f"Medians of {content['results']['rounds']} runs, in turns. `benchmarks/loops.py`;",
                measured_on(content, "numpy", "numba"),
            ),
        ]
    )


def _speed(row: dict[str, Any], name: str) -> str:
    """Tokens per second, or the time of one text."""
    seconds = row["seconds"][name]
    return f"{row['tokens'] / seconds:,.0f}" if "tokens" in row else f"{1e6 * seconds / row['calls']:,.0f} µs"


def convert() -> str:
    """The cost of a conversion."""
    content = load("convert")
    rows = [
        [name, f"{row['file']:,} MB", f"{row['seconds']:.2f} s", f"{row['megabytes']:,} MB", f"{row['share']:.2f}"]
        for name, row in content.items()
    ]
    machines = dict.fromkeys(machine_and_versions(row["machine"], "numpy") for row in content.values())
    return "\n\n".join(
        [
            table(["L-6_H-768 from", "file", "time", "greatest memory", "memory / file"], rows),
            paragraph("`benchmarks/convert.py`;", f"{'; '.join(machines)}. The results hold no date."),
        ]
    )
