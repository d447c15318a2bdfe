//! One more registry, beside upstream and ECR.

mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::AbortHandle;

use crate::backend::{Backend, Software};
use crate::chance;
use crate::front::{Front, Login, PlainRules, Referrers, Rules, TokenServer};
use crate::server::Port;

/// How a registry behaves.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// What keeps the bytes.
    pub software: Software,
    /// Whether it speaks TLS.
    pub tls: RegistryTls,
    /// Who may come in.
    pub login: RegistryLogin,
    /// The most that any listing puts on a page.
    pub page_size: usize,
    /// Whether it answers who refers to an image.
    pub referrers: Referrers,
    /// What its certificate is for besides 127.0.0.1, 127.0.0.2 and localhost.
    pub names: Vec<String>,
}

impl Default for RegistryOptions {
    fn default() -> RegistryOptions {
        RegistryOptions {
            software: Software::Distribution2,
            tls: RegistryTls::Off,
            login: RegistryLogin::Open,
            page_size: 100,
            referrers: Referrers::Unsupported,
            names: Vec::new(),
        }
    }
}

/// Whether a registry speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistryTls {
    /// Plain HTTP.
    #[default]
    Off,
    /// The registry shows a certificate.
    Server,
    /// The client has to show one as well.
    Mutual,
}

/// Who may come into a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RegistryLogin {
    /// Everyone.
    #[default]
    Open,
    /// One user, by Basic authentication.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        password: String,
    },
    /// Who has a token, which the registry's own token server hands out.
    Bearer {
        /// The user who may do everything.
        user: String,
        /// The user's password.
        password: String,
        /// Whether everyone may read.
        anonymous_pull: bool,
        /// How long a token lives.
        ttl: Duration,
    },
}

/// A running registry with a front of its own. It ends when it is dropped, or with its lab.
#[derive(Debug)]
pub struct ExtraRegistry {
    front: Front,
    tokens: Option<Arc<TokenServer>>,
    backend: Backend,
    home: PathBuf,
}

impl ExtraRegistry {
    pub(crate) async fn start(folder: &Path, options: &RegistryOptions) -> Result<ExtraRegistry> {
        let name = format!("registry-{}", chance::hex(4));
        let home = folder.join(&name);
        fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let acceptor = match options.tls {
            RegistryTls::Off => None,
            kind => Some(tls::acceptor(&home, kind, &options.names)?),
        };
        let port = Port::bind_twice().await?.tls(acceptor);
        let login = login(&options.login, port.scheme());
        let tokens = match &login {
            Login::Bearer(server) => Some(server.clone()),
            _ => None,
        };
        let backend = Backend::start(folder, &name, options.software).await?;
        let rules = PlainRules::new(options.page_size, login, options.referrers);
        Ok(ExtraRegistry {
            front: Front::start(port, Rules::Plain(rules), backend.way().clone()),
            tokens,
            backend,
            home,
        })
    }

    /// Ends its front from elsewhere; the lab's folder ends the process behind it.
    pub(crate) fn ender(&self) -> AbortHandle {
        self.front.ender()
    }

    /// What clients talk to.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        self.front.host()
    }

    /// The authority that signed its certificate, in PEM. Without TLS there is no such file.
    pub fn ca(&self) -> PathBuf {
        self.home.join(tls::CLIENT).join("ca.pem")
    }

    /// A client's certificate and its key, in PEM. Without TLS there are no such files.
    pub fn client_certificate(&self) -> (PathBuf, PathBuf) {
        let folder = self.home.join(tls::CLIENT);
        (folder.join("cert.pem"), folder.join("key.pem"))
    }

    /// All tokens handed out so far open nothing from now on. Without [`RegistryLogin::Bearer`] it does nothing.
    pub fn revoke_tokens(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.revoke();
        }
    }

    /// A refresh token, which stands in for user and password (`identitytoken` of Docker's config.json). `None`
    /// without [`RegistryLogin::Bearer`].
    pub fn identity_token(&self) -> Option<String> {
        self.tokens.as_ref().map(|tokens| tokens.identity())
    }

    /// The registry's process id; 0 when it has none.
    pub fn pid(&self) -> u32 {
        self.backend.pid().unwrap_or(0)
    }

    /// Stops it and waits for the end, without blocking the runtime.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for ExtraRegistry {
    fn drop(&mut self) {
        self.backend.end();
        // Its content is of no more use; the keeper would remove it only with the whole lab.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn login(wanted: &RegistryLogin, scheme: &'static str) -> Login {
    match wanted.clone() {
        RegistryLogin::Open => Login::Open,
        RegistryLogin::Basic { user, password } => Login::Basic { user, password },
        RegistryLogin::Bearer {
            user,
            password,
            anonymous_pull,
            ttl,
        } => {
            let server = TokenServer::new(scheme, &user, &password, anonymous_pull, ttl);
            Login::Bearer(Arc::new(server))
        }
    }
}
