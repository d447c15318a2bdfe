use std::time::Duration;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageIdentifier, ImageStatusFilter};
use base64::Engine;
use ecr_lab::images::{self, Place};
use ecr_lab::{ApiFault, LabOptions};

use super::{lab, lab_with, sdk};

const REGION: &str = "eu-central-1";
const KEY: &str = "LABKEY";

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listing_pages_by_two_to_its_end() {
    let lab = lab_with(LabOptions {
        page_size: 2,
        ..LabOptions::default()
    })
    .await;
    for number in 0..5 {
        lab.ecr().create_repository(&format!("base/image/r{number}"));
    }
    let place = Place::ecr(lab.ecr());
    for tag in ["a", "b", "c", "d", "e"] {
        images::tiny(tag).push(&place, "base/image/r0", tag).await.unwrap();
    }
    let client = sdk(&lab, REGION, KEY);

    let mut pages = client.describe_repositories().max_results(100).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().repositories().len());
    }
    assert_eq!(sizes, [2, 2, 1]);

    let request = client.describe_images().repository_name("base/image/r0");
    let found: Vec<_> = request.into_paginator().items().send().collect().await;
    let mut tags: Vec<String> = found
        .into_iter()
        .flat_map(|image| image.unwrap().image_tags.unwrap())
        .collect();
    tags.sort();
    assert_eq!(tags, ["a", "b", "c", "d", "e"]);

    let one = client.describe_repositories().max_results(1).send().await.unwrap();
    assert_eq!(one.repositories().len(), 1);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_is_refused_when_altered_expired_or_of_another_call() {
    let lab = lab_with(LabOptions {
        page_size: 1,
        page_token_ttl: Duration::from_millis(500),
        ..LabOptions::default()
    })
    .await;
    lab.ecr().create_repository("aa");
    lab.ecr().create_repository("bb");
    let client = sdk(&lab, REGION, KEY);
    let token = client.describe_repositories().send().await.unwrap().next_token.unwrap();

    let with = |token: &str| client.describe_repositories().next_token(token).send();
    assert!(with(&token).await.is_ok());
    let altered = with(&token[..token.len() - 4]).await.unwrap_err();
    assert_eq!(code(&altered), Some("InvalidParameterException"));
    let other = client
        .describe_images()
        .repository_name("aa")
        .next_token(&token)
        .send()
        .await;
    assert_eq!(code(&other.unwrap_err()), Some("InvalidParameterException"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        code(&with(&token).await.unwrap_err()),
        Some("InvalidParameterException")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_those_of_aws() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let client = sdk(&lab, REGION, KEY);

    let missing = client
        .describe_images()
        .repository_name("none")
        .send()
        .await
        .unwrap_err();
    let missing = missing.into_service_error();
    assert!(missing.is_repository_not_found_exception());
    let text = "The repository with name 'none' does not exist in the registry with id '123456789012'";
    assert_eq!(missing.message(), Some(text));

    let id = ImageIdentifier::builder().image_tag("1").build();
    let missing = client
        .describe_images()
        .repository_name("aa")
        .image_ids(id)
        .send()
        .await;
    assert!(missing.unwrap_err().into_service_error().is_image_not_found_exception());

    let elsewhere = client
        .describe_images()
        .registry_id("999999999999")
        .repository_name("aa");
    assert!(
        elsewhere
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_repository_not_found_exception()
    );

    let again = client
        .create_repository()
        .repository_name("aa")
        .send()
        .await
        .unwrap_err();
    assert!(again.into_service_error().is_repository_already_exists_exception());

    let unknown = sdk(&lab, REGION, "ASIA0")
        .describe_repositories()
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&unknown), Some("UnrecognizedClientException"));
    let expired = sdk(&lab, REGION, "LABEXPIRED")
        .describe_repositories()
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&expired), Some("ExpiredTokenException"));
    let unsigned = reqwest::Client::new()
        .post(lab.endpoint())
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.headers()["x-amzn-errortype"], "UnrecognizedClientException");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_fault_acts_as_often_as_told() {
    let lab = lab().await;
    let client = sdk(&lab, REGION, KEY);
    lab.ecr().api_fault(ApiFault::throttling("DescribeRepositories", 1));
    lab.ecr().api_fault(ApiFault::access_denied("GetAuthorizationToken"));

    let first = client.describe_repositories().send().await.unwrap_err();
    assert_eq!(code(&first), Some("ThrottlingException"));
    assert!(client.describe_repositories().send().await.is_ok());
    let denied = client.get_authorization_token().send().await.unwrap_err();
    assert_eq!(code(&denied), Some("AccessDeniedException"));

    let log: Vec<(String, u16)> = lab
        .ecr()
        .api_requests()
        .into_iter()
        .map(|it| (it.action, it.status))
        .collect();
    let expected = [
        ("DescribeRepositories", 400),
        ("DescribeRepositories", 200),
        ("GetAuthorizationToken", 400),
    ];
    assert_eq!(log, expected.map(|(action, status)| (action.to_owned(), status)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_chooses_region_and_account() {
    let region = |account: &str, region: &str| (account.to_owned(), region.to_owned());
    let lab = lab_with(LabOptions {
        regions: vec![
            region("123456789012", "eu-central-1"),
            region("123456789012", "us-east-1"),
            region("210987654321", "us-east-1"),
        ],
        ..LabOptions::default()
    })
    .await;
    lab.region("eu-central-1").create_repository("of-europe");
    lab.region("us-east-1").create_repository("of-america");
    lab.regions()[2].create_repository("of-another-account");

    async fn names(client: Client) -> Vec<String> {
        let answer = client.describe_repositories().send().await.unwrap();
        let names = answer
            .repositories()
            .iter()
            .map(|it| it.repository_name().unwrap().to_owned());
        names.collect()
    }
    assert_eq!(names(sdk(&lab, "eu-central-1", KEY)).await, ["of-europe"]);
    assert_eq!(names(sdk(&lab, "us-east-1", KEY)).await, ["of-america"]);
    assert_eq!(
        names(sdk(&lab, "us-east-1", "LAB210987654321")).await,
        ["of-another-account"]
    );
    assert!(names(sdk(&lab, "ap-south-1", KEY)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handed_out_token_opens_the_registry() {
    let lab = lab().await;
    let answer = sdk(&lab, REGION, KEY).get_authorization_token().send().await.unwrap();
    let data = &answer.authorization_data()[0];
    assert_eq!(
        data.proxy_endpoint(),
        Some(format!("http://{}", lab.ecr().host()).as_str())
    );
    let token = data.authorization_token().unwrap();
    let decoded = base64::engine::general_purpose::STANDARD.decode(token).unwrap();
    let password = String::from_utf8(decoded).unwrap();
    let password = password.strip_prefix("AWS:").unwrap();
    assert_eq!(super::get(lab.ecr().host(), "/v2/", password).await.0, 200);
    let hours = (data.expires_at().unwrap().secs() - jiff::Timestamp::now().as_second()) / 3600;
    assert!((11..=12).contains(&hours));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_described_and_got() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let place = Place::ecr(lab.ecr());
    let index = images::multi("x").push(&place, "aa", "1").await.unwrap();
    let client = sdk(&lab, REGION, KEY);

    let id = |tag: &str| ImageIdentifier::builder().image_tag(tag).build();
    let got = client
        .batch_get_image()
        .repository_name("aa")
        .image_ids(id("1"))
        .image_ids(id("2"));
    let got = got.send().await.unwrap();
    let manifest: serde_json::Value = serde_json::from_str(got.images()[0].image_manifest().unwrap()).unwrap();
    assert_eq!(manifest["manifests"][0]["digest"], index.children[0].digest.as_str());
    assert_eq!(got.failures()[0].failure_reason(), Some("Requested image not found"));

    let all = client.describe_images().repository_name("aa").send().await.unwrap();
    assert_eq!(all.image_details().len(), 3, "the children are listed untagged");
    let sizes = |tagged: bool| {
        let images = all.image_details().iter();
        images
            .filter(|image| image.image_tags.is_some() == tagged)
            .map(|image| image.image_size_in_bytes().unwrap())
            .max()
    };
    assert_eq!(sizes(true), sizes(false), "an index has the size of its largest child");

    lab.ecr().archive("aa", &index.top).unwrap();
    let active = client.describe_images().repository_name("aa").send().await.unwrap();
    assert_eq!(active.image_details().len(), 2);
    let any = DescribeImagesFilter::builder()
        .image_status(ImageStatusFilter::Any)
        .build();
    let any = client
        .describe_images()
        .repository_name("aa")
        .filter(any)
        .send()
        .await
        .unwrap();
    assert_eq!(any.image_details().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_ids_are_refused() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let ids = (0..101).map(|number| ImageIdentifier::builder().image_tag(number.to_string()).build());
    let request = sdk(&lab, REGION, KEY).batch_get_image().repository_name("aa");
    let refused = request.set_image_ids(Some(ids.collect())).send().await.unwrap_err();
    assert_eq!(code(&refused), Some("InvalidParameterException"));
}
