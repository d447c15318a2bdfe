"""Makes the page's input of a report, and the page: what the program does, for trying the template without it.

usage: view.py REPORT.json PAGE.html
"""

import base64
import hashlib
import json
import math
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import minijinja
from treemap import treemap

FILES = Path(__file__).resolve().parents[2] / "src/record/usage"
FIRST_ROWS = 50
FAILURES_OPEN = 8
MONTHS = 24
AGES = [(30, "up to 1 month"), (91, "1 to 3 months"), (182, "3 to 6 months"), (365, "6 to 12 months"), (730, "1 to 2 years"), (math.inf, "over 2 years")]
ANSWERS = {"read": ["read", "good"], "incomplete": ["in part", "warn"], "failed": ["failed", "bad"], "not_asked": ["not asked", "dim"]}
USES = {"used": ["used", "good"], "unused": ["nobody", "warn"], "unknown": ["not known", "dim"]}
# Most images are run by nobody, as older ones of a repository in use: nothing to point at.
IMAGE_USES = USES | {"unused": ["nobody", "dim"]}
RUNS = {"no_log_group": "no log group", "no_streams": "no streams yet", "not_allowed": "not allowed", "failed": "not read"}
STATUSES = {"active": ["active", "good"], "archived": ["archived", "dim"], "activating": ["activating", "warn"]}
COVERAGE = {
    "current": ["as upstream", "good"], "older": ["older than upstream", "warn"], "unchecked": ["not compared", "dim"],
    "outside": ["outside", "warn"], "gone": ["gone from ECR", "bad"], "unknown": ["not known", "dim"],
}
BECAUSE = {"unused": ["not used, old push", "warn"], "not_run": ["not run for long", "dim"]}
REPOSITORIES = ["repository", "repositories"]
CHANGES = {"new": "new", "gone": "gone", "grown": "grown", "shrunk": "shrunk", "newly_unused": "newly unused", "newly_used": "newly used"}


def size(value):
    """1234567 → "1.23 MB": three digits, in powers of ten, halves up. The script on the page rounds the same way."""
    if value is None:
        return "—"
    unit, name = 1.0, "B"
    for unit, name in ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB")):
        if value < 999.5 * unit:
            break
    digits = 0 if unit == 1.0 or value >= 99.95 * unit else 1 if value >= 9.995 * unit else 2
    return f"{math.floor(value / (unit / 10**digits) + 0.5) / 10**digits:.{digits}f} {name}"


def count(value):
    return "—" if value is None else f"{value:,}"


def money(value):
    return "—" if value is None else f"{value:,.2f}"


def difference(value):
    return "—" if value is None else ("+" if value > 0 else "−" if value < 0 else "±") + size(abs(value))


