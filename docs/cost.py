"""What the deployment costs in a month: docs/cost.md's tables, computed.

    python docs/cost.py            prints the tables
    python docs/cost.py --write    puts them into docs/cost.md

What is counted comes from docs/cost-measured.json, which a test holds to the code, and from template.yaml. What is
assumed stands in ASSUMED and in docs/cost.md. Prices are those of us-east-1 without free tiers, in US dollars.
"""

import json
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
MEASURED = json.loads((DOCS / "cost-measured.json").read_text(encoding="utf-8"))
TEMPLATE = (DOCS.parent / "template.yaml").read_text(encoding="utf-8")

# Per unit, in US dollars.
PRICE = {
    "alarm": 0.10,  # a metric that an alarm looks at, and month
    "metric": 0.30,  # a metric of one's own and month, by the hours in which it has values
    "dashboard": 3.00,
    "log_gb": 0.50,  # taken in
    "log_kept_gb": 0.03,  # kept for a month, compressed
    "key": 1.00,
    "key_call": 0.03 / 10_000,
    "secret": 0.40,
    "write": 0.625 / 1_000_000,  # DynamoDB, on demand
    "read": 0.125 / 1_000_000,
    "table_gb": 0.25 + 0.20,  # kept for a month, and its point-in-time recovery
    "invocation": 0.20 / 1_000_000,
    "gb_second": 0.0000133334,  # Lambda on arm64
    "trace": 5.00 / 1_000_000,
    "queue_call": 0.40 / 1_000_000,
    "publish": 0.50 / 1_000_000,
    "mail": 2.00 / 100_000,
    "schedule": 1.00 / 1_000_000,
    "page": 1.00 / 1_000_000,
    "out_gb": 0.09,  # to the internet
}

ASSUMED = {
    "share_accepted": 0.85,  # of the requests; the allowlist decides
    "share_rejected": 0.05,
    "share_reviewed": 0.10,  # by two approvers who are asked, of whom one votes
    "connected": 1,  # connections at a time, for each request in a month
    "events": 3,  # messages about one request: Connect, our own Accept or Reject, Delete
    "decision_seconds": 1.5,  # one request, EC2's answers above all
    "run_seconds": 2.0,  # a run of reconcile with nothing to look at
    "run_seconds_per_connection": 0.001,
    "log_kb_per_event": 4,
    "log_kb_per_run": 3,
    "index_kb": 1.0,  # an open request in the index
    "kept_kb": 6,  # a request, its index entry and its history
    "pages": 10,  # for a vote, with what programs open
    "sweep_seconds": 0.3,  # a look at what is to be sent, every minute
    "telling_seconds": 0.3,  # what one request leaves to be told, at each of its changes
    "changes": 2,  # of a request that are told, each an invocation of its own
    "log_kb_per_sweep": 0.5,
    "own_metrics_by_run": 22,  # those that each run of reconcile puts, and each look at who is subscribed
    "own_metrics_by_request": 11,  # others, in each hour with a request
    "look_calls": 5,  # of SNS, each minute: who is subscribed to three topics, and by which filter two approvers are
    "pollers": 5,  # Lambda's, at a queue with nothing in it, each for 20 seconds
    "flood_seconds": 0.03,  # of the function, for a link that opens nothing
    "flood_log_kb": 1.2,  # a line of the access log, and Lambda's own of an invocation
    "flood_refused_log_kb": 0.4,  # a line of the access log
    "flood_out_kb": 6,  # a page that says that there is nothing
    "flood_traces": 0.05,  # of the invocations, besides one a second
}

MINUTES = 5
DAYS = 30
HOURS = DAYS * 24
FUNCTION_GB = 0.25
SWEEPS = DAYS * 24 * 60


def runs(minutes=MINUTES):
    return DAYS * 24 * 60 // minutes


def deployed(kind):
    """The resources of a type in the template, without those for Slack: name and text."""
    resources = re.search(r"^Resources:\n(.*?)(?=^\S|\Z)", TEMPLATE, re.MULTILINE | re.DOTALL)[1]
    each = re.findall(r"^  (\w+):\n((?:(?:    .*)?\n)+)", resources, re.MULTILINE)
    texts = {name: text for name, text in each if re.search(rf"^    Type: {kind}$", text, re.MULTILINE)}
    return {name: text for name, text in texts.items() if not re.search(r"^    Condition: .*Slack", text, re.MULTILINE)}


def alarm_metrics():
    """How many metrics the alarms look at: one each, or what their expressions are made of."""
    return sum(max(1, text.count("MetricStat:")) for text in deployed("AWS::CloudWatch::Alarm").values())


