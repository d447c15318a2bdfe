//! Amazon ECS (ECS API Reference, ListClusters, ListServices, DescribeServices and DescribeTaskDefinition).

use serde_json::{Value, json};

use super::{Account, ApiError, Outcome, page};

fn arn(account: &Account, resource: &str) -> String {
    format!("arn:aws:ecs:{}:{}:{resource}", account.region, account.id)
}

pub(super) fn list_clusters(account: &Account, input: &Value) -> Outcome {
    let runs = account.runs();
    let clusters: Vec<&String> = runs.clusters.keys().collect();
    let names = ["clusterArns", "nextToken", "nextToken"];
    page(account, "ListClusters", input, &clusters, names, |name| {
        arn(account, &format!("cluster/{name}")).into()
    })
}

fn cluster(input: &Value) -> &str {
    let name = input["cluster"].as_str().unwrap_or("default");
    name.rsplit('/').next().unwrap_or(name)
}

fn no_cluster() -> ApiError {
    ApiError::new("ClusterNotFoundException", "Cluster not found.")
}

pub(super) fn list_services(account: &Account, input: &Value) -> Outcome {
    let (runs, cluster) = (account.runs(), cluster(input));
    let services: Vec<&String> = runs.clusters.get(cluster).ok_or_else(no_cluster)?.keys().collect();
    let names = ["serviceArns", "nextToken", "nextToken"];
    let call = format!("ListServices {cluster}");
    page(account, &call, input, &services, names, |name| {
        arn(account, &format!("service/{cluster}/{name}")).into()
    })
}

pub(super) fn describe_services(account: &Account, input: &Value) -> Outcome {
    let (runs, cluster) = (account.runs(), cluster(input));
    let known = runs.clusters.get(cluster).ok_or_else(no_cluster)?;
    let wanted = input["services"].as_array().cloned().unwrap_or_default();
    if !(1..=10).contains(&wanted.len()) {
        return Err(ApiError::new(
            "InvalidParameterException",
            "Services cannot be empty, nor more than 10.",
        ));
    }
    let names = wanted.iter().filter_map(|service| service.as_str()?.rsplit('/').next());
    let described = names.filter(|name| known.contains_key(*name)).map(|name| {
        let definition = arn(account, &format!("task-definition/{cluster}-{name}:7"));
        json!({
            "serviceName": name,
            "serviceArn": arn(account, &format!("service/{cluster}/{name}")),
            "clusterArn": arn(account, &format!("cluster/{cluster}")),
            "status": "ACTIVE",
            "desiredCount": 2,
            "runningCount": 1,
            "taskDefinition": definition,
            "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": definition, "runningCount": 1}],
        })
    });
    Ok(json!({"services": described.collect::<Vec<_>>(), "failures": []}))
}

pub(super) fn describe_task_definition(account: &Account, input: &Value) -> Outcome {
    let wanted = input["taskDefinition"].as_str().unwrap_or_default();
    let family = wanted
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_suffix(":7"))
        .unwrap_or_default();
    let runs = account.runs();
    let found = runs
        .clusters
        .iter()
        .find_map(|(cluster, services)| services.get(family.strip_prefix(cluster.as_str())?.strip_prefix('-')?));
    let Some(containers) = found else {
        return Err(ApiError::new("ClientException", "Unable to describe task definition."));
    };
    let containers = containers
        .iter()
        .map(|(name, image)| json!({"name": name, "image": image}));
    let definition = json!({
        "taskDefinitionArn": wanted,
        "family": family,
        "revision": 7,
        "containerDefinitions": containers.collect::<Vec<_>>(),
    });
    Ok(json!({"taskDefinition": definition}))
}
