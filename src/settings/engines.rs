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
        let is_here = |elsewhere: &Elsewhere| match &elsewhere.registry {
            Some(registry) => self.registry.as_ref() == Some(registry),
            None => elsewhere.region == self.aws.region && elsewhere.role_arn.is_none(),
        };
        let here = of_other.iter().map(|entry| &entry.named);
        let here = here.filter(|named| named.elsewhere.as_ref().is_none_or(is_here));
        let names: BTreeSet<String> = here.map(|named| named.repository.clone()).collect();
        let own = Self {
            images: of_own,
            part: Part::AllBut(names.clone()),
            ..self.clone()
        };
        let other = Self {
            engine: match self.engine {
                EngineKind::Docker => EngineKind::Direct,
                EngineKind::Direct => EngineKind::Docker,
            },
            images: of_other,
            part: Part::Of(names),
            ..self.clone()
        };
        vec![own, other]
    }
}
