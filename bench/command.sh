#!/usr/bin/env bash
# Measures the command `gatekeeper`, built for a release: bash bench/command.sh [BINARY]
#
# Each number is the median of 11 runs, with the start of the process. It fails if one is over its limit.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly binary=${1:-target/release/gatekeeper}
readonly runs=11
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A policy with 5,000 entries.
{
    echo 'settings: []'
    echo 'entries:'
    for ((n = 1; n <= 5000; n++)); do
        printf '  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "%012d", effect: allow, max_connections: 2, customer: Customer %d}\n' $n $n
    done
    echo 'approvers: []'
} >"$work/policy.yaml"
{
    echo 'cases:'
    for ((n = 1; n <= 1000; n++)); do
        printf '  - {name: case %d, service_id: vpce-svc-0a1b2c3d4e5f60718, account: "%012d", region: eu-central-1, expect: accept}\n' $n $n
    done
} >"$work/cases.yaml"

# Name, limit in milliseconds, arguments.
measure() {
    local name=$1 limit=$2 begun run times=()
    shift 2
    for ((run = 0; run < runs; run++)); do
        begun=$(date +%s%N)
        "$binary" "$@" >/dev/null
        times+=($((($(date +%s%N) - begun) / 1000)))
    done
    local median
    median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n "$((runs / 2 + 1))p")
    printf '%-36s %6d.%01d ms   at most %d ms\n' "$name" $((median / 1000)) $((median % 1000 / 100)) "$limit"
    ((median <= limit * 1000)) || { echo "bench: $name takes longer than $limit ms" >&2 && exit 1; }
}

measure '--help' 20 --help
measure 'validate, 5000 entries' 300 policy validate "$work/policy.yaml"
measure 'test, 1000 cases and 5000 entries' 2000 policy test "$work/cases.yaml" --policy "$work/policy.yaml"
