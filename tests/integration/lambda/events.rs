//! What events ask for.

use ecr_lab::images::Place;

use super::*;

fn tag(world: &World, repository: &str, tags: &[(&str, &str)]) {
    world.lab.ecr().tag_repository(repository, tags);
}

/// A repository that says by its own tags what it follows.
async fn with_resource_tags(world: &World) {
    world.upstream("team/tool", "2.0", tiny("tool")).await;
    world.upstream("team/tool", "2.1", tiny("newer tool")).await;
    world.lab.ecr().create_repository("mirror/tool");
    let tags = [
        ("ecr_sync_opt", "in"),
        ("ecr_sync_source", "docker.io/team/tool"),
        ("ecr_sync_max_results", "1"),
    ];
    tag(world, "mirror/tool", &tags);
    world.forget_requests();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_copies_what_its_images_choose() {
    let world = world().await;
    let function = Function::start(&world).await;
    let answer = function.answered(old_event()).await;
    assert_eq!(
        (&answer["ok"], &answer["updated"], &answer["failed"]),
        (&json!(true), &json!(3), &json!(0)),
        "{answer:#}"
    );
    assert_eq!(answer["message"], "3 updated, 0 unchanged");
    for tag in ["1.0", "1.1", "latest"] {
        assert_eq!(outcome(&answer, &format!("{REPOSITORY}:{tag}")), "updated");
        let upstream = Place::of(world.lab.upstream())
            .digest_of("library/app", tag)
            .await
            .unwrap();
        assert_eq!(Some(world.digest_in_ecr(REPOSITORY, tag)), upstream);
    }
    let again = function.answered(old_event()).await;
    assert_eq!((&again["updated"], &again["unchanged"]), (&json!(0), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_check_digest_only_what_is_missing_comes() {
    let world = world().await;
    let function = Function::start(&world).await;
    let mut event = old_event();
    event["check_digest"] = json!(false);
    let before = world.digest_in_ecr(REPOSITORY, "1.0");
    let answer = function.answered(event).await;
    assert_eq!(
        (&answer["updated"], &answer["unchanged"]),
        (&json!(2), &json!(1)),
        "{answer:#}"
    );
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1.0"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_event_goes_by_the_repositories_own_tags_alone() {
    let world = world().await;
    with_resource_tags(&world).await;
    let function = Function::start(&world).await;
    // What has no such tags is no mirror, whatever it is called.
    let event = json!({"repositories": [arn("mirror/tool"), arn(REPOSITORY), arn("mirror/none")], "action": "sync", "concurrent": 2});
    let answer = function.answered(event).await;
    assert_eq!(outcome(&answer, "mirror/tool:2.1"), "updated", "{answer:#}");
    assert_eq!((&answer["ok"], &answer["updated"]), (&json!(false), &json!(1)));
    let failures = answer["failures"].to_string();
    for says in [
        "base/image/app is not looked after: its repository has no resource tag ecr_sync_opt: in",
        "mirror/none is not among the repositories",
    ] {
        assert!(failures.contains(says), "{failures}");
    }
    // max_results is the greater of both.
    let answer = function
        .answered(json!({"repository_arn": arn("mirror/tool"), "max_results": 5}))
        .await;
    assert_eq!(
        (outcome(&answer, "mirror/tool:2.0"), &answer["unchanged"]),
        ("updated".to_owned(), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_word_goes_by_the_tags_of_all_repositories() {
    let world = world().await;
    with_resource_tags(&world).await;
    let function = Function::start(&world).await;
    let scheduled = json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "123456789012",
        "time": "2026-11-01T03:00:00Z", "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/nightly"], "detail": {}
    });
    let answer = function.answered(scheduled).await;
    assert_eq!(
        (&answer["ok"], &answer["updated"]),
        (&json!(true), &json!(1)),
        "{answer:#}"
    );
    assert_eq!(outcome(&answer, "mirror/tool:2.1"), "updated");
    assert!(
        world.lab.ecr().digest_of(REPOSITORY, "1.1").is_none(),
        "nothing says what it follows"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_says_what_is_looked_after_that_is_a_failure() {
    let world = world().await;
    let function = Function::start(&world).await;
    for command in ["sync", "plan"] {
        let answer = function.answered(json!({ "command": command })).await;
        assert_eq!(answer["ok"], false, "{answer:#}");
        let failures = answer["failures"].to_string();
        assert!(
            failures.contains("has the resource tag ecr_sync_opt: in, and neither keyword nor images are set"),
            "{failures}"
        );
    }
    let allowed = function.answered(json!({"discovery": {"allow_no_match": true}})).await;
    assert_eq!(allowed["ok"], true, "{allowed:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_of_one_warm_process_know_nothing_of_each_other() {
    let world = world().await;
    with_resource_tags(&world).await;
    let function = Function::start(&world).await;
    let first = function
        .answered(json!({"keyword": "base/image", "compare": "missing-only"}))
        .await;
    assert_eq!(
        (&first["updated"], &first["unchanged"]),
        (&json!(0), &json!(1)),
        "{first:#}"
    );
    let second = function
        .answered(json!({"settings": {"keyword": "base/image"}, "command": "sync"}))
        .await;
    assert_eq!(outcome(&second, "base/image/app:1.0"), "updated", "{second:#}");
    let third = function.answered(json!({"repositories": [arn("mirror/tool")]})).await;
    assert_eq!(
        (&third["updated"], &third["unchanged"]),
        (&json!(1), &json!(0)),
        "{third:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_and_a_list_goes_to_s3() {
    let world = world().await;
    let s3 = world.lab.s3().await.expect("S3 starts");
    s3.create_bucket("lists").await.unwrap();
    let with_s3 = |run: Run| {
        run.env("AWS_ENDPOINT_URL_S3", s3.endpoint())
            .env("BUCKET_NAME", "lists")
    };
    let function = Function::with(&world, with_s3).await;
    let plan = function
        .answered(json!({"command": "plan", "keyword": "base/image"}))
        .await;
    assert_eq!(
        (&plan["ok"], &plan["to_update"], &plan["updated"]),
        (&json!(true), &json!(1), &json!(0)),
        "{plan:#}"
    );
    let mut event = old_event();
    event["action"] = json!("s3");
    let listed = function.answered(event).await;
    assert_eq!(
        (&listed["message"], &listed["to_update"]),
        (&json!("listed 3 images, 0 unchanged"), &json!(3))
    );
    let (archive, encryption) = s3.object("lists", "images.zip").await.unwrap().expect("the archive");
    assert_eq!(encryption.as_deref(), Some("AES256"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let list = std::io::read_to_string(archive.by_name("images.csv").unwrap()).unwrap();
    let host = world.lab.ecr().host();
    for tag in ["1.0", "1.1", "latest"] {
        assert!(
            list.contains(&format!("docker.io/library/app,{host}/{REPOSITORY},{tag}\n")),
            "{list}"
        );
    }
    assert_eq!(world.pushes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_what_would_be_done_and_what_would_not() {
    let world = world().await;
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    let s3 = world.lab.s3().await.expect("S3 starts");
    s3.create_bucket("lists").await.unwrap();
    let with_s3 = |run: Run| {
        run.env("AWS_ENDPOINT_URL_S3", s3.endpoint())
            .env("BUCKET_NAME", "lists")
    };
    let function = Function::with(&world, with_s3).await;
    let plan = function
        .answered(json!({"command": "plan", "keyword": "base/image"}))
        .await;
    assert_eq!(plan["message"], "1 to update, 0 unchanged, 1 refused");
    assert_eq!(
        plan["images"],
        json!([
            {"image": "base/image/app:gone", "outcome": "refused", "why": "upstream docker.io/library/app:gone does not exist"},
            {"image": "base/image/app:1.0", "outcome": "to-update", "why": "the digests differ"},
        ])
    );
    let list = function
        .answered(json!({"action": "s3", "keyword": "base/image"}))
        .await;
    assert_eq!(
        (&list["message"], &list["ok"], &list["images"]),
        (
            &json!("listed 1 image, 0 unchanged, 1 refused"),
            &json!(false),
            &plan["images"]
        )
    );
    let log = function.log().await;
    for line in [
        "to update base/image/app:1.0 — the digests differ",
        "refused base/image/app:gone — upstream docker.io/library/app:gone does not exist",
    ] {
        assert_eq!(log.matches(line).count(), 2, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_is_refused_with_every_mistake_and_costs_nothing() {
    let world = world().await;
    let function = Function::start(&world).await;
    let (kind, message) = function
        .refused(json!({"chek_digest": true, "concurrent": "many"}))
        .await;
    assert_eq!(kind, "InvalidEvent");
    assert!(
        message.contains("the event: chek_digest: no such field; did you mean check_digest?"),
        "{message}"
    );
    assert!(
        message.contains("the event: concurrent: \"many\" is not allowed"),
        "{message}"
    );
    // What only the settings know.
    let mut event = old_event();
    event["images"][0]["constraint"] = json!("1.x");
    event["images"][0]["newst"] = json!(1);
    let (kind, message) = function.refused(event).await;
    assert_eq!(kind, "InvalidEvent");
    assert!(
        message.contains("the event: images.1.constraint: \"1.x\" is not allowed"),
        "{message}"
    );
    assert!(
        message.contains("the event: images.1.newst: no such setting; did you mean images.1.newest?"),
        "{message}"
    );
    let (kind, message) = function.refused(json!({"engine": "docker", "keyword": "a"})).await;
    assert_eq!(kind, "InvalidEvent");
    assert!(
        message.contains("the event: engine: docker needs a daemon"),
        "{message}"
    );
    let west = "arn:aws:ecr:eu-west-1:123456789012:repository/app";
    let (_, message) = function
        .refused(json!({"webhook": {"url": "https://example.com"}, "repositories": [west]}))
        .await;
    assert!(
        message.contains("the event: webhook.url: an event does not say this"),
        "{message}"
    );
    // The registry's own name says neither account nor region here.
    let (kind, message) = function.refused(json!({"repositories": [arn("app"), west]})).await;
    assert_eq!(kind, "InvalidEvent");
    assert!(
        message.contains(
            "they are of several registries (123456789012.dkr.ecr.eu-central-1.amazonaws.com, \
             123456789012.dkr.ecr.eu-west-1.amazonaws.com)"
        ),
        "{message}"
    );
    let (kind, message) = function.refused(json!({"action": "s3", "keyword": "a"})).await;
    assert_eq!(kind, "Unusable");
    assert!(
        message.contains("s3.bucket is not set") && message.contains("BUCKET_NAME"),
        "{message}"
    );
    assert_eq!(world.lab.ecr().api_requests().len(), 0);
    // The same process goes on.
    assert_eq!(function.answered(old_event()).await["updated"], 3);
}
