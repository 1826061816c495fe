# SPDX-License-Identifier: MIT
# What the tools that read the lines of mproc-bench share: given to awk before
# a program of their own.

# The value of a field of a line, without quotes; "" if it is not there.
function field(line, name) {
    if (!match(line, "\"" name "\": ?(\"[^\"]*\"|[^,}]*)"))
        return ""
    line = substr(line, RSTART + length(name) + 3, RLENGTH - length(name) - 3)
    gsub(/^ |"/, "", line)
    return line
}

# A time as people write it: "9.1 ns", "21 ns", "3.6 us".
function time_text(ns,    unit) {
    if (ns == "")
        return ""
    unit = "ns"
    ns += 0
    if (ns >= 999.5) { ns /= 1000; unit = "µs" }
    if (ns >= 999.5) { ns /= 1000; unit = "ms" }
    if (ns >= 999.5) { ns /= 1000; unit = "s" }
    return sprintf(ns < 9.95 ? "%.1f %s" : "%.0f %s", ns, unit)
}

# How many times, likewise.
function times_text(x) {
    if (x == "")
        return ""
    x += 0
    return sprintf(x < 1.995 ? "%.2f" : x < 9.95 ? "%.1f" : "%.0f", x)
}

# The quickest rival of mproc in a line, CPython included; its time is then in
# `rival_ns`. "" if there is none.
function rival(line,    name, cpython) {
    name = field(line, "best_peer")
    rival_ns = field(line, "best")
    cpython = field(line, "cpython")
    if (cpython != "" && (name == "" || cpython + 0 < rival_ns + 0)) {
        name = "CPython"
        rival_ns = cpython
    }
    return name
}
