"""What it costs to begin: import, load, first vector, memory. Each figure is the median of fresh processes.

python benchmarks/start.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import median, save

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from make_models import SIZES, make_config, write_model

PROCESS = """
import json, sys, time
import numpy
start = time.perf_counter()
import minibert
imported = time.perf_counter()
def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1000
minibert.load(sys.argv[2])  # so that modules and tables are not counted as the model's memory
before = resident_mb()
begin = time.perf_counter()
model = minibert.load(sys.argv[1], backend="numpy")
loaded = time.perf_counter()
after = resident_mb()
model.encode("I love NLP")
encoded = time.perf_counter()
print(json.dumps({"import_ms": 1e3 * (imported - start), "load_ms": 1e3 * (loaded - begin), "first_vector_ms": 1e3 * (encoded - loaded),
                  "load_adds_mb": after - before, "first_vector_adds_mb": resident_mb() - after}))
"""


def main() -> None:
    results = []
    with tempfile.TemporaryDirectory() as parent:
        small = write_model(Path(parent) / "small", make_config(1, 8, 1))
        for name, size in SIZES.items():
            folder = write_model(Path(parent) / name, make_config(*size))
            runs = []
            for _ in range(9):
                result = subprocess.run([sys.executable, "-c", PROCESS, folder, small], capture_output=True, text=True, check=True)
                runs.append(json.loads(result.stdout))
            row = {key: round(median([run[key] for run in runs]), 1) for key in runs[0]}
            results.append({"model": name, "file_mb": round((folder / "model.safetensors").stat().st_size / 1e6, 1), **row})
            print(results[-1], flush=True)
    save("start", results)


if __name__ == "__main__":
    main()
