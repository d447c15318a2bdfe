//! Who we are at registries and at AWS, and how these are asked.

use std::collections::BTreeMap;

use reqwest::Identity;

use super::keys::{Key, key};
use super::reader::{Reader, Setting};
use super::values::{account, authorities, certificate, choice, flag, private_key, region, role, text, url, within};
use crate::aws::ecr::account_and_region;
use crate::aws::{AwsOptions, Keys, Profile};
use crate::registry::{self, Credential, HostOptions, OnLimit};
use crate::retry::{Retry, Timeouts};

/// In the order of `settings.yaml`.
pub(super) const OF_AWS: [Key; 8] = [
    key("aws.region", None, "a region code, such as eu-central-1")
        .also(&["AWS_DEFAULT_REGION", "AWS_REGION"])
        .about("The region of the registry."),
    key("aws.profile", None, "a profile's name")
        .also(&["AWS_PROFILE"])
        .about("The profile of the AWS configuration files."),
    key("aws.endpoint_url", None, "a http:// or https:// URL")
        .also(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"])
        .about("Where the ECR API is asked instead of AWS."),
    key("aws.account_id", None, "an account's 12 digits, in quotes")
        .also(&["AWS_ACCOUNT_ID"])
        .about(
            "The account whose registry is meant, where ecr does not say that. Without it, the one that the credentials are of; beside \
             aws.role_arn the variable AWS_ACCOUNT_ID is not taken for it.",
        ),
    key("aws.role_arn", None, "a role's ARN, such as arn:aws:iam::123456789012:role/mirror")
        .about("The role that is assumed with these credentials, for all of AWS but the targets that name one of their own."),
    key(
        "aws.access_key_id",
        None,
        "an access key id, beside a secret_access_key",
    )
    .also(&["AWS_ACCESS_KEY_ID_ECR"])
    .about("The access key. Without it, AWS is logged in to as the AWS CLI does."),
    key(
        "aws.secret_access_key",
        None,
        "a secret access key, beside an access_key_id",
    )
    .also(&["AWS_SECRET_ACCESS_KEY_ECR"])
    .secret()
    .about("The secret that goes with it."),
    key("aws.session_token", None, "a session token, beside the two keys")
        .also(&["AWS_SESSION_TOKEN_ECR"])
        .secret()
        .about("The session token of temporary keys."),
];

impl Reader {
    pub(super) fn logins(&mut self) -> BTreeMap<String, Credential> {
        let mut usernames = self.each("registries.*.username", text);
        let passwords = self.each("registries.*.password", text);
        let mut logins = BTreeMap::new();
        for (host, password) in passwords {
            match usernames.remove(&host) {
                Some(username) => {
                    let password = password.into();
                    logins.insert(host, Credential::Password { username, password });
                }
                None => self.lacks_beside(&["registries", &host, "password"], "username", "a username beside it"),
            }
        }
        for host in usernames.into_keys() {
            self.lacks_beside(&["registries", &host, "username"], "password", "a password beside it");
        }
        logins
    }

    pub(super) fn registries(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<registry::Options> {
        let mut hosts: BTreeMap<String, HostOptions> = BTreeMap::new();
        for (host, plain_http) in self.each("registries.*.plain_http", flag) {
            hosts.entry(host).or_default().plain_http = Some(plain_http);
        }
        for (host, authorities) in self.each_told("registries.*.ca", authorities) {
            if hosts.get(&host).is_some_and(|own| own.plain_http == Some(true)) {
                self.lacks(&["registries", &host, "ca"], "TLS, and plain_http is true");
            }
            hosts.entry(host).or_default().authorities = authorities;
        }
        for (host, identity) in self.identities() {
            hosts.entry(host).or_default().identity = Some(identity);
        }
        for (host, most) in self.each("registries.*.requests_per_second", |text| within(text, 1..=10_000)) {
            hosts.entry(host).or_default().requests_per_second = Some(most);
        }
        for (host, most) in self.each("registries.*.concurrency", |text| within(text, 1..=512)) {
            hosts.entry(host).or_default().concurrency = Some(most);
        }
        for (host, mib) in self.each("registries.*.chunk_mib", |text| within(text, 1..=1024)) {
            hosts.entry(host).or_default().chunk = Some((mib as u64) << 20);
        }
        let choices = [("stop", OnLimit::Stop), ("wait", OnLimit::Wait)];
        for (host, on_limit) in self.each("registries.*.on_limit", |text| choice(text, &choices)) {
            hosts.entry(host).or_default().on_limit = on_limit;
        }
        Some(registry::Options {
            retry: retry?,
            timeouts: timeouts?,
            hosts,
        })
    }

    /// Certificates with their keys, by host.
    fn identities(&mut self) -> BTreeMap<String, Identity> {
        let mut keys = self.each_told("registries.*.key", private_key);
        let mut identities = BTreeMap::new();
        for (host, certificate) in self.each_told("registries.*.cert", certificate) {
            let Some(key) = keys.remove(&host) else {
                self.lacks_beside(&["registries", &host, "cert"], "key", "a key beside it");
                continue;
            };
            // Whether the two belong together shows where they are put to use.
            let usable = |identity: &Identity| reqwest::Client::builder().identity(identity.clone()).build().is_ok();
            match Identity::from_pem(&[certificate, key].concat()).ok().filter(usable) {
                Some(identity) => {
                    identities.insert(host, identity);
                }
                None => self.lacks(
                    &["registries", &host, "cert"],
                    "a PEM certificate and its own PEM key in `key`",
                ),
            }
        }
        for host in keys.into_keys() {
            self.lacks_beside(&["registries", &host, "key"], "cert", "a cert beside it");
        }
        identities
    }

    pub(super) fn aws(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<AwsOptions> {
        let id = self.parse("aws.access_key_id", text);
        let secret = self.parse("aws.secret_access_key", text);
        let session_token = self.parse("aws.session_token", text);
        let keys = match (id, secret) {
            (Some(id), Some(secret)) => Some(Keys {
                id,
                secret: secret.into(),
                session_token: session_token.clone().map(Into::into),
            }),
            (Some(_), None) => {
                self.lacks_beside(
                    &["aws", "access_key_id"],
                    "secret_access_key",
                    "a secret_access_key (AWS_SECRET_ACCESS_KEY_ECR) beside it",
                );
                None
            }
            (None, Some(_)) => {
                self.lacks_beside(
                    &["aws", "secret_access_key"],
                    "access_key_id",
                    "an access_key_id (AWS_ACCESS_KEY_ID_ECR) beside it",
                );
                None
            }
            (None, None) => {
                if session_token.is_some() {
                    self.lacks(&["aws", "session_token"], "the two keys beside it");
                }
                None
            }
        };
        let profile = self.profile();
        let region = self.parse("aws.region", region);
        let endpoint_url = self.parse("aws.endpoint_url", url);
        let role_arn = self.parse("aws.role_arn", role);
        Some(AwsOptions {
            region,
            home: None,
            profile,
            endpoint_url,
            keys,
            role_arn,
            retry: retry?,
            timeouts: timeouts?,
        })
    }

    pub(super) fn profile(&mut self) -> Option<Profile> {
        self.parse("aws.profile", text).map(|name| Profile {
            name,
            outright: self
                .find("aws.profile")
                .is_some_and(|setting| !setting.found.origin.ends_with(" AWS_PROFILE")),
        })
    }

    /// The account that is meant where the registry's host names none. Of pipelines that variable says who they are: whoever assumes a role
    /// is somebody else.
    pub(super) fn account(&mut self) -> Option<String> {
        let account = self.parse("aws.account_id", account)?;
        let by_variable = |setting: Setting| setting.found.origin.ends_with(" AWS_ACCOUNT_ID");
        let is_hint = self.find("aws.account_id").is_some_and(by_variable);
        (!is_hint || self.find("aws.role_arn").is_none()).then_some(account)
    }

    /// A registry's own host name says its account and region; a setting that says another region is a mistake.
    pub(super) fn agree_on_region(&mut self, registry: Option<&str>, aws: Option<&mut AwsOptions>) -> Option<String> {
        let (account, region) = account_and_region(registry?)?;
        let aws = aws?;
        match &aws.region {
            Some(other) if other != region => {
                let setting = self.find("aws.region")?;
                self.mistakes.push(setting.mistake(format!(
                    "{other} is not the region of the registry that `ecr` names, {region}; set it to that (--region {region})"
                )));
            }
            _ => aws.region = Some(region.to_owned()),
        }
        Some(account.to_owned())
    }
}
