# SPDX-License-Identifier: MIT
# For tests of what is installed: into a folder of the test's own. To be sourced,
# with the build's folder in $build; tap.sh comes first.

root=$scratch/root

# Meson's note of what was installed last is not ours to overwrite.
install_apart() {
    log=$build/meson-logs/install-log.txt
    cp "$log" "$scratch/install-log" 2>/dev/null
    meson install -C "$build" --no-rebuild --destdir "$root" || return 1
    if [ -f "$scratch/install-log" ]; then
        cp "$scratch/install-log" "$log"
    else
        rm -f "$log"
    fi
    pc=$(dirname "$(find "$root" -name mproc.pc)")
    libdir=$(dirname "$pc")
}

config() {
    PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$root pkg-config "$@" mproc
}
