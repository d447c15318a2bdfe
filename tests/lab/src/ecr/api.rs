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
use super::operations;
use super::signature::{self, Signed};
use crate::answer::{Body, answer, with_header};
use crate::chance;

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";

/// The ECR API of all accounts.
#[derive(Debug)]
pub(crate) struct Api {
    accounts: Vec<Arc<Account>>,
    /// Regions the lab has no registry in: empty accounts that live from their first call on.
    elsewhere: Mutex<BTreeMap<String, Arc<Account>>>,
    limits: Limits,
}

impl Api {
    pub(crate) fn new(accounts: Vec<Arc<Account>>, limits: Limits) -> Api {
        Api {
            accounts,
            elsewhere: Mutex::default(),
            limits,
        }
    }

    /// Answers one call.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let response = match signature::read(&head.headers) {
            Err(error) => error.answer(),
            Ok(signed) => {
                let text = |name: &str| {
                    let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                    value.unwrap_or_default().to_owned()
                };
                let action = text("x-amz-target");
                let action = action.strip_prefix(TARGET).unwrap_or_default().to_owned();
                let agent = text(USER_AGENT.as_str());
                // The longest real question, 100 image ids, is some 15 kB.
                let body = Limited::new(body, 1 << 20).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let account = self.account(&signed);
                call(&account, action, agent, &body).await
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

async fn call(account: &Account, action: String, agent: String, body: &[u8]) -> Response<Body> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let fault = account.next_fault(&action);
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
        (_, Some(body)) => operations::run(account, &action, body),
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
