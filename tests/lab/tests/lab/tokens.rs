use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use ecr_lab::images::{self, Place};
use ecr_lab::{ExtraRegistry, Lab, RegistryLogin, RegistryOptions, peer};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{ask, header, lab, run};

async fn with_tokens(anonymous_pull: bool, ttl: Duration) -> (Lab, ExtraRegistry) {
    let lab = lab().await;
    let login = RegistryLogin::Bearer {
        user: "me".to_owned(),
        password: "secret".to_owned(),
        anonymous_pull,
        ttl,
    };
    let options = RegistryOptions {
        login,
        ..RegistryOptions::default()
    };
    let registry = lab.registry(options).await.unwrap();
    (lab, registry)
}

const LONG: Duration = Duration::from_secs(300);

fn get(registry: &ExtraRegistry, path: &str) -> RequestBuilder {
    Client::new().get(format!("http://{}{path}", registry.host()))
}

fn post(registry: &ExtraRegistry, path: &str) -> RequestBuilder {
    Client::new().post(format!("http://{}{path}", registry.host()))
}

/// The challenge of a request that is not let in, after the realm and the service.
async fn challenge(registry: &ExtraRegistry, request: RequestBuilder) -> String {
    let refused = ask(request).await;
    assert_eq!(refused.status(), 401);
    let challenge = header(&refused, "www-authenticate").to_owned();
    let begin = format!("Bearer realm=\"http://{}/token\",service=\"lab\"", registry.host());
    let rest = challenge.strip_prefix(&begin);
    rest.unwrap_or_else(|| panic!("{challenge}")).to_owned()
}

