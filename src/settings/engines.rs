//! The settings as each engine of a run has them.

use std::collections::BTreeSet;

use super::{Entry, Settings};
use crate::image::Platforms;
use crate::mapping::Elsewhere;
use crate::plan::EngineKind;
use crate::survey::Part;

impl Settings {
    /// Which platforms are wanted: a daemon lets each target keep those that it has, and this program brings all.
    pub fn wanted_platforms(&self) -> Platforms {
        match (&self.platforms, self.engine) {
            (Some(said), _) => said.clone(),
            (None, EngineKind::Docker) => Platforms::AsTarget,
            (None, EngineKind::Direct) => Platforms::All,
        }
    }

    /// These settings for each engine that copies: the run's own, and the other where entries of `images` name that.
    pub fn by_engine(&self) -> Vec<Self> {
        let is_of_other = |entry: &Entry| entry.engine.is_some_and(|engine| engine != self.engine);
        let (of_other, of_own): (Vec<Entry>, Vec<Entry>) = self.images.iter().cloned().partition(is_of_other);
        if of_other.is_empty() {
            return vec![self.clone()];
        }
        let own = Self {
            part: Part::AllBut(repositories(&of_other, |_| false)),
            images: of_own,
            of_other_engine: of_other.clone(),
            ..self.clone()
        };
        let other = Self {
            engine: match self.engine {
                EngineKind::Docker => EngineKind::Direct,
                EngineKind::Direct => EngineKind::Docker,
            },
            part: Part::Of(repositories(&of_other, |_| false)),
            images: of_other,
            ..self.clone()
        };
        vec![own, other]
    }
}

/// The repositories of the run's own registry that entries name; of one that they name by its host, region or ARN, `is_own` tells whether it is that.
pub fn repositories(entries: &[Entry], is_own: impl Fn(&Elsewhere) -> bool) -> BTreeSet<String> {
    let here = entries.iter().map(|entry| &entry.named);
    let here = here.filter(|named| named.elsewhere.as_ref().is_none_or(&is_own));
    here.map(|named| named.repository.clone()).collect()
}
