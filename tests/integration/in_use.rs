//! Who runs what: beside the images of `images list`, and before a repository goes.

use ecr_lab::images::multi;
use ecr_lab::{ApiFault, LabOptions};
use serde_json::{Value, json};

use crate::support::{Ran, Run, World};
use crate::usage::{OTHER, OWN, ROLE, function, image, place, with_services, world};

fn keeper(world: &World, arguments: &[&str]) -> Run {
    with_services(world, world.keeper(arguments))
}

async fn listed(world: &World, with: &[(&str, &str)]) -> Ran {
    let run = keeper(world, &["images", "list", "--all", "--in-use", "--output", "json"]);
    let run = with.iter().fold(run, |run, (name, value)| run.env(name, value));
    run.ran().await
}

/// `REPOSITORY:TAGS use [ARNs]` of each image.
fn uses(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let repositories = report["repositories"].as_array().unwrap().iter();
    let images = repositories.flat_map(|one| {
        let images = one["images"].as_array().unwrap().iter();
        images.map(|image| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let list = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(",");
            let name = text(&one["repository"]);
            format!(
                "{name}:{} {} {}",
                list(&image["tags"]),
                text(&image["use"]),
                list(&image["in_use_by"])
            )
        })
    });
    let mut uses: Vec<String> = images.collect();
    uses.sort();
    uses
}

