"""The ways to break a page that tests/docs/console.py has to find."""

# A page without mistakes. Each break replaces a text in it, and names a part of the complaint that has to come.
SAMPLE = """
```sh
output() { aws cloudformation describe-stacks --query "Stacks[?StackName=='$1'].StackId"; }
# A comment with aws nonsense in it.
aws dynamodb put-item --table-name "$(output Table)" --item '{"service_id": {"S": "'$SERVICE'"}, "n": {"N": "1"}}'
aws ec2 describe-vpc-endpoint-connections --filters Name=service-id,Values=vpce-svc-… --max-items 5 | grep vpce
aws sns subscribe --topic-arn "$TOPIC" --protocol email --notification-endpoint a@example.com --return-subscription-arn
aws dynamodb update-table --table-name … --no-deletion-protection-enabled
aws dynamodb wait table-exists --table-name there
aws sqs get-queue-attributes --queue-url "$URL" --attribute-names QueueArn
aws sqs receive-message --queue-url "$URL" --max-number-of-messages 10
aws cloudformation deploy --stack-name name --template-file stacks/global-allowlist.yaml
sam deploy --guided
cargo test --workspace --locked --test scenarios s1_
cargo run -p gatekeeper-bench
cargo run -- local --once
gatekeeper approver add bob@example.com --service '*' --yes
cargo run -- replay --json
bash .ci/run
```

   ```python
   import boto3
   ```

```text told.txt
one
two
three
```

```console
$ cat told.txt
one
…
th…e
$ [ 1 = 2 ]
$ echo $?
1
```
"""
READ_BREAKS = [
    ("describe-stacks", "describe-stakcs", "aws cloudformation has no describe-stakcs"),
    ("aws dynamodb put-item", "aws dynamo put-item", "AWS has no service dynamo"),
    ("--max-items", "--max-item", "has no --max-item"),
    ("--protocol email ", "", "aws sns subscribe needs --protocol"),
    ("--notification-endpoint", "--endpoint", "aws sns subscribe has no --endpoint"),
    ('"N": "1"}}', '"N": "1"}', "this is not JSON"),
    ('{"N": "1"}', '{"NN": "1"}', 'Unknown parameter in n: "NN"'),
    ("Name=service-id", "Nane=service-id", "Filter has no Nane"),
    ("[?StackName==", "[?StackName=", "--query cannot be read"),
    ("wait table-exists", "wait table-is-there", "aws dynamodb cannot wait for table-is-there"),
    ("--return-subscription-arn", "--return-subscription-arn yes", "takes no value"),
    ("--no-deletion-protection-enabled", "--no-table-class", "has no --no-table-class"),
    ("QueueArn", "QueueArm", "QueueArm is none of"),
    ("messages 10", "messages ten", "ten is no number"),
    ("--table-name there", "--table-name there here", "it takes one value, not 2"),
    ("deploy --stack-name", "deploy --stackname", "aws cloudformation deploy has no --stackname"),
    ("stacks/global-allowlist.yaml", "stacks/nothing.yaml", "there is no stacks/nothing.yaml"),
    ("sam deploy", "sam deplore", "sam has no deplore"),
    ("--guided", "--guide", "sam deploy has no --guide"),
    ("cargo test", "cargo tset", "cargo has no tset"),
    ("--locked", "--lock", "cargo test has no --lock"),
    ("--test scenarios", "--test scenes", "no package has the test scenes"),
    ("s1_", "s1x_", "no test is called s1x_"),
    ("gatekeeper-bench", "gatekeeper-bank", "the workspace has no package gatekeeper-bank"),
    ("bash .ci/run", "bash .ci/ran", "there is no .ci/ran"),
    ("bash .ci/run", "bash ci/run", "there is no ci/run"),
    ("output() {", "outputs() {", "nobody defines output"),
    ("--queue-url", "--queue-url <URL>;", "bash cannot read it"),
    ("import boto3", "import from", "Python cannot read it"),
]
RUN_BREAKS = [
    ("th…e", "th…s", "+three"),
    ("…\nth", "th", "+two"),
    ("th…e", "th…e\nfour", "-four"),
    ("echo $?\n1", "echo $?\n0", "+1"),
    ("--once", "--twice", "gatekeeper local has no --twice"),
    ("approver add", "approver ad", "gatekeeper has no approver ad"),
    ("--yes", "--jes", "gatekeeper approver add has no --jes"),
    ("--json", "--jason", "gatekeeper replay has no --jason"),
    ("$ [ 1 = 2 ]", "$ cargo run --release", "only cargo run -q -- is run here"),
    ("```text told.txt", "```text told.txt\nother\n```\n\n```text told.txt", "another block is called told.txt too"),
]
