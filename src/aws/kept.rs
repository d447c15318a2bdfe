//! Values that AWS keeps for others to name: secrets of Secrets Manager, and parameters of Systems Manager's Parameter Store.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::api::{self, Api, Protocol};
use super::{AwsError, AwsOptions};

const SECRETS_MANAGER: api::Service = api::Service {
    id: "Secrets Manager",
    host: "secretsmanager",
    name: "secretsmanager",
    protocol: Protocol::Json {
        version: "1.1",
        target: "secretsmanager",
    },
};

const SYSTEMS_MANAGER: api::Service = api::Service {
    id: "SSM",
    host: "ssm",
    name: "ssm",
    protocol: Protocol::Json {
        version: "1.1",
        target: "AmazonSSM",
    },
};

/// Where a value is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    service: Service,
    /// Its ARN, or a parameter's name.
    name: String,
    /// The region in the ARN.
    region: Option<String>,
    /// Where it is a JSON object: the value of this key.
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    SecretsManager,
    ParameterStore,
}

impl Kept {
    /// What an ARN names, with `#KEY` behind it where one value of a JSON object is meant:
    /// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`, `arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME` (Service Authorization
    /// Reference, "Resource types" of both). None where it is no such ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let (arn, key) = match text.split_once('#') {
            Some((arn, key)) => (arn, Some(key)),
            None => (text, None),
        };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, region, _, resource] = parts[..] else {
            return None;
        };
        let (service, name) = match service {
            "secretsmanager" => (Service::SecretsManager, resource.strip_prefix("secret:")?),
            "ssm" => (Service::ParameterStore, resource.strip_prefix("parameter/")?),
            _ => return None,
        };
        let is_one = arn.starts_with("arn:") && !region.is_empty() && !name.is_empty() && key != Some("");
        is_one.then(|| Self {
            service,
            name: arn.to_owned(),
            region: Some(region.to_owned()),
            key: key.map(str::to_owned),
        })
    }

    /// A parameter of our own account and region, by its name.
    pub fn parameter(name: &str) -> Self {
        Self {
            service: Service::ParameterStore,
            name: name.to_owned(),
            region: None,
            key: None,
        }
    }

    /// The permission that reads it.
    pub fn permission(&self) -> &'static str {
        match self.service {
            Service::SecretsManager => "secretsmanager:GetSecretValue",
            Service::ParameterStore => "ssm:GetParameter",
        }
    }

    /// The value, decrypted, with the credentials that `options` lead to.
    pub async fn read(&self, options: &AwsOptions) -> Result<SecretString, AwsError> {
        let there = AwsOptions {
            region: self.region.clone().or_else(|| options.region.clone()),
            ..options.clone()
        };
        let value = match self.service {
            Service::SecretsManager => self.secret(&there).await,
            Service::ParameterStore => self.parameter_value(&there).await,
        }?;
        self.within(value)
    }

    /// Secrets Manager API Reference, "GetSecretValue".
    async fn secret(&self, options: &AwsOptions) -> Result<SecretString, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            secret_string: Option<SecretString>,
        }
        let api = Api::connect(options, SECRETS_MANAGER).await?;
        let answer: Answer = api
            .call(self.call(), self.on(), &json!({ "SecretId": self.name }))
            .await?;
        answer.secret_string.ok_or_else(|| self.odd("it holds no text"))
    }

    /// Systems Manager API Reference, "GetParameter", which takes an ARN in the place of a name too.
    async fn parameter_value(&self, options: &AwsOptions) -> Result<SecretString, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            parameter: Parameter,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Parameter {
            value: SecretString,
        }
        let api = Api::connect(options, SYSTEMS_MANAGER).await?;
        let input = json!({ "Name": self.name, "WithDecryption": true });
        let answer: Answer = api.call(self.call(), self.on(), &input).await?;
        Ok(answer.parameter.value)
    }

    /// What of it is meant.
    fn within(&self, value: SecretString) -> Result<SecretString, AwsError> {
        let Some(key) = &self.key else { return Ok(value) };
        // What serde says of text that is no JSON may have a part of it.
        let object: Option<serde_json::Value> = serde_json::from_str(value.expose_secret()).ok();
        match object.as_ref().and_then(|object| object.get(key)) {
            Some(serde_json::Value::String(text)) => Ok(SecretString::from(text.as_str())),
            _ => Err(self.odd(&format!("it is no JSON object with text at {key:?}"))),
        }
    }

    fn odd(&self, why: &str) -> AwsError {
        AwsError::odd_answer(self.call(), self.on(), why)
    }

    fn call(&self) -> &'static str {
        match self.service {
            Service::SecretsManager => "GetSecretValue",
            Service::ParameterStore => "GetParameter",
        }
    }

    fn on(&self) -> String {
        format!("of {self}")
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_parameters_are_told_by_their_arns_in_every_partition() {
        // The forms are those of the Service Authorization Reference.
        for (arn, service, region) in [
            (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/hub-a1B2c3",
                Service::SecretsManager,
                "eu-central-1",
            ),
            (
                "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/team/hub",
                Service::ParameterStore,
                "cn-north-1",
            ),
            (
                "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/hub",
                Service::ParameterStore,
                "us-gov-west-1",
            ),
        ] {
            let kept = Kept::of_arn(arn).unwrap();
            assert_eq!((kept.service, kept.region.as_deref()), (service, Some(region)));
            assert_eq!(kept.key, None);
            let of_key = Kept::of_arn(&format!("{arn}#password")).unwrap();
            assert_eq!(
                (of_key.key.as_deref(), of_key.to_string().as_str()),
                (Some("password"), arn)
            );
        }
        for other in [
            "",
            "hunter2#arn",
            "arn:aws:s3:::bucket/key",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team#",
            "arn:aws:ssm:eu-central-1:123456789012:document/x",
            "arn:aws:ssm::123456789012:parameter/x",
            "https://example.com/arn:aws:ssm:eu-central-1:123456789012:parameter/x",
        ] {
            assert_eq!(Kept::of_arn(other), None, "{other}");
        }
    }

    #[test]
    fn one_value_of_a_json_object_is_found_and_no_other_is_shown() {
        let kept = Kept::of_arn("arn:aws:ssm:eu-central-1:123456789012:parameter/hub#password").unwrap();
        let read = |text: &str| match kept.within(SecretString::from(text)) {
            Ok(value) => value.expose_secret().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read(r#"{"username": "robot", "password": "hunter2"}"#), "hunter2");
        for wrong in ["hunter2", r#"{"pass": "hunter2"}"#, r#"{"password": ["hunter2"]}"#] {
            let told = read(wrong);
            assert!(told.contains("no JSON object with text at \"password\""), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
