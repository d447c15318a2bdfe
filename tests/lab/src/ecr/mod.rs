//! Amazon ECR as far as it is known from its documentation and its answers:
//! the JSON 1.1 API and the rules of its registry.

mod account;
mod api;
mod api_error;
mod blob_rules;
mod cache_rule;
mod operations;
mod page_token;
mod public;
mod region;
mod registry_rules;
mod repository;
mod runs;
mod signature;
mod sts;
mod tokens;

pub(crate) use account::{Account, Limits};
pub use account::{ApiFault, ApiRequest};
pub(crate) use api::Api;
pub(crate) use blob_rules::BlobRules;
pub use public::EcrPublic;
pub use region::EcrRegion;
pub use registry_rules::EcrReferrers;
pub(crate) use registry_rules::RegistryRules;
pub use repository::ImageRecord;
pub use runs::LabFunction;
