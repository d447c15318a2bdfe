//! The endpoint: one address for all accounts and regions of the lab.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::USER_AGENT;
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::account::{Account, ApiRequest, Limits};
use super::api_error::ApiError;
use super::operations::{self, Outcome};
use super::public::{self, EcrPublic};
use super::runs;
use super::signature::{self, Service, Signed};
use super::sts;
use crate::answer::{Body, answer, with_header};
use crate::chance;

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";
const PUBLIC_TARGET: &str = "SpencerFrontendService.";

/// The ECR API of all accounts, and ECR Public's.
#[derive(Debug)]
pub(crate) struct Api {
    accounts: Vec<Arc<Account>>,
    /// Regions the lab has no registry in: empty accounts that live from their first call on.
    elsewhere: Mutex<BTreeMap<String, Arc<Account>>>,
    public: Arc<EcrPublic>,
    limits: Limits,
}

/// Whose API is called.
enum Called {
    Ecr(EcrCalled),
    Sts(Arc<Account>),
    Runs(Arc<Account>, Service),
}

/// Who answers a call of ECR's.
enum EcrCalled {
    Private(Arc<Account>),
    Public(Arc<EcrPublic>),
}

impl EcrCalled {
    fn account(&self) -> &Account {
        match self {
            EcrCalled::Private(account) => account,
            EcrCalled::Public(public) => public.account(),
        }
    }

    fn target(&self) -> &'static str {
        match self {
            EcrCalled::Private(_) => TARGET,
            EcrCalled::Public(_) => PUBLIC_TARGET,
        }
    }

    fn run(&self, action: &str, body: &Value) -> Outcome {
        match self {
            EcrCalled::Private(account) => operations::run(account, action, body),
            EcrCalled::Public(public) => public.run(action),
        }
    }
}

impl Api {
    pub(crate) fn new(accounts: Vec<Arc<Account>>, public: Arc<EcrPublic>, limits: Limits) -> Api {
        Api {
            accounts,
            elsewhere: Mutex::default(),
            public,
            limits,
        }
    }

    /// Answers one call.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let signed = signature::read(&head.headers);
        let response = match signed.and_then(|signed| self.called(&signed)) {
            Err(error) => error.answer(),
            Ok(Called::Sts(account)) => {
                let body = Limited::new(body, 1 << 20).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                sts::answer(
                    &body,
                    &account.id,
                    self.accounts.iter().map(|account| account.id.as_str()),
                )
            }
            Ok(Called::Runs(account, service)) => {
                let body = Limited::new(body, 1 << 20).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let (action, input) = runs::asked(service, &head, &body);
                let agent = head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
                let agent = agent.unwrap_or_default().to_owned();
                answered(&account, action, agent, Some(input), |action, input| match service {
                    Service::Account => Ok(runs::regions(self.regions_of(&account.id))),
                    _ => runs::run(&account, action, input),
                })
                .await
            }
            Ok(Called::Ecr(called)) => {
                let text = |name: &str| {
                    let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                    value.unwrap_or_default().to_owned()
                };
                let action = text("x-amz-target");
                let action = action.strip_prefix(called.target()).unwrap_or_default().to_owned();
                let agent = text(USER_AGENT.as_str());
                // The longest real question, 100 image ids, is some 15 kB.
                let body = Limited::new(body, 1 << 20).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                call(&called, action, agent, &body).await
            }
        };
        let id = chance::hex(32);
        let id = format!(
            "{}-{}-4{}-a{}-{}",
            &id[..8],
            &id[8..12],
            &id[13..16],
            &id[17..20],
            &id[20..]
        );
        with_header(response, "x-amzn-requestid", &id)
    }

    fn called(&self, signed: &Signed) -> Result<Called, ApiError> {
        match signed.service {
            Service::Ecr => Ok(Called::Ecr(EcrCalled::Private(self.account(signed)))),
            Service::Sts => Ok(Called::Sts(self.account(signed))),
            Service::Lambda | Service::Logs | Service::Ecs | Service::Account => {
                Ok(Called::Runs(self.account(signed), signed.service))
            }
            Service::EcrPublic if signed.region == public::REGION => {
                Ok(Called::Ecr(EcrCalled::Public(self.public.clone())))
            }
            Service::EcrPublic => {
                let text = "Credential should be scoped to a valid region.";
                Err(ApiError::new("InvalidSignatureException", text))
            }
        }
    }

    fn regions_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.accounts.iter().filter(move |one| one.id == account);
        own.map(|one| one.region.as_str())
    }

    /// The region's account. A key id `LAB` and twelve digits chooses among several accounts.
    fn account(&self, signed: &Signed) -> Arc<Account> {
        let wanted = signed.access_key.get(3..15).unwrap_or_default();
        let here = || self.accounts.iter().filter(|account| account.region == signed.region);
        let named = here().find(|account| account.id == wanted);
        if let Some(account) = named.or_else(|| here().next()) {
            return account.clone();
        }
        let id = self.accounts.first().map_or("123456789012", |account| &account.id);
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let account = elsewhere.entry(signed.region.clone());
        let empty = || Arc::new(Account::elsewhere(id, &signed.region, self.limits.clone()));
        account.or_insert_with(empty).clone()
    }
}

async fn call(called: &EcrCalled, action: String, agent: String, body: &[u8]) -> Response<Body> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    answered(called.account(), action, agent, body, |action, body| {
        called.run(action, body)
    })
    .await
}

/// Answers an action as `run` does, unless a fault or a quota says otherwise.
async fn answered(
    account: &Account,
    action: String,
    agent: String,
    body: Option<Value>,
    run: impl FnOnce(&str, &Value) -> Outcome,
) -> Response<Body> {
    let fault = account.next_fault(&action, body.as_ref().unwrap_or(&Value::Null));
    if let Some(fault) = &fault {
        tokio::time::sleep(fault.delay).await;
    }
    let outcome = match (fault, &body) {
        (Some(fault), _) if !fault.code.is_empty() => Err(ApiError {
            status: fault.status,
            code: fault.code,
            message: fault.message,
        }),
        (_, None) => Err(ApiError::new("SerializationException", "The body is no JSON")),
        _ if !account.take(&action) => Err(ApiError::new("ThrottlingException", "Rate exceeded")),
        (_, Some(body)) => run(&action, body),
    };
    let response = match &outcome {
        Ok(value) => answer(StatusCode::OK, "application/x-amz-json-1.1", value.to_string()),
        Err(error) => error.answer(),
    };
    account.requests().push(ApiRequest {
        at: Timestamp::now(),
        action,
        status: response.status().as_u16(),
        body: body.unwrap_or_default(),
        user_agent: agent,
    });
    response
}
