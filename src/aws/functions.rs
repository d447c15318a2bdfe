//! AWS Lambda: the functions of one region, and the images that they run.

use jiff::Timestamp;
use serde::Deserialize;

use super::api::{Api, Protocol, Service};
use super::pace::Pace;
use super::{AwsError, Listing, Login};

const LAMBDA: Service = Service {
    id: "Lambda",
    host: "lambda",
    name: "lambda",
    protocol: Protocol::Rest,
};

/// GetFunction's own quota, and that of all others, in a second (AWS Lambda Developer Guide, "Lambda quotas", "Lambda API requests").
const GETS: u32 = 100;
const OTHERS: u32 = 15;

/// The functions of one account in one region.
#[derive(Debug)]
pub struct Functions {
    api: Api,
    region: String,
    gets: Pace,
    others: Pace,
}

/// What Lambda lists of a function, or of a published version of one (Lambda API Reference, FunctionConfiguration).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedFunction {
    /// Its name.
    pub function_name: String,
    /// With the version at its end.
    pub function_arn: String,
    /// `$LATEST`, or a number.
    #[serde(default = "latest")]
    pub version: String,
    /// `Image` or `Zip`.
    pub package_type: Option<String>,
    /// In MB.
    pub memory_size: Option<u64>,
    /// ISO 8601, with the offset `+0000`.
    pub last_modified: Option<String>,
    /// What people wrote about it.
    pub description: Option<String>,
    /// Where its logs go.
    pub logging_config: Option<LoggingConfig>,
}

/// Where a function's logs go.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// A log group's name.
    pub log_group: Option<String>,
}

/// A function's image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionImage {
    /// As it was deployed.
    pub image_uri: Option<String>,
    /// The same with the digest that it named then.
    pub resolved_image_uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    functions: Option<Vec<ListedFunction>>,
    next_marker: Option<String>,
}

/// Of the rest of the answer, which has the function's environment, nothing is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    code: Option<FunctionImage>,
}

fn latest() -> String {
    LATEST.to_owned()
}

const LATEST: &str = "$LATEST";

impl Functions {
    /// Those of an account.
    pub fn of(login: &Login, region: &str) -> Self {
        Self {
            api: Api::new(&login.at(region), LAMBDA),
            region: region.to_owned(),
            gets: Pace::per_second(GETS),
            others: Pace::per_second(OTHERS),
        }
    }

    /// All functions, each published version by its own: an alias may send requests to any.
    pub async fn list(&self) -> Listing<ListedFunction> {
        let mut listing = Listing::default();
        let mut path = "/2015-03-31/functions/?FunctionVersion=ALL".to_owned();
        loop {
            self.others.turn().await;
            let on = format!("in {}", self.region);
            let page: Page = match self.api.get("ListFunctions", on, path).await {
                Ok(page) => page,
                Err(error) => return listing.ended(error),
            };
            listing.page(page.functions.into_iter().flatten());
            match page.next_marker.filter(|marker| !marker.is_empty()) {
                None => return listing,
                Some(marker) => {
                    path = format!("/2015-03-31/functions/?FunctionVersion=ALL&Marker={}", escaped(&marker));
                }
            }
        }
    }

    /// The image that a function runs.
    pub async fn image(&self, function: &ListedFunction) -> Result<FunctionImage, AwsError> {
        self.gets.turn().await;
        let name = &function.function_name;
        let mut path = format!("/2015-03-31/functions/{}", escaped(name));
        if !function.is_latest() {
            path = format!("{path}?Qualifier={}", escaped(&function.version));
        }
        let on = format!("of {name} in {}", self.region);
        let got: Got = self.api.get("GetFunction", on, path).await?;
        Ok(got.code.unwrap_or_default())
    }
}

impl ListedFunction {
    /// Whether this is what is edited, and not a published version.
    pub fn is_latest(&self) -> bool {
        self.version == LATEST
    }

    /// Its ARN; without a version where it is the latest.
    pub fn arn(&self) -> &str {
        let suffix = self.function_arn.strip_suffix(LATEST);
        suffix
            .and_then(|arn| arn.strip_suffix(':'))
            .unwrap_or(&self.function_arn)
    }

    /// Whether its package is an image.
    pub fn is_image(&self) -> bool {
        self.package_type.as_deref() == Some("Image")
    }

    /// The group that its logs go to (AWS Lambda Developer Guide, "Configuring CloudWatch log groups").
    pub fn log_group(&self) -> String {
        let own = self.logging_config.as_ref().and_then(|config| config.log_group.clone());
        own.filter(|group| !group.is_empty())
            .unwrap_or_else(|| format!("/aws/lambda/{}", self.function_name))
    }

    /// When it was changed last.
    pub fn modified(&self) -> Option<Timestamp> {
        let text = self.last_modified.as_deref()?;
        let by_offset = || Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text);
        text.parse().or_else(|_| by_offset()).ok()
    }
}

/// Text as a part of a path or query: all but what RFC 3986, section 2.3 reserves for nothing is escaped.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_function_says_where_its_logs_go_and_when_it_was_changed() {
        // As the Lambda API Reference shows it under ListFunctions.
        let text = r#"{"FunctionName": "api", "FunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:api:$LATEST",
            "Version": "$LATEST", "PackageType": "Image", "LastModified": "2026-09-23T18:32:33.857+0000"}"#;
        let function: ListedFunction = serde_json::from_str(text).unwrap();
        assert_eq!(function.arn(), "arn:aws:lambda:eu-central-1:123456789012:function:api");
        assert_eq!(function.log_group(), "/aws/lambda/api");
        assert_eq!(function.modified(), "2026-09-23T18:32:33.857Z".parse().ok());
        assert!(function.is_latest() && function.is_image());
        let own = text
            .replace("}", r#", "LoggingConfig": {"LogGroup": "team"}}"#)
            .replace("$LATEST", "3");
        let function: ListedFunction = serde_json::from_str(&own).unwrap();
        assert_eq!(function.log_group(), "team");
        assert_eq!(
            function.arn(),
            "arn:aws:lambda:eu-central-1:123456789012:function:api:3"
        );
    }
}
