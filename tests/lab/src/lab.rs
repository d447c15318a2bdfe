//! The lab itself: everything started, and everything stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use tokio::task::AbortHandle;

use crate::admin;
use crate::backend::{Backend, Software};
use crate::bare::BareRegistry;
use crate::cargo_lambda::CargoLambda;
use crate::chance;
use crate::ecr::{Account, Api, EcrPublic, EcrReferrers, EcrRegion, Limits};
use crate::front::{Front, Login, PlainRules, Referrers, Rules};
use crate::lambda::LambdaApi;
use crate::process::Keeper;
use crate::proxy::Proxy;
use crate::registry::{ExtraRegistry, RegistryOptions};
use crate::s3::S3;
use crate::server::{Port, Serving};
use crate::toxiproxy::Toxiproxy;
use crate::webhook::WebhookSink;

/// How the lab behaves.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The most that any listing puts on a page.
    pub page_size: usize,
    /// How long the registry's passwords live.
    pub token_ttl: Duration,
    /// How long a nextToken lives.
    pub page_token_ttl: Duration,
    /// Account and region, each with a registry of its own.
    pub regions: Vec<(String, String)>,
    /// Whether ECR answers blob reads with 307 to another host, where an Authorization header is an error.
    pub redirect_blobs: bool,
    /// Whether a mount is done (201), or begins an upload (202).
    pub blob_mounting: bool,
    /// What ECR's registries do about referrers.
    pub ecr_referrers: EcrReferrers,
    /// Where the lab's folder is made; `None`: where temporary files go.
    pub parent: Option<PathBuf>,
}

impl Default for LabOptions {
    fn default() -> LabOptions {
        LabOptions {
            page_size: 100,
            token_ttl: Duration::from_secs(12 * 3600),
            page_token_ttl: Duration::from_secs(24 * 3600),
            regions: vec![("123456789012".to_owned(), "eu-central-1".to_owned())],
            redirect_blobs: true,
            blob_mounting: false,
            ecr_referrers: EcrReferrers::Supported,
            parent: None,
        }
    }
}

/// A running lab. Dropping it stops every process in its folder, waits for their end, and
/// removes the folder; when this process is killed, the same happens by itself.
#[derive(Debug)]
pub struct Lab {
    // Fields are dropped in this order: servers, then processes, the keeper of the folder last.
    _endpoint: Serving,
    endpoint_host: String,
    /// Servers that were started later and are not the lab's own.
    guests: Mutex<Vec<AbortHandle>>,
    served: Arc<Served>,
    public: Arc<EcrPublic>,
    upstream_backend: Backend,
    folder: PathBuf,
    keeper: Keeper,
}

/// What the endpoint's admin pages also show.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) regions: Vec<EcrRegion>,
    pub(crate) upstream: Front,
    pub(crate) webhook: WebhookSink,
}

impl Lab {
    /// Starts everything except a Docker daemon.
    ///
    /// # Errors
    /// When a process does not start; nothing is left behind then.
    pub async fn start(options: LabOptions) -> Result<Lab> {
        let folder = new_folder(options.parent.as_deref())?;
        // The keeper first: a lab that is killed right here leaves no folder either.
        let keeper = Keeper::start(&folder)?;
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let limits = Limits {
            page_size: options.page_size,
            token_ttl: options.token_ttl,
            page_token_ttl: options.page_token_ttl,
        };
        let regions = options
            .regions
            .iter()
            .map(|(id, region)| EcrRegion::start(&folder, id, region, &options, limits.clone()));
        let upstream = Backend::start(&folder, "upstream", Software::Distribution2);
        let (regions, upstream_backend) = tokio::try_join!(try_join_all(regions), upstream)?;
        let rules = PlainRules::new(options.page_size, Login::Open, Referrers::Unsupported);
        let way = upstream_backend.way().clone();
        let upstream = Front::start(Port::bind_twice().await?, Rules::Plain(rules), way);
        let accounts: Vec<Arc<Account>> = regions.iter().map(|it| it.account().clone()).collect();
        let id = accounts.first().map_or(FALLBACK_ACCOUNT, |account| &account.id);
        let public = Arc::new(EcrPublic::new(id, limits.clone()));
        let api = Arc::new(Api::new(accounts, public.clone(), limits));
        let served = Arc::new(Served {
            regions,
            upstream,
            webhook: WebhookSink::start().await?,
        });
        let port = Port::bind().await?;
        let endpoint_host = port.host();
        let shown = served.clone();
        let endpoint = port.serve(move |request| {
            let (api, shown) = (api.clone(), shown.clone());
            async move {
                match request.uri().path().starts_with("/_lab/") {
                    true => Ok(admin::answer(&shown, request).await),
                    false => Ok(api.answer(request).await),
                }
            }
        });
        Ok(Lab {
            _endpoint: endpoint,
            endpoint_host,
            guests: Mutex::default(),
            served,
            public,
            upstream_backend,
            folder,
            keeper,
        })
    }

