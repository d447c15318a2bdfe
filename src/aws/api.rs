//! Services of AWS that are asked a thing or two: requests and answers are JSON in shapes of whoever asks, and the SDK's own runtime finds
//! the credentials, signs, sends and tries again. A crate for each of them would be a tenth of this program.

use std::borrow::Cow;
use std::fmt;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::partitions::Partition;
use super::{AwsError, AwsOptions};

/// A service of AWS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// As variables name it (AWS SDKs and Tools Reference Guide, "Identifiers for service-specific endpoints"), such as `SQS` of
    /// AWS_ENDPOINT_URL_SQS.
    pub id: &'static str,
    /// What its endpoints begin with.
    pub host: &'static str,
    /// By which requests to it are signed.
    pub name: &'static str,
    /// How it is asked.
    pub protocol: Protocol,
}

/// How a service is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// With the action in a header before which `target` stands (Smithy, "AWS JSON 1.0 protocol" and "1.1").
    Json {
        /// `1.0` or `1.1`.
        version: &'static str,
        /// The service's name in its model.
        target: &'static str,
    },
    /// By paths (Smithy, "AWS restJson1 protocol").
    Rest,
}

/// A service in one region.
#[derive(Debug, Clone)]
pub(super) struct Api {
    protocol: Protocol,
    operation: Operation<Ask, Answer, Refusal>,
}

/// What is asked.
#[derive(Debug)]
struct Ask {
    method: &'static str,
    path_and_query: Cow<'static, str>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What is answered; it may be a secret.
struct Answer(Vec<u8>);

/// An answer that is an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(ErrorMetadata);

impl Api {
    /// The service with the credentials and in the region that `options` lead to. `options.endpoint_url` is of ECR; AWS's own variables
    /// (`AWS_ENDPOINT_URL_…`) hold here.
    pub(super) async fn connect(options: &AwsOptions, service: Service) -> Result<Self, AwsError> {
        let there = AwsOptions {
            endpoint_url: None,
            ..options.clone()
        };
        Ok(Self::new(&there.load().await?, service))
    }

    /// The service as the SDK's configuration has it.
    pub(super) fn new(config: &SdkConfig, service: Service) -> Self {
        let mut operation = Operation::builder()
            .service_name(service.id)
            .operation_name("Call")
            .endpoint_url(&endpoint(config, service))
            .retry_classifier(TransientErrorClassifier::<Refusal>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .interceptor(ServiceClockSkewInterceptor::new())
            .interceptor(RequestInfoInterceptor::new())
            .interceptor(UserAgentInterceptor::new())
            .with_connection_poisoning()
            .runtime_plugin(signing(config, service));
        if let Some(client) = default_http_client_plugin_v2(BehaviorVersion::latest()) {
            operation = operation.runtime_plugin(client);
        }
        if let Some(retry) = config.retry_config() {
            operation = operation.standard_retry(retry);
        }
        if let Some(timeout) = config.timeout_config() {
            operation = operation.timeout_config(timeout.clone());
        }
        Self {
            protocol: service.protocol,
            operation: operation.serializer(Ask::request).deserializer(answer).build(),
        }
    }

    /// Does `action` with `input` and answers its output. `on` says of what, for errors.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        action: &'static str,
        on: impl fmt::Display,
        input: &impl Serialize,
    ) -> Result<T, AwsError> {
        self.post(action, on, "/", input).await
    }

    /// Does `action`, which is at a path, with `input` and answers its output. `on` says of what, for errors.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        action: &'static str,
        on: impl fmt::Display,
        path: &'static str,
        input: &impl Serialize,
    ) -> Result<T, AwsError> {
        let body = serde_json::to_vec(input).map_err(|error| AwsError::odd_answer(action, on.to_string(), error))?;
        let headers = match self.protocol {
            Protocol::Json { version, target } => vec![
                ("content-type", format!("application/x-amz-json-{version}")),
                ("x-amz-target", format!("{target}.{action}")),
            ],
            Protocol::Rest => vec![("content-type", "application/json".to_owned())],
        };
        let path_and_query = Cow::Borrowed(path);
        let ask = Ask {
            method: "POST",
            path_and_query,
            headers,
            body,
        };
        self.ask(action, on, ask).await
    }

    /// Does `action`, which reads what is at a path, and answers its output. `on` says of what, for errors.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        action: &'static str,
        on: impl fmt::Display,
        path_and_query: String,
    ) -> Result<T, AwsError> {
        let ask = Ask {
            method: "GET",
            path_and_query: Cow::Owned(path_and_query),
            headers: Vec::new(),
            body: Vec::new(),
        };
        self.ask(action, on, ask).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        action: &'static str,
        on: impl fmt::Display,
        ask: Ask,
    ) -> Result<T, AwsError> {
        tracing::debug!("ask AWS: {action} {on}");
        let answer = self.operation.invoke(ask).await;
        let Answer(body) = answer.map_err(|error| AwsError::of_sdk(action, on.to_string(), error))?;
        // An action without an output may answer nothing at all.
        let body = if body.is_empty() { b"{}" } else { body.as_slice() };
        serde_json::from_slice(body).map_err(|error| {
            // What serde quotes of an answer may be a secret.
            let (line, column) = (error.line(), error.column());
            let why = format!("the answer has not the shape that AWS documents, at line {line}, column {column}");
            AwsError::odd_answer(action, on.to_string(), why)
        })
    }
}

/// What becomes of an output that says nothing.
pub(super) fn of_no_use(_: IgnoredAny) {}