fn services_asked(world: &World) -> Vec<String> {
    let regions = world.lab.regions().iter();
    let all = regions.flat_map(|one| {
        let calls = one.api_requests().into_iter();
        let calls = calls.filter(|call| call.action == "ListFunctions" || call.action == "ListClusters");
        calls.map(|call| format!("{} {} {}", one.account_id(), one.name(), call.action))
    });
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn forget(world: &World) {
    let regions = world.lab.regions().iter();
    regions.for_each(|one| one.clear_api_requests());
}

const CHECKOUT: &str = "arn:aws:lambda:eu-central-1:123456789012:function:checkout";
const WEB: &str = "arn:aws:ecs:us-east-1:123456789012:service/main/web";

/// A function that runs an image whose tag has moved on, and a service of another region.
async fn running() -> World {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    let deployed = image(home, "shop/checkout", "1", 1000, 30);
    image(home, "shop/checkout", "1", 1000, 20);
    image(home, "shop/web", "2", 1000, 10);
    image(home, "shop/idle", "3", 1000, 10);
    home.add_function(function(home, "checkout", "shop/checkout", "1").resolved(&deployed));
    let away = place(&world, OWN, "us-east-1");
    away.add_service("main", "web", &[("web", &format!("{}/shop/web:2", home.host()))]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_tells_who_runs_which_image() {
    let world = running().await;
    let ran = listed(&world, &[]).await.well();
    assert_eq!(
        uses(&ran),
        [
            "shop/checkout: used ".to_owned() + CHECKOUT,
            "shop/checkout:1 unused ".to_owned(),
            "shop/idle:3 unused ".to_owned(),
            "shop/web:2 unused ".to_owned(),
        ]
    );
    let who = &ran.json()["who_runs_what"];
    assert_eq!(
        who,
        &json!({"runners": ["lambda"], "accounts": [OWN], "regions": ["eu-central-1"], "failures": []})
    );
    // A function has its image from its own region.
    assert_eq!(services_asked(&world), [format!("{OWN} eu-central-1 ListFunctions")]);
    let ran = listed(&world, &[("ECR_KEEPER_USAGE__INCLUDE", "lambda,ecs")])
        .await
        .well();
    assert!(uses(&ran).contains(&format!("shop/web:2 used {WEB}")), "{}", ran.stdout);
    let text = keeper(&world, &["images", "latest", "--all", "--in-use"])
        .env("ECR_KEEPER_USAGE__INCLUDE", "lambda,ecs")
        .ran()
        .await
        .well()
        .stdout;
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("shop/web").ends_with("  service main/web  2"), "{text}");
    assert!(line("shop/idle").contains("  -  "), "{text}");
    let text = keeper(&world, &["images", "list", "shop/checkout", "--in-use"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(
        text.lines().nth(1).unwrap().ends_with("  in use by          tags"),
        "{text}"
    );
    assert!(text.contains("  function checkout  -\n"), "{text}");
    // Without the flag nobody is asked.
    forget(&world);
    keeper(&world, &["images", "list", "--all"]).ran().await.well();
    assert!(services_asked(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_not_everybody_could_be_asked_nothing_is_called_unused() {
    let world = running().await;
    let home = place(&world, OWN, "eu-central-1");
    home.api_fault(ApiFault::access_denied("ListFunctions"));
    let ran = listed(&world, &[]).await.code_is(1);
    assert!(
        uses(&ran).iter().all(|one| one.ends_with(" unknown ")),
        "{:?}",
        uses(&ran)
    );
    let failure = ran.json()["who_runs_what"]["failures"][0].to_string();
    assert!(
        failure.contains("ListFunctions") && failure.contains("allow lambda:ListFunctions"),
        "{failure}"
    );
    let text = keeper(&world, &["images", "latest", "shop/idle", "--in-use"])
        .ran()
        .await
        .code_is(1)
        .stdout;
    assert!(
        text.contains("  ?  3\nfailed    ListFunctions in eu-central-1: "),
        "{text}"
    );
    // When a function ran last is another question.
    home.clear_api_faults();
    home.api_fault(ApiFault::access_denied("DescribeLogStreams"));
    listed(&world, &[]).await.well();
    // Another account may run its images, too.
    let other = ApiFault::access_denied("ListFunctions");
    place(&world, OTHER, "eu-central-1").api_fault(other);
    let ran = listed(&world, &[("ECR_KEEPER_USAGE__ROLE_ARNS", ROLE)])
        .await
        .code_is(1);
    assert!(
        uses(&ran).contains(&"shop/idle:3 unknown ".to_owned()),
        "{:?}",
        uses(&ran)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_an_index_that_runs_run_too() {
    let world = World::without_daemon(LabOptions::default()).await;
    world.ecr("shop/web", "2", multi("two")).await;
    world.ecr("shop/web", "1", multi("one")).await;
    let home = world.lab.ecr();
    home.add_service("main", "web", &[("web", &format!("{}/shop/web:2", home.host()))]);
    let ran = listed(
        &world,
        &[
            ("ECR_KEEPER_USAGE__INCLUDE", "ecs"),
            ("ECR_KEEPER_USAGE__REGIONS", "eu-central-1"),
        ],
    )
    .await
    .well();
    let web = "arn:aws:ecs:eu-central-1:123456789012:service/main/web";
    let mut used: Vec<String> = uses(&ran).into_iter().filter(|one| one.contains(" used ")).collect();
    used.dedup();
    assert_eq!(
        used,
        [format!("shop/web: used {web}"), format!("shop/web:2 used {web}")]
    );
    let unused = uses(&ran).into_iter().filter(|one| one.contains(" unused ")).count();
    assert_eq!(
        (
            ran.json()["repositories"][0]["images"].as_array().unwrap().len(),
            unused
        ),
        (6, 3)
    );
}

fn outcome(ran: &Ran) -> (String, Value) {
    let one = ran.json()["repositories"][0].clone();
    (one["outcome"].as_str().unwrap().to_owned(), one)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_in_use_goes_only_by_a_second_word_and_shows_who_uses_it() {
    let world = running().await;
    let home = place(&world, OWN, "eu-central-1");
    let delete = ["repositories", "delete", "shop/checkout", "--yes", "--output", "json"];
    let ran = keeper(&world, &delete).ran().await.code_is(1);
    let (word, one) = outcome(&ran);
    assert_eq!(word, "refused");
    assert_eq!(one["goes"]["use"], "used");
    assert_eq!(one["goes"]["in_use_by"], json!([CHECKOUT]));
    assert_eq!(one["failure"]["message"], "it has images, and it is in use");
    let text = keeper(
        &world,
        &[
            "repositories",
            "delete",
            "shop/checkout",
            "--force",
            "--protected-too",
            "--dry-run",
        ],
    )
    .ran()
    .await
    .well()
    .stdout;
    assert!(text.contains(&format!("; used by {CHECKOUT}\n")), "{text}");
    assert!(
        text.ends_with(
            "asked who uses it: functions of Lambda and services and tasks of ECS in eu-central-1, us-east-1 of 123456789012; not seen: EKS, App \
             Runner, Batch, SageMaker and other accounts\n"
        ),
        "{text}"
    );
    // That it has images is one thing, that they run another.
    let by_force = [&delete[..], &["--force"]].concat();
    let ran = keeper(&world, &by_force).ran().await.code_is(1);
    let (word, one) = outcome(&ran);
    assert_eq!(
        (word.as_str(), &one["failure"]["message"]),
        ("refused", &json!("it is in use"))
    );
    assert!(
        one["failure"]["hint"].as_str().unwrap().contains("--protected-too"),
        "{one}"
    );
    home.api_fault(ApiFault::access_denied("ListFunctions"));
    let ran = keeper(&world, &by_force).ran().await.code_is(1);
    assert_eq!(outcome(&ran).1["failure"]["message"], "who uses it is not known");
    let ran = keeper(&world, &delete).ran().await.code_is(1);
    let (word, one) = outcome(&ran);
    assert_eq!((word.as_str(), &one["goes"]["use"]), ("refused", &json!("unknown")));
    assert_eq!(one["failure"]["message"], "it has images, and who uses it is not known");
    assert!(
        ran.json()["who_runs_what"]["failures"][0]
            .to_string()
            .contains("ListFunctions")
    );
    assert!(home.repositories().contains(&"shop/checkout".to_owned()));
    keeper(&world, &[&delete[..], &["--protected-too"]].concat())
        .ran()
        .await
        .code_is(2);
    let ran = keeper(&world, &[&by_force[..], &["--protected-too"]].concat())
        .ran()
        .await
        .well();
    assert_eq!(outcome(&ran).0, "deleted");
    // What goes is shown before, to nobody in particular.
    assert!(
        ran.stderr.contains("shop/checkout\n  ") && ran.stderr.contains("asked who uses it: "),
        "{}",
        ran.stderr
    );
    // Nobody runs what is empty.
    home.create_repository("shop/empty");
    forget(&world);
    let ran = keeper(
        &world,
        &["repositories", "delete", "shop/empty", "--yes", "--output", "json"],
    )
    .ran()
    .await
    .well();
    assert_eq!(outcome(&ran).0, "deleted");
    assert_eq!(ran.json()["who_runs_what"], Value::Null);
    assert!(services_asked(&world).is_empty());
}
