//! What keeps an image that is to go, beside those who run it: entries of `protect`, last copies, and backups.

use jiff::Timestamp;

use crate::aws::ecr::ImageDetails;
use crate::ledger::Ledger;
use crate::plan::{Safety, Vanished};
use crate::prune::{ByName, KeptBecause, LastCopy, Protected};
use crate::report::{Failure, GoesWithIt};
use crate::settings::Settings;

/// What is known of that.
pub(super) struct Guard<'a> {
    settings: &'a Settings,
    ledger: Ledger,
    now: Timestamp,
}

impl<'a> Guard<'a> {
    /// Reads the ledger, which tells what may be the last copy.
    pub(super) async fn open(settings: &'a Settings) -> Result<Self, Failure> {
        let (ledger, trouble) = Ledger::open(&settings.ledger, &settings.aws).await;
        if let Some(trouble) = trouble {
            let hint = "it tells what may be the last copy of an image: mend it, or move it away to begin anew";
            return Err(Failure::new(&trouble, Some(hint)));
        }
        Ok(Self {
            settings,
            ledger,
            now: Timestamp::now(),
        })
    }

    /// Why an image of the repository at this address (`HOST/NAME`) stays, or these tags of it where no more goes: by its digest it
    /// stays then.
    pub(super) fn keeps(&self, uri: &str, image: &ImageDetails, goes: GoesWithIt) -> Option<KeptBecause> {
        let (_, name) = uri.split_once('/')?;
        let is_about = |entry: &&Protected| goes == GoesWithIt::Image || !matches!(entry, Protected::Digest(_));
        let protected: Vec<Protected> = self.settings.prune.protected.iter().filter(is_about).cloned().collect();
        let last_copies = self.last_copies(uri);
        let backups: Vec<_> = self.safeties(name).filter_map(|one| one.backup.as_ref()).collect();
        let by_name = ByName {
            protected: &protected,
            last_copies: &last_copies,
            backups: &backups,
            backup_term: self.settings.prune.backup_term,
        };
        by_name.keeps(name, image, self.now)
    }

    /// Where the settings protect last copies, the ledger has to know them.
    pub(super) fn knows_last_copies(&self, name: &str) -> Result<(), Failure> {
        let is_protected = self.safeties(name).any(|safety| safety.vanished == Vanished::Protect);
        match is_protected && self.is_ignorant() {
            false => Ok(()),
            true => Err(Failure {
                message: format!(
                    "nothing is known of last copies in {name}: the ledger at {} is empty or not there",
                    self.settings.ledger
                ),
                causes: Vec::new(),
                hint: Some(
                    "vanished: protect keeps what the ledger of the sync says; let ledger name that, such as an object in S3 that both reach, \
                     or sync once"
                        .into(),
                ),
            }),
        }
    }

    /// Whether the ledger knows nothing.
    pub(super) fn is_ignorant(&self) -> bool {
        self.ledger.is_empty()
    }

    /// Tags of the repository at this address that may be the last copies of what they name.
    pub(super) fn last_copies(&self, uri: &str) -> Vec<LastCopy> {
        let (host, name) = uri.split_once('/').unwrap_or_default();
        let protected = self.ledger.protected_in(host, name).into_iter();
        protected.map(|(tag, since)| LastCopy { tag, since }).collect()
    }

    /// What holds for all, and what the repository's own entries say.
    pub(super) fn safeties(&self, name: &str) -> impl Iterator<Item = &'a Safety> {
        let own = self.settings.images.iter();
        let own = own.filter(move |entry| entry.named.repository == *name);
        own.filter_map(|entry| entry.safety.as_ref())
            .chain([&self.settings.safety])
    }
}

/// Why something is refused that is kept so, where this word on the command line lets it go.
pub(super) fn refusal(kept: &KeptBecause, word: &str) -> Failure {
    let why = match kept {
        KeptBecause::Protected { .. } => "`protect` in the settings names it",
        KeptBecause::LastCopy { .. } => "nobody may have another (policy.vanished)",
        _ => "`rollback` may need it (policy.backup, prune.backup_term)",
    };
    let words = kept.in_words();
    let message = match kept {
        KeptBecause::Protected { .. } => format!("it is {words}"),
        KeptBecause::LastCopy { .. } => format!("it {words}"),
        _ => words,
    };
    Failure {
        message,
        causes: Vec::new(),
        hint: Some(format!("{why}; {word} deletes it all the same").into()),
    }
}
