use std::fs;

use ecr_lab::{RegistryOptions, RegistryTls};
use reqwest::{Certificate, Client, Proxy};

use super::{ask, lab};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_reached_through_the_proxy_only_when_it_has_a_route() {
    let lab = lab().await;
    let registry = lab.registry(RegistryOptions {
        tls: RegistryTls::Server,
        names: vec!["public.ecr.aws".to_owned()],
        ..RegistryOptions::default()
    });
    let registry = registry.await.unwrap();
    let proxy = lab.proxy().await.unwrap();
    proxy.route("public.ecr.aws:443", registry.host());
    proxy.route("upstream.example:80", lab.upstream().host());
    let ca = fs::read(registry.ca()).unwrap();
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
        .proxy(Proxy::all(format!("http://{}", proxy.host())).unwrap())
        .build()
        .unwrap();
    assert_eq!(ask(client.get("https://public.ecr.aws/v2/")).await.status(), 200);
    assert_eq!(registry.front().requests()[0].host, "public.ecr.aws");
    assert!(client.get("https://quay.io/v2/").send().await.is_err());
    let text = "http://upstream.example/v2/?x=1";
    assert_eq!(ask(client.get(text)).await.status(), 200);
    assert_eq!(lab.upstream().requests()[0].query, "x=1");
    assert_eq!(ask(client.get("http://other.example/v2/")).await.status(), 502);
    let expected = ["public.ecr.aws:443", "quay.io:443", text, "http://other.example/v2/"];
    assert_eq!(proxy.requests(), expected);

    let host = proxy.host().to_owned();
    drop(proxy);
    assert!(reqwest::get(format!("http://{host}/")).await.is_err());
}
