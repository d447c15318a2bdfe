//! What Slack answers: codes, in JSON of its API and as plain text of its incoming webhooks.

use crate::notify::Trouble;
use crate::notify::post::{Answer, Refusal, code, said};

/// chat.postMessage answers 200 also where it refuses, and says so in `ok`.
pub(super) fn of_api(answer: &Answer) -> Result<(), Refusal> {
    let error = answer.text_at("/error");
    match (answer.flag_at("/ok"), code(&error)) {
        (Some(true), _) if answer.status.is_success() => Ok(()),
        (Some(false), Some(error)) => {
            let needed = Some(answer.text_at("/needed")).filter(|scope| is_scope(scope));
            let needed = needed.map(|scope| format!(" ({scope} is needed)")).unwrap_or_default();
            let said = match answer.status.is_success() {
                true => error.to_owned(),
                false => said(answer.status, error),
            };
            Err(Refusal {
                said: said + &needed,
                trouble: both(answer, trouble(error)),
            })
        }
        _ if answer.status.is_success() => Err(Refusal {
            said: said(answer.status, "without Slack's ok"),
            trouble: Trouble::Strange,
        }),
        _ => Err(Refusal::of(answer.status, answer.status.to_string())),
    }
}

/// An incoming webhook answers by status, with a code as text. A channel that is missing is the webhook's own.
pub(super) fn of_webhook(answer: &Answer) -> Result<(), Refusal> {
    if answer.status.is_success() {
        return Ok(());
    }
    let text = answer.text();
    let Some(code) = code(&text) else {
        let refusal = Refusal::of(answer.status, answer.status.to_string());
        let trouble = match (refusal.trouble, answer.status.as_u16()) {
            (Trouble::Other, 401 | 403 | 404 | 410) => Trouble::Gone,
            // Slack always says why.
            (Trouble::Other, _) => Trouble::Strange,
            (other, _) => other,
        };
        return Err(Refusal { trouble, ..refusal });
    };
    let trouble = match both(answer, trouble(code)) {
        Trouble::NoChannel | Trouble::Login => Trouble::Gone,
        other => other,
    };
    Err(Refusal {
        said: said(answer.status, code),
        trouble,
    })
}

/// What the status means, which may be another's than Slack's; where it says nothing, what the code does.
fn both(answer: &Answer, of_code: Trouble) -> Trouble {
    match Refusal::of(answer.status, String::new()).trouble {
        Trouble::Other => of_code,
        of_status => of_status,
    }
}

/// One or more, such as `chat:write,chat:write.public`.
fn is_scope(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_:.,-".contains(char))
}

/// What a code means (Slack's reference: chat.postMessage, "Errors"; "Sending messages using incoming webhooks", "Handling errors").
fn trouble(code: &str) -> Trouble {
    match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => Trouble::Login,
        "missing_scope" | "not_allowed_token_type" | "no_permission" => Trouble::Scope,
        "channel_not_found" => Trouble::NoChannel,
        "not_in_channel" => Trouble::NotInChannel,
        "is_archived" | "channel_is_archived" => Trouble::Archived,
        "ratelimited" | "rate_limited" => Trouble::Limit,
        "service_unavailable" => Trouble::Ill,
        "fatal_error" | "internal_error" => Trouble::Unsure,
        "no_service"
        | "no_active_hooks"
        | "invalid_token"
        | "no_team"
        | "team_disabled"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => Trouble::Gone,
        "msg_too_long"
        | "msg_blocks_too_long"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_payload"
        | "no_text"
        | "too_many_attachments" => Trouble::Message,
        _ => Trouble::Other,
    }
}
