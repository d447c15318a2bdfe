//! Who the direct engine says it is, to whom, and what becomes of a login that ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ecr_lab::images::{Format, Image, Layer, Place, Platform, Pushed, tiny};
use ecr_lab::{
    Act, ApiFault, ExtraRegistry, Fault, Front, LabOptions, Logged, RegistryLogin, RegistryOptions, RegistryTls,
};

use crate::support::{Content, Run, World};

const UPSTREAM: &str = "library/app";
const PASSWORD: &str = "pass-word-of-somebody";

async fn world() -> World {
    World::without_daemon(LabOptions::default()).await
}

fn bearer(anonymous_pull: bool, ttl: Duration) -> RegistryOptions {
    RegistryOptions {
        login: RegistryLogin::Bearer {
            user: "somebody".to_owned(),
            password: PASSWORD.to_owned(),
            anonymous_pull,
            ttl,
        },
        ..RegistryOptions::default()
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// The settings know its user.
async fn registry(world: &World, ttl: Duration) -> ExtraRegistry {
    let registry = world.lab.registry(bearer(false, ttl)).await.unwrap();
    settings(world, registry.host(), PASSWORD);
    registry
}

fn settings(world: &World, host: &str, password: &str) {
    let settings = format!("registries:\n  {host:?}:\n    username: somebody\n    password: {password}\n");
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
}

/// Some layers, to be brought one after the other by two connections.
fn image() -> Image {
    let image = Image::new(Platform::amd64()).format(Format::Oci);
    (0..4).fold(image, |image, seed| image.layer(Layer::random(seed, 100_000)))
}

fn slowly(run: Run) -> Run {
    run.env("ECR_KEEPER_DIRECT__CONNECTIONS", "2")
}

fn copy(world: &World, from: &str, to: &str) -> Run {
    world.keeper(&["copy", from, to, "--output", "json"])
}

async fn is_at(registry: &ExtraRegistry, repository: &str, pushed: &Pushed) {
    let found = Place::of(registry.front()).digest_of(repository, "1").await.unwrap();
    assert_eq!(found.as_deref(), Some(pushed.top.as_str()));
}

fn requests(front: &Front, which: impl Fn(&Logged) -> bool) -> Vec<Logged> {
    front.requests().into_iter().filter(which).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_while_layers_are_on_their_way_are_renewed() {
    let world = world().await;
    let registry = registry(&world, Duration::from_secs(1)).await;
    let pushed = world.upstream(UPSTREAM, "1", image()).await;
    registry
        .front()
        .fault(Fault::new("/blobs/", Act::Delay(Duration::from_millis(400))).method("PUT"));
    registry
        .front()
        .fault(Fault::new("/blobs/", Act::Delay(Duration::from_millis(300))).method("GET"));
    let there = format!("{}/copied/app:1", registry.host());
    slowly(copy(&world, &format!("{UPSTREAM}:1"), &there))
        .ran()
        .await
        .well();
    is_at(&registry, "copied/app", &pushed).await;
    // Five blobs by two connections last longer than a token, so that of those to write one has to follow another.
    let to_write = |request: &Logged| request.path == "/token" && request.query.ends_with("pull%2Cpush");
    let tokens = requests(registry.front(), to_write);
    assert!(tokens.len() > 1, "{tokens:?}");
    // And back.
    world.lab.ecr().create_repository("back/app");
    slowly(copy(&world, &there, &world.target("back/app:1")))
        .ran()
        .await
        .well();
    assert_eq!(world.digest_in_ecr("back/app", "1"), pushed.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_revoked_in_the_middle_are_renewed() {
    let world = world().await;
    let registry = registry(&world, HOUR).await;
    let pushed = world.upstream(UPSTREAM, "1", image()).await;
    for (at, (method, path)) in [
        ("HEAD", "/blobs/"),
        ("POST", "/uploads/"),
        ("PUT", "/uploads/"),
        ("PUT", "/manifests/"),
    ]
    .iter()
    .enumerate()
    {
        registry
            .front()
            .fault(Fault::new(path, Act::Hold).method(method).times(1));
        let there = format!("{}/copied/app{at}:1", registry.host());
        let run = slowly(copy(&world, &format!("{UPSTREAM}:1"), &there)).started();
        world.held(registry.front()).await;
        registry.revoke_tokens();
        registry.front().release();
        run.end().await.well();
        is_at(&registry, &format!("copied/app{at}"), &pushed).await;
    }
    registry
        .front()
        .fault(Fault::new("/blobs/", Act::Hold).method("GET").times(1));
    world.lab.ecr().create_repository("back/app");
    let run = slowly(copy(
        &world,
        &format!("{}/copied/app0:1", registry.host()),
        &world.target("back/app:1"),
    ))
    .started();
    world.held(registry.front()).await;
    registry.revoke_tokens();
    registry.front().release();
    run.end().await.well();
    assert_eq!(world.digest_in_ecr("back/app", "1"), pushed.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_a_layer_goes_in_parts_is_renewed() {
    let world = world().await;
    let registry = registry(&world, HOUR).await;
    let settings = world.file("settings.yaml") + "    chunk_mib: 1\n";
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let large = Image::new(Platform::amd64()).layer(Layer::random(9, 2_500_000));
    let pushed = world.upstream(UPSTREAM, "1", large).await;
    let there = format!("{}/copied/app:1", registry.host());
    let part = Fault::new("/uploads/", Act::Hold).method("PATCH").times(1);
    registry.front().fault(part);
    let run = slowly(copy(&world, &format!("{UPSTREAM}:1"), &there)).started();
    world.held(registry.front()).await;
    registry.revoke_tokens();
    registry.front().release();
    run.end().await.well();
    is_at(&registry, "copied/app", &pushed).await;
    let refused = requests(registry.front(), |one| one.method == "PATCH" && one.status == 401);
    assert!(!refused.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_without_a_login_reads_without_one() {
    let world = world().await;
    let registry = world.lab.registry(bearer(true, HOUR)).await.unwrap();
    let pushed = tiny("public").put(&Place::of(registry.front()), "team/app", "1").await;
    world.lab.ecr().create_repository("by/hand");
    let (from, to) = (format!("{}/team/app:1", registry.host()), world.target("by/hand:1"));
    copy(&world, &from, &to).ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let tokens = requests(registry.front(), |request| request.path == "/token");
    assert!(
        !tokens.is_empty() && tokens.iter().all(|request| request.authorization.is_empty()),
        "{tokens:?}"
    );
    // Writing is another matter.
    let ran = copy(&world, &to, &from.replace("app:1", "other:1"))
        .ran()
        .await
        .code_is(1);
    assert!(ran.stdout.contains("401"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_of_docker_s_configuration_stands_in_for_a_password() {
    let world = world().await;
    let registry = world.lab.registry(bearer(false, HOUR)).await.unwrap();
    let pushed = world.upstream(UPSTREAM, "1", tiny("new")).await;
    let folder = world.folder().join("docker");
    std::fs::create_dir(&folder).unwrap();
    let write = |identity: &str| {
        // As `docker login` writes it where a registry gave one.
        let user = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
        let config = serde_json::json!({"auths": {registry.host(): {"auth": user, "identitytoken": identity}}});
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    };
    let there = format!("{}/copied/app:1", registry.host());
    let run = || {
        copy(&world, &format!("{UPSTREAM}:1"), &there)
            .env("DOCKER_CONFIG", &folder)
            .ran()
    };
    write("0123456789abcdef-of-somebody-else");
    let ran = run().await.code_is(1);
    assert!(
        ran.stdout.contains("401") && !ran.stdout.contains("of-somebody-else"),
        "{}",
        ran.stdout
    );
    write(&registry.identity_token().unwrap());
    run().await.well();
    is_at(&registry, "copied/app", &pushed).await;
    let tokens = requests(registry.front(), |request| request.path == "/token");
    assert!(tokens.iter().all(|request| request.method == "POST"), "{tokens:?}");
}

/// The lab's tokens are of 64 hexadecimal digits, as are digests.
fn tokens_in(text: &str) -> Vec<String> {
    let long = regex::Regex::new("(sha256:)?[0-9a-f]{64,}").unwrap();
    let found = long.find_iter(text).map(|found| found.as_str().to_owned());
    found.filter(|found| !found.starts_with("sha256:")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said_at_any_level() {
    let world = world().await;
    let registry = registry(&world, HOUR).await;
    world.upstream(UPSTREAM, "1", image()).await;
    let there = format!("{}/copied/app:1", registry.host());
    let run = |to: &str| {
        let run = world.keeper(&[
            "copy",
            &format!("{UPSTREAM}:1"),
            to,
            "--output",
            "json",
            "--log-level",
            "trace",
        ]);
        run.env("ECR_KEEPER_RETRY__TRIES", "2").ran()
    };
    let mut said = Vec::new();
    let ran = run(&there).await.well();
    said.push(ran);
    registry
        .front()
        .fault(Fault::new("/uploads/", Act::status(403, "DENIED", "not you")).method("PUT"));
    registry
        .front()
        .fault(Fault::new("/manifests/2$", Act::status(500, "UNKNOWN", "ill")));
    let other = format!("{}/copied/other:2", registry.host());
    said.push(run(&other).await.code_is(1));
    registry.front().clear_faults();
    registry
        .front()
        .fault(Fault::new("/uploads/", Act::CutRequest(100)).method("PUT"));
    said.push(run(&format!("{}/copied/third:1", registry.host())).await.code_is(1));
    let identity = registry.identity_token().unwrap();
    registry.front().clear_faults();
    let page = Act::Answer {
        status: 200,
        headers: Vec::new(),
        body: format!("<html>{identity}").into_bytes(),
    };
    registry.front().fault(Fault::new("^/token$", page));
    let ran = run(&other).await.code_is(1);
    assert!(
        ran.stdout.contains("its token server's answer is none that is known"),
        "{}",
        ran.stdout
    );
    said.push(ran);
    registry.front().clear_faults();
    settings(&world, registry.host(), "another-pass-word");
    said.push(run(&other).await.code_is(1));
    for ran in said {
        let text = format!("{}{}", ran.stdout, ran.stderr);
        for secret in [
            PASSWORD,
            "another-pass-word",
            "lab-secret-access-key",
            "Bearer ",
            "Basic ",
            "eyJwYXlsb2FkIjoi",
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert_eq!(tokens_in(&text), [""; 0], "{text}");
        assert!(!text.contains(&STANDARD.encode(format!("somebody:{PASSWORD}"))));
    }
}

const PRIVATE: &str = "999999999999.dkr.ecr.us-east-1.amazonaws.com";

/// A registry that stands in for Amazon's own, behind a proxy.
async fn amazons(world: &World, login: RegistryLogin) -> (ExtraRegistry, ecr_lab::Proxy) {
    let options = RegistryOptions {
        tls: RegistryTls::Server,
        login,
        names: vec!["public.ecr.aws".to_owned(), PRIVATE.to_owned()],
        ..RegistryOptions::default()
    };
    let registry = world.lab.registry(options).await.unwrap();
    let proxy = world.lab.proxy().await.unwrap();
    let mut settings = "registries:\n".to_owned();
    for name in ["public.ecr.aws", PRIVATE] {
        proxy.route(&format!("{name}:443"), registry.host());
        settings += &format!("  {name:?}:\n    ca: {:?}\n", registry.ca());
    }
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    world.lab.ecr().create_repository("by/hand");
    (registry, proxy)
}

fn through(proxy: &ecr_lab::Proxy, run: Run) -> Run {
    run.env("HTTPS_PROXY", format!("http://{}", proxy.host()))
        .env("NO_PROXY", "127.0.0.1")
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_public_is_asked_through_the_proxy_with_its_own_login() {
    let world = world().await;
    let login = RegistryLogin::Basic {
        user: "AWS".to_owned(),
        password: world.lab.ecr_public_password().to_owned(),
    };
    let (registry, proxy) = amazons(&world, login).await;
    let pushed = tiny("public").put(&Place::of(registry.front()), "x/y", "1").await;
    let run = copy(&world, "public.ecr.aws/x/y:1", &world.target("by/hand:1"));
    through(&proxy, run).ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let tunnels = proxy.requests();
    assert!(
        !tunnels.is_empty() && tunnels.iter().all(|name| name == "public.ecr.aws:443"),
        "{tunnels:?}"
    );
    assert_eq!(
        world.lab.ecr_public().api_requests().len(),
        1,
        "one token for all of the run"
    );
    let known = requests(registry.front(), |request| request.status < 400);
    assert!(
        known
            .iter()
            .all(|request| request.authorization == "Basic" && request.host == "public.ecr.aws"),
        "{known:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_public_is_asked_by_nobody_where_aws_gives_no_token() {
    let world = world().await;
    let login = bearer(true, HOUR).login;
    let (registry, proxy) = amazons(&world, login).await;
    let pushed = tiny("public").put(&Place::of(registry.front()), "x/y", "1").await;
    let denied = ApiFault::exception("GetAuthorizationToken", "AccessDeniedException", "not authorized");
    world.lab.ecr_public().api_fault(denied);
    let run = copy(&world, "public.ecr.aws/x/y:1", &world.target("by/hand:1"));
    through(&proxy, run).ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let tokens = requests(registry.front(), |request| request.path == "/token");
    assert!(
        !tokens.is_empty() && tokens.iter().all(|request| request.authorization.is_empty()),
        "{tokens:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_s_registry_gets_that_account_s_token() {
    let world = World::without_daemon(LabOptions {
        regions: [("123456789012", "eu-central-1"), ("999999999999", "us-east-1")]
            .map(|(account, region)| (account.to_owned(), region.to_owned()))
            .to_vec(),
        ..LabOptions::default()
    })
    .await;
    let (registry, proxy) = amazons(&world, RegistryLogin::Open).await;
    let pushed = tiny("private").put(&Place::of(registry.front()), "x/y", "1").await;
    // It knows no token of AWS's, and asks for one all the same.
    let challenge = Act::Answer {
        status: 401,
        headers: vec![(
            "WWW-Authenticate".to_owned(),
            "Basic realm=\"lab\",service=\"ecr.amazonaws.com\"".to_owned(),
        )],
        body: Vec::new(),
    };
    registry.front().fault(Fault::new("", challenge).times(1));
    let run = copy(&world, &format!("{PRIVATE}/x/y:1"), &world.target("by/hand:1"));
    through(&proxy, run).ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let calls = world.lab.region("us-east-1").api_requests();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].action, "GetAuthorizationToken");
    let after = registry.front().requests();
    assert!(
        after.len() > 2 && after[1..].iter().all(|request| request.authorization == "Basic"),
        "{after:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_says_back_of_a_login_is_not_told() {
    let world = world().await;
    let registry = registry(&world, HOUR).await;
    let pair = STANDARD.encode(format!("somebody:{PASSWORD}"));
    let echo = format!("who is Basic {pair} with {PASSWORD}? {}", "and so on ".repeat(500));
    registry
        .front()
        .fault(Fault::new("^/token$", Act::status(401, "DENIED", &echo)));
    world.lab.ecr().create_repository("by/hand");
    let from = format!("{}/library/app:1", registry.host());
    let run = world.keeper(&[
        "copy",
        &from,
        &world.target("by/hand:1"),
        "--output",
        "json",
        "--log-level",
        "trace",
    ]);
    let ran = run.ran().await.code_is(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("who is Basic ***"), "{said}");
    assert!(!said.contains(&pair) && !said.contains(PASSWORD), "{said}");
    assert!(ran.image("by/hand:1").to_string().len() < 2000, "{}", ran.stdout);
}
