//! AWS's STS as far as a client needs it to assume a role, and to ask who it is (AWS STS API reference, AssumeRole and GetCallerIdentity).

use hyper::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::answer::{self, Body};
use crate::chance;

const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Answers whoever asks; `asking` is the account of theirs.
pub(super) fn answer<'a>(body: &[u8], asking: &str, accounts: impl Iterator<Item = &'a str>) -> Response<Body> {
    let is_asked = form_urlencoded::parse(body).any(|(key, value)| key == "Action" && value == "GetCallerIdentity");
    match is_asked {
        true => identity(asking),
        false => assume_role(body, accounts),
    }
}

fn identity(account: &str) -> Response<Body> {
    xml(
        StatusCode::OK,
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{account}:user/lab</Arn><UserId>AIDALAB</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
            chance::hex(32)
        ),
    )
}

/// Credentials of a role's account, in one of the `accounts`; every other role may be assumed by nobody.
fn assume_role<'a>(body: &[u8], mut accounts: impl Iterator<Item = &'a str>) -> Response<Body> {
    let field = |name: &str| {
        let found = form_urlencoded::parse(body).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    if field("Action") != "AssumeRole" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            "The action is not valid for this endpoint.",
        );
    }
    let role = field("RoleArn");
    let account = role.split(':').nth(4).unwrap_or_default();
    if !accounts.any(|known| known == account) {
        let text = format!(
            "User: arn:aws:iam::123456789012:user/lab is not authorized to perform: sts:AssumeRole on resource: {role}"
        );
        return refuse(StatusCode::FORBIDDEN, "AccessDenied", &text);
    }
    let expires = Timestamp::now() + LIFE;
    xml(
        StatusCode::OK,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>LAB{account}ROLE</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials><AssumedRoleUser>\
             <Arn>{role}</Arn><AssumedRoleId>AROALAB:ecr-keeper</AssumedRoleId></AssumedRoleUser></AssumeRoleResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></AssumeRoleResponse>",
            chance::hex(40),
            chance::hex(200),
            expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            chance::hex(32),
        ),
    )
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    xml(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
            chance::hex(32)
        ),
    )
}

fn xml(status: StatusCode, text: String) -> Response<Body> {
    answer::answer(status, "text/xml", text)
}
