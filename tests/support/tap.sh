# SPDX-License-Identifier: MIT
# For tests that are shell scripts: cases in TAP, and a scratch folder that
# goes with the script. To be sourced.

cases=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check NAME COMMAND...: the case NAME passes if the command succeeds; if not,
# the first of what it printed is shown.
check() {
    title=$1
    shift
    cases=$((cases + 1))
    if "$@" >"$scratch/.printed" 2>&1; then
        echo "ok $cases - $title"
    else
        echo "not ok $cases - $title"
        echo "# failed: $*"
        sed 's/^/# /; 40q' "$scratch/.printed"
    fi
}

# skip NAME REASON
skip() {
    cases=$((cases + 1))
    echo "ok $cases - $1 # SKIP $2"
}

# Last line of a script.
finish() {
    echo "1..$cases"
}

# lines FILE PATTERN COUNT: that many lines match.
lines() {
    count=$(grep -c -e "$2" "$1")
    [ "$count" -eq "$3" ] || {
        echo "$count lines match '$2', not $3"
        return 1
    }
}

has() {
    grep -q -e "$2" "$1" || {
        echo "nothing matches '$2' in:"
        cat "$1"
        return 1
    }
}

same() {
    cmp -s "$1" "$2" || {
        diff "$1" "$2"
        return 1
    }
}
