//! Opaque tokens for the next page: bound to one call, expiring, and of no use when altered.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::chance;

/// Makes and reads them.
#[derive(Debug)]
pub(crate) struct PageTokens {
    secret: String,
    lifetime: Duration,
}

impl PageTokens {
    pub(crate) fn new(lifetime: Duration) -> PageTokens {
        PageTokens {
            secret: chance::hex(32),
            lifetime,
        }
    }

    /// A token that goes on after `last` in the call that `call` describes.
    pub(crate) fn issue(&self, call: &str, last: &str) -> String {
        let expiry = (Timestamp::now() + self.lifetime).as_millisecond();
        let content = format!("{expiry}|{last}");
        let seal = self.seal(call, &content);
        STANDARD.encode(format!("{seal}|{content}"))
    }

    /// Where to go on; `None` when it is altered, of another call, or expired.
    pub(crate) fn read(&self, call: &str, token: &str) -> Option<String> {
        let decoded = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        let (seal, content) = decoded.split_once('|')?;
        let (expiry, last) = content.split_once('|')?;
        let fresh = expiry.parse::<i64>().ok()? > Timestamp::now().as_millisecond();
        (fresh && seal == self.seal(call, content)).then(|| last.to_owned())
    }

    fn seal(&self, call: &str, content: &str) -> String {
        let digest = Sha256::digest(format!("{}\n{call}\n{content}", self.secret));
        format!("{digest:x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_its_call_and_its_time() {
        let tokens = PageTokens::new(Duration::from_secs(60));
        let token = tokens.issue("a", "last|one");
        assert_eq!(tokens.read("a", &token).as_deref(), Some("last|one"));
        assert_eq!(tokens.read("b", &token), None);
        let altered = token.replacen(&token[5..6], if &token[5..6] == "A" { "B" } else { "A" }, 1);
        assert_eq!(tokens.read("a", &altered), None);
        let short = PageTokens::new(Duration::ZERO);
        assert_eq!(short.read("a", &short.issue("a", "x")), None);
    }
}
