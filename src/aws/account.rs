//! Who we are, and which regions there are for us.

use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Protocol, Service};
use super::partitions::Partition;
use super::{AwsError, Login};

const ACCOUNT: Service = Service {
    id: "Account",
    host: "account",
    name: "account",
    protocol: Protocol::Rest,
};

/// Who the credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// A user, or a role that was assumed.
    pub arn: String,
}

/// Asks STS, which answers everybody (STS API Reference, GetCallerIdentity).
pub async fn caller(login: &Login) -> Result<Caller, AwsError> {
    const CALL: &str = "GetCallerIdentity";
    let on = match login.role_arn() {
        Some(role) => format!("as {role}"),
        None => format!("in {}", login.region()),
    };
    tracing::debug!("ask AWS: {CALL} {on}");
    let client = aws_sdk_sts::Client::new(&login.at(login.region()));
    let answer = client.get_caller_identity().send().await;
    let answer = answer.map_err(|error| AwsError::of_sdk(CALL, &on, error))?;
    match (answer.account, answer.arn) {
        (Some(account), Some(arn)) => Ok(Caller { account, arn }),
        _ => Err(AwsError::odd_answer(CALL, on, "no account in the answer")),
    }
}

/// The regions that are enabled for the account (Account Management API Reference, ListRegions).
pub async fn regions(login: &Login) -> Result<Vec<String>, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        #[serde(default)]
        regions: Vec<Listed>,
        next_token: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        region_name: String,
    }
    let api = Api::new(&login.at(home(login.region())), ACCOUNT);
    let mut regions = Vec::new();
    let mut input = json!({"MaxResults": 50, "RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"]});
    loop {
        let page: Page = api
            .post("ListRegions", "of the account", "/listRegions", &input)
            .await?;
        regions.extend(page.regions.into_iter().map(|region| region.region_name));
        match page.next_token {
            Some(token) => input["NextToken"] = token.into(),
            None => return Ok(regions),
        }
    }
}

/// Where a partition's account service is (AWS General Reference, "AWS Account Management endpoints and quotas").
fn home(region: &str) -> &str {
    match Partition::of_region(region).name {
        "aws" => "us-east-1",
        "aws-cn" => "cn-northwest-1",
        _ => region,
    }
}

/// The regions that every account has without asking for them (AWS Account Management Reference Guide, "Enable or disable AWS Regions"): all
/// that are newer have to be enabled.
pub fn usual_regions(region: &str) -> Vec<String> {
    let regions: &[&str] = match Partition::of_region(region).name {
        "aws" => &[
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ca-central-1",
            "eu-central-1",
            "eu-north-1",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
        "aws-cn" => &["cn-north-1", "cn-northwest-1"],
        "aws-us-gov" => &["us-gov-east-1", "us-gov-west-1"],
        _ => &[region],
    };
    regions.iter().map(|&region| region.to_owned()).collect()
}

/// The host of an account's registry in a region.
pub fn registry_host(account: &str, region: &str) -> String {
    let domain = Partition::of_region(region).domain;
    format!("{account}.dkr.ecr.{region}.{domain}")
}
