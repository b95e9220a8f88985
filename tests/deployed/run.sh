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
readonly cache=${HOME:?}/.cache/privatelink-gatekeeper
readonly venv=$cache/venv-deployed tools=$cache/venv
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$cache"

# No account, profile, Region or proxy of whoever runs this can matter. (AWS_LC_… are settings of a C library's build.)
for name in "${!AWS_@}"; do
    case $name in AWS_LC_*) ;; *) unset "$name" ;; esac
done

# As in .ci/run.
locked() {
    (
        if command -v flock >/dev/null; then flock 9; fi
        "$@"
    ) 9>"$cache/lock"
}
make_venv() {
    local wanted
    wanted=$(python3 --version && cat "$2")
    if [ ! -f "$1/made-from" ] || [ "$(cat "$1/made-from")" != "$wanted" ]; then
        rm -rf "$1"
        python3 -m venv "$1"
        "$1/bin/pip" install --quiet --requirement "$2"
        printf '%s\n' "$wanted" >"$1/made-from"
    fi
}
locked make_venv "$venv" tests/deployed/requirements.txt
locked make_venv "$tools" .ci/requirements.txt

if [ -z "${BUILD:-}" ]; then
    BUILD=$cache/build-deployed
    case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac
    echo "building the functions into $BUILD" >&2
    # What has not changed is not compiled again.
    PATH=$tools/bin:$PATH bash .ci/build "$architecture" "$BUILD" >"$BUILD.log" 2>&1 ||
        { tail -n 40 "$BUILD.log" >&2 && exit 1; }
fi
# The whole workspace's examples, not one package's: see CONTRIBUTING.md.
cargo build --quiet --workspace --examples --locked

exec "$venv/bin/python" -m pytest --rootdir tests/deployed --config-file tests/deployed/pytest.ini \
    --build "$(realpath "$BUILD")" --sam "$tools/bin/sam" --simulators "$CARGO_TARGET_DIR/debug/examples/serve" \
    "$@" tests/deployed
