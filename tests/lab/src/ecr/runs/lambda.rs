//! AWS Lambda (Lambda API Reference, ListFunctions and GetFunction).

use hyper::http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Account, ApiError, Outcome, page};

/// A function, or one version of it.
#[derive(Debug, Clone)]
pub struct LabFunction {
    /// Its name.
    pub name: String,
    /// `$LATEST`, or a number.
    pub version: String,
    /// The image's address, and that with its digest; none for a zip file.
    pub image: Option<(String, Option<String>)>,
    /// What people wrote about it.
    pub description: String,
    /// In MB.
    pub memory: u64,
    /// The log group where it is not Lambda's own.
    pub log_group: Option<String>,
    /// When it was changed.
    pub modified: Timestamp,
}

impl LabFunction {
    /// One that runs an image.
    pub fn new(name: &str, image: &str) -> LabFunction {
        LabFunction {
            name: name.to_owned(),
            version: "$LATEST".to_owned(),
            image: Some((image.to_owned(), None)),
            description: String::new(),
            memory: 512,
            log_group: None,
            modified: Timestamp::now(),
        }
    }

    /// One that is a zip file.
    pub fn zip(name: &str) -> LabFunction {
        LabFunction {
            image: None,
            ..LabFunction::new(name, "")
        }
    }

    /// With the digest that its address named when it was deployed.
    #[must_use]
    pub fn resolved(mut self, digest: &str) -> LabFunction {
        if let Some((address, resolved)) = &mut self.image {
            let last = address.rfind('/').unwrap_or_default();
            let name = match address[last..].find([':', '@']) {
                Some(at) => &address[..last + at],
                None => address.as_str(),
            };
            *resolved = Some(format!("{name}@{digest}"));
        }
        self
    }

    /// As a published version.
    #[must_use]
    pub fn published(mut self, version: u32) -> LabFunction {
        self.version = version.to_string();
        self
    }

    /// With a log group of its own choice.
    #[must_use]
    pub fn logs_to(mut self, group: &str) -> LabFunction {
        self.log_group = Some(group.to_owned());
        self
    }

    /// With what people wrote about it.
    #[must_use]
    pub fn described(mut self, description: &str) -> LabFunction {
        self.description = description.to_owned();
        self
    }

    fn configuration(&self, account: &Account, qualified: bool) -> Value {
        let mut arn = format!(
            "arn:aws:lambda:{}:{}:function:{}",
            account.region, account.id, self.name
        );
        if qualified {
            arn = format!("{arn}:{}", self.version);
        }
        json!({
            "FunctionName": self.name,
            "FunctionArn": arn,
            "Version": self.version,
            "PackageType": if self.image.is_some() { "Image" } else { "Zip" },
            "MemorySize": self.memory,
            "Description": self.description,
            "LastModified": self.modified.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
            "LoggingConfig": {
                "LogFormat": "Text",
                "LogGroup": self.log_group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", self.name)),
            },
        })
    }
}

const PATH: &str = "/2015-03-31/functions";

pub(super) fn asked(head: &Parts) -> (String, Value) {
    let query = head.uri.query().unwrap_or_default();
    let mut input = json!({});
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        input[&*name] = value.into_owned().into();
    }
    match head.uri.path().strip_prefix(PATH) {
        Some("" | "/") => ("ListFunctions".to_owned(), input),
        Some(name) => {
            let name = name.trim_start_matches('/');
            // A path is escaped as a query is, but for `+`.
            let name = form_urlencoded::parse(format!("n={}", name.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, name)| name.into_owned());
            input["FunctionName"] = name.unwrap_or_default().into();
            ("GetFunction".to_owned(), input)
        }
        _ => (String::new(), input),
    }
}

pub(super) fn list(account: &Account, input: &Value) -> Outcome {
    let all = input["FunctionVersion"] == "ALL";
    let runs = account.runs();
    let functions: Vec<&LabFunction> = runs
        .functions
        .values()
        .filter(|one| all || one.version == "$LATEST")
        .collect();
    let names = ["Functions", "NextMarker", "Marker"];
    page(
        account,
        &format!("ListFunctions {all}"),
        input,
        &functions,
        names,
        |one| one.configuration(account, all),
    )
}

pub(super) fn get(account: &Account, input: &Value) -> Outcome {
    let name = input["FunctionName"].as_str().unwrap_or_default();
    let version = input["Qualifier"].as_str().unwrap_or("$LATEST");
    let runs = account.runs();
    let found = runs
        .functions
        .values()
        .find(|one| one.name == name && one.version == version);
    let Some(found) = found else {
        let text = format!(
            "Function not found: arn:aws:lambda:{}:{}:function:{name}",
            account.region, account.id
        );
        return Err(ApiError {
            status: 404,
            ..ApiError::new("ResourceNotFoundException", text)
        });
    };
    let qualified = !input["Qualifier"].is_null();
    let mut configuration = found.configuration(account, qualified);
    // What nobody has to see who asks for the image.
    configuration["Environment"] = json!({"Variables": {"PASSWORD": "lab-secret-of-a-function"}});
    let code = match &found.image {
        Some((address, resolved)) => json!({
            "RepositoryType": "ECR", "ImageUri": address, "ResolvedImageUri": resolved.as_ref().unwrap_or(address),
        }),
        None => json!({"RepositoryType": "S3", "Location": "https://example.com/code.zip"}),
    };
    Ok(json!({"Configuration": configuration, "Code": code}))
}