async fn token(request: RequestBuilder) -> String {
    let answer: Value = ask(request).await.json().await.unwrap();
    answer["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

fn for_scopes(registry: &ExtraRegistry, scopes: &[&str]) -> RequestBuilder {
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
    get(registry, &format!("/token?service=lab{}", scopes.concat()))
}

fn as_me(request: RequestBuilder) -> RequestBuilder {
    request.basic_auth("me", Some("secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_names_the_scope_that_a_request_needs() {
    let (_lab, registry) = with_tokens(false, LONG).await;
    let read = challenge(&registry, get(&registry, "/v2/base/aa/tags/list")).await;
    assert_eq!(read, r#",scope="repository:base/aa:pull""#);
    let write = challenge(&registry, post(&registry, "/v2/base/aa/blobs/uploads/")).await;
    assert_eq!(write, r#",scope="repository:base/aa:pull,push""#);
    assert_eq!(challenge(&registry, get(&registry, "/v2/")).await, "");
    let mount = post(&registry, "/v2/aa/blobs/uploads/?mount=sha256:1&from=base%2Fbb");
    let both = r#",scope="repository:aa:pull,push repository:base/bb:pull""#;
    assert_eq!(challenge(&registry, mount).await, both);
    let unknown = get(&registry, "/v2/").bearer_auth("invented");
    assert_eq!(challenge(&registry, unknown).await, r#",error="invalid_token""#);
    let basic = as_me(get(&registry, "/v2/"));
    assert_eq!(challenge(&registry, basic).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_scopes_say() {
    let (_lab, registry) = with_tokens(false, LONG).await;
    let list = |name: &str, token: &str| get(&registry, &format!("/v2/{name}/tags/list")).bearer_auth(token);
    let begin = |name: &str, token: &str| post(&registry, &format!("/v2/{name}/blobs/uploads/")).bearer_auth(token);

    let both = as_me(for_scopes(
        &registry,
        &["repository:aa:pull", "repository:bb:pull,push"],
    ));
    let both = token(both).await;
    assert_eq!(ask(list("aa", &both)).await.status(), 404, "let in, but empty");
    assert_eq!(ask(begin("bb", &both)).await.status(), 202);
    let refused = challenge(&registry, begin("aa", &both)).await;
    assert_eq!(
        refused,
        r#",scope="repository:aa:pull,push",error="insufficient_scope""#
    );
    let none = token(as_me(for_scopes(&registry, &[]))).await;
    assert_eq!(ask(get(&registry, "/v2/").bearer_auth(&none)).await.status(), 200);
    assert_eq!(ask(list("aa", &none)).await.status(), 401);

    let wrong = for_scopes(&registry, &[]).basic_auth("me", Some("wrong"));
    assert_eq!(ask(wrong).await.status(), 401);
    assert_eq!(ask(for_scopes(&registry, &[])).await.status(), 401);
    let asked = registry.front().requests();
    let asked = asked.iter().filter(|request| request.path == "/token");
    assert_eq!(
        asked.map(|request| request.status).collect::<Vec<_>>(),
        [200, 200, 401, 401]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_may_pull_where_that_is_allowed() {
    let (_lab, registry) = with_tokens(true, LONG).await;
    let anyone = token(for_scopes(&registry, &["repository:aa:pull,push"])).await;
    let list = get(&registry, "/v2/aa/tags/list").bearer_auth(&anyone);
    assert_eq!(ask(list).await.status(), 404);
    let begin = post(&registry, "/v2/aa/blobs/uploads/").bearer_auth(&anyone);
    assert!(challenge(&registry, begin).await.ends_with("insufficient_scope\""));
    let wrong = for_scopes(&registry, &[]).basic_auth("me", Some("wrong"));
    assert_eq!(ask(wrong).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_gets_a_token_too() {
    let (_lab, registry) = with_tokens(false, LONG).await;
    let form = |text: String| {
        let request = post(&registry, "/token").header("Content-Type", "application/x-www-form-urlencoded");
        request.body(format!(
            "service=lab&client_id=test&scope=repository%3Aaa%3Apull&{text}"
        ))
    };
    let login = "grant_type=password&username=me&password=secret&access_type=offline";
    let answer: Value = ask(form(login.to_owned())).await.json().await.unwrap();
    assert_eq!(
        (&answer["expires_in"], &answer["scope"]),
        (&json!(300), &json!("repository:aa:pull"))
    );
    let access = answer["access_token"].as_str().unwrap();
    let list = get(&registry, "/v2/aa/tags/list").bearer_auth(access);
    assert_eq!(ask(list).await.status(), 404);

    for identity in [
        answer["refresh_token"].as_str().unwrap(),
        &registry.identity_token().unwrap(),
    ] {
        let again = form(format!("grant_type=refresh_token&refresh_token={identity}"));
        assert_eq!(ask(again).await.status(), 200);
    }
    let invented = form("grant_type=refresh_token&refresh_token=invented".to_owned());
    assert_eq!(ask(invented).await.status(), 401);
    assert_eq!(ask(form("grant_type=other".to_owned())).await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire_and_can_be_revoked() {
    let (_lab, registry) = with_tokens(false, Duration::from_millis(1200)).await;
    let base = |token: &str| get(&registry, "/v2/").bearer_auth(token);
    let first = token(as_me(for_scopes(&registry, &[]))).await;
    assert_eq!(ask(base(&first)).await.status(), 200);
    registry.revoke_tokens();
    assert_eq!(challenge(&registry, base(&first)).await, r#",error="invalid_token""#);
    let second = token(as_me(for_scopes(&registry, &[]))).await;
    assert_eq!(ask(base(&second)).await.status(), 200);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(ask(base(&second)).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_needs_to_read_where_the_blob_is() {
    let (_lab, registry) = with_tokens(false, LONG).await;
    let digest = Place::of(registry.front()).put_blob("bb", "content").await.unwrap();
    let path = format!("/v2/aa/blobs/uploads/?mount={digest}&from=bb");
    async fn mount(registry: &ExtraRegistry, path: &str, scopes: &[&str]) -> Response {
        let token = token(as_me(for_scopes(registry, scopes))).await;
        ask(post(registry, path).bearer_auth(token)).await
    }
    let begun = mount(&registry, &path, &["repository:aa:pull,push"]).await;
    assert_eq!(begun.status(), 202);
    let mounted = mount(&registry, &path, &["repository:aa:pull,push", "repository:bb:pull"]).await;
    assert_eq!(mounted.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_and_crane_get_their_tokens() {
    let (lab, registry) = with_tokens(true, LONG).await;
    let from = images::multi("a")
        .push(&Place::of(lab.upstream()), "aa", "1")
        .await
        .unwrap();
    let upstream = format!("docker://{}/aa:1", lab.upstream().host());
    let target = format!("docker://{}/base/aa:1", registry.host());
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    run(skopeo.args(["--dest-creds", "me:secret", &upstream, &target])).unwrap();

    let config = lab.dir().join("docker");
    fs::create_dir(&config).unwrap();
    let login = base64::engine::general_purpose::STANDARD.encode("me:secret");
    let logins = json!({"auths": {registry.host(): {"auth": login}}});
    fs::write(config.join("config.json"), logins.to_string()).unwrap();
    let image = |name: &str| format!("{}/base/{name}:1", registry.host());
    let crane = |words: &[&str]| run(Command::new(peer("crane")).env("DOCKER_CONFIG", &config).args(words));
    crane(&["copy", &image("aa"), &image("bb")]).unwrap();
    assert_eq!(crane(&["digest", &image("bb")]).unwrap().trim(), from.digest());
}
