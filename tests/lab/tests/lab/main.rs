//! The lab's rules, asked by real clients: the AWS SDK, skopeo, docker, and plain HTTP.

mod acts;
mod api;
mod artifacts;
mod daemon;
mod extra;
mod fault;
mod lambda;
mod nothing_stays;
mod proxy;
mod public;
mod referrers;
mod registry;
mod stores;
mod tls;
mod tokens;
mod webhook;

use std::process::Command;

use aws_credential_types::Credentials;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::config::{BehaviorVersion, Region};
use ecr_lab::{Lab, LabOptions};

async fn lab() -> Lab {
    Lab::start(LabOptions::default()).await.expect("the lab starts")
}

async fn lab_with(options: LabOptions) -> Lab {
    Lab::start(options).await.expect("the lab starts")
}

/// The SDK, without retries, so that a fault is seen at once.
fn sdk(lab: &Lab, region: &str, access_key: &str) -> Client {
    let credentials = Credentials::new(access_key, "secret", None, None, "test");
    let config = aws_sdk_ecr::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(lab.endpoint())
        .credentials_provider(credentials)
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Status and text of a GET with Basic authentication.
async fn get(host: &str, path: &str, password: &str) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("http://{host}{path}"));
    let response = request.basic_auth("AWS", Some(password)).send().await;
    let response = response.expect("an answer");
    (response.status().as_u16(), response.text().await.unwrap_or_default())
}

async fn ask(request: reqwest::RequestBuilder) -> reqwest::Response {
    request.send().await.expect("an answer")
}

/// A header of an answer; empty when it has none.
fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// What a command printed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
