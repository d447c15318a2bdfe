//! The rules for tags: the same in an entry of `images`, and in each set of rules of which any may choose.

use super::keys::{Key, key};

macro_rules! rules_in {
    ($section:literal) => {
        [
            key(concat!($section, ".include_tags"), None, "a list of tags")
                .list()
                .about("These tags, whatever else is said but deny."),
            key(concat!($section, ".exclude_tags"), None, "a list of tags")
                .list()
                .about("All tags but these."),
            key(concat!($section, ".include_rls"), None, "a list of words")
                .list()
                .about("Versions with a part in their suffix that begins with one of these words."),
            key(concat!($section, ".exclude_rls"), None, "a list of words")
                .list()
                .about("No version with a part in its suffix that begins with one of these words."),
            key(
                concat!($section, ".constraint"),
                None,
                "conditions, such as >= 1.2, < 2 or ~> 1.2 || ~> 2.0",
            )
            .about("Versions for which this holds: releases, unless another rule chooses suffixes."),
            key(concat!($section, ".release_only"), None, "true or false")
                .flag()
                .about("Whether versions without a suffix are left out."),
            key(
                concat!($section, ".max_results"),
                None,
                "a whole number from 0 to 100000",
            )
            .number(0, 100_000)
            .about("No more than so many tags, in the order in which `tags` lists them; 0 is any number."),
            key(
                concat!($section, ".allow"),
                None,
                "a list of regular expressions for whole tags",
            )
            .list()
            .about("Tags that one of these matches."),
            key(
                concat!($section, ".deny"),
                None,
                "a list of regular expressions for whole tags",
            )
            .list()
            .about("No tag that one of these matches."),
            key(
                concat!($section, ".suffix"),
                None,
                "none, a word, or a regular expression for whole suffixes",
            )
            .about("Versions with this suffix alone. It takes the place of include_rls, exclude_rls and release_only."),
            key(concat!($section, ".newest"), None, "a whole number from 1 to 100000")
                .number(1, 100_000)
                .about("Only the newest so many versions."),
            key(concat!($section, ".newest_per"), None, "minor or major or suffix")
                .choice(&["minor", "major", "suffix"])
                .about("The newest versions of each of these, one unless newest says more."),
        ]
    };
}

/// Of an entry.
pub(super) const OF_ENTRIES: [Key; 12] = rules_in!("images.#");

/// Of a set among several.
pub(super) const OF_SETS: [Key; 12] = rules_in!("images.#.any.#");
