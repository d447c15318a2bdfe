//! What of a SigV4 signature is looked at: that there is one, whose, when, and for which region.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::api_error::ApiError;

/// Who asks, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: Service,
}

/// Whose API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Ecr,
    EcrPublic,
    Sts,
    Lambda,
    Logs,
    Ecs,
    Account,
}

const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Reads the signature's scope and date; what is wrong with it is told as AWS tells it.
pub(crate) fn read(headers: &HeaderMap) -> Result<Signed, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let unknown = || {
        let text = "The security token included in the request is invalid.";
        ApiError::new("UnrecognizedClientException", text)
    };
    let authorization = text(AUTHORIZATION.as_str()).ok_or_else(unknown)?;
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(unknown)?;
    let part = |name: &str| {
        let mut parts = parts.split(',');
        parts.find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let credential: Vec<&str> = part("Credential").unwrap_or_default().split('/').collect();
    let (access_key, region, service) = match credential[..] {
        [key, _date, region, "ecr", "aws4_request"] => (key, region, Service::Ecr),
        [key, _date, region, "ecr-public", "aws4_request"] => (key, region, Service::EcrPublic),
        [key, _date, region, "sts", "aws4_request"] => (key, region, Service::Sts),
        [key, _date, region, "lambda", "aws4_request"] => (key, region, Service::Lambda),
        [key, _date, region, "logs", "aws4_request"] => (key, region, Service::Logs),
        [key, _date, region, "ecs", "aws4_request"] => (key, region, Service::Ecs),
        [key, _date, region, "account", "aws4_request"] => (key, region, Service::Account),
        _ => {
            let text = "Credential must have the form ACCESSKEY/DATE/REGION/ecr/aws4_request.";
            return Err(ApiError::new("IncompleteSignatureException", text));
        }
    };
    if part("Signature").is_none_or(str::is_empty) || part("SignedHeaders").is_none() {
        let text = "Authorization header requires 'Signature' and 'SignedHeaders' parameters.";
        return Err(ApiError::new("IncompleteSignatureException", text));
    }
    check_date(text("x-amz-date").unwrap_or_default(), Timestamp::now())?;
    if access_key.starts_with("LABEXPIRED") {
        let text = "The security token included in the request is expired";
        return Err(ApiError::new("ExpiredTokenException", text));
    }
    if !access_key.starts_with("LAB") && !access_key.starts_with("AKIA") {
        return Err(unknown());
    }
    Ok(Signed {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        service,
    })
}

fn check_date(date: &str, now: Timestamp) -> Result<(), ApiError> {
    let wrong = |text: String| ApiError::new("InvalidSignatureException", text);
    let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .and_then(|date| date.to_zoned(TimeZone::UTC))
        .map_err(|_| wrong("Date must be in ISO-8601 'basic format'.".to_owned()))?;
    let form = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (at, now_text) = (form(signed.timestamp()), form(now));
    let age = now.duration_since(signed.timestamp());
    if age > TOLERANCE {
        let limit = form(now - TOLERANCE);
        let text = format!("Signature expired: {at} is now earlier than {limit} ({now_text} - 5 min.)");
        return Err(wrong(text));
    }
    if age < -TOLERANCE {
        let limit = form(now + TOLERANCE);
        let text = format!("Signature not yet current: {at} is still later than {limit} ({now_text} + 5 min.)");
        return Err(wrong(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_shows() {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        assert!(check_date("20261121T085501Z", now).is_ok());
        let early = check_date("20261121T085459Z", now).unwrap_err();
        assert_eq!(early.code, "InvalidSignatureException");
        assert!(early.message.starts_with("Signature expired: 20261121T085459Z"));
        let late = check_date("20261121T090501Z", now).unwrap_err();
        assert!(late.message.starts_with("Signature not yet current"));
    }
}