def per_connection(measured):
    """What a run of reconcile reads for one connection, its place in the index included."""
    extra = (MEASURED[measured]["reads"] - MEASURED["reconcile"]["reads"]) / 100
    return extra + ASSUMED["index_kb"] / 4 * 0.5


def sheet(requests, minutes=MINUTES, revokes=False):
    """What a month with so many requests costs, line by line."""
    a, p = ASSUMED, PRICE
    reviewed = requests * a["share_reviewed"]
    shares = {
        "accept": requests * a["share_accepted"],
        "reject": requests * a["share_rejected"],
        "review_with_two_approvers": reviewed,
        "vote": reviewed,
    }

    def of_requests(what):
        return sum(count * MEASURED[name][what] for name, count in shares.items())

    each_run, each_sweep = MEASURED["reconcile"], MEASURED["sweep"]
    telling = requests * a["changes"]
    connected = requests * a["connected"]
    events = requests * a["events"]
    reads_per_connection = per_connection("reconcile_100_enforcing" if revokes else "reconcile_100")
    run_seconds = a["run_seconds"] + connected * a["run_seconds_per_connection"]
    busy = min(1.0, requests / HOURS)
    logs_gb = (
        events * a["log_kb_per_event"] + runs(minutes) * a["log_kb_per_run"] + SWEEPS * a["log_kb_per_sweep"]
    ) / 1_000_000
    publishes = of_requests("publishes") * 2  # a call holds more than one message
    key_calls = 2 * runs(minutes) + 2 * (publishes + requests)
    return {
        "Alarms": alarm_metrics() * p["alarm"],
        "Dashboard": len(deployed("AWS::CloudWatch::Dashboard")) * p["dashboard"],
        "Metrics of our own": (a["own_metrics_by_run"] + a["own_metrics_by_request"] * busy) * p["metric"],
        "KMS key": p["key"] + key_calls * p["key_call"],
        "Logs": logs_gb * (p["log_gb"] + p["log_kept_gb"]),
        "SQS": (a["pollers"] * DAYS * 86_400 / 20 + 3 * events) * p["queue_call"],
        "Lambda: decisions": events * (p["invocation"] + a["decision_seconds"] * FUNCTION_GB * p["gb_second"]),
        "Lambda: reconcile": runs(minutes) * (p["invocation"] + run_seconds * FUNCTION_GB * p["gb_second"]),
        "Lambda: announcements": SWEEPS * (p["invocation"] + a["sweep_seconds"] * FUNCTION_GB * p["gb_second"])
        + telling * (p["invocation"] + a["telling_seconds"] * FUNCTION_GB * p["gb_second"]),
        "DynamoDB: decisions": of_requests("writes") * p["write"] + of_requests("reads") * p["read"],
        "DynamoDB: reconcile": runs(minutes) * (each_run["reads"] + connected * reads_per_connection) * p["read"]
        + runs(minutes) * each_run["writes"] * p["write"],
        "DynamoDB: announcements": SWEEPS * each_sweep["reads"] * p["read"],
        "DynamoDB: kept": requests * a["kept_kb"] / 1_000_000 * p["table_gb"],
        "SNS": (publishes + SWEEPS * a["look_calls"]) * p["publish"] + of_requests("mails") * p["mail"],
        "Scheduler, X-Ray, API": (runs(minutes) + SWEEPS) * p["schedule"]
        + (runs(minutes) + SWEEPS + events + telling) * p["trace"]
        + reviewed * a["pages"] * p["page"],
    }


FIXED = ("Alarms", "Dashboard", "Metrics of our own", "KMS key", "SQS")


def limits():
    """The requests a second that are let in, for each route: AWS does not say that routes without limits of their own
    share them. Signed votes are left out: strangers cannot sign, and API Gateway refuses them."""
    rate = int(re.search(r"^  ApprovalsRate:\n(?:    .*\n)*?    Default: (\d+)", TEMPLATE, re.MULTILINE)[1])
    own = int(re.search(r"POST /slack/interactions: {[^}]*ThrottlingRateLimit: (\d+)", TEMPLATE)[1])
    # Slack's route is there only with Slack, and not among these.
    routes = deployed("AWS::ApiGatewayV2::Route").values()
    return {"pages": rate * sum("AuthorizationType: NONE" in route for route in routes), "Slack": own}


def memory_gb(function):
    """What a function is given, in GB."""
    text = deployed("AWS::Serverless::Function")[function]
    return int(re.search(r"^      MemorySize: (\d+)", text, re.MULTILINE)[1]) / 1024


