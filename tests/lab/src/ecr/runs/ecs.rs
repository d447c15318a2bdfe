//! Amazon ECS (ECS API Reference, ListClusters, ListServices, DescribeServices, DescribeServiceRevisions, DescribeTaskDefinition, ListTasks and DescribeTasks).

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
        let mut deployments =
            vec![json!({"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": definition, "runningCount": 1})];
        let mut revisions = vec![json!({"arn": revision_arn(account, cluster, name, 7), "runningTaskCount": 1})];
        let key = (cluster.to_owned(), name.to_owned());
        if runs.older.contains_key(&key) {
            revisions.push(json!({"arn": revision_arn(account, cluster, name, 6), "runningTaskCount": 1}));
            let older = arn(account, &format!("task-definition/{cluster}-{name}:6"));
            deployments
                .push(json!({"id": "ecs-svc/0", "status": "ACTIVE", "taskDefinition": older, "runningCount": 1}));
        }
        if runs.without_revisions.contains(&key) {
            revisions.clear();
        }
        json!({
            "serviceName": name,
            "serviceArn": arn(account, &format!("service/{cluster}/{name}")),
            "clusterArn": arn(account, &format!("cluster/{cluster}")),
            "status": "ACTIVE",
            "desiredCount": 2,
            "runningCount": 1,
            "taskDefinition": definition,
            "deployments": deployments,
            "currentServiceRevisions": revisions,
        })
    });
    Ok(json!({"services": described.collect::<Vec<_>>(), "failures": []}))
}

fn revision_arn(account: &Account, cluster: &str, service: &str, number: u32) -> String {
    arn(account, &format!("service-revision/{cluster}/{service}/{number}"))
}

pub(super) fn describe_service_revisions(account: &Account, input: &Value) -> Outcome {
    let runs = account.runs();
    let wanted = input["serviceRevisionArns"].as_array().cloned().unwrap_or_default();
    if !(1..=20).contains(&wanted.len()) {
        return Err(ApiError::new(
            "InvalidParameterException",
            "Service revisions cannot be empty, nor more than 20.",
        ));
    }
    let described = wanted.iter().filter_map(|wanted| {
        let [_, cluster, service, number] = wanted.as_str()?.split('/').collect::<Vec<_>>()[..] else {
            return None;
        };
        let key = (cluster.to_owned(), service.to_owned());
        let containers = match number {
            "7" => runs.clusters.get(cluster)?.get(service)?,
            _ => runs.older.get(&key)?,
        };
        let resolved = runs.resolved.get(&(key.0, key.1, number.parse().ok()?))?;
        let images = containers
            .iter()
            .map(|(name, image)| json!({"containerName": name, "image": image, "imageDigest": resolved.get(image)}));
        Some(json!({
            "serviceRevisionArn": wanted,
            "serviceArn": arn(account, &format!("service/{cluster}/{service}")),
            "clusterArn": arn(account, &format!("cluster/{cluster}")),
            "taskDefinition": arn(account, &format!("task-definition/{cluster}-{service}:{number}")),
            "containerImages": images.collect::<Vec<_>>(),
        }))
    });
    Ok(json!({"serviceRevisions": described.collect::<Vec<_>>(), "failures": []}))
}

pub(super) fn describe_task_definition(account: &Account, input: &Value) -> Outcome {
    let wanted = input["taskDefinition"].as_str().unwrap_or_default();
    let name = wanted.rsplit('/').next().unwrap_or_default();
    let (family, revision) = name.rsplit_once(':').unwrap_or((name, ""));
    let runs = account.runs();
    let is_of = |cluster: &str, service: &str| family == format!("{cluster}-{service}");
    let found = match revision {
        "7" => {
            let mut all = runs
                .clusters
                .iter()
                .flat_map(|(cluster, services)| services.iter().map(move |(name, one)| (cluster, name, one)));
            all.find(|(cluster, name, _)| is_of(cluster, name)).map(|(.., one)| one)
        }
        "6" => {
            let mut all = runs.older.iter();
            all.find(|((cluster, name), _)| is_of(cluster, name))
                .map(|(_, one)| one)
        }
        _ => None,
    };
    let Some(containers) = found else {
        return Err(ApiError::new("ClientException", "Unable to describe task definition."));
    };
    let containers = containers
        .iter()
        .map(|(name, image)| json!({"name": name, "image": image}));
    let definition = json!({
        "taskDefinitionArn": wanted,
        "family": family,
        "revision": revision.parse::<u32>().unwrap_or_default(),
        "containerDefinitions": containers.collect::<Vec<_>>(),
    });
    Ok(json!({"taskDefinition": definition}))
}

pub(super) fn list_tasks(account: &Account, input: &Value) -> Outcome {
    let (runs, cluster) = (account.runs(), cluster(input));
    if !runs.clusters.contains_key(cluster) {
        return Err(no_cluster());
    }
    let tasks: Vec<usize> = (0..runs.tasks.get(cluster).map_or(0, Vec::len)).collect();
    let names = ["taskArns", "nextToken", "nextToken"];
    page(
        account,
        &format!("ListTasks {cluster}"),
        input,
        &tasks,
        names,
        |number| arn(account, &format!("task/{cluster}/{number:032x}")).into(),
    )
}

pub(super) fn describe_tasks(account: &Account, input: &Value) -> Outcome {
    let (runs, cluster) = (account.runs(), cluster(input));
    let wanted = input["tasks"].as_array().cloned().unwrap_or_default();
    if !(1..=100).contains(&wanted.len()) {
        return Err(ApiError::new(
            "InvalidParameterException",
            "Tasks cannot be empty, nor more than 100.",
        ));
    }
    let tasks = runs.tasks.get(cluster).ok_or_else(no_cluster)?;
    let described = wanted.iter().filter_map(|task| {
        let number = usize::from_str_radix(task.as_str()?.rsplit('/').next()?, 16).ok()?;
        let (image, digest) = tasks.get(number)?;
        Some(json!({
            "taskArn": task,
            "clusterArn": arn(account, &format!("cluster/{cluster}")),
            "taskDefinitionArn": arn(account, &format!("task-definition/{cluster}-task:7")),
            "lastStatus": "RUNNING",
            "containers": [{"name": "main", "image": image, "imageDigest": digest, "lastStatus": "RUNNING"}],
        }))
    });
    Ok(json!({"tasks": described.collect::<Vec<_>>(), "failures": []}))
}
