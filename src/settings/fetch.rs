//! Settings that are kept elsewhere: the file itself in Amazon S3 or Systems Manager's Parameter Store, and secrets that the settings name by
//! their ARN.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use config::Value;
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};

use super::keys::keys;
use super::layers::{self, Found, Places};
use super::reader::{Reader, text_of};
use super::values::{ledger_place, region};
use super::{Given, Mistake, Settings, SettingsError, Written};
use crate::aws::kept::Kept;
use crate::aws::s3::Object;
use crate::aws::{AwsError, AwsOptions, Trouble};
use crate::ledger::Place;

/// Secrets that were read, by what the settings say in their place.
pub type Secrets = BTreeMap<String, SecretString>;

impl Written {
    /// What is there now: in a file, at `s3://BUCKET/KEY`, in the parameter `ssm:NAME`, or at the ARN of a parameter or secret.
    pub async fn fetch(place: &Path, given: &Given) -> Result<Self, SettingsError> {
        let Some(text) = place.to_str().filter(|text| is_elsewhere(text)) else {
            return Self::read(place);
        };
        let aws = identity(layers::read(None, given)?)?;
        let parameter = text.strip_prefix("ssm:").filter(|name| !name.is_empty());
        let read = match (
            parameter.map(Kept::parameter).or_else(|| Kept::of_arn(text)),
            ledger_place(text),
        ) {
            (Some(kept), _) => kept.read(&aws).await.map(|text| text.expose_secret().to_owned()),
            (None, Some(Place::Object { bucket, key })) => object(&bucket, &key, &aws).await,
            (None, _) => {
                let why = "write s3://BUCKET/KEY, ssm:NAME, or the ARN of a parameter or secret";
                return Err(SettingsError::Unreadable {
                    path: place.to_owned(),
                    source: io::Error::new(io::ErrorKind::InvalidInput, why),
                });
            }
        };
        match read {
            Ok(text) => Ok(Self {
                path: place.to_owned(),
                text,
            }),
            Err(source) => Err(SettingsError::Unfetched {
                place: text.to_owned(),
                source,
            }),
        }
    }
}

impl Settings {
    /// Reads and checks all layers, and reads the secrets that they name by ARN.
    pub async fn fetch(file: Option<&Path>, given: &Given) -> Result<Self, SettingsError> {
        let file = match file {
            Some(place) => Some(Written::fetch(place, given).await?),
            None => None,
        };
        Self::with_secrets(file.as_ref(), given).await
    }

    /// The same where the file has been read.
    pub async fn with_secrets(file: Option<&Written>, given: &Given) -> Result<Self, SettingsError> {
        let places = layers::read(file, given)?;
        let named = named(&places);
        if named.is_empty() {
            return Self::of(file, given);
        }
        let aws = identity(places)?;
        let distinct: BTreeMap<&str, &Kept> = named.iter().map(|one| (one.text.as_str(), &one.kept)).collect();
        let reading = distinct
            .into_iter()
            .map(async |(text, kept)| (text.to_owned(), kept.read(&aws).await));
        let (mut secrets, mut unread) = (Secrets::new(), BTreeMap::new());
        for (text, read) in join_all(reading).await {
            match read {
                Ok(secret) => drop(secrets.insert(text, secret)),
                Err(error) => drop(unread.insert(text, error)),
            }
        }
        let given = Given {
            secrets,
            ..given.clone()
        };
        let read = Self::of(file, &given);
        let mistakes: Vec<Mistake> = named.iter().filter_map(|one| one.mistake(&unread)).collect();
        match (read, mistakes.is_empty()) {
            (read, true) => read,
            (Err(SettingsError::Invalid(others)), false) => Err(SettingsError::Invalid(and_others(mistakes, others))),
            _ => Err(SettingsError::Invalid(mistakes)),
        }
    }
}

/// A secret that is named by its ARN.
struct Named {
    place: String,
    origin: String,
    text: String,
    kept: Kept,
}

impl Named {
    fn mistake(&self, unread: &BTreeMap<String, AwsError>) -> Option<Mistake> {
        let why = unread.get(&self.text)?;
        let why_not = why.to_string();
        // AWS's own words may be a sentence.
        let mut problem = format!(
            "it is kept at AWS and cannot be read: {}",
            why_not.trim_end_matches('.')
        );
        if why.trouble != Trouble::Odd {
            let permission = self.kept.permission();
            problem = format!("{problem}; it takes {permission}, and kms:Decrypt with a key of one's own");
        }
        Some(Mistake {
            origin: self.origin.clone(),
            key: self.place.clone(),
            problem,
        })
    }
}

/// Of what is not read no more is told.
fn and_others(mut mistakes: Vec<Mistake>, others: Vec<Mistake>) -> Vec<Mistake> {
    let unread: Vec<String> = mistakes.iter().map(|mistake| mistake.key.clone()).collect();
    mistakes.extend(others.into_iter().filter(|other| !unread.contains(&other.key)));
    mistakes
}

/// Puts secrets into the place of what names them.
pub(super) fn put(secrets: &Secrets, places: &mut Places) {
    for (_, found) in places.iter_mut().filter(|(place, _)| is_secret(place)) {
        if let Some(secret) = text_of(&found.value).and_then(|text| secrets.get(&text)) {
            found.value = Value::new(Some(&found.origin), secret.expose_secret());
        }
    }
}

fn named(places: &Places) -> Vec<Named> {
    let secret = places.iter().filter(|(place, _)| is_secret(place));
    let named = secret.filter_map(|(place, Found { value, origin })| {
        let text = text_of(value)?;
        Some(Named {
            place: place.join("."),
            origin: origin.clone(),
            kept: Kept::of_arn(&text)?,
            text,
        })
    });
    named.collect()
}

fn is_secret(place: &[String]) -> bool {
    keys().any(|key| key.secret && key.is_at(place))
}

fn is_elsewhere(text: &str) -> bool {
    ["s3://", "ssm:", "arn:"].iter().any(|start| text.starts_with(start))
}

/// Who reads what settings are made of: who we are without `aws.role_arn` and the keys, which may be among what is read.
fn identity(places: Places) -> Result<AwsOptions, SettingsError> {
    let mut reader = Reader::new(places);
    let region = reader.parse("aws.region", region);
    let profile = reader.profile();
    match (reader.retry(), reader.timeouts()) {
        (Some(retry), Some(timeouts)) => Ok(AwsOptions {
            region,
            home: None,
            profile,
            endpoint_url: None,
            keys: None,
            role_arn: None,
            retry,
            timeouts,
        }),
        _ => Err(SettingsError::Invalid(reader.mistakes)),
    }
}

async fn object(bucket: &str, key: &str, aws: &AwsOptions) -> Result<String, AwsError> {
    Object::connect(aws, bucket, key).await?.text().await
}
