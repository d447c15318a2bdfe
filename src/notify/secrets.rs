//! What nobody may read of a request: some who are asked say back what they refuse.

use reqwest::Url;

/// A request's secrets.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

/// What is shorter is a word or a number, and stands in any answer.
const SHORTEST: usize = 4;

impl Secrets {
    /// Of an address that whoever knows it can post to: each part of its path and of its query, and its password.
    pub(super) fn of_url(url: &str) -> Self {
        let secrets = Self::default();
        let Ok(url) = Url::parse(url) else {
            return secrets;
        };
        let parts = url
            .path()
            .split('/')
            .chain(url.query().unwrap_or_default().split(['&', '=']));
        let read = url.query_pairs().map(|(_, value)| value.into_owned());
        let all = parts.chain(url.password()).map(str::to_owned).chain(read);
        all.fold(secrets, |secrets, one| secrets.and(&one))
    }

    /// And a token, or a header: whole, and each of its words.
    pub(super) fn and(mut self, value: &str) -> Self {
        let all = [value].into_iter().chain(value.split_whitespace());
        self.0
            .extend(all.filter(|one| one.len() >= SHORTEST).map(str::to_owned));
        // One may be a part of another.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self
    }

    /// A text without them.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        let without = |text: String, secret: &String| text.replace(secret, "***");
        self.0.iter().fold(text.to_owned(), without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address_and_words_of_a_header_are_taken_out() {
        let url = "https://hooks.example.com/services/T0/s3cret-end?sig=abc%2Bdef&v=1";
        let secrets = Secrets::of_url(url).and("Bearer k3y-of-ours");
        let said = "no /T0/s3cret-end, no abc%2Bdef or abc+def, no 'Bearer k3y-of-ours', no k3y-of-ours";
        assert_eq!(
            secrets.taken_out_of(said),
            "no /T0/***, no *** or ***, no '***', no ***"
        );
        assert_eq!(secrets.taken_out_of("v=1 is old"), "v=1 is old");
    }

    #[test]
    fn the_longer_of_two_goes_first() {
        let secrets = Secrets::default().and("abcd").and("abcdefgh");
        assert_eq!(secrets.taken_out_of("abcdefgh abcd"), "*** ***");
    }
}
