//! Amazon S3: objects of a bucket, such as a file that several runs share, written on conditions, or what is put there for others to read.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;

use super::{AwsError, AwsOptions};

/// A bucket, as far as it is this program's.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// One object of a bucket.
#[derive(Debug, Clone)]
pub struct Object {
    client: Client,
    bucket: String,
    key: String,
}

/// What an object holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What S3 calls just these.
    pub etag: String,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The object holds this now, under this ETag.
    Done(String),
    /// Somebody else has written it since.
    Conflict,
}

impl Bucket {
    /// The bucket of this name, with the credentials that `options` lead to and in their home region.
    pub async fn connect(options: &AwsOptions, name: &str) -> Result<Self, AwsError> {
        let there = AwsOptions {
            region: options.home.clone().or_else(|| options.region.clone()),
            // That is of ECR; AWS's own variables (AWS_ENDPOINT_URL_S3) hold here.
            endpoint_url: None,
            ..options.clone()
        };
        Ok(Self {
            client: Client::new(&there.load().await?),
            name: name.to_owned(),
        })
    }

    /// The object of this key in it, whether it is there or not.
    pub fn object(&self, key: &str) -> Object {
        Object {
            client: self.client.clone(),
            bucket: self.name.clone(),
            key: key.to_owned(),
        }
    }

    /// The keys that begin with `prefix`, by their bytes.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        const CALL: &str = "ListObjectsV2";
        let on = format!("of s3://{}/{prefix}", self.name);
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        loop {
            tracing::debug!("ask AWS: {CALL} {on}");
            match pages.next().await {
                None => return Ok(keys),
                Some(Ok(page)) => keys.extend(page.contents.into_iter().flatten().filter_map(|one| one.key)),
                Some(Err(error)) => return Err(AwsError::of_sdk(CALL, on, error)),
            }
        }
    }
}

impl Object {
    /// The object `key` of `bucket`, with the credentials and the region that `options` lead to.
    pub async fn connect(options: &AwsOptions, bucket: &str, key: &str) -> Result<Self, AwsError> {
        Ok(Bucket::connect(options, bucket).await?.object(key))
    }

    /// What it holds; none where it is not there yet.
    pub async fn read(&self) -> Result<Option<Content>, AwsError> {
        const CALL: &str = "GetObject";
        tracing::debug!("ask AWS: {CALL} of {self}");
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(AwsError::of_sdk(CALL, format!("of {self}"), error)),
        };
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let bytes = answer.body.collect().await;
        let bytes = bytes.map_err(|error| AwsError::odd_answer(CALL, format!("of {self}"), error))?;
        Ok(Some(Content {
            bytes: bytes.into_bytes().to_vec(),
            etag,
        }))
    }

    /// The text that it has to hold.
    pub async fn text(&self) -> Result<String, AwsError> {
        let odd = |why: &str| AwsError::odd_answer("GetObject", format!("of {self}"), why);
        let content = self
            .read()
            .await?
            .ok_or_else(|| odd("NoSuchKey: there is no such object"))?;
        String::from_utf8(content.bytes).map_err(|_| odd("it holds no UTF-8 text"))
    }

    /// Writes it whole, whatever is there. The bucket says how it is encrypted.
    pub async fn put(&self, bytes: Vec<u8>, content_type: &str) -> Result<(), AwsError> {
        self.put_as(bytes, content_type, None).await
    }

    /// Writes it whole, whatever is there, and has S3 encrypt it with keys of its own (AES256).
    pub async fn put_encrypted(&self, bytes: Vec<u8>, content_type: &str) -> Result<(), AwsError> {
        let own = Some(ServerSideEncryption::Aes256);
        self.put_as(bytes, content_type, own).await
    }

    async fn put_as(
        &self,
        bytes: Vec<u8>,
        content_type: &str,
        encryption: Option<ServerSideEncryption>,
    ) -> Result<(), AwsError> {
        const CALL: &str = "PutObject";
        tracing::debug!("ask AWS: {CALL} of {self}");
        let request = self.client.put_object().bucket(&self.bucket).key(&self.key);
        let request = request.content_type(content_type).body(ByteStream::from(bytes));
        let answer = request.set_server_side_encryption(encryption).send().await;
        answer
            .map(drop)
            .map_err(|error| AwsError::of_sdk(CALL, format!("of {self}"), error))
    }

    /// Writes it whole, if it is still what `known` names; without one, if it is still not there (Amazon S3 User Guide,
    /// "Conditional writes").
    pub async fn write(&self, bytes: Vec<u8>, known: Option<&str>) -> Result<Written, AwsError> {
        const CALL: &str = "PutObject";
        tracing::debug!("ask AWS: {CALL} of {self}");
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .content_type("application/json")
            .body(ByteStream::from(bytes));
        let request = match known {
            Some(etag) => request.if_match(etag),
            None => request.if_none_match("*"),
        };
        match request.send().await {
            Ok(answer) => Ok(Written::Done(answer.e_tag().unwrap_or_default().to_owned())),
            // The second is of two writes at the very same time.
            Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
                Ok(Written::Conflict)
            }
            // What was there has been deleted since.
            Err(error) if known.is_some() && error.code() == Some("NoSuchKey") => Ok(Written::Conflict),
            Err(error) => Err(AwsError::of_sdk(CALL, format!("of {self}"), error)),
        }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::retry::{Retry, Timeouts};

    #[tokio::test]
    async fn a_bucket_stays_where_home_is_whatever_region_the_registry_is_in() {
        let second = Duration::from_secs(1);
        let mut options = AwsOptions {
            region: Some("us-west-2".to_owned()),
            home: None,
            profile: None,
            endpoint_url: None,
            keys: None,
            role_arn: None,
            retry: Retry {
                tries: 1,
                wait: second,
                longest: second,
            },
            timeouts: Timeouts {
                connect: second,
                answer: second,
            },
        };
        for (home, expected) in [(None, "us-west-2"), (Some("eu-central-1"), "eu-central-1")] {
            options.home = home.map(str::to_owned);
            let bucket = Bucket::connect(&options, "team").await.unwrap();
            let region = bucket.client.config().region().unwrap();
            assert_eq!(region.as_ref(), expected);
        }
    }
}
