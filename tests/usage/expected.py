"""Works a usage report out anew with boto3, and holds a report's JSON against it.

usage: expected.py REPORT.json ENDPOINT ROLE_ARN REGION,…
"""

import json
import sys
from datetime import datetime, timezone

import boto3
from botocore.config import Config

report, endpoint, role, regions = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
report = json.load(open(report))
KEYS = {"aws_access_key_id": "LABACCESSKEY", "aws_secret_access_key": "lab"}
CONFIG = Config(retries={"mode": "standard", "max_attempts": 10})


def session_of(role_arn):
    session = boto3.Session(**KEYS)
    if role_arn is None:
        return session
    sts = session.client("sts", region_name=regions[0], endpoint_url=endpoint)
    keys = sts.assume_role(RoleArn=role_arn, RoleSessionName="expected")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def stamp(moment):
    """Milliseconds, however they are written."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return round(moment.timestamp() * 1000)


def pages(client, operation, key, **question):
    return [item for page in client.get_paginator(operation).paginate(**question) for item in page[key]]


def read(session, region):
    client = lambda name: session.client(name, region_name=region, endpoint_url=endpoint, config=CONFIG)
    ecr, functions, logs, ecs = client("ecr"), client("lambda"), client("logs"), client("ecs")
    repositories = {}
    for repository in pages(ecr, "describe_repositories", "repositories"):
        uri, images = repository["repositoryUri"], []
        for image in pages(ecr, "describe_images", "imageDetails", repositoryName=repository["repositoryName"], filter={"imageStatus": "ANY"}):
            tags = image.get("imageTags", [])
            images.append({
                "digest": image["imageDigest"], "tags": sorted(tags), "imageTags": sorted(tags) or ["-"],
                "imageSizeGB": image["imageSizeInBytes"] / 1e9, "imagePushedAt": stamp(image["imagePushedAt"]),
                "imageUris": sorted(f"{uri}:{tag}" for tag in tags) or [f"{uri}@{image['imageDigest']}"],
                "status": image.get("imageStatus", "ACTIVE").lower(),
            })
        repositories[repository["repositoryName"]] = {
            "repositoryUri": uri, "images": images, "totalSizeGB": sum(i["imageSizeGB"] for i in images),
            "lastPushedDate": max((i["imagePushedAt"] for i in images), default=None),
        }
    found = {}
    for function in pages(functions, "list_functions", "Functions", FunctionVersion="ALL"):
        if function["PackageType"] != "Image":
            continue
        qualifier = {} if function["Version"] == "$LATEST" else {"Qualifier": function["Version"]}
        code = functions.get_function(FunctionName=function["FunctionName"], **qualifier)["Code"]
        group = function.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function['FunctionName']}"
        try:
            streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)["logStreams"]
            last = {"state": "ran", "at": streams[0]["lastEventTimestamp"]} if streams else {"state": "no_streams"}
        except logs.exceptions.ResourceNotFoundException:
            last = {"state": "no_log_group"}
        arn = function["FunctionArn"].removesuffix(":$LATEST")
        found[arn] = {
            "FunctionName": function["FunctionName"], "MemorySize": function["MemorySize"], "PackageType": "Image", "ImageUri": code["ImageUri"],
            "Description": function["Description"], "LogGroupName": group, "LastModified": stamp(function["LastModified"]),
            "version": function["Version"], "last_run": last, "resolved": code["ResolvedImageUri"],
        }
    services = {}
    for cluster in pages(ecs, "list_clusters", "clusterArns"):
        for service in pages(ecs, "list_services", "serviceArns", cluster=cluster):
            told = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
            definition = ecs.describe_task_definition(taskDefinition=told["taskDefinition"])["taskDefinition"]
            services[service] = [(c["name"], c["image"]) for c in definition["containerDefinitions"]]
    return {"repositories": repositories, "functions": found, "services": services}


def join(everything):
    """Who runs what, over all accounts and regions."""
    images, names = {}, {}
    for there in everything.values():
        for repository in there["repositories"].values():
            repository |= {"used_by": set(), "runs": []}
            names[repository["repositoryUri"]] = repository
            for image in repository["images"]:
                image["used_by"] = set()
                images[f"{repository['repositoryUri']}@{image['digest']}"] = image
                for tag in image["tags"]:
                    images[f"{repository['repositoryUri']}:{tag}"] = image
    for there in everything.values():
        runs = [(arn, f["ImageUri"], f["resolved"], f) for arn, f in there["functions"].items()]
        runs += [(arn, address, address, None) for arn, containers in there["services"].items() for _, address in containers]
        for arn, address, resolved, function in runs:
            name = address.split("@")[0]
            name = name.rsplit(":", 1)[0] if ":" in name.rsplit("/", 1)[-1] else name
            if name not in names:
                state = {"state": "outside"}
            else:
                image = images.get(resolved)
                state = {"state": "found", "digest": image["digest"], "by": "digest" if "@" in resolved else "tag"} if image else {"state": "gone"}
                if image:
                    image["used_by"].add(arn)
                names[name]["used_by"].add(arn)
                if function:
                    names[name]["runs"].append(function["last_run"])
            if function:
                function["image"] = state
    return everything


def told(report):
    """The same of the report."""
    everything = {}
    for account in report["accounts"]:
        for asked in account["regions"]:
            region = asked["region"]
            repositories = {}
            for repository in account["ecr"].get(region, {"repositories": []})["repositories"]:
                repositories[repository["repositoryName"]] = repository
            functions = {function["arn"]: function for function in account["lambda"].get(region, [])}
            services = {service["arn"]: service for service in account["ecs"].get(region, [])}
            everything[account["id"], region] = {"repositories": repositories, "functions": functions, "services": services}
    return everything


mistakes = []


def same(what, ours, theirs):
    if ours != theirs:
        mistakes.append(f"{what}: the report says {ours!r}, boto3 {theirs!r}")


def near(what, ours, theirs):
    if abs(ours - theirs) > 1e-9:
        mistakes.append(f"{what}: the report says {ours!r}, boto3 {theirs!r}")


expected = {}
for role_arn in (None, role):
    session = session_of(role_arn)
    account = session.client("sts", region_name=regions[0], endpoint_url=endpoint).get_caller_identity()["Account"]
    for region in regions:
        expected[account, region] = read(session, region)
join(expected)
found = told(report)
same("accounts and regions", sorted(found), sorted(expected))
for place, there in expected.items():
    ours = found[place]
    for kind in ("repositories", "functions", "services"):
        same(f"{kind} of {place}", sorted(ours[kind]), sorted(there[kind]))
    for name, repository in there["repositories"].items():
        our = ours["repositories"].get(name)
        if our is None:
            continue
        same(f"{name} uri", our["repositoryUri"], repository["repositoryUri"])
        near(f"{name} size", our["totalSizeGB"], repository["totalSizeGB"])
        same(f"{name} push", stamp(our["lastPushedDate"]), repository["lastPushedDate"])
        same(f"{name} users", sorted(our["used_by"]), sorted(repository["used_by"]))
        same(f"{name} use", our["use"], "used" if repository["used_by"] else "unused")
        ran = [run["at"] for run in repository["runs"] if run["state"] == "ran"]
        if ran:
            same(f"{name} last run", stamp(our["last_run"]["at"]), max(ran))
        images = {image["digest"]: image for image in our["images"]}
        same(f"{name} images", sorted(images), sorted(image["digest"] for image in repository["images"]))
        for image in repository["images"]:
            mine = images.get(image["digest"], {})
            for field in ("tags", "imageTags", "imageUris"):
                same(f"{name} {field}", sorted(mine.get(field, [])), image[field])
            near(f"{name} size of image", mine.get("imageSizeGB", 0), image["imageSizeGB"])
            same(f"{name} imagePushedAt", stamp(mine.get("imagePushedAt")), image["imagePushedAt"])
            same(f"{name} status", mine.get("status"), image["status"])
            same(f"{name} {image['tags']} users", sorted(mine.get("used_by", [])), sorted(image["used_by"]))
    for arn, function in there["functions"].items():
        our = ours["functions"].get(arn)
        if our is None:
            continue
        for field in ("FunctionName", "MemorySize", "PackageType", "ImageUri", "Description", "LogGroupName", "version"):
            same(f"{arn} {field}", our[field], function[field])
        same(f"{arn} LastModified", stamp(our["LastModified"]), function["LastModified"])
        same(f"{arn} image", {key: our["image"][key] for key in function["image"] if key in our["image"]}, function["image"])
        last = our["last_run"] | ({"at": stamp(our["last_run"]["at"])} if "at" in our["last_run"] else {})
        same(f"{arn} last run", last, function["last_run"])
    for arn, containers in there["services"].items():
        our = [(c["container"], c["ImageUri"]) for c in ours["services"].get(arn, {"containers": []})["containers"]]
        same(f"{arn} containers", our, containers)
for account in report["accounts"]:
    for region, there in account["ecr"].items():
        near(f"{region} size", there["totalSizeGB"], sum(r["totalSizeGB"] for r in expected[account["id"], region]["repositories"].values()))
        order = [(r["totalSizeGB"], stamp(r["lastPushedDate"]) or 0) for r in there["repositories"]]
        same(f"{region} order", order, sorted(order, reverse=True))
sys.exit("\n".join(mistakes) or 0)
