//! Amazon S3, as moto serves it: conditional writes included. Secrets Manager and Systems Manager, at the same endpoint.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::chance;
use crate::process::{Command, Supervised, until_ready};
use crate::tools;

/// How it is started.
const MOTO: &str = include_str!("moto.py");

/// A running S3. Dropping it ends it.
#[derive(Debug)]
pub struct S3 {
    server: Supervised,
    pub(crate) endpoint: String,
    pub(crate) client: Client,
}

impl S3 {
    pub(crate) async fn start(folder: &Path) -> Result<S3> {
        let home = folder.join(format!("s3-{}", chance::hex(4)));
        fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let mut failures = Vec::new();
        for _ in 0..5 {
            match S3::start_once(&home).await {
                Ok(s3) => return Ok(s3),
                // Someone else may have taken the port in the meantime.
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!("moto does not start: {}", failures.join("; "))
    }

    async fn start_once(home: &Path) -> Result<S3> {
        let port = chance::free_port()?.to_string();
        // Beside the program, in the same environment of Python's.
        let python = Path::new(&tools::program("moto")?).with_file_name("python");
        let python = python.display().to_string();
        let line = [&python, "-c", MOTO, "-H", "127.0.0.1", "-p", &port];
        let mut command = Command::new(home, "moto", line.map(str::to_owned).to_vec());
        // Where it was started, unless told: one file for all of them.
        command
            .environment
            .push(("MOTO_RECORDER_FILEPATH", home.join("recording")));
        let server = Supervised::start(command)?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let client = Client::builder().default_headers(signed()).build()?;
        let status = format!("{endpoint}/moto-api/data.json");
        let ready = || async { client.get(&status).send().await.is_ok() };
        until_ready(&server, Duration::from_secs(60), ready).await?;
        Ok(S3 {
            server,
            endpoint,
            client,
        })
    }

    /// `http://127.0.0.1:PORT`, as in `AWS_ENDPOINT_URL_S3`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets it stand still: nothing is answered any more.
    ///
    /// # Errors
    /// When it has no process.
    pub fn pause(&self) -> Result<()> {
        self.server.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has no process.
    pub fn resume(&self) -> Result<()> {
        self.server.signal(Signal::CONT)
    }

    /// Has the bucket encrypt what is put there by this algorithm, unless whoever puts it says otherwise.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn encrypt(&self, bucket: &str, algorithm: &str) -> Result<()> {
        let rule = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>\
             </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        );
        let request = self.client.put(format!("{}/{bucket}?encryption", self.endpoint));
        let answer = request.body(rule).send().await?;
        ensure!(answer.status().is_success(), "encrypt {bucket}: {}", answer.status());
        Ok(())
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn create_bucket(&self, name: &str) -> Result<()> {
        let answer = self.client.put(format!("{}/{name}", self.endpoint)).send().await?;
        ensure!(answer.status().is_success(), "create {name}: {}", answer.status());
        Ok(())
    }

    /// Puts an object, whatever is there.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn put(&self, bucket: &str, key: &str, content: &str) -> Result<()> {
        let request = self.client.put(format!("{}/{bucket}/{key}", self.endpoint));
        let answer = request.body(content.to_owned()).send().await?;
        ensure!(answer.status().is_success(), "put {key}: {}", answer.status());
        Ok(())
    }

    /// An object's JSON; none where there is no such object.
    ///
    /// # Errors
    /// When S3 refuses it, or it is none.
    pub async fn json(&self, bucket: &str, key: &str) -> Result<Option<Value>> {
        match self.get(bucket, key).await? {
            Some(answer) => Ok(Some(answer.json().await?)),
            None => Ok(None),
        }
    }

    /// An object's bytes, and the algorithm that S3 says it is encrypted by; none where there is no such object.
    ///
    /// # Errors
    /// When S3 refuses it.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, Option<String>)>> {
        let Some(answer) = self.get(bucket, key).await? else {
            return Ok(None);
        };
        let encryption = answer.headers().get("x-amz-server-side-encryption");
        let encryption = encryption.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Some((answer.bytes().await?.to_vec(), encryption)))
    }

    /// Keeps a secret in Secrets Manager, which is at the same endpoint; answers its ARN.
    ///
    /// # Errors
    /// When it refuses it.
    pub async fn keep_secret(&self, name: &str, value: &str) -> Result<String> {
        let secret = json!({"Name": name, "SecretString": value, "ClientRequestToken": chance::hex(32)});
        let kept = self.call("secretsmanager.CreateSecret", &secret).await?;
        let arn = kept["ARN"].as_str().with_context(|| format!("no ARN: {kept}"))?;
        Ok(arn.to_owned())
    }

    /// Keeps an encrypted parameter in Systems Manager, which is at the same endpoint; answers its ARN.
    ///
    /// # Errors
    /// When it refuses it.
    pub async fn keep_parameter(&self, name: &str, value: &str) -> Result<String> {
        let parameter = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.call("AmazonSSM.PutParameter", &parameter).await?;
        let name = name.trim_start_matches('/');
        Ok(format!("arn:aws:ssm:eu-central-1:123456789012:parameter/{name}"))
    }

    /// A call in AWS's JSON 1.1, which moto tells by its target.
    async fn call(&self, target: &str, body: &Value) -> Result<Value> {
        let service = match target.split_once('.') {
            Some(("AmazonSSM", _)) => "ssm",
            _ => "secretsmanager",
        };
        let request = self.client.post(&self.endpoint).body(body.to_string());
        let request = request
            .header("X-Amz-Target", target)
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header(AUTHORIZATION, credential("eu-central-1", service));
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{target}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Response>> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        let answer = self.client.get(url).send().await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                ensure!(status.is_success(), "get {key}: {status}");
                Ok(Some(answer))
            }
        }
    }
}

/// moto shows an object only to who has signed, and does not look at how.
fn signed() -> HeaderMap {
    let value = HeaderValue::from_str(&credential("us-east-1", "s3"));
    HeaderMap::from_iter(value.map(|value| (AUTHORIZATION, value)))
}

/// Whose requests are the lab's own: no program that it tries has this key.
pub(crate) const OWN_KEY: &str = "LABITSELF";

pub(crate) fn credential(region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={OWN_KEY}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
