#!/usr/bin/env bash
# The first hour with Gatekeeper, against the local world: hand a service over, let a customer in, and out again, ask people,
# export for the auditor, and find what is wrong. It goes by README.md and docs/cli.md, and knows nothing of tables.
#
#     cargo run -- local &                    # in another terminal
#     cargo build && PATH=$PWD/target/debug:$PATH bash tests/first-hour.sh [PORT]
#
# Everything is typed as a person would, but for `--yes`. It ends with an error at the first step that does not do what is said.
set -euo pipefail

port=${1:-8700}
export GATEKEEPER_LOCAL=$port

# A line like a prompt, then the command.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# A command that must say something. Several things stand in lines of their own.
says() {
    local expected=$1 said line
    shift
    said=$(run "$@" 2>&1) || true
    printf '%s\n' "$said"
    while IFS= read -r line; do
        if ! grep -qF -- "$line" <<<"$said"; then
            echo "first-hour: it does not say: $line" >&2
            exit 1
        fi
    done <<<"$expected"
}

# A command that must say something within a minute.
until_it_says() {
    local expected=$1 end=$((SECONDS + 60))
    shift
    # Not by a pipe: a command whose reader has gone fails.
    until grep -qF -- "$expected" <<<"$("$@" 2>&1)"; do
        if ((SECONDS > end)); then
            "$@" >&2 || true
            echo "first-hour: after a minute it does not say: $expected" >&2
            exit 1
        fi
        sleep 0.2
    done
    says "$expected" "$@"
}

# What others do at AWS, as an account: the provider's network team and the customers. The local world checks no signatures.
aws_as() {
    local account=$1
    shift
    curl --silent --show-error --fail "http://127.0.0.1:$port/ec2" \
        --header "authorization: AWS4-HMAC-SHA256 Credential=$account/20261201/us-east-1/ec2/aws4_request" \
        --data Version=2016-11-15 "$@"
}
of() { sed -n "s|.*<$1>\([^<]*\)</$1>.*|\1|p" | head -1; }
asks() { aws_as "$1" --data Action=CreateVpcEndpoint --data VpcId=vpc-1 --data VpcEndpointType=Interface \
    --data "ServiceName=com.amazonaws.vpce.us-east-1.$service" | of vpcEndpointId; }
provider=111122223333

echo '# The network team has made an endpoint service. It is not managed, and lets everybody in.'
service=$(aws_as $provider --data Action=CreateVpcEndpointServiceConfiguration --data AcceptanceRequired=false \
    --data NetworkLoadBalancerArn.1=arn:aws:elasticloadbalancing:us-east-1:$provider:loadbalancer/net/a/0123456789abcdef | of serviceId)
aws_as $provider --data Action=ModifyVpcEndpointServicePermissions --data "ServiceId=$service" \
    --data AddAllowedPrincipals.1='*' >/dev/null
says "$service" gatekeeper service list --all
says 'add the tag privatelink-gatekeeper=managed' gatekeeper service manage "$service" --yes
run gatekeeper service set "$service" name='Reports API' revoke=enforce revoke_grace_hours=0 --yes

printf '\n# A customer is allowed, asks, and is connected.\n'
says 'Done: written.' gatekeeper allow reports 333333333333 --max-connections 1 --customer 'Example Ltd' --yes
endpoint=$(asks 333333333333)
until_it_says 'accepted' gatekeeper show "$endpoint"
says 'Example Ltd' gatekeeper connections --service reports

printf '\n# Their contract ends: what follows is said before, and happens.\n'
says 'What follows: 1 connection is to be revoked' gatekeeper deny reports 333333333333 --reason 'contract ended' --yes
until_it_says 'rejected by' gatekeeper show "$endpoint"

printf '\n# A stranger asks. An approver decides in the terminal.\n'
says 'Done: written.' gatekeeper approver add dana@example.com --service reports --no-email \
    --iam-principal "arn:aws:iam::$provider:user/*" --yes
stranger=$(asks 444444444444)
until_it_says 'in review' gatekeeper show "$stranger"
says 'somebody has to decide' gatekeeper explain "$stranger"
says 'accepted' gatekeeper approve "$stranger" --reason 'A trial until spring.' --yes
until_it_says 'accepted by' gatekeeper show "$stranger"

printf '\n# The auditor gets every decision.\n'
says 'A trial until spring.' gatekeeper audit --from 1h

printf '\n# Three mistakes are made, found, and mended.\n'
aws_as $provider --data Action=ModifyVpcEndpointServiceConfiguration --data "ServiceId=$service" \
    --data AcceptanceRequired=false >/dev/null
notification=$(aws_as $provider --data Action=DescribeVpcEndpointConnectionNotifications \
    --data Filter.1.Name=service-id --data "Filter.1.Value.1=$service" | of connectionNotificationId)
aws_as $provider --data Action=ModifyVpcEndpointConnectionNotification \
    --data "ConnectionNotificationId=$notification" --data ConnectionEvents.1=Delete >/dev/null
run gatekeeper approver remove dana@example.com --yes
run gatekeeper approver remove alice@example.com --yes
says $'acceptance_not_required\nnotification_incomplete\nnobody may decide its reviews' gatekeeper doctor
says 'Done.' gatekeeper service manage reports --yes
run gatekeeper approver add dana@example.com --service '*' --no-email --iam-principal "arn:aws:iam::$provider:user/*" --yes
says '0 failures' gatekeeper doctor
printf '\nfirst-hour: all steps did what they said\n'
