use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use ecr_lab::images::{self, Place};
use ecr_lab::{ExtraRegistry, RegistryLogin, RegistryOptions, RegistryTls, Software, peer};
use reqwest::{Certificate, Client, ClientBuilder, Identity};

use super::{ask, header, lab, run};

/// A client that trusts the registry's authority and no other.
fn trusting(registry: &ExtraRegistry) -> ClientBuilder {
    let ca = fs::read(registry.ca()).expect("the authority");
    Client::builder().tls_certs_only([Certificate::from_pem(&ca).expect("a certificate")])
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_distribution_keep_images_and_page() {
    let lab = lab().await;
    for software in [Software::Distribution2, Software::Distribution3] {
        let registry = lab.registry(RegistryOptions {
            software,
            page_size: 2,
            ..RegistryOptions::default()
        });
        let registry = registry.await.unwrap();
        let place = Place::new(registry.host());
        for tag in ["1", "2", "3", "4", "5"] {
            images::multi(tag).push(&place, "base/aa", tag).await.unwrap();
        }
        registry.front().clear_requests();
        let name = format!("{}/base/aa", registry.host());
        let tags = run(Command::new(peer("crane")).args(["ls", &name])).unwrap();
        assert_eq!(tags.split_whitespace().collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
        let lists = registry.front().requests();
        let lists = lists.iter().filter(|request| request.path == "/v2/base/aa/tags/list");
        assert_eq!(lists.count(), 3, "{software:?}");
        registry.front().remove_tag("base/aa", "1").unwrap();
        assert_eq!(place.digest_of("base/aa", "1").await.unwrap(), None);
        registry.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_certificate_for_its_names() {
    let lab = lab().await;
    let registry = lab.registry(RegistryOptions {
        tls: RegistryTls::Server,
        names: vec!["public.ecr.aws".to_owned()],
        ..RegistryOptions::default()
    });
    let registry = registry.await.unwrap();
    let address: SocketAddr = registry.host().parse().unwrap();
    let client = trusting(&registry)
        .resolve("public.ecr.aws", address)
        .resolve("example.com", address)
        .build()
        .unwrap();
    let port = address.port();
    for name in ["127.0.0.1", "127.0.0.2", "localhost", "public.ecr.aws"] {
        let begin = client.post(format!("https://{name}:{port}/v2/aa/blobs/uploads/"));
        let begin = ask(begin).await;
        assert_eq!(begin.status(), 202, "{name}");
        let location = header(&begin, "location");
        assert!(
            location.starts_with(&format!("https://{name}:{port}/v2/")),
            "{location}"
        );
    }
    assert!(
        client
            .get(format!("https://example.com:{port}/v2/"))
            .send()
            .await
            .is_err()
    );
    assert!(reqwest::get(format!("https://127.0.0.1:{port}/v2/")).await.is_err());
    assert!(reqwest::get(format!("http://127.0.0.1:{port}/v2/")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_asks_for_a_certificate() {
    let lab = lab().await;
    let registry = lab.registry(RegistryOptions {
        tls: RegistryTls::Mutual,
        ..RegistryOptions::default()
    });
    let registry = registry.await.unwrap();
    let url = format!("https://{}/v2/", registry.host());
    assert!(trusting(&registry).build().unwrap().get(&url).send().await.is_err());
    let (certificate, key) = registry.client_certificate();
    let both = [fs::read(&certificate).unwrap(), fs::read(&key).unwrap()].concat();
    let client = trusting(&registry).identity(Identity::from_pem(&both).unwrap());
    assert_eq!(ask(client.build().unwrap().get(&url)).await.status(), 200);

    let pushed = images::tiny("a")
        .push(&Place::of(registry.front()), "aa", "1")
        .await
        .unwrap();
    let folder = lab.dir().join("certs.d");
    fs::create_dir(&folder).unwrap();
    for (from, name) in [
        (registry.ca(), "ca.crt"),
        (certificate, "client.cert"),
        (key, "client.key"),
    ] {
        fs::copy(from, folder.join(name)).unwrap();
    }
    let image = format!("docker://{}/aa:1", registry.host());
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--format", "{{.Digest}}", &image, "--cert-dir"]);
    assert_eq!(run(skopeo.arg(&folder)).unwrap().trim(), pushed.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_basic_authentication() {
    let lab = lab().await;
    let registry = lab.registry(RegistryOptions {
        login: RegistryLogin::Basic {
            user: "me".to_owned(),
            password: "secret".to_owned(),
        },
        ..RegistryOptions::default()
    });
    let registry = registry.await.unwrap();
    let place = Place::new(registry.host());
    assert!(images::tiny("a").push(&place, "aa", "1").await.is_err());
    let place = place.login("me", "secret");
    assert!(images::tiny("a").push(&place, "aa", "1").await.is_ok());
    assert_eq!(registry.identity_token(), None);
}
