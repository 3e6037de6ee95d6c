#!/usr/bin/env bash
# Run the libraries of two wheels on other systems: with musl, and on two aarch64 processors.
#
#     check.sh FOLDER WHEEL_FOR_X86_64 WHEEL_FOR_AARCH64
#
# The Python of this environment needs Numba: its loops compute the results to compare with.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
x86_64=$(realpath "$2") aarch64=$(realpath "$3")
cd "$(dirname "$0")/../.."

make() { # a Python of another system, and a copy of this repository with the libraries of a wheel
    bash tests/platforms/foreign_python.sh "$1" "$folder/$1" "$2"
    mkdir "$folder/$1/run"
    cp -r pyproject.toml minibert tests weights "$folder/$1/run"
    cp -r "$folder/$1/site/minibert/libraries" "$folder/$1/run/minibert"
}

check() { # by a Python: that it takes the library of a tier and gives the same bits; then tests
    echo "$1, $2"
    (cd "$folder/$1/run" && ../python -m tests.platforms.results compare "$folder/results" "$2" && ../python -m pytest -q "${@:3}")
}

mkdir "$folder/results"
python -m tests.platforms.results write "$folder/results" numba
make musl "$x86_64"
make aarch64 "$aarch64"
tier=$(python -c 'from minibert.ops.compiled.jit_loops import host_tier; print(host_tier().name)')
check musl "$tier" tests/ops/test_compiled_encoder.py tests/ops/test_guard_pages.py tests/runtime/test_library.py &
musl=$!
# The emulator is 20 to 50 times slower than a processor: these tests would take hours.
fast=(--ignore tests/ops/test_guard_pages.py --ignore tests/ops/test_same_bits.py -k "not batch_tokens_bounds_memory")
# The first processor has no dot products, the second has them.
QEMU_CPU=cortex-a72 check aarch64 neon tests/ops "${fast[@]}"
QEMU_CPU=neoverse-n1 check aarch64 neondot tests/ops "${fast[@]}"
wait "$musl"