class View:
    def __init__(self, report):
        self.report = report
        self.zone = ZoneInfo(report["settings"]["time_zone"])
        self.now = self.moment(report["generated_at"])
        self.several = len(report["accounts"]) > 1
        self.repositories = [
            (account, region, repository)
            for account in report["accounts"] for region, there in account["ecr"].items() for repository in there["repositories"]
        ]

    def moment(self, text):
        return datetime.fromisoformat(text).astimezone(self.zone)

    def time(self, text):
        return None if text is None else self.moment(text).strftime("%Y-%m-%d %H:%M")

    def run(self, last_run):
        return None if last_run is None else self.time(last_run["at"]) if last_run["state"] == "ran" else last_run["state"]

    def where(self, account, region):
        return f"{region} · {account['name'] or account['id'] or 'unknown account'}" if self.several else region

    def where_of(self, ident, region):
        account = next((a for a in self.report["accounts"] if a["id"] == ident), {"id": ident, "name": None})
        return self.where(account, region) if region else account["name"] or ident or "everywhere"

    def nothing(self, words):
        return words if self.report["complete"] else f"{words} What could not be read may hold more."

    def page(self):
        report = self.report
        script, style = ((FILES / name).read_text() for name in ("page.js", "page.css"))
        return {
            "style": style, "style_hash": hash_of(style), "script": script, "script_hash": hash_of(script),
            "generated": {"at": report["generated_at"], "text": self.time(report["generated_at"]), "zone": report["settings"]["time_zone"]},
            "program": report["program"], "complete": report["complete"], "settings": report["settings"],
            "accounts": [" · ".join(filter(None, (a["name"], a["id"] or "account not known", a["email"]))) for a in report["accounts"]],
            "asked": [
                {"where": self.where(a, r["region"]), "answers": [ANSWERS[r[service]] for service in ("ecr", "lambda", "ecs")]}
                for a in report["accounts"] for r in a["regions"]
            ],
            "failures_open": FAILURES_OPEN,
            "failures": [f | {"where": self.where_of(f["account"], f["region"])} for f in report["failures"]],
            "totals": report["totals"], "coverage": report["coverage"], "changes": report["changes"] and {
                "since": self.time(report["changes"]["since"]),
                "before": report["changes"]["bytes_before"], "now": report["changes"]["bytes_now"],
                "not_compared": [self.where_of(n["account"], n["region"]) for n in report["changes"]["not_compared"]],
            },
            "treemap": {"wide": treemap(self.bytes_by_region(), 1200, 520), "narrow": treemap(self.bytes_by_region(), 360, 560)},
            "months": self.months(), "ages": self.ages(), "tables": self.tables(), "first_rows": FIRST_ROWS,
        }

    def bytes_by_region(self):
        return [
            (self.where(account, region), [(r["repositoryName"], r["bytes"], r["use"]) for r in there["repositories"]])
            for account in self.report["accounts"] for region, there in account["ecr"].items()
        ]

    def images(self):
        return ((account, region, r, image) for account, region, r in self.repositories for image in r["images"])

    def months(self):
        this = self.now.year * 12 + self.now.month - 1
        bars = [{"count": 0, "bytes": 0} for _ in range(MONTHS)]
        earlier = {"count": 0, "bytes": 0}
        for *_, image in self.images():
            if image["imagePushedAt"]:
                pushed = self.moment(image["imagePushedAt"])
                back = max(this - (pushed.year * 12 + pushed.month - 1), 0)
                bar = bars[MONTHS - 1 - back] if back < MONTHS else earlier
                bar["count"] += 1
                bar["bytes"] += image["bytes"]
        most = max(bar["count"] for bar in bars) or 1
        for at, bar in enumerate(bars):
            year, month = divmod(this - MONTHS + 1 + at, 12)
            bar |= {"height": round(100 * bar["count"] / most, 2), "label": f"{year}-{month + 1:02}", "year": year if month == 0 else None}
        return {"bars": bars, "earlier": earlier, "most": most if any(bar["count"] for bar in bars) else 0}

    def ages(self):
        rows = [{"label": label, "count": 0, "bytes": 0, "used_bytes": 0} for _, label in AGES]
        for *_, image in self.images():
            if image["imagePushedAt"]:
                # By the time that went by, whatever clocks were set to.
                age = datetime.fromisoformat(self.report["generated_at"]) - datetime.fromisoformat(image["imagePushedAt"])
                row = rows[next(at for at, (days, _) in enumerate(AGES) if age <= (timedelta.max if days == math.inf else timedelta(days=days)))]
                row["count"] += 1
                row["bytes"] += image["bytes"]
                row["used_bytes"] += image["bytes"] if image["use"] == "used" else 0
        most = max(row["bytes"] for row in rows) or 1
        for row in rows:
            row |= {"width": round(100 * row["bytes"] / most, 2), "used_width": round(100 * row["used_bytes"] / most, 2)}
        return rows

    def tables(self):
        return {table["id"]: table for table in (self.used(), self.unused(), self.candidates(), self.changes(), self.coverage(), self.all_images(), self.functions())}

    def used(self):
        columns = [
            column("Repository", "repository"), column("Run by", "list"), column("Last run", "run", words=RUNS, none="—"), column("Last push", "time", none="empty"),
            column("Images", "count", sum=True), column("Size", "size", sum=True), column("Where", "where", facet=True)]
        rows = [
            [r["repositoryName"], [name_of(u) for u in r["used_by"]], self.run(r["last_run"]), self.time(r["lastPushedDate"]), len(r["images"]), r["bytes"], self.where(a, g)]
            for a, g, r in self.repositories if r["use"] == "used"]
        return table("runs", "Repositories in use", REPOSITORIES, self.nothing("No function or service was found that uses a repository."), columns, rows, 5)

    def unused(self):
        columns = [
            column("Repository", "repository"), column("In use", "state", words=USES, facet=True), column("Last push", "time", none="empty"), column("Created", "time"),
            column("Images", "count", sum=True), column("Size", "size", sum=True), column("Where", "where", facet=True)]
        rows = [
            [r["repositoryName"], r["use"], self.time(r["lastPushedDate"]), self.time(r["created_at"]), len(r["images"]), r["bytes"], self.where(a, g)]
            for a, g, r in self.repositories if r["use"] != "used"]
        return table("unused", "Repositories that nobody was found to run", REPOSITORIES, self.nothing("Every repository is run by something." if self.repositories else "No repository was found."), columns, rows, 5)

    def candidates(self):
        columns = [
            column("Repository", "repository"), column("Why", "state", words=BECAUSE, facet=True), column("Last push", "time"), column("Last run", "run", words=RUNS, none="—"),
            column("Images", "count", sum=True), column("Size", "size", sum=True), column("Layers once", "size", none="not known"),
            column(f"{self.report['settings']['currency']} a month", "money", sum=True), column("Where", "where", facet=True)]
        rows = [
            [c["repositoryName"], c["because"], self.time(c["lastPushedDate"]), self.run(c["last_run"]), c["images"], c["bytes"], c["distinct_bytes"], c["cost_per_month"],
             self.where_of(c["account"], c["region"])] for c in self.report["candidates"]]
        return table("candidates", "Repositories that could go", REPOSITORIES, self.nothing("No repository was found that could go."), columns, rows, 5)

    def changes(self):
        columns = [
            column("Repository", "repository"), column("Change", "list", facet=True), column("Before", "size", none="—"), column("Now", "size", none="—"),
            column("Difference", "difference", sum=True), column("Where", "where", facet=True)]
        changes = (self.report["changes"] or {"repositories": []})["repositories"]
        rows = [
            [c["repositoryName"], [CHANGES[change] for change in c["changes"]], c["bytes_before"], c["bytes_now"], (c["bytes_now"] or 0) - (c["bytes_before"] or 0),
             self.where_of(c["account"], c["region"])] for c in changes]
        return table("changes", "Repositories that changed", REPOSITORIES, "No repository changed.", columns, rows, 4)

    def coverage(self):
        columns = [column("Image", "name", none="not told"), column("State", "state", words=COVERAGE, facet=True), column("Upstream", "name", none="—"), column("Run by", "list")]
        rows = [[i["ImageUri"], i["state"], i["upstream"], [name_of(u) for u in i["used_by"]]] for i in self.report["coverage"]["images"]]
        order = list(COVERAGE)
        rows.sort(key=lambda row: (order.index(row[1]) in (0, 2), order.index(row[1]), row[0] or ""))
        return table("coverage", "Images that run", ["image", "images"], self.nothing("Nothing was found that runs an image."), columns, rows, None)

    def all_images(self):
        columns = [
            column("Repository", "name"), column("Tags", "list", none="untagged"), column("Digest", "digest"), column("Size", "size", sum=True), column("Pushed", "time"),
            column("Last pulled", "time", none="not recorded"), column("Kind", facet=True), column("Status", "state", words=STATUSES, facet=True),
            column("In use", "state", words=IMAGE_USES, facet=True), column("Run by", "list"), column("Where", "where", facet=True)]
        rows = [
            [r["repositoryName"], i["tags"], i["digest"], i["bytes"], self.time(i["imagePushedAt"]), self.time(i["last_pulled"]), i["kind"], i["status"], i["use"],
             [name_of(u) for u in i["used_by"]], self.where(a, g)] for a, g, r, i in self.images()]
        return table("images", "All images", ["image", "images"], self.nothing("No image was found."), columns, rows, 3)

    def functions(self):
        columns = [
            column("Name", "name"), column("Kind", facet=True), column("Image", "name", none="not told"), column("Image is", "state", words=IMAGE_STATES, facet=True),
            column("Last run", "run", words=RUNS, none="—"), column("Memory, MB", "count", none="—"), column("Modified", "time", none="—"),
            column("Description", none=""), column("Where", "where", facet=True)]
        rows = [
            [f["FunctionName"], "function", f["ImageUri"], f["image"]["state"], self.run(f["last_run"]), f["MemorySize"], self.time(f["LastModified"]), f["Description"], self.where(a, g)]
            for a in self.report["accounts"] for g, there in a["lambda"].items() for f in there]
        rows += [
            [f"{s['cluster']}/{s['service']}", "service", c["ImageUri"], c["image"]["state"], None, None, None, f"container {c['container']}, {s['running']} of {s['desired']} running", self.where(a, g)]
            for a in self.report["accounts"] for g, there in a["ecs"].items() for s in there for c in s["containers"]]
        return table("functions", "Functions and services", ["function or service", "functions and services"], self.nothing("No function or service was found."), columns, rows, 4)


