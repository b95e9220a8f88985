# What .ci/run and tests/deployed/run.sh both rest on: where things are kept, an environment without the settings of
# whoever runs this, and Python with exactly what is wanted. To be sourced, in the repository's root.

readonly cache=${HOME:?}/.cache/privatelink-gatekeeper
readonly venv=$cache/venv
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
mkdir -p "$cache"
case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac
readonly architecture

# No account, profile or Region of whoever runs this can matter. (AWS_LC_… are settings of a C library's build.)
for name in "${!AWS_@}"; do
    case $name in AWS_LC_*) ;; *) unset "$name" ;; esac
done
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# One at a time may change what is shared in the cache.
locked() {
    (
        if command -v flock >/dev/null; then flock 9; fi
        "$@"
    ) 9>"$cache/lock"
}

# make_venv DIRECTORY REQUIREMENTS: a Python environment with exactly these packages, made anew when they change.
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
