#!/usr/bin/env bash
# Starts the simulators on free ports of loopback, runs the check with boto3 against them, and stops them.
#
#   bash .ci/boto3.sh PYTHON        PYTHON is one that has boto3; .ci/run gives its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${1:?which python? one with boto3, see .ci/requirements.txt}

# The whole workspace's examples, not one package's: another selection would have other features, and compile
# aws-sdk-ec2 once more.
cargo build --quiet --workspace --examples --locked
target=${CARGO_TARGET_DIR:-target}

work=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap stop EXIT

# The server listens first, on ports that are free, and then prints where: no waiting, no guessing.
mkfifo "$work/addresses"
"$target/debug/examples/serve" >"$work/addresses" &
server=$!
exec 3<"$work/addresses"

ec2=
sns=
organizations=
events=
secrets=
while [ -z "$ec2" ] || [ -z "$sns" ] || [ -z "$organizations" ] || [ -z "$events" ] ||
    [ -z "$secrets" ]; do
    read -r -t 60 name url <&3 || { echo "the simulators did not say where they listen" >&2 && exit 1; }
    case $name in
        ec2) ec2=$url ;;
        sns) sns=$url ;;
        organizations) organizations=$url ;;
        events) events=$url ;;
        secrets) secrets=$url ;;
    esac
done
cat <&3 >/dev/null & # Whatever else it prints must not fill the pipe.

"$python" local/aws/tests/boto3_check.py --ec2-url "$ec2" --sns-url "$sns" \
    --organizations-url "$organizations" --events-url "$events" --secretsmanager-url "$secrets"
