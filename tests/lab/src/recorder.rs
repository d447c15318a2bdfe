//! What moto was asked by the programs that are tried, from moto's own recorder.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::s3::{OWN_KEY, S3};

/// A call of AWS's API, other than ECR's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCall {
    /// `s3`, `sqs`, `ssm`, `secretsmanager`: as the signature's scope names it.
    pub service: String,
    /// `GetObject`, `SendMessageBatch`, …; of S3 what no program here asks for is `METHOD PATH`.
    pub operation: String,
    /// The name of the queue that it is about.
    pub queue: Option<String>,
}

impl S3 {
    /// Forgets what was asked so far, and notes all that is from now on.
    ///
    /// # Errors
    /// When moto refuses it.
    pub async fn record(&self) -> Result<()> {
        for what in ["reset-recording", "start-recording"] {
            self.recorder(what).await?;
        }
        Ok(())
    }

    /// What was asked for; the lab's own requests are not among it.
    ///
    /// # Errors
    /// When moto does not tell.
    pub async fn recorded(&self) -> Result<Vec<AwsCall>> {
        let recording = self.recorder("download-recording").await?;
        let calls = recording.lines().filter(|line| !line.is_empty()).map(|line| {
            let entry: Value = serde_json::from_str(line).context("a line of the recording")?;
            AwsCall::read(&entry)
        });
        calls.filter_map(Result::transpose).collect()
    }

    async fn recorder(&self, what: &str) -> Result<String> {
        let url = format!("{}/moto-api/recorder/{what}", self.endpoint);
        let request = match what {
            "download-recording" => self.client.get(url),
            _ => self.client.post(url),
        };
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{what}: {}", answer.status());
        Ok(answer.text().await?)
    }
}

impl AwsCall {
    /// None where it was the lab that asked.
    fn read(entry: &Value) -> Result<Option<AwsCall>> {
        let header = |wanted: &str| {
            let headers = entry["headers"].as_object()?;
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            found.1.as_str()
        };
        let scope = header("Authorization").and_then(|signed| signed.split_once("Credential="));
        // KEY/DATE/REGION/SERVICE/aws4_request
        let mut scope = scope.context("a call that is not signed")?.1.split('/');
        if scope.next() == Some(OWN_KEY) {
            return Ok(None);
        }
        let service = scope.nth(2).context("a scope without a service")?;
        let operation = match header("X-Amz-Target").and_then(|target| target.split_once('.')) {
            Some((_, operation)) => operation.to_owned(),
            None => of_s3(entry),
        };
        Ok(Some(AwsCall {
            service: service.to_owned(),
            operation,
            queue: queue(entry),
        }))
    }
}

/// SQS's requests name a queue by its URL or its name (SQS API Reference).
fn queue(entry: &Value) -> Option<String> {
    let body = STANDARD.decode(entry["body"].as_str()?).ok()?;
    let asked: Value = serde_json::from_slice(&body).ok()?;
    let named = asked["QueueUrl"].as_str().or_else(|| asked["QueueName"].as_str())?;
    named.rsplit('/').next().map(str::to_owned)
}

/// S3 tells its operations by method and path (Amazon S3 API Reference).
fn of_s3(entry: &Value) -> String {
    let (method, url) = (entry["method"].as_str(), entry["url"].as_str());
    let (method, url) = (method.unwrap_or_default(), url.unwrap_or_default());
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.splitn(4, '/').nth(3).unwrap_or_default();
    let is_object = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (method, is_object) {
        ("GET", true) => "GetObject".to_owned(),
        ("PUT", true) => "PutObject".to_owned(),
        ("GET", false) if query.contains("list-type=2") => "ListObjectsV2".to_owned(),
        _ => format!("{method} {path}"),
    }
}
