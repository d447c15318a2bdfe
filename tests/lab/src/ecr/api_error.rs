//! Errors of the API in AWS's JSON 1.1 form.

use hyper::{Response, StatusCode};
use serde_json::json;

use crate::answer::{Body, answer, with_header};

/// An error that the API answers.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> ApiError {
        ApiError {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new("InvalidParameterException", message)
    }

    pub(crate) fn no_repository(name: &str, account: &str) -> ApiError {
        let text = format!("The repository with name '{name}' does not exist in the registry with id '{account}'");
        ApiError::new("RepositoryNotFoundException", text)
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = json!({"__type": self.code, "message": self.message});
        let response = answer(status, "application/x-amz-json-1.1", body.to_string());
        with_header(response, "x-amzn-errortype", &self.code)
    }
}
