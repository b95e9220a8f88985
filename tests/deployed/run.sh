#!/usr/bin/env bash
# Deploys template.yaml with the functions as they are released, into an emulator of AWS on loopback, and uses the stack
# as customers do. README.md says what is looked at, and what an emulator cannot show.
#
#   bash tests/deployed/run.sh [PYTEST'S ARGUMENTS…]      for example: -k slack
#
# Needs what .ci/run needs. BUILD names a folder that .ci/build made for this machine's processor; without it, it is made
# (a quarter of an hour the first time) and kept, like all else that is built or fetched, in
# ~/.cache/privatelink-gatekeeper. Starts nothing that outlives it, listens on free ports of loopback only, and several
# may run at once.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=SCRIPTDIR/../../.ci/environment.sh
. .ci/environment.sh
readonly emulator=$cache/venv-deployed

locked make_venv "$emulator" tests/deployed/requirements.txt
locked make_venv "$venv" .ci/requirements.txt

if [ -z "${BUILD:-}" ]; then
    BUILD=$cache/build-deployed
    echo "building the functions into $BUILD" >&2
    # What has not changed is not compiled again.
    PATH=$venv/bin:$PATH bash .ci/build "$architecture" "$BUILD" >"$BUILD.log" 2>&1 ||
        { tail -n 40 "$BUILD.log" >&2 && exit 1; }
fi
# The whole workspace's examples, not one package's: see CONTRIBUTING.md.
cargo build --quiet --workspace --examples --locked
cargo build --quiet --locked --features deployment

exec "$emulator/bin/python" -m pytest --rootdir tests/deployed --config-file tests/deployed/pytest.ini \
    --build "$(realpath "$BUILD")" --sam "$venv/bin/sam" --simulators "$CARGO_TARGET_DIR/debug/examples/serve" \
    --command "$CARGO_TARGET_DIR/debug/gatekeeper" \
    "$@" tests/deployed