    /// The lab's own folder.
    pub fn dir(&self) -> &Path {
        &self.folder
    }

    /// `http://127.0.0.1:PORT`: AWS's endpoint. The signature's region chooses among the regions.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.endpoint_host)
    }

    /// ECR of the first account and region.
    ///
    /// # Panics
    /// When the options named no region.
    pub fn ecr(&self) -> &EcrRegion {
        &self.served.regions[0]
    }

    /// ECR of a region; with several accounts there, of the first.
    ///
    /// # Panics
    /// When the options did not name it.
    pub fn region(&self, name: &str) -> &EcrRegion {
        let found = self.served.regions.iter().find(|region| region.name() == name);
        found.unwrap_or_else(|| panic!("the lab has no region {name}"))
    }

    /// ECR of all accounts and regions.
    pub fn regions(&self) -> &[EcrRegion] {
        &self.served.regions
    }

    /// The registry that stands in for Docker Hub and others.
    pub fn upstream(&self) -> &Front {
        &self.served.upstream
    }

    /// ECR Public's API, at the same endpoint.
    pub fn ecr_public(&self) -> &EcrPublic {
        &self.public
    }

    /// The password for user `AWS` that ECR Public hands out: for the registry that stands in for `public.ecr.aws`.
    pub fn ecr_public_password(&self) -> &str {
        self.public.password()
    }

    /// Starts one more registry.
    ///
    /// # Errors
    /// When it does not start, or `scripts/tools` has not built it.
    pub async fn registry(&self, options: RegistryOptions) -> Result<ExtraRegistry> {
        let registry = ExtraRegistry::start(&self.folder, &options).await?;
        self.take_in(registry.ender());
        Ok(registry)
    }

    /// Starts a proxy without any route.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn proxy(&self) -> Result<Proxy> {
        let proxy = Proxy::start().await?;
        self.take_in(proxy.ender());
        Ok(proxy)
    }

    /// Starts Amazon S3, without a bucket.
    ///
    /// # Errors
    /// When it does not start, or `scripts/tools` has not got it.
    pub async fn s3(&self) -> Result<S3> {
        S3::start(&self.folder).await
    }

    /// Starts Lambda's runtime API, for one function.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn lambda(&self) -> Result<LambdaApi> {
        LambdaApi::start().await
    }

    /// Starts cargo-lambda's runtime API, for one function.
    ///
    /// # Errors
    /// When it does not start, or `scripts/tools` has not got it.
    pub async fn cargo_lambda(&self) -> Result<CargoLambda> {
        CargoLambda::start(&self.folder).await
    }

    /// Starts distribution 3 with no front before it, with the content of `storage` or none.
    ///
    /// # Errors
    /// When it does not start, or `scripts/tools` has not built it.
    pub async fn bare_registry(&self, storage: Option<&Path>, tls: bool) -> Result<BareRegistry> {
        BareRegistry::start(&self.folder, storage, tls).await
    }

    /// Starts a toxiproxy without any way.
    ///
    /// # Errors
    /// When it does not start, or `scripts/tools` has not built it.
    pub async fn toxiproxy(&self) -> Result<Toxiproxy> {
        Toxiproxy::start(&self.folder).await
    }

    fn take_in(&self, guest: AbortHandle) {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).push(guest);
    }

    /// What stands in for chat services.
    pub fn webhook(&self) -> &WebhookSink {
        &self.served.webhook
    }

    /// The ids of the docker-registry processes.
    pub fn process_ids(&self) -> Vec<u32> {
        let regions = self.served.regions.iter().map(EcrRegion::backend);
        let backends = regions.chain([&self.upstream_backend]);
        backends.filter_map(Backend::pid).collect()
    }

    /// Removes this path too when the lab ends, however it ends.
    ///
    /// # Errors
    /// When the lab is ending already.
    pub fn also_remove(&self, path: &Path) -> Result<()> {
        self.keeper.also_remove(path)
    }

    /// Stops everything and waits for the end, without blocking the runtime.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Their handles may live longer than the lab.
        for guest in self.guests.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            guest.abort();
        }
        // All at once, so that their ends do not add up.
        for region in &self.served.regions {
            region.backend().hang_up();
        }
        self.upstream_backend.hang_up();
    }
}

/// For what needs an account, in a lab without one.
const FALLBACK_ACCOUNT: &str = "123456789012";

/// A path that nothing has yet.
fn new_folder(parent: Option<&Path>) -> Result<PathBuf> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    fs::create_dir_all(&parent).with_context(|| format!("create {}", parent.display()))?;
    let parent = parent.canonicalize().context("the lab's parent folder")?;
    let folder = parent.join(format!("ecr-lab-{}", chance::hex(8)));
    ensure!(!folder.exists(), "{} exists already", folder.display());
    Ok(folder)
}