impl Ask {
    fn request(self) -> Result<HttpRequest, BoxError> {
        let mut request = http::Request::builder().method(self.method).uri(&*self.path_and_query);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(SdkBody::from(self.body))?.try_into()?)
    }
}

/// Where the service answers: as variables and profiles say (AWS SDKs and Tools Reference Guide, "Service-specific endpoints"), else AWS's own
/// endpoint of the region.
fn endpoint(config: &SdkConfig, service: Service) -> String {
    let key = ServiceConfigKey::builder()
        .service_id(service.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let said = config.service_config().zip(key.ok());
    if let Some(said) = said.and_then(|(said, key)| said.load_config(key)) {
        return said;
    }
    if let Some(said) = config.endpoint_url() {
        return said.to_owned();
    }
    let region = config.region().map_or("", |region| region.as_ref());
    let is = |setting: Option<bool>| setting.unwrap_or_default();
    own_endpoint(service.host, region, is(config.use_fips()), is(config.use_dual_stack()))
}

/// By the endpoint rules of AWS's SDKs.
fn own_endpoint(host: &str, region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = Partition::of_region(region);
    // All that GovCloud has is FIPS.
    let fips = match fips && (partition.name != "aws-us-gov" || dual_stack) {
        true => "-fips",
        false => "",
    };
    let domain = match dual_stack {
        true => partition.dual_stack,
        false => partition.domain,
    };
    let host = match dual_stack && fips.is_empty() {
        // ECR Public's is another one there.
        true => host.trim_start_matches("api."),
        false => host,
    };
    format!("https://{host}{fips}.{region}.{domain}")
}

/// Who asks, and how that is shown.
fn signing(config: &SdkConfig, service: Service) -> StaticRuntimePlugin {
    let mut layer = Layer::new("service");
    layer.store_put(SigV4OperationSigningConfig::default());
    layer.store_put(SigningName::from_static(service.name));
    layer.store_put(ApiMetadata::new(service.name, env!("CARGO_PKG_VERSION")));
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    if let Some(region) = config.region() {
        layer.store_put(SigningRegion::from(region.clone()));
    }
    if let Some(name) = config.app_name() {
        layer.store_put(name.clone());
    }
    let mut components = RuntimeComponentsBuilder::new("service")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        .with_identity_cache(config.identity_cache());
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, credentials);
    }
    StaticRuntimePlugin::new()
        .with_config(layer.freeze())
        .with_runtime_components(components)
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<Refusal>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(Answer(body.to_vec()));
    }
    let kind = response.headers().get("x-amzn-errortype");
    match refusal(kind, body) {
        Some(refusal) => Err(OrchestratorError::operation(Refusal(refusal))),
        None => {
            let status = response.status().as_u16();
            let what = format!("status {status} without an error of AWS");
            Err(OrchestratorError::other(what))
        }
    }
}

/// An error's code is in a header, or in the body with its namespace before and a URL behind it (Smithy, "AWS JSON 1.0 protocol", "Operation
/// error serialization").
fn refusal(kind: Option<&str>, body: &[u8]) -> Option<ErrorMetadata> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = kind.or(text("__type")).or(text("code"))?;
    let code = code.split(':').next()?;
    let code = code.rsplit('#').next()?;
    let mut refusal = ErrorMetadata::builder().code(code);
    if let Some(message) = text("message").or(text("Message")) {
        refusal = refusal.message(message);
    }
    Some(refusal.build())
}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_answers_where_the_endpoint_rules_of_the_sdks_say() {
        for (host, region, fips, dual_stack, url) in [
            (
                "sqs",
                "eu-central-1",
                false,
                false,
                "https://sqs.eu-central-1.amazonaws.com",
            ),
            (
                "ssm",
                "us-east-1",
                true,
                false,
                "https://ssm-fips.us-east-1.amazonaws.com",
            ),
            ("ssm", "us-east-1", true, true, "https://ssm-fips.us-east-1.api.aws"),
            (
                "ssm",
                "us-gov-west-1",
                true,
                false,
                "https://ssm.us-gov-west-1.amazonaws.com",
            ),
            (
                "ssm",
                "us-gov-east-1",
                true,
                true,
                "https://ssm-fips.us-gov-east-1.api.aws",
            ),
            (
                "sqs",
                "cn-north-1",
                false,
                false,
                "https://sqs.cn-north-1.amazonaws.com.cn",
            ),
            (
                "logs",
                "us-iso-east-1",
                false,
                false,
                "https://logs.us-iso-east-1.c2s.ic.gov",
            ),
        ] {
            assert_eq!(own_endpoint(host, region, fips, dual_stack), url);
        }
    }

    #[test]
    fn an_error_s_code_is_found_in_all_forms_that_smithy_knows() {
        // Smithy, "AWS JSON 1.0 protocol", "Operation error serialization": all of these are FooError.
        for code in [
            "FooError",
            "FooError:http://internal.amazon.com/coral/com.amazon.coral.validate/",
            "aws.protocoltests.restjson#FooError",
            "aws.protocoltests.restjson#FooError:http://internal.amazon.com/coral/com.amazon.coral.validate/",
        ] {
            for (header, body) in [
                (Some(code), String::new()),
                (None, format!(r#"{{"__type": "{code}", "message": "Hi"}}"#)),
                (None, format!(r#"{{"code": "{code}", "Message": "Hi"}}"#)),
            ] {
                let found = refusal(header, body.as_bytes()).unwrap();
                assert_eq!(found.code(), Some("FooError"), "{code}");
                assert_eq!(found.message(), header.is_none().then_some("Hi"));
            }
        }
        assert!(refusal(None, b"<html>").is_none());
    }
}
