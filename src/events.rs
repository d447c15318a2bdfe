//! What happens while it happens: events on a channel that a view renders, or nobody.

use tokio::sync::mpsc;

use crate::image::{ImageRef, Repository};

/// Something that a person who watches would like to know.
#[derive(Debug, Clone)]
pub enum Event {
    /// Another run, or what is left of one, is waited for, for this reason.
    Waiting(String),
    /// What is in this queue is taken.
    Taking(String),
    /// The engine is open: the daemon and its store, in one line.
    Opened(String),
    /// So many repositories are asked for their images.
    Listing {
        /// How many.
        repositories: usize,
    },
    /// So many upstream tags are asked for their digests.
    Comparing {
        /// How many.
        tags: usize,
    },
    /// The plan is made and will be carried out.
    Planned {
        /// How many images are copied.
        copies: usize,
    },
    /// A repository was created.
    Created(Repository),
    /// Work on a target began.
    Began(ImageRef),
    /// Work on a target went on.
    Step(ImageRef, CopyStep),
    /// Work on a target ended.
    Ended(ImageRef, How),
    /// The run was asked to stop; `hard` when what runs is cut off too.
    Stopping {
        /// What asked: a signal's name.
        by: &'static str,
        /// Whether running work is cut off.
        hard: bool,
    },
    /// Something failed that is not one image's.
    Trouble(String),
    /// Nothing more comes.
    Over,
}

/// Where a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyStep {
    /// Bytes that came from the upstream.
    Pulled(Bytes),
    /// Bytes that went from the upstream to the target.
    Copied(Bytes),
    /// The content is the target's already.
    AlreadyThere,
    /// Bytes that went to the target.
    Pushed(Bytes),
    /// The target's registry is asked for what was pushed.
    Checking,
}

/// How much of a transfer is done. The total grows while the daemon finds out about layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Bytes done.
    pub done: u64,
    /// Bytes known to be due.
    pub total: u64,
}

/// How work on a target ended; the words are the report's.
#[derive(Debug, Clone)]
pub enum How {
    /// The target's tag names new content.
    Updated,
    /// It held the upstream's image already, in this way.
    Unneeded(String),
    /// It failed, for this reason.
    Failed(String),
    /// The run was stopped before it began.
    NotAttempted,
    /// The run was stopped while it was at work.
    CutOff,
}

/// Where events go. Sending never waits, and works when nobody listens.
#[derive(Debug, Clone)]
pub struct Events {
    to: mpsc::UnboundedSender<Event>,
    /// Whether it is told how many images there will be.
    plans: bool,
}

impl Events {
    /// A sender, and the receiver for a view.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let events = Self {
            to: sender,
            plans: true,
        };
        (events, receiver)
    }

    /// The same for one of many plans: how many images are in it is not how many there are.
    pub fn without_plans(&self) -> Self {
        Self {
            to: self.to.clone(),
            plans: false,
        }
    }

    /// Tells whoever listens.
    pub fn send(&self, event: Event) {
        if !self.plans && matches!(event, Event::Planned { .. }) {
            return;
        }
        // A view that has gone is no reason to stop working.
        let _ = self.to.send(event);
    }
}
