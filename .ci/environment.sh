# shellcheck shell=bash disable=SC2034 # The scripts that source this use its variables.
#
# .ci/run, .ci/model/run and tests/deployed/run.sh source this in the repository's root. It says where things are kept,
# takes the settings of AWS out of the environment, and makes Python environments with exactly the listed packages.

readonly cache=${HOME:?}/.cache/privatelink-gatekeeper
readonly venv=$cache/venv
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
mkdir -p "$cache"
case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac
readonly architecture

# The account, profile and Region of the person who runs this must not matter. (AWS_LC_… are settings of a C library's
# build.)
for name in "${!AWS_@}"; do
    case $name in AWS_LC_*) ;; *) unset "$name" ;; esac
done
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# locked COMMAND…: runs a command that changes the cache, which runs of the gate share, while no other one does.
locked() {
    (
        if command -v flock >/dev/null; then flock 9; fi
        "$@"
    ) 9>"$cache/lock"
}

# make_venv DIRECTORY REQUIREMENTS: a Python environment with exactly these packages, made anew when they change. The
# list is complete (.ci/lock-python writes it), so pip looks for no others, and `pip check` finds what is missing.
make_venv() {
    local wanted
    wanted=$(python3 --version && cat "$2")
    if [ ! -f "$1/made-from" ] || [ "$(cat "$1/made-from")" != "$wanted" ]; then
        rm -rf "$1"
        python3 -m venv "$1"
        "$1/bin/pip" install --quiet --no-deps --require-hashes --requirement "$2"
        "$1/bin/pip" check
        printf '%s\n' "$wanted" >"$1/made-from"
    fi
}
