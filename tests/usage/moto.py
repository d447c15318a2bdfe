"""Puts some of everything into moto: repositories, images, functions, logs and services, of two accounts in two regions.

usage: moto.py ENDPOINT ROLE_ARN REGION,…
"""

import hashlib
import json
import sys
import time

import boto3

endpoint, role, regions = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
KEYS = {"aws_access_key_id": "LABACCESSKEY", "aws_secret_access_key": "lab"}


def manifest(seed):
    digest = lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(seed), "size": 1000 + len(seed)}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("config" + seed), "size": 100}
    return json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]})


own = boto3.Session(**KEYS)
keys = own.client("sts", region_name=regions[0], endpoint_url=endpoint).assume_role(RoleArn=role, RoleSessionName="moto")["Credentials"]
other = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
for account, session in (("own", own), ("other", other)):
    for region in regions:
        client = lambda name: session.client(name, region_name=region, endpoint_url=endpoint)
        ecr, functions, logs, ecs, iam = client("ecr"), client("lambda"), client("logs"), client("ecs"), client("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        runs_as = f"lab-{account}-{region}"
        runs_as = iam.create_role(RoleName=runs_as, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        uris = []
        for number in range(3):
            name = f"{account}/app-{number}"
            uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
            for tag in range(number + 1):
                ecr.put_image(repositoryName=name, imageManifest=manifest(f"{account}{region}{name}{tag}"), imageTag=f"v{tag}")
                uris.append(f"{uri}:v{tag}")
        for number, uri in enumerate(uris[:4] + ["docker.io/library/nginx:1"]):
            name = f"{account}-{number}"
            functions.create_function(FunctionName=name, Role=runs_as, PackageType="Image", Code={"ImageUri": uri}, Description=f"function {number}", MemorySize=256)
            if number:
                group = f"/aws/lambda/{name}"
                logs.create_log_group(logGroupName=group)
            if number > 1:
                logs.create_log_stream(logGroupName=group, logStreamName="one")
                now = round(time.time() * 1000) - number * 3_600_000
                logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[{"timestamp": now, "message": "START"}])
        ecs.create_cluster(clusterName="main")
        ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": uris[-1], "memory": 64}])
        ecs.create_service(cluster="main", serviceName="web", taskDefinition="web", desiredCount=1)