def flood(hours):
    """What it costs to be sent, for so long, as much as the limits let in, line by line."""
    a, p = ASSUMED, PRICE
    rate = sum(limits().values())
    requests = rate * hours * 3600
    return {
        "API Gateway": requests * p["page"],
        "Lambda": requests * (p["invocation"] + a["flood_seconds"] * memory_gb("ApprovalsFunction") * p["gb_second"]),
        "Logs": requests * a["flood_log_kb"] / 1_000_000 * (p["log_gb"] + p["log_kept_gb"]),
        "DynamoDB": requests * MEASURED["stranger"]["reads"] * p["read"],
        "X-Ray": (requests * a["flood_traces"] + hours * 3600) * p["trace"],
        "Data to the internet": requests * a["flood_out_kb"] / 1_000_000 * p["out_gb"],
    }


def by_flood():
    spans = {"an hour": 1, "a day": 24, "a month": HOURS}
    sheets = [flood(hours) for hours in spans.values()]
    rows = [[name, *(dollars(one[name]) for one in sheets)] for name in sheets[0]]
    totals = [sum(one.values()) for one in sheets]
    rows.append(["**all of it**", *(f"**{dollars(total)}**" for total in totals)])
    return table(["US dollars, at the limits for", *spans], rows)


def of_flood():
    pages, slack = limits()["pages"], limits()["Slack"]
    refused = 1_000_000 * ASSUMED["flood_refused_log_kb"] / 1_000_000 * (PRICE["log_gb"] + PRICE["log_kept_gb"])
    return (
        f"The limits let in {pages + slack} requests a second by default: {pages} for pages, and {slack} for Slack, where it "
        "is on. What exceeds them is refused by API Gateway, which takes nothing for it; its lines in the access log cost "
        f"${dollars(refused)} for a million. `ApprovalsThrottledAlarm` and `ApprovalsRefusedAlarm` tell of it within minutes."
    )


def dollars(value):
    return f"{value:,.2f}"


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def by_requests():
    volumes = (10, 1_000, 100_000)
    sheets = [sheet(volume) for volume in volumes]
    rows = [[name, *(dollars(one[name]) for one in sheets)] for name in sheets[0]]
    totals = [sum(one.values()) for one in sheets]
    rows.append(["**all of it**", *(f"**{dollars(total)}**" for total in totals)])
    rows.append(
        ["for each request", *(f"{total / volume:,.4f}" for total, volume in zip(totals, volumes, strict=True))]
    )
    return table(["US dollars a month, at so many requests", *(f"{volume:,}" for volume in volumes)], rows)


def by_period():
    rows = []
    for minutes in (5, 10, 15, 30, 60):
        row = [str(minutes)]
        for volume in (10, 1_000, 100_000):
            for revokes in (False, True):
                one = sheet(volume, minutes, revokes)
                row.append(dollars(one["Lambda: reconcile"] + one["DynamoDB: reconcile"]))
        rows.append(row)
    heads = [
        f"{volume:,}{', revoking' if revokes else ''}" for volume in (10, 1_000, 100_000) for revokes in (False, True)
    ]
    return table(["`ReconcileMinutes`, and so many connected", *heads], rows)


def counted():
    names = {
        "accept": "accepted by the allowlist",
        "reject": "rejected by it",
        "review_with_two_approvers": "review opened, two approvers asked",
        "vote": "page opened, a vote that decides",
        "sweep": "look at what is to be sent, nothing there",
        "stranger": "page asked for by a link that opens nothing",
        "reconcile": "run of reconcile, nothing connected",
        "reconcile_100": "run, 100 connected",
        "reconcile_100_enforcing": "run, 100 connected, `revoke: enforce`",
    }
    heads = ("reads", "writes", "publishes", "mails")
    rows = [[label, *(str(MEASURED[name][head]) for head in heads)] for name, label in names.items()]
    return table(["", "DynamoDB read units", "write units", "SNS calls", "e-mails"], rows)


BEGIN, END = "<!-- computed by docs/cost.py -->", "<!-- end -->"


def tables():
    metrics = alarm_metrics()
    return "\n\n".join(
        [
            BEGIN,
            "## A month",
            by_requests(),
            (
                f"{len(deployed('AWS::CloudWatch::Alarm'))} alarms look at {metrics} metrics. "
                f"At 1,000 requests {sum(sheet(1_000)[name] for name in FIXED) / sum(sheet(1_000).values()):.0%} of it "
                "would be there without a single one."
            ),
            "## What reconcile costs, by how often it runs",
            by_period(),
            "## What a flood at the public address costs",
            by_flood(),
            of_flood(),
            "## What was counted",
            counted(),
            END,
        ]
    )


TABLES = tables() if MEASURED else ""


def main(arguments):
    if arguments == ["--write"]:
        page = DOCS / "cost.md"
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: TABLES, text, flags=re.DOTALL), encoding="utf-8")
    elif not arguments:
        print(TABLES)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
