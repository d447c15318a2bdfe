use std::fs;
use std::path::Path;

use ecr_lab::{Dockerd, DockerdOptions, Store};
use reqwest::{Certificate, Client, Identity, Result};

use super::lab;

/// Pings with the certificates of this folder, or with its authority only.
async fn ping(host: &str, certs: &Path, with_own: bool) -> Result<String> {
    let read = |name: &str| fs::read(certs.join(name)).expect("a certificate");
    let mut client = Client::builder().tls_certs_only([Certificate::from_pem(&read("ca.pem"))?]);
    if with_own {
        let both = [read("cert.pem"), read("key.pem")].concat();
        client = client.identity(Identity::from_pem(&both)?);
    }
    let url = format!("{}/_ping", host.replace("tcp:", "https:"));
    client.build()?.get(url).send().await?.text().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_with_tls_answers_its_own_clients_only() {
    let lab = lab().await;
    let options = DockerdOptions {
        tls: true,
        ..DockerdOptions::default()
    };
    let mut daemon = Dockerd::start_as(lab.dir(), Store::Classic, options).await.unwrap();
    let tls = daemon.tls().expect("it was asked to");
    let host = tls.host();
    assert_eq!(ping(&host, &tls.certs(), true).await.unwrap(), "OK");
    assert!(ping(&host, &tls.certs(), false).await.is_err());
    assert!(ping(&host, &tls.foreign_certs(), true).await.is_err());
    let plain = reqwest::get(format!("{}/_ping", host.replace("tcp:", "http:")))
        .await
        .unwrap();
    assert_eq!(plain.status(), 400);

    // The restarted daemon is found where it was.
    daemon.restart().await;
    let tls = daemon.tls().expect("it was asked to");
    assert_eq!(tls.host(), host);
    assert_eq!(ping(&host, &tls.certs(), true).await.unwrap(), "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_is_not_asked_for_tls() {
    let folder = tempfile::tempdir().unwrap();
    let options = DockerdOptions {
        tls: true,
        ..DockerdOptions::default()
    };
    let refused = Dockerd::start_as(folder.path(), Store::Podman, options).await;
    assert!(refused.unwrap_err().to_string().contains("TLS"));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
