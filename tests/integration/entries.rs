//! What an entry of `images` says for its repository: digests, platforms, policy, engine.

use ecr_lab::images::{multi, tiny};
use serde_json::json;

use crate::images::{outcomes, pairs, settings, world};
use crate::support::{Ran, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_comes_under_its_own_tag_and_stays() {
    let world = world().await;
    let audited = world.upstream("team/tool", "1.1", tiny("audited")).await;
    world.upstream("team/tool", "1.1", tiny("newer")).await;
    let entry = |more: &str| {
        format!(
            "images:\n  - {{upstream: team/tool, repository: mirror/team/tool, digests: {{audited: '{}'}}{more}}}\n",
            audited.top
        )
    };
    settings(&world, &entry(""));
    let sync = |world: &World| world.keeper(&["sync", "--output", "json"]).without("KEYWORD");
    let ran = sync(&world).ran().await.well();
    assert_eq!(outcomes(&ran), pairs(&[("mirror/team/tool:audited", "updated")]));
    assert_eq!(world.digest_in_ecr("mirror/team/tool", "audited"), audited.top);
    let upstream = &ran.image("mirror/team/tool:audited")["upstream"];
    assert_eq!(*upstream, format!("docker.io/team/tool@{}", audited.top));
    // Somebody moved it: it is put back, and rules may stand beside it.
    world.ecr("mirror/team/tool", "audited", tiny("by hand")).await;
    settings(&world, &entry(", constraint: '~> 1.2'"));
    let ran = sync(&world).ran().await.well();
    assert_eq!(
        outcomes(&ran),
        pairs(&[
            ("mirror/team/tool:1.2", "updated"),
            ("mirror/team/tool:audited", "updated")
        ])
    );
    assert_eq!(world.digest_in_ecr("mirror/team/tool", "audited"), audited.top);
    // What the upstream no longer has is told.
    settings(
        &world,
        &entry("").replace(&audited.top, &format!("sha256:{}", "0".repeat(64))),
    );
    let ran = sync(&world).ran().await.code_is(1);
    assert_eq!(ran.outcome("mirror/team/tool:audited"), "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_s_own_platforms_and_policy_hold_for_it_alone() {
    let world = world().await;
    for name in ["one", "other"] {
        world.upstream(&format!("library/{name}"), "1.0", multi("first")).await;
        world.lab.ecr().create_repository(&format!("mirror/{name}"));
    }
    settings(
        &world,
        "policy: {backup: 'was-{tag}-{date}'}\nimages:\n  \
         - {upstream: one, repository: mirror/one, include_tags: '1.0', platforms: linux/arm64, policy: {retag: freeze}}\n  \
         - {upstream: other, repository: mirror/other, include_tags: '1.0'}\n",
    );
    let sync = |world: &World| world.keeper(&["sync", "--output", "json"]).without("KEYWORD");
    let ran = sync(&world).ran().await.well();
    let platforms = |ran: &Ran, name: &str| ran.image(&format!("mirror/{name}:1.0"))["platforms"].clone();
    assert_eq!(platforms(&ran, "one"), json!(["linux/arm64"]));
    let whole = world.digest_in_ecr("mirror/other", "1.0");
    assert_ne!(world.digest_in_ecr("mirror/one", "1.0"), whole);
    // Made as asked for: nothing to do.
    let ran = sync(&world).ran().await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], 2, "{}", ran.stdout);
    for name in ["one", "other"] {
        world.upstream(&format!("library/{name}"), "1.0", multi("second")).await;
    }
    let ran = sync(&world).ran().await.code_is(1);
    assert_eq!(ran.outcome("mirror/one:1.0"), "refused");
    assert_eq!(ran.outcome("mirror/other:1.0"), "updated");
    // What the entry does not say is as it is for all.
    let was = format!("was-1.0-{}", jiff::Timestamp::now().strftime("%Y-%m-%d"));
    assert_eq!(world.digest_in_ecr("mirror/other", &was), whole);
    let first = world.digest_in_ecr("mirror/one", "1.0");
    let alarming = world.file("settings.yaml").replace("retag: freeze", "retag: alarm");
    settings(&world, &alarming);
    let ran = sync(&world).ran().await.code_is(1);
    assert_eq!(ran.outcome("mirror/one:1.0"), "updated");
    assert_eq!(world.digest_in_ecr("mirror/one", &was), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_repository_s_own_terms_is_told_at_once() {
    let world = world().await;
    settings(
        &world,
        "images:
  - {upstream: app, repository: mirror/a, digests: {good: 'sha256:12', 'no tag': 'sha256:12'}}
  - {upstream: app, repository: mirror/b, policy: {retag: never, min_age: soon, requre: 1}, platforms: amd64}
  - {upstream: app, repository: mirror/c}
  - {upstream: app, repository: mirror/c, policy: {retag: freeze}}
",
    );
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    for says in [
        "images.1.digests.good: \"sha256:12\" is not allowed",
        "images.1.digests: no tag is no tag",
        "images.2.policy.retag: \"never\" is not allowed",
        "images.2.policy.min_age: \"soon\" is not allowed",
        "images.2.policy.requre: no such setting",
        "images.2.platforms: \"amd64\" is not allowed",
        "images.4: platforms, policy and engine hold for all of mirror/c, which images.3 of settings.yaml names before",
    ] {
        assert!(ran.stderr.contains(says), "{says}\nis not in\n{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_s_own_engine_copies_for_it_beside_the_other() {
    let world = World::new().await;
    let tool = world.upstream("team/tool", "1.0", multi("tool")).await;
    world.upstream("library/app", "1.0", multi("app")).await;
    world.ecr("base/image/app", "1.0", tiny("old")).await;
    // Its name has the keyword too, and the daemon has nothing to do with it.
    world.ecr("base/image/team/tool", "0.9", tiny("older")).await;
    let older = world.upstream("team/tool", "0.9", multi("newer")).await;
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repository: base/image/team/tool, include_tags: '1.0', engine: direct}\n",
    );
    let ran = world.sync().await.well();
    assert_eq!(
        outcomes(&ran),
        pairs(&[
            ("base/image/app:1.0", "updated"),
            ("base/image/team/tool:0.9", "updated"),
            ("base/image/team/tool:1.0", "updated"),
        ])
    );
    assert_eq!(world.digest_in_ecr("base/image/team/tool", "1.0"), tool.top);
    assert_eq!(world.digest_in_ecr("base/image/team/tool", "0.9"), older.top);
    let report = ran.json();
    let engine = report["engine"].as_str().unwrap();
    assert!(
        engine.contains("this program") && engine.contains(&world.dockerd().host()),
        "{engine}"
    );
    assert_eq!(world.sync().await.well().json()["totals"]["unchanged"], 3);
    // A saved plan is one engine's.
    let both = world.keeper(&["plan", "--out", "plan.json"]).ran().await.code_is(2);
    assert!(
        both.stderr.contains("entries of `images` name another engine"),
        "{}",
        both.stderr
    );
    let newer = world.upstream("team/tool", "1.0", multi("newest")).await;
    let only = ["plan", "--only", "base/image/team/tool", "--out", "plan.json"];
    world.keeper(&only).ran().await.well();
    world.keeper(&["apply", "plan.json"]).ran().await.well();
    assert_eq!(world.digest_in_ecr("base/image/team/tool", "1.0"), newer.top);
    let run = world.keeper(&["explain", "base/image/team/tool:1.0", "--output", "json"]);
    let explained = run.ran().await.well().json();
    assert_eq!(explained["kept"][0]["because"], "same-digest", "{explained}");
    // Another entry of the repository is copied by whom the first names.
    let more = "  - {upstream: team/tool, repository: base/image/team/tool, include_tags: '0.9'}\n";
    settings(&world, &(world.file("settings.yaml") + more));
    assert_eq!(world.sync().await.well().json()["totals"]["unchanged"], 3);
    // Without the daemon, what needs none is done.
    world.upstream("team/tool", "1.0", multi("last")).await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("DOCKER_HOST", "unix:///nowhere.sock");
    let ran = run.ran().await.code_is(1);
    assert_eq!(ran.outcome("base/image/team/tool:1.0"), "updated");
    assert!(
        ran.json()["failures"].to_string().contains("/nowhere.sock"),
        "{}",
        ran.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_turns_out_to_be_the_run_s_own_registry_has_one_engine() {
    let world = World::new().await;
    let tool = world.upstream("team/tool", "1.0", multi("tool")).await;
    world.ecr("base/image/team/tool", "1.0", tiny("older")).await;
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repository: base/image/team/tool, include_tags: '1.0', engine: direct, targets: [{region: eu-central-1}]}\n",
    );
    // Which registry that is shows only in the token.
    let run = || world.keeper(&["sync", "--output", "json"]).without("ECR");
    let ran = run().ran().await.well();
    assert_eq!(outcomes(&ran), pairs(&[("base/image/team/tool:1.0", "updated")]));
    assert_eq!(world.digest_in_ecr("base/image/team/tool", "1.0"), tool.top);
    assert_eq!(
        outcomes(&run().ran().await.well()),
        pairs(&[("base/image/team/tool:1.0", "unchanged")])
    );
    // Where the daemon has nothing to do, there need be none.
    let run = run().without("KEYWORD").env("DOCKER_HOST", "unix:///nowhere.sock");
    assert_eq!(
        outcomes(&run.ran().await.well()),
        pairs(&[("base/image/team/tool:1.0", "unchanged")])
    );
    // And a plan shows what it can.
    let plan = world
        .keeper(&["plan", "--output", "json"])
        .env("DOCKER_HOST", "unix:///nowhere.sock");
    let plan = plan.ran().await.code_is(1).json();
    assert_eq!(plan["kept"].as_array().unwrap().len(), 1, "{plan}");
    assert!(plan["failures"].to_string().contains("/nowhere.sock"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_names_a_digest_stays_where_it_was_rolled_back_to() {
    let world = world().await;
    let first = world.ecr("mirror/team/tool", "kept", tiny("first")).await;
    let pinned = world.upstream("team/tool", "1.1", tiny("pinned")).await;
    world.upstream("team/tool", "1.1", tiny("newer")).await;
    settings(
        &world,
        &format!(
            "images:\n  - {{upstream: team/tool, repository: mirror/team/tool, digests: {{'1.1': '{}'}}}}\n",
            pinned.top
        ),
    );
    let keeper = |arguments: &[&str]| world.keeper(arguments).without("KEYWORD");
    keeper(&["sync"]).ran().await.well();
    assert_eq!(world.digest_in_ecr("mirror/team/tool", "1.1"), pinned.top);
    keeper(&["rollback", "mirror/team/tool:1.1", "--to", "kept"])
        .ran()
        .await
        .well();
    keeper(&["sync"]).ran().await.well();
    assert_eq!(world.digest_in_ecr("mirror/team/tool", "1.1"), first.top);
}
