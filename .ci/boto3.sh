#!/usr/bin/env bash
# Starts the simulators on free ports of loopback, calls them with boto3 (local/aws/tests/boto3_check.py), and stops them.
#
#   bash .ci/boto3.sh PYTHON        a Python that has boto3; .ci/run names its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${1:?which python? one with boto3, see .ci/requirements.txt}

# The examples of the whole workspace, since a build of one package can have other features, and would then compile
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

# The server takes free ports, listens, and then prints its addresses. So nothing here has to guess or wait.
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
cat <&3 >/dev/null & # Reads on, so that the pipe does not fill up and stop the server.

"$python" local/aws/tests/boto3_check.py --ec2-url "$ec2" --sns-url "$sns" \
    --organizations-url "$organizations" --events-url "$events" --secretsmanager-url "$secrets"