IMAGE_STATES = {"found": ["in ECR", "good"], "outside": ["outside", "warn"], "gone": ["gone from ECR", "bad"], "unknown": ["not known", "dim"]}


def column(title, kind="text", **more):
    return {"title": title, "kind": kind, "facet": False, "sum": False, "none": "—", "words": {}} | more


def table(ident, caption, nouns, empty, columns, rows, by):
    """`nouns`: for one and for several. `by`: the column that it is sorted by, the largest first, nothing last; None: as the rows come."""
    if by is not None:
        shown = columns[by].get("words", {})
        rows.sort(key=lambda row: ((2, row[by]) if row[by] not in shown else (1, row[by])) if row[by] is not None else (0, ""), reverse=True)
    return {"id": ident, "caption": caption, "nouns": nouns, "empty": empty, "columns": columns, "rows": rows, "by": by}


def name_of(arn):
    """The name at the end of a function's or service's ARN."""
    return arn.split(":function:", 1)[1] if ":function:" in arn else arn.split("/", 1)[1]


def hash_of(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render(report):
    environment = minijinja.Environment(loader=lambda name: (FILES / name).read_text())
    environment.undefined_behavior = "strict"
    for name, function in {"size": size, "count": count, "money": money, "difference": difference}.items():
        environment.add_filter(name, function)
    return environment.render_template("page.html", page=View(report).page())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: view.py REPORT.json PAGE.html")
    Path(sys.argv[2]).write_text(render(json.loads(Path(sys.argv[1]).read_text())))
