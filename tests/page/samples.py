"""Sample usage reports for the tests of the page: made up, always the same, valid by docs/usage-report.schema.json.

usage: samples.py NAME, where NAME is one of SAMPLES; prints the report as JSON.
"""

import hashlib
import json
import random
import sys
from datetime import datetime, timedelta, timezone

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=timezone.utc)
PUSHED_BEFORE = NOW - timedelta(days=184)
RAN_BEFORE = NOW - timedelta(days=365)
PRICE = 0.10
PRODUCTION = ("123456789012", "production", "platform@example.com")
STAGING = ("210987654321", "staging", "platform+staging@example.com")


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(*parts):
    return "sha256:" + hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def cost(size):
    return round(size / 1e9 * PRICE, 2)


class Report:
    """A report in the making: accounts, regions, repositories and functions are added, `done` adds up."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.accounts = []
        self.failures = []
        self.outside = []
        self.changes = None
        self.upstream_asked = True
        # Who names an image that is gone, by repository.
        self.missing = {}

    def account(self, who, regions, ecr="read", functions="read", ecs="read"):
        ident, name, email = who
        account = {"id": ident, "name": name, "email": email, "asked_as": f"arn:aws:sts::{ident}:assumed-role/reader/usage" if ident else None}
        account["regions"] = [
            {"region": region, "registry": f"{ident}.dkr.ecr.{region}.amazonaws.com" if ident else None, "ecr": ecr, "lambda": functions, "ecs": ecs}
            for region in regions
        ]
        account |= {"ecr": {}, "lambda": {}, "ecs": {}}
        self.accounts.append(account)
        return account

    def asked(self, account, region):
        return next(asked for asked in account["regions"] if asked["region"] == region)

    def repository(self, account, region, name, images, complete=True):
        arn = f"arn:aws:ecr:{region}:{account['id']}:repository/{name}"
        uri = f"{self.asked(account, region)['registry']}/{name}"
        repository = {"repositoryName": name, "images": [], "totalSizeGB": 0, "repositoryUri": uri, "lastPushedDate": None, "arn": arn}
        repository |= {"created_at": stamp(NOW - timedelta(days=1400)), "bytes": 0, "distinct_bytes": 0, "complete": complete}
        repository |= {"use": "unknown", "used_by": [], "last_run": None}
        for number, (tags, size, days, extra) in enumerate(images):
            pushed = NOW - timedelta(days=days, minutes=number * 7 % 1440)
            digest = digest_of(arn, number)
            image = {"imageTags": tags or ["-"], "imageSizeGB": size / 1e9, "imagePushedAt": stamp(pushed)}
            image["imageUris"] = [f"{uri}:{tag}" for tag in tags] or [f"{uri}@{digest}"]
            image |= {"digest": digest, "tags": tags, "bytes": size, "kind": "image", "media_type": "application/vnd.oci.image.manifest.v1+json"}
            image |= {"artifact_type": None, "status": "active", "last_pulled": None, "archived_at": None, "part_of": [], "refers_to": None}
            repository["images"].append(image | {"use": "unused", "used_by": []} | extra)
        region_object = account["ecr"].setdefault(region, {"repositories": []})
        region_object["repositories"].append(repository)
        return repository

    def function(self, account, region, name, repository=None, image=None, last=("ran", 1), uri=None, state=None, memory=512, description=""):
        arn = f"arn:aws:lambda:{region}:{account['id']}:function:{name}"
        if repository:
            image = image or repository["images"][0]
            uri = uri or image["imageUris"][0]
            state = {"state": "found", "repositoryUri": repository["repositoryUri"], "digest": image["digest"], "by": "digest"}
            image["used_by"].append(arn)
        if state["state"] == "gone":
            self.missing.setdefault(state["repositoryUri"], []).append(arn)
        last_run = {"state": last[0]} | ({"at": stamp(NOW - timedelta(days=last[1], minutes=len(name) * 13))} if last[0] == "ran" else {})
        function = {"FunctionName": name, "MemorySize": memory, "LastModified": stamp(NOW - timedelta(days=40, minutes=len(name)))}
        function |= {"PackageType": "Image", "ImageUri": uri, "Description": description, "LogGroupName": f"/aws/lambda/{name}", "arn": arn}
        function |= {"version": "$LATEST", "image": state, "last_run": last_run}
        account["lambda"].setdefault(region, []).append(function)
        return function

    def service(self, account, region, name, containers):
        arn = f"arn:aws:ecs:{region}:{account['id']}:service/main/{name}"
        service = {"service": name, "cluster": "main", "arn": arn, "running": 2, "desired": 2}
        service["task_definition"] = f"arn:aws:ecs:{region}:{account['id']}:task-definition/{name}:7"
        service["containers"] = []
        for container, repository, uri in containers:
            if repository:
                image = repository["images"][0]
                image["used_by"].append(arn)
                state = {"state": "found", "repositoryUri": repository["repositoryUri"], "digest": image["digest"], "by": "tag"}
                uri = image["imageUris"][0]
            else:
                state = {"state": "outside", "registry": uri.split("/")[0]}
            service["containers"].append({"container": container, "ImageUri": uri, "image": state})
        account["ecs"].setdefault(region, []).append(service)
        return service

    def fail(self, account, region, service, operation, subject, kind, message, causes=(), hint=None):
        failure = {"account": account and account["id"], "region": region, "service": service, "operation": operation, "subject": subject}
        self.failures.append(failure | {"kind": kind, "message": message, "causes": list(causes), "hint": hint})

    def done(self):
        runs = self._last_runs()
        for account in self.accounts:
            for region, there in account["ecr"].items():
                for repository in there["repositories"]:
                    self._add_up(repository, self.asked(account, region), runs)
                there["repositories"].sort(key=lambda r: (r["bytes"], r["lastPushedDate"] or ""), reverse=True)
                there["bytes"] = sum(r["bytes"] for r in there["repositories"])
                there["totalSizeGB"] = there["bytes"] / 1e9
                there["distinct_bytes"] = known_sum(r["distinct_bytes"] for r in there["repositories"])
                there["complete"] = self.asked(account, region)["ecr"] == "read"
            account["ecr"] = dict(sorted(account["ecr"].items(), key=lambda pair: -pair[1]["bytes"]))
        candidates = self._candidates()
        return {
            "schema_version": 1,
            "program": "ecr-keeper 0.1.0",
            "generated_at": stamp(NOW),
            "settings": {
                "time_zone": "Europe/Berlin", "regions": None, "include": ["lambda", "ecs"],
                "no_push_for": "6 months", "pushed_before": stamp(PUSHED_BEFORE), "no_run_for": "1 year", "ran_before": stamp(RAN_BEFORE),
                "price_per_gb_month": PRICE, "currency": "USD",
            },
            "complete": not self.failures,
            "totals": self._totals(candidates),
            "accounts": self.accounts,
            "outside": self._outside(),
            "candidates": candidates,
            "changes": self.changes,
            "coverage": self._coverage(),
            "failures": self.failures,
        }

    def _last_runs(self):
        return {f["arn"]: f["last_run"] for a in self.accounts for fs in a["lambda"].values() for f in fs}

    def _add_up(self, repository, asked, runs):
        known = asked["lambda"] == "read" and asked["ecs"] == "read"
        who = {image["digest"]: image["used_by"] for image in repository["images"]}
        for image in repository["images"]:
            image["used_by"] = image["used_by"] or [user for index in image["part_of"] for user in who[index]]
            image["use"] = "used" if image["used_by"] else "unused" if known else "unknown"
        users = [user for image in repository["images"] for user in image["used_by"]] + self.missing.get(repository["repositoryUri"], [])
        repository["used_by"] = list(dict.fromkeys(users))
        repository["use"] = "used" if users else "unused" if known and repository["complete"] else "unknown"
        repository["bytes"] = sum(image["bytes"] for image in repository["images"])
        repository["totalSizeGB"] = repository["bytes"] / 1e9
        # Later images share about half of their layers with the first.
        shared = sum(image["bytes"] for image in repository["images"][1:]) // 2
        repository["distinct_bytes"] = repository["bytes"] - shared if repository["complete"] else None
        repository["lastPushedDate"] = max((i["imagePushedAt"] for i in repository["images"]), default=None)
        ran = [runs[user] for user in repository["used_by"] if user in runs]
        repository["last_run"] = max(ran, key=lambda run: run.get("at", ""), default=None)

    def _candidates(self):
        found = []
        for account in self.accounts:
            for region, there in account["ecr"].items():
                for r in there["repositories"]:
                    at = (r["last_run"] or {}).get("at")
                    if r["use"] == "unused" and r["lastPushedDate"] and r["lastPushedDate"] < stamp(PUSHED_BEFORE):
                        because = "unused"
                    elif at and at < stamp(RAN_BEFORE) and all(":function:" in user for user in r["used_by"]):
                        because = "not_run"
                    else:
                        continue
                    entry = {"account": account["id"], "region": region, "because": because, "images": len(r["images"])}
                    entry |= {key: r[key] for key in ("repositoryName", "repositoryUri", "lastPushedDate", "last_run", "used_by", "bytes", "distinct_bytes")}
                    found.append(entry | {"cost_per_month": cost(r["distinct_bytes"])})
        return sorted(found, key=lambda entry: -entry["bytes"])

    def _totals(self, candidates):
        regions = [asked for a in self.accounts for asked in a["regions"]]
        objects = [there for a in self.accounts for there in a["ecr"].values()]
        repositories = [r for there in objects for r in there["repositories"]]
        images = [i for r in repositories for i in r["images"]]
        size = sum(i["bytes"] for i in images)
        distinct = known_sum(r["distinct_bytes"] for r in repositories)
        freed = known_sum(c["distinct_bytes"] for c in candidates)
        return {
            "regions": {"asked": len(regions), "with_images": len(objects), "not_read": sum(r["ecr"] in ("failed", "incomplete") for r in regions)},
            "repositories": {"all": len(repositories)} | {use: sum(r["use"] == use for r in repositories) for use in ("used", "unused", "unknown")},
            "images": {
                "all": len(images), "untagged": sum(not i["tags"] for i in images),
                "archived": sum(i["status"] == "archived" for i in images), "used": sum(i["use"] == "used" for i in images),
            },
            "functions": sum(len(fs) for a in self.accounts for fs in a["lambda"].values()),
            "services": sum(len(ss) for a in self.accounts for ss in a["ecs"].values()),
            "totalSizeGB": size / 1e9, "bytes": size, "distinct_bytes": distinct,
            "archived_bytes": sum(i["bytes"] for i in images if i["status"] == "archived"),
            "cost_per_month": cost(size if distinct is None else distinct),
            "candidates": {
                "repositories": len(candidates), "bytes": sum(c["bytes"] for c in candidates),
                "distinct_bytes": freed, "cost_per_month": cost(sum(c["bytes"] for c in candidates) if freed is None else freed),
            },
        }

    def _running(self):
        """(image address, state, who) of everything that runs."""
        for account in self.accounts:
            for functions in account["lambda"].values():
                yield from ((f["ImageUri"], f["image"], f["arn"]) for f in functions)
            for services in account["ecs"].values():
                yield from ((c["ImageUri"], c["image"], s["arn"]) for s in services for c in s["containers"])

    def _outside(self):
        found = {}
        for uri, image, who in self._running():
            if image["state"] == "outside":
                host = image["registry"].split(".")
                ours = len(host) > 3 and host[2] == "ecr"
                entry = {"ImageUri": uri, "registry": image["registry"], "account": host[0] if ours else None, "region": host[3] if ours else None}
                found.setdefault(uri, entry | {"used_by": []})["used_by"].append(who)
        return [found[uri] for uri in sorted(found)]

    def _coverage(self):
        found = {}
        for number, (uri, image, who) in enumerate(self._running()):
            state = {"found": ["current", "older", "current", "unchecked"][number % 4]}.get(image["state"], image["state"])
            because = ("no_upstream", "not_answered", "not_in_ledger")[number // 4 % 3] if self.upstream_asked else "not_asked"
            entry = {"ImageUri": uri, "state": state, "because": because if state == "unchecked" else None, "repositoryUri": image.get("repositoryUri"), "digest": image.get("digest"), "upstream": None, "upstream_digest": None}
            if state in ("current", "older"):
                entry["upstream"] = "docker.io/library/" + uri.split("/")[-1].split("@")[0]
                entry["upstream_digest"] = image["digest"] if state == "current" else digest_of("newer", uri)
            found.setdefault((uri, image.get("digest")), entry | {"used_by": []})["used_by"].append(who)
        images = [found[key] for key in sorted(found, key=str)]
        states = ("current", "older", "unchecked", "outside", "gone", "unknown")
        totals = {state: sum(image["state"] == state for image in images) for state in states}
        return {"upstream_asked": self.upstream_asked, "totals": totals, "images": images}


def known_sum(values):
    values = list(values)
    return None if None in values else sum(values)


def small():
    report = Report()
    production = report.account(PRODUCTION, ["eu-central-1", "us-east-1"])
    mb = 1_000_000
    archived = {"status": "archived", "archived_at": stamp(NOW - timedelta(days=90))}
    pulled = {"last_pulled": stamp(NOW - timedelta(days=2, hours=3))}
    shop = report.repository(production, "eu-central-1", "shop/checkout", [
        (["v42", "latest"], 412 * mb, 3, pulled), (["v41"], 409 * mb, 21, pulled), (["v40"], 405 * mb, 55, {}), ([], 404 * mb, 60, {}), (["v12"], 380 * mb, 700, archived)])
    thumbs = report.repository(production, "eu-central-1", "media/thumbnails", [(["2026-09"], 1_280 * mb, 70, pulled), (["2026-03"], 1_260 * mb, 250, {})])
    nginx = report.repository(production, "eu-central-1", "base/image/nginx", [
        (["1.29", "1", "stable", "mainline-alpine"], 72 * mb, 12, pulled | {"kind": "index", "media_type": "application/vnd.oci.image.index.v1+json"}),
        ([], 72 * mb, 12, {"part_of": [digest_of("arn:aws:ecr:eu-central-1:123456789012:repository/base/image/nginx", 0)]})])
    report.repository(production, "eu-central-1", "legacy/reports", [(["final"], 2_100 * mb, 500, {}), (["final-2"], 2_150 * mb, 430, {})])
    report.repository(production, "eu-central-1", "scratch/try-out", [(["x"], 90 * mb, 20, {})])
    old = report.repository(production, "us-east-1", "billing/yearly", [(["2024"], 641 * mb, 690, {})])
    report.repository(production, "us-east-1", "charts", [(["0.3.1"], 2 * mb, 95, {"kind": "artifact", "artifact_type": "application/vnd.cncf.helm.config.v1+json"})])
    report.repository(production, "us-east-1", "empty/for-later", [])
    report.function(production, "eu-central-1", "checkout-api", shop, description="Takes orders")
    report.function(production, "eu-central-1", "checkout-mail", shop, last=("no_streams",))
    report.function(production, "eu-central-1", "checkout-canary", shop, image=shop["images"][1], last=("no_log_group",))
    report.function(production, "eu-central-1", "thumbnails", thumbs, memory=3008, last=("ran", 0))
    report.function(production, "us-east-1", "yearly-bill", old, last=("ran", 420), description="Runs on 1 January")
    report.function(production, "eu-central-1", "partner-import", uri="999988887777.dkr.ecr.eu-west-1.amazonaws.com/partner/import:7",
                    state={"state": "outside", "registry": "999988887777.dkr.ecr.eu-west-1.amazonaws.com"}, last=("not_allowed",))
    report.function(production, "eu-central-1", "left-over", uri=f"{shop['repositoryUri']}:v3", state={"state": "gone", "repositoryUri": shop["repositoryUri"]}, last=("failed",))
    report.service(production, "eu-central-1", "web", [("proxy", nginx, None), ("agent", None, "public.ecr.aws/datadog/agent:7")])
    names = {"account": PRODUCTION[0], "region": "eu-central-1"}
    report.changes = {"since": "2026-10-22T14:30:00Z", "bytes_before": 11_624 * mb, "bytes_now": 9_676 * mb, "not_compared": [], "use_compared": True, "repositories": [
        names | {"repositoryName": "shop/checkout", "changes": ["grown"], "bytes_before": 1_598 * mb, "bytes_now": 2_010 * mb, "images_before": 4, "images_now": 5},
        names | {"repositoryName": "scratch/try-out", "changes": ["new"], "bytes_before": None, "bytes_now": 90 * mb, "images_before": None, "images_now": 1},
        names | {"repositoryName": "legacy/reports", "changes": ["shrunk", "newly_unused"], "bytes_before": 6_400 * mb, "bytes_now": 4_250 * mb, "images_before": 3, "images_now": 2},
        names | {"repositoryName": "shop/old-cart", "changes": ["gone"], "bytes_before": 300 * mb, "bytes_now": None, "images_before": 2, "images_now": None}]}
    report.fail(production, "eu-central-1", "logs", "DescribeLogStreams", "/aws/lambda/partner-import", "not_allowed",
                "read the log streams of /aws/lambda/partner-import in eu-central-1: AccessDeniedException",
                ["User: arn:aws:sts::123456789012:assumed-role/reader/usage is not authorized to perform: logs:DescribeLogStreams"],
                "allow logs:DescribeLogStreams to the role that asks")
    return report.done()


def large(total=10_000):
    """Ten thousand images in three regions and two accounts."""
    report = Report(seed=7)
    pick = report.random
    regions = ["eu-central-1", "us-east-1", "ap-northeast-2"]
    accounts = [report.account(who, regions) for who in (PRODUCTION, STAGING)]
    places = [(account, region) for account in accounts for region in regions]
    teams = ["shop", "media", "billing", "search", "data/pipelines", "base/image", "ml", "edge", "legacy", "internal/tools"]
    left, number = total, 0
    while left:
        account, region = pick.choices(places, weights=[9, 5, 3, 4, 2, 1])[0]
        count = min(left, int(pick.paretovariate(0.9) * 4) % 180 + 1)
        left -= count
        base = int(pick.lognormvariate(5.2, 1.0) * 1e6) + 3_000_000
        youngest = int(pick.expovariate(1 / 150))
        step = pick.choice([1, 3, 7, 14])
        images = []
        for version in range(count):
            extra = {"last_pulled": stamp(NOW - timedelta(days=pick.randint(0, 90)))} if version < 3 else {}
            if version > 60:
                extra |= {"status": "archived", "archived_at": stamp(NOW - timedelta(days=30))}
            tags = [] if pick.random() < 0.15 else [f"v1.{count - version}.0"] + (["latest", "stable"] if version == 0 else [])
            images.append((tags, int(base * pick.uniform(0.9, 1.1)), min(youngest + version * step, 1500), extra))
        repository = report.repository(account, region, f"{pick.choice(teams)}/service-{number:03}", images)
        number += 1
        for user in range(pick.choice([0, 0, 1, 1, 2, 6])):
            last = pick.choice([("ran", 0), ("ran", 2), ("ran", 45), ("ran", 500), ("no_streams",), ("no_log_group",)])
            report.function(account, region, f"service-{number:03}-{'abcdef'[user]}", repository, image=pick.choice(repository["images"]), last=last)
        if number % 9 == 0:
            report.service(account, region, f"web-{number:03}", [("app", repository, None), ("agent", None, f"docker.io/grafana/agent:{number % 5}")])
    return report.done()


def hostile():
    """Names that would break out of HTML, JSON or an attribute, if they could."""
    report = Report()
    account = report.account((PRODUCTION[0], "</title><script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>"), ["eu-central-1"])
    names = [
        "<script>alert(1)</script>", "</script><script>alert(2)</script>", "<!-- <script>", "a\"onmouseover=\"alert(3)", "it's 'quoted'",
        "two\nlines\r\nand a tab\t.", "x" * 256, "long/" + "part-" * 50 + "e", "{{ 7 * 7 }} {% raw %}", "&lt;b&gt; &amp; &#x41;", "\u2028line\u2029separators",
        "\u202eright to left", "表示 한국어 🐳", "=HYPERLINK(\"http://example.com\")", "null", "-", "__proto__", "constructor", "]]>", "javascript:alert(4)", "$& $1 \\u003c",
    ]
    for number, name in enumerate(names):
        repository = report.repository(account, "eu-central-1", name, [([name, "t" * 128], 5_000_000 * (number + 1), 30 * number, {}), ([], 1, 31, {})])
        if number % 2 == 0:
            report.function(account, "eu-central-1", name, repository, description=name)
    report.function(account, "eu-central-1", "outsider", uri=f"evil.example/{names[1]}", state={"state": "outside", "registry": "evil.example"})
    report.fail(account, "eu-central-1", "lambda", "GetFunction", names[1], "other", names[1], names[:4], names[3])
    return report.done()


def empty():
    report = Report()
    report.account(PRODUCTION, ["eu-central-1"])
    return report.done()


def failed():
    """Nobody answered, and in one region half."""
    report = Report()
    production = report.account(PRODUCTION, ["eu-central-1", "us-east-1"], "failed", "failed", "failed")
    asked = report.asked(production, "us-east-1")
    asked["ecr"] = "incomplete"
    report.repository(production, "us-east-1", "shop/checkout", [(["v42"], 412_000_000, 3, {})], complete=False)
    nobody = report.account((None, "staging", None), ["eu-central-1"], "failed", "failed", "failed")
    for region in ("eu-central-1", "us-east-1"):
        report.fail(production, region, "lambda", "ListFunctions", None, "not_allowed", f"list the functions in {region}: AccessDeniedException",
                    ["User is not authorized to perform: lambda:ListFunctions"], "allow lambda:ListFunctions")
        report.fail(production, region, "ecs", "ListClusters", None, "unreachable", f"list the clusters in {region}: no answer within 30 s")
    report.fail(production, "eu-central-1", "ecr", "DescribeRepositories", None, "unreachable", "list the repositories in eu-central-1: connection refused")
    report.fail(production, "us-east-1", "ecr", "DescribeImages", "shop/checkout", "throttled", "list the images of shop/checkout in us-east-1: ThrottlingException")
    report.fail(nobody, None, "sts", "AssumeRole", "arn:aws:iam::210987654321:role/reader", "not_allowed", "assume arn:aws:iam::210987654321:role/reader: AccessDenied")
    return report.done()


SAMPLES = {"small": small, "large": large, "hostile": hostile, "empty": empty, "failed": failed}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SAMPLES:
        sys.exit(f"usage: samples.py {'|'.join(SAMPLES)}")
    json.dump(SAMPLES[sys.argv[1]](), sys.stdout, ensure_ascii=False, indent=1)
    print()
