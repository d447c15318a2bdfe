//! `repositories list|create|delete`.

use std::fs;

use ecr_lab::images::{Image, Layer, Place, Platform, tiny};
use ecr_lab::{ApiFault, LabFunction, LabOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Content, Ran, Run, World};
use crate::usage::with_services;

/// Listings come in pages of one.
async fn world() -> World {
    let options = LabOptions {
        page_size: 1,
        ..LabOptions::default()
    };
    World::without_daemon(options).await
}

fn keeper(world: &World, arguments: &[&str]) -> Run {
    with_services(world, world.keeper(&[&["repositories"], arguments].concat()))
}

async fn json_of(world: &World, arguments: &[&str]) -> Ran {
    keeper(world, &[arguments, &["--output", "json"]].concat()).ran().await
}

fn outcomes(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let all = report["repositories"].as_array().unwrap().iter();
    all.map(|one| {
        format!(
            "{} {}",
            one["repository"].as_str().unwrap(),
            one["outcome"].as_str().unwrap()
        )
    })
    .collect()
}

fn asked(world: &World, action: &str) -> usize {
    let calls = world.lab.ecr().api_requests();
    calls.iter().filter(|call| call.action == action).count()
}

/// As ECR tells times, in seconds.
fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_millisecond() as f64 / 1000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_what_ecr_says_of_each() {
    let world = world().await;
    world
        .lab
        .ecr()
        .create_immutable_repository_except("b/fixed", &["dev-*"]);
    let body = json!({
        "repositoryName": "a/secret",
        "imageScanningConfiguration": {"scanOnPush": true},
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/images"},
    });
    world.lab.ecr().ask("CreateRepository", &body).unwrap();
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 5000));
    image.put(&Place::ecr(world.lab.ecr()), "b/fixed", "1").await;
    let list = json_of(&world, &["list", "--images"]).await.well().json();
    assert_eq!(list["failures"], json!([]));
    let names = json!({"repositoryNames": ["a/secret", "b/fixed"]});
    let expected = world.lab.ecr().ask("DescribeRepositories", &names).unwrap();
    for (one, of_ecr) in list["repositories"]
        .as_array()
        .unwrap()
        .iter()
        .zip(expected["repositories"].as_array().unwrap())
    {
        assert_eq!(one["repository"], of_ecr["repositoryName"]);
        assert_eq!(one["uri"], of_ecr["repositoryUri"]);
        assert_eq!(one["arn"], of_ecr["repositoryArn"]);
        assert_eq!(one["image_tag_mutability"], of_ecr["imageTagMutability"]);
        assert_eq!(one["scan_on_push"], of_ecr["imageScanningConfiguration"]["scanOnPush"]);
        assert_eq!(
            one["encryption_type"],
            of_ecr["encryptionConfiguration"]["encryptionType"]
        );
        assert_eq!(one["kms_key"], of_ecr["encryptionConfiguration"]["kmsKey"]);
        assert!((seconds(&one["created"]) - of_ecr["createdAt"].as_f64().unwrap()).abs() < 0.002);
    }
    let fixed = &list["repositories"][1];
    assert_eq!(fixed["mutability_exclusion_filters"], json!(["dev-*"]));
    let size = world.lab.ecr().images("b/fixed")[0].size;
    assert_eq!((&fixed["images"], &fixed["bytes"]), (&json!(1), &json!(size)));
    let text = keeper(&world, &["list"]).ran().await.well().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("a/secret  ") && lines[0].contains("  KMS     scanned on push"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("b/fixed   ") && lines[1].contains("  IMMUTABLE_WITH_EXCLUSION  "),
        "{text}"
    );
    assert_eq!(
        json_of(&world, &["list"]).await.well().json()["repositories"][0]["images"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_is_like_what_a_sync_creates() {
    let world = world().await;
    world.upstream("library/app", "1", tiny("1")).await;
    let settings = "engine: direct\nimages: [{upstream: app, repository: by/sync}]\ncreate_repositories: settings\nrepositories:\n  \
                    image_tag_mutability: IMMUTABLE\n  mutability_exclusion_filters: [latest]\n  scan_on_push: true\n  encryption_type: KMS\n  \
                    lifecycle_policy: lifecycle.json\n  tags: {team: platform}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let lifecycle = r#"{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}, "action": {"type": "expire"}}]}"#;
    fs::write(world.folder().join("lifecycle.json"), lifecycle).unwrap();
    world.keeper(&["sync"]).without("KEYWORD").ran().await.well();
    // Whether a sync creates any is another question.
    let alone = settings.replace("create_repositories: settings", "create_repositories: never");
    fs::write(world.folder().join("settings.yaml"), alone).unwrap();
    let by_hand = world.target("by/hand");
    let ran = json_of(&world, &["create", &by_hand, "and/another", "--yes"])
        .await
        .well();
    assert_eq!(outcomes(&ran), ["by/hand created", "and/another created"]);
    assert_eq!(
        ran.json()["repositories"][0]["like"]["image_tag_mutability"],
        "IMMUTABLE"
    );
    let of = |action: &str, name: &str, without: &[&str]| {
        let body = match action {
            "DescribeRepositories" => json!({"repositoryNames": [name]}),
            "ListTagsForResource" => {
                json!({"resourceArn": format!("arn:aws:ecr:eu-central-1:123456789012:repository/{name}")})
            }
            _ => json!({"repositoryName": name}),
        };
        let mut answer = world.lab.ecr().ask(action, &body).unwrap();
        let answer = match action {
            "DescribeRepositories" => answer["repositories"][0].take(),
            _ => answer,
        };
        let mut answer = answer.as_object().unwrap().clone();
        answer.retain(|key, _| !without.contains(&key.as_str()));
        answer
    };
    let own = ["repositoryName", "repositoryArn", "repositoryUri", "createdAt"];
    for action in ["DescribeRepositories", "GetLifecyclePolicy", "ListTagsForResource"] {
        assert_eq!(of(action, "by/hand", &own), of(action, "by/sync", &own), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_there_is_left_as_it_is() {
    let world = world().await;
    world.lab.ecr().create_immutable_repository("a/b");
    let ran = json_of(&world, &["create", "a/b", "c/d", "--yes"]).await.code_is(1);
    assert_eq!(outcomes(&ran), ["a/b failed", "c/d created"]);
    assert!(
        ran.stdout.contains("it is there already") && ran.stdout.contains("--if-not-exists"),
        "{}",
        ran.stdout
    );
    let ran = json_of(&world, &["create", "a/b", "c/d", "--yes", "--if-not-exists"])
        .await
        .well();
    assert_eq!(outcomes(&ran), ["a/b exists", "c/d exists"]);
    let listed = world
        .lab
        .ecr()
        .ask("DescribeRepositories", &json!({"repositoryNames": ["a/b"]}))
        .unwrap();
    assert_eq!(listed["repositories"][0]["imageTagMutability"], "IMMUTABLE");
    // What ECR does not take it says itself.
    let fault = ApiFault::exception(
        "CreateRepository",
        "InvalidParameterException",
        "must satisfy regular expression",
    );
    world.lab.ecr().api_fault(fault);
    let ran = keeper(&world, &["create", "e/f", "--yes"]).ran().await.code_is(1);
    for word in ["failed    e/f", "InvalidParameterException", "hint: check the name"] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    for name in ["UPPER", "a b", "a/b:1"] {
        keeper(&world, &["create", name, "--yes"]).ran().await.code_is(2);
    }
    // Named twice, it is one.
    world.lab.ecr().clear_api_faults();
    let ran = json_of(&world, &["create", "e/f", "e/f", &world.target("e/f"), "--yes"])
        .await
        .well();
    assert_eq!(outcomes(&ran), ["e/f created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_before_a_name_has_to_be_the_one_that_is_asked() {
    let world = world().await;
    let own = world.lab.ecr().host();
    let foreign = "999999999999.dkr.ecr.eu-central-1.amazonaws.com";
    let run = |arguments: &[&str]| keeper(&world, arguments).without("ECR");
    for name in [
        &format!("{foreign}/base"),
        "registry.corp.example/base",
        "localhost:5000/base",
    ] {
        for arguments in [
            &["create", name, "--yes"][..],
            &["delete", name, "--if-exists", "--yes"],
        ] {
            let ran = run(arguments).ran().await.code_is(2);
            assert!(
                ran.stderr.contains("is of the registry") && ran.stderr.contains(own),
                "{}",
                ran.stderr
            );
        }
    }
    assert_eq!(asked(&world, "CreateRepository") + asked(&world, "DeleteRepository"), 0);
    run(&["create", &format!("{own}/base"), &format!("{own}/my.team/app"), "--yes"])
        .ran()
        .await
        .well();
    assert_eq!(world.lab.ecr().repositories(), ["base", "my.team/app"]);
    // A point makes no registry of what is there.
    run(&["delete", "my.team/app", "--yes"]).ran().await.well();
    assert_eq!(world.lab.ecr().repositories(), ["base"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_images_cannot_be_listed_leaves_the_others() {
    let world = world().await;
    for name in ["a/closed", "b/empty"] {
        world.lab.ecr().create_repository(name);
    }
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("DescribeImages").of("a/closed"));
    let ran = json_of(&world, &["delete", "a/closed", "b/empty", "--yes", "--force"])
        .await
        .code_is(1);
    assert_eq!(outcomes(&ran), ["a/closed failed", "b/empty deleted"]);
    assert_eq!(world.lab.ecr().repositories(), ["a/closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_images_goes_only_by_force() {
    let world = world().await;
    world.ecr("a/full", "1", tiny("1")).await;
    let archived = world.ecr("a/archived", "1", tiny("1")).await;
    world.lab.ecr().archive("a/archived", &archived.top).unwrap();
    world.lab.ecr().create_repository("a/empty");
    let twice = world.target("a/full");
    let delete = ["delete", "a/full", "a/archived", "a/empty", &twice, "--yes"];
    let ran = json_of(&world, &delete).await.code_is(1);
    assert_eq!(
        outcomes(&ran),
        ["a/full refused", "a/archived refused", "a/empty deleted"]
    );
    let goes = &ran.json()["repositories"][0]["goes"];
    let size = world.lab.ecr().images("a/full")[0].size;
    assert_eq!((&goes["images"], &goes["bytes"]), (&json!(1), &json!(size)));
    assert_eq!((&goes["use"], &goes["in_use_by"]), (&json!("unused"), &json!([])));
    assert_eq!(world.lab.ecr().repositories(), ["a/archived", "a/full"]);
    let text = keeper(&world, &delete[..2]).ran().await.code_is(2);
    assert!(
        text.stderr.contains("nobody is there to answer") && text.stderr.contains("--yes"),
        "{}",
        text.stderr
    );
    let dry = keeper(&world, &["delete", "a/full", "--force", "--dry-run"]);
    let shown = dry.ran().await.well();
    let says = "to delete a/full\n          1 image, ";
    assert!(shown.stdout.starts_with(says), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("; nobody was seen to use it\n"),
        "{}",
        shown.stdout
    );
    assert_eq!(world.lab.ecr().repositories().len(), 2);
    let ran = json_of(
        &world,
        &["delete", &world.target("a/full"), "a/archived", "--force", "-y"],
    )
    .await
    .well();
    assert_eq!(outcomes(&ran), ["a/full deleted", "a/archived deleted"]);
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_is_a_failure_unless_told_otherwise() {
    let world = world().await;
    world.lab.ecr().create_repository("team/app");
    let ran = json_of(&world, &["delete", "team/apq", "--yes"]).await.code_is(1);
    assert_eq!(outcomes(&ran), ["team/apq failed"]);
    assert!(
        ran.stdout
            .contains("there is no repository team/apq; did you mean team/app?"),
        "{}",
        ran.stdout
    );
    let ran = json_of(&world, &["delete", "team/apq", "--yes", "--if-exists"])
        .await
        .well();
    assert_eq!(outcomes(&ran), ["team/apq absent"]);
    assert_eq!(asked(&world, "DeleteRepository"), 0);
    world.lab.ecr().api_fault(ApiFault::access_denied("DeleteRepository"));
    let ran = keeper(&world, &["delete", "team/app", "--yes"]).ran().await.code_is(1);
    for word in [
        "failed    team/app",
        "DeleteRepository of team/app",
        "AccessDeniedException",
        "hint: ",
    ] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    assert_eq!(world.lab.ecr().repositories(), ["team/app"]);
}

/// Answers at a terminal, after what is done while the question stands there.
pub async fn answered(run: Run, meanwhile: impl AsyncFnOnce(), answer: &str) -> (String, Option<i32>) {
    let mut child = run.at_a_terminal().listening();
    let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
    let out = child.stdout.as_mut().unwrap();
    while !String::from_utf8_lossy(&said).contains("Type yes:") {
        let read = out.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&said));
        said.extend(&buffer[..read]);
    }
    meanwhile().await;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer.as_bytes()).await.unwrap();
    let mut rest = child.stdout.take().unwrap();
    rest.read_to_end(&mut said).await.unwrap();
    let code = child.wait().await.unwrap().code();
    drop(stdin);
    (String::from_utf8_lossy(&said).replace('\r', ""), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_it_shows_what_goes_and_asks() {
    let world = world().await;
    world.ecr("a/full", "1", tiny("1")).await;
    let delete = || keeper(&world, &["delete", "a/full", "--force"]);
    for no in ["no\n", "y\n", "\n"] {
        let (said, code) = answered(delete(), async || {}, no).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("a/full\n  1 image, ")
                && said
                    .contains("asked who uses it: functions of Lambda and services and tasks of ECS in eu-central-1"),
            "{said}"
        );
        assert!(
            said.contains("Delete a/full in eu-central-1? Nobody can undo this. Type yes: "),
            "{said}"
        );
        assert!(said.contains("nothing was done: the answer was another"), "{said}");
    }
    // Ctrl-C is no answer either.
    let (said, code) = answered(delete(), async || {}, "\u{3}").await;
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(asked(&world, "DeleteRepository"), 0);
    let (said, code) = answered(delete(), async || {}, "yes\n").await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
    let create = keeper(&world, &["create", "a/new"]);
    let (said, code) = answered(create, async || {}, "yes\n").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("Create a/new in eu-central-1 (tags may move)? Type yes: "),
        "{said}"
    );
    assert_eq!(world.lab.ecr().repositories(), ["a/new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_the_question_stays() {
    let world = world().await;
    world.ecr("a/full", "1", tiny("1")).await;
    world.lab.ecr().create_repository("a/empty");
    let delete = keeper(&world, &["delete", "a/full", "a/empty", "--force"]);
    let push = async || {
        let place = Place::ecr(world.lab.ecr());
        tiny("2").put(&place, "a/full", "2").await;
        tiny("2").put(&place, "a/empty", "2").await;
    };
    let (said, code) = answered(delete, push, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Delete these 2 repositories in eu-central-1?"), "{said}");
    assert!(said.contains("images have come since it was looked at"), "{said}");
    assert!(said.contains("RepositoryNotEmptyException"), "{said}");
    assert_eq!(world.lab.ecr().repositories(), ["a/empty", "a/full"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_an_image_that_is_protected_goes_only_by_a_second_word() {
    let world = world().await;
    for tag in ["1", "2", "3"] {
        world.ecr("a/full", tag, tiny(tag)).await;
    }
    let ledger = json!({"version": 2, "made": {}, "protected": {world.target("a/full:1"): "2026-01-01T00:00:00Z"}});
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), ledger.to_string()).unwrap();
    let delete = ["delete", "a/full", "--yes", "--force"];
    let ran = json_of(&world, &delete).await.code_is(1);
    assert_eq!(outcomes(&ran), ["a/full refused"]);
    let one = &ran.json()["repositories"][0];
    let protected = &one["goes"]["protected"];
    assert_eq!(protected[0]["digest"], json!(world.digest_in_ecr("a/full", "1")));
    assert_eq!(protected[0]["tags"], json!(["1"]));
    assert_eq!(protected[0]["because"]["reason"], "last-copy");
    assert_eq!(
        one["failure"]["message"],
        "1 may be the last copy: the upstream of 1 was gone on 2026-01-01"
    );
    fs::write(world.folder().join("settings.yaml"), "protect: ['2', 'a/full:1']\n").unwrap();
    let text = keeper(&world, &delete).ran().await.code_is(1).stdout;
    for word in [
        "refused   a/full\n",
        ", and 1 more image is protected\n",
        "images prune a/full --all-images",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let ran = json_of(&world, &delete[..3]).await.code_is(1);
    let hint = ran.json()["repositories"][0]["failure"]["hint"].clone();
    assert!(
        hint.as_str().unwrap().contains("--force with --protected-too"),
        "{hint}"
    );
    json_of(&world, &[&delete[..], &["--protected-too"]].concat())
        .await
        .well();
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_run_since_the_question_stays() {
    let world = world().await;
    world.ecr("a/full", "1", tiny("1")).await;
    let delete = keeper(&world, &["delete", "a/full", "--force"]);
    let digest = world.digest_in_ecr("a/full", "1");
    let begin = async || {
        let function = LabFunction::new("late", &world.target("a/full:1"));
        world.lab.ecr().add_function(function.resolved(&digest));
    };
    let (said, code) = answered(delete, begin, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("refused   a/full\n") && said.contains("it is in use"),
        "{said}"
    );
    assert_eq!(world.lab.ecr().repositories(), ["a/full"]);
}
