use std::time::Duration;

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecrpublic::Client;
use aws_sdk_ecrpublic::config::retry::RetryConfig;
use aws_sdk_ecrpublic::config::{BehaviorVersion, Credentials, Region};
use base64::Engine;
use ecr_lab::{ApiFault, Lab, LabOptions, RegistryLogin, RegistryOptions};

use super::{ask, lab, lab_with, sdk};

fn public(lab: &Lab, region: &str) -> Client {
    let config = aws_sdk_ecrpublic::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(lab.endpoint())
        .credentials_provider(Credentials::new("LABKEY", "secret", None, None, "test"))
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_public_hands_out_the_login_of_its_registry() {
    let lab = lab().await;
    let registry = lab.registry(RegistryOptions {
        login: RegistryLogin::Bearer {
            user: "AWS".to_owned(),
            password: lab.ecr_public_password().to_owned(),
            anonymous_pull: true,
            ttl: Duration::from_secs(300),
        },
        ..RegistryOptions::default()
    });
    let registry = registry.await.unwrap();
    let answer = public(&lab, "us-east-1")
        .get_authorization_token()
        .send()
        .await
        .unwrap();
    let data = answer.authorization_data().unwrap();
    assert!(data.expires_at().unwrap().secs() > jiff::Timestamp::now().as_second());
    let login = base64::engine::general_purpose::STANDARD.decode(data.authorization_token().unwrap());
    let login = String::from_utf8(login.unwrap()).unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let token = reqwest::Client::new().get(format!("http://{}/token?service=lab", registry.host()));
    assert_eq!(ask(token.basic_auth(user, Some(password))).await.status(), 200);
    assert_eq!(lab.ecr_public().api_requests()[0].action, "GetAuthorizationToken");
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_public_has_one_region_and_its_own_faults() {
    let lab = lab().await;
    let elsewhere = public(&lab, "eu-central-1").get_authorization_token().send().await;
    assert_eq!(elsewhere.unwrap_err().code(), Some("InvalidSignatureException"));
    lab.ecr_public()
        .api_fault(ApiFault::access_denied("GetAuthorizationToken").times(1));
    let client = public(&lab, "us-east-1");
    let denied = client.get_authorization_token().send().await;
    assert_eq!(denied.unwrap_err().code(), Some("AccessDeniedException"));
    assert!(client.get_authorization_token().send().await.is_ok());
    assert!(lab.ecr().api_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_pull_through_cache_are_listed_in_pages() {
    let lab = lab_with(LabOptions {
        page_size: 2,
        ..LabOptions::default()
    })
    .await;
    lab.ecr().pull_through_cache("docker-hub", "registry-1.docker.io");
    lab.ecr().pull_through_cache("ecr-public", "public.ecr.aws");
    lab.ecr().pull_through_cache("quay", "quay.io");
    let client = sdk(&lab, "eu-central-1", "LABKEY");
    let mut pages = client.describe_pull_through_cache_rules().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let rules = page.pull_through_cache_rules().iter();
        let rules = rules.map(|rule| (rule.ecr_repository_prefix.clone(), rule.upstream_registry_url.clone()));
        found.push(
            rules
                .map(|(prefix, url)| format!("{}={}", prefix.unwrap(), url.unwrap()))
                .collect::<Vec<_>>(),
        );
    }
    let expected: [&[&str]; 2] = [
        &["docker-hub=registry-1.docker.io", "ecr-public=public.ecr.aws"],
        &["quay=quay.io"],
    ];
    assert_eq!(found, expected);
    let named = client
        .describe_pull_through_cache_rules()
        .ecr_repository_prefixes("other");
    let missing = named.send().await.unwrap_err().into_service_error();
    assert!(missing.is_pull_through_cache_rule_not_found_exception());
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_tell_which_tags_may_move() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    lab.ecr().create_immutable_repository_except("bb", &["dev-*"]);
    let answer = sdk(&lab, "eu-central-1", "LABKEY")
        .describe_repositories()
        .send()
        .await
        .unwrap();
    let [free, fixed] = answer.repositories() else {
        panic!("two repositories")
    };
    assert_eq!(free.image_tag_mutability.as_ref().unwrap().as_str(), "MUTABLE");
    assert_eq!(
        fixed.image_tag_mutability.as_ref().unwrap().as_str(),
        "IMMUTABLE_WITH_EXCLUSION"
    );
    assert_eq!(fixed.image_tag_mutability_exclusion_filters()[0].filter(), "dev-*");
}
