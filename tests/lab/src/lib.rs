//! The test lab: what ecr-keeper talks to, on loopback ports, with rules as strict as the
//! real ones.
//!
//! - [`Lab`] starts Amazon ECR's API, and what of Lambda, CloudWatch Logs, ECS and STS lists what runs, a registry per account and region with ECR's rules, an
//!   upstream registry, and a sink for chat messages. The bytes are kept by a real `docker-registry`.
//! - [`Lab::registry`] starts one more registry: another version, with TLS, with tokens. [`Lab::proxy`] is a proxy, [`Lab::s3`]
//!   is Amazon S3, with SQS, secrets and parameters, and [`S3::losing`] a way to it on which answers get lost; [`Lab::lambda`] and
//!   [`Lab::cargo_lambda`] start functions.
//! - [`Lab::bare_registry`] is one with nothing in between, for measurements, and [`Lab::toxiproxy`] a slow way to it.
//! - [`Dockerd`] is a daemon with Docker's API of its own: classic, with containerd's image store, or podman; [`Disk`] a small
//!   place for its content.
//! - [`images`] builds real image content, [`fill`] a small world for demonstrations.
//! - [`Fault`] and [`ApiFault`] make it fail.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use ecr_lab::{Lab, LabOptions, images};
//!
//! let lab = Lab::start(LabOptions { page_size: 2, ..LabOptions::default() }).await?;
//! lab.ecr().create_repository("base/image/nginx");
//! let pushed = images::multi("a").push(&images::Place::of(lab.upstream()), "library/nginx", "1").await?;
//! assert_eq!(pushed.children.len(), 2);
//! lab.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod answer;
mod backend;
mod bare;
mod cargo_lambda;
mod certificates;
mod chance;
mod chats;
mod disk;
mod dockerd;
mod ecr;
pub mod fill;
mod front;
pub mod images;
mod lab;
mod lambda;
mod lossy;
mod process;
mod proxy;
mod recorder;
mod registry;
mod s3;
mod server;
mod sqs;
mod tools;
mod toxiproxy;
mod webhook;

pub use backend::Software;
pub use bare::{Asked, BareRegistry};
pub use cargo_lambda::CargoLambda;
pub use disk::Disk;
pub use dockerd::{Dockerd, DockerdOptions, Store, Tls};
pub use ecr::{ApiFault, ApiRequest, EcrPublic, EcrReferrers, EcrRegion, ImageRecord, LabFunction};
pub use front::{Act, Fault, Front, Logged, Referrers};
pub use lab::{Lab, LabOptions};
pub use lambda::{Invoked, LambdaApi};
pub use lossy::Lossy;
pub use proxy::Proxy;
pub use recorder::AwsCall;
pub use registry::{ExtraRegistry, RegistryLogin, RegistryOptions, RegistryTls};
pub use s3::S3;
pub use sqs::Queues;
pub use tools::{peer, program};
pub use toxiproxy::Toxiproxy;
pub use webhook::{Message, WebhookSink};
