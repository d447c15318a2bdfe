//! The shapes of a report, whatever names are in it.

use ecr_lab::LabOptions;

use super::{OWN, days_ago, fill, function, image, place, report, usage, world};
use crate::bad_input::contains;
use crate::support::World;
use serde_json::Value;

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "a\"onmouseover=\"alert(3)",
    "two\nlines\r\nand | pipes, commas",
    "=HYPERLINK(\"http://example.com\")",
    "it's {{ 7 * 7 }} `code`",
];

/// Repositories, functions, descriptions and containers that would be something else than text, if they could.
async fn hostile() -> World {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    let long = "x".repeat(256);
    for (at, name) in HOSTILE.into_iter().chain([long.as_str()]).enumerate() {
        image(home, name, "1", 1_000_000 * (at as u64 + 1), 10);
        home.add_function(function(home, name, name, "1").described(name));
        home.add_service(
            "main",
            &format!("service-{at}"),
            &[(name, &format!("{}/{name}:1", home.host()))],
        );
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_in_the_order_and_with_the_headings_that_teams_know() {
    let world = world().await;
    fill(&world);
    let run = usage(&world, &["--include", "ecs"]).env("EMAIL", "platform@example.com");
    let run = run.env("ECR_KEEPER_USAGE__TIMEZONE", "Asia/Seoul");
    let ran = run.ran().await.well();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[1], "Account: 123456789012 (platform@example.com)");
    let headings: Vec<&&str> = lines.iter().filter(|line| line.contains("REGION")).collect();
    // Config, shared and own layers of each image.
    assert_eq!(headings[0], &"====== REGION eu-central-1 Total Size : 4.480 GB ======");
    let zone = jiff::tz::TimeZone::get("Asia/Seoul").unwrap();
    let ran_at = days_ago(1).to_zoned(zone).strftime("%Y-%m-%d").to_string();
    let api = lines.iter().find(|line| line.contains("checkout-api /")).unwrap();
    assert!(
        api.starts_with(&format!("    checkout-api / last execution : {ran_at}")),
        "{api}"
    );
    contains(
        &ran.stdout,
        &[
            "repository name : media/thumbnails / repository size : 1.890 GB / last pushed date : ",
            " 🟢\n    thumbnails / last execution : ",
            "    checkout-mail / last execution : no streams yet",
            "    left-over / last execution : No Log Group",
            "    canary of 210987654321 / last execution : No Log Group",
            "repository name : empty/for-later / repository size : 0.000 GB / last pushed date : no image 🔴",
        ],
    );
}

/// What the report that teams know showed (its headings, circles and order are told by those who ran it): the largest region first and none without a
/// repository; in it the largest repository, of two alike the one that was pushed last; green with its functions, or red.
const AS_TEAMS_KNOW_IT: &str = "\
[ECR repositories and who runs them]
Account: 123456789012 (platform@example.com)
NOW

====== REGION us-east-1 Total Size : 2.000 GB ======
repository name : billing/yearly / repository size : 2.000 GB / last pushed date : 2026-02-03 19:30 🟢
    yearly-bill / last execution : No Log Group

====== REGION eu-central-1 Total Size : 1.600 GB ======
repository name : shop/checkout / repository size : 1.000 GB / last pushed date : 2026-05-02 00:15 🟢
    checkout-api / last execution : 2026-06-01 09:00
    checkout-mail / last execution : 2026-06-02 08:59
repository name : shop/later / repository size : 0.300 GB / last pushed date : 2026-03-02 09:00 🔴
repository name : shop/earlier / repository size : 0.300 GB / last pushed date : 2026-03-01 09:00 🔴
";

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_text_is_the_one_that_teams_know() {
    let world = World::without_daemon(LabOptions {
        page_size: 2,
        regions: ["eu-central-1", "eu-west-1", "us-east-1"]
            .map(|region| (OWN.to_owned(), region.to_owned()))
            .to_vec(),
        ..LabOptions::default()
    })
    .await;
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let (home, away) = (place(&world, OWN, "eu-central-1"), place(&world, OWN, "us-east-1"));
    // Sizes are those of config, shared layer and own layer.
    for (region, name, tag, size, pushed) in [
        (home, "shop/earlier", "1", 300_000_000, "2026-03-01T00:00:00Z"),
        (home, "shop/later", "1", 300_000_000, "2026-03-02T00:00:00Z"),
        (home, "shop/checkout", "v1", 400_000_000, "2026-04-01T10:00:00Z"),
        (home, "shop/checkout", "v2", 600_000_000, "2026-05-01T15:15:00Z"),
        (away, "billing/yearly", "2025", 2_000_000_000, "2026-02-03T10:30:00Z"),
    ] {
        image(region, name, tag, size - 40_001_000, 0);
        region.pushed_at(name, tag, at(pushed));
    }
    home.add_function(function(home, "checkout-api", "shop/checkout", "v2"));
    home.add_function(function(home, "checkout-mail", "shop/checkout", "v1"));
    away.add_function(function(away, "yearly-bill", "billing/yearly", "2025"));
    for (group, stream, last) in [
        ("checkout-api", "2026/05/31/[$LATEST]aa", "2026-05-31T01:00:00Z"),
        ("checkout-api", "2026/06/01/[$LATEST]bb", "2026-06-01T00:00:00Z"),
        ("checkout-mail", "2026/06/01/[$LATEST]cc", "2026-06-01T23:59:00Z"),
    ] {
        home.add_log_stream(&format!("/aws/lambda/{group}"), stream, Some(at(last)));
    }
    // Nine hours before UTC, as it had them.
    let run = super::alone(&world, &[]).env("ECR_KEEPER_USAGE__TIMEZONE", "Asia/Seoul");
    // Whenever this is run.
    let run = run.env("ECR_KEEPER_USAGE__UNUSED_AFTER", "99 years");
    let run = run.env("ECR_KEEPER_USAGE__IDLE_AFTER", "99 years");
    let ran = run.env("EMAIL", "platform@example.com").ran().await.well();
    let time = ran.stdout.lines().nth(2).unwrap();
    assert!(
        jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", time).is_ok(),
        "{time}"
    );
    let text = ran.stdout.replacen(time, "NOW", 1);
    let (known, in_all) = text.split_once("\n====== IN ALL ======\n").unwrap();
    assert_eq!(known, AS_TEAMS_KNOW_IT);
    // 3.6 GB without the 0.04 GB that two images of shop/checkout share, at 0.10 a GB.
    assert_eq!(
        in_all,
        "3.60 GB in 5 images of 4 repositories, 0.36 USD a month\nNo repository was found that could go.\n\
         Services of Amazon ECS were not asked: what only they use counts as used by nobody.\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_stay_text_in_every_shape() {
    let world = hostile().await;
    let shape = async |output: &str| {
        let run = usage(&world, &["--include", "ecs", "--output", output]);
        run.ran().await.well().stdout
    };
    let text = shape("text").await;
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("repository name : "))
            .count(),
        7
    );
    assert!(
        text.contains("repository name : two lines and | pipes, commas / "),
        "{text}"
    );
    let long = "x".repeat(256);
    let users = text.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(users, 14, "{text}");
    assert!(
        text.contains(&format!("    {long} / last execution : No Log Group")),
        "{text}"
    );
    let json = report(&world, &[]).await;
    let listed = json["accounts"][0]["ecr"]["eu-central-1"]["repositories"]
        .as_array()
        .unwrap();
    for name in HOSTILE {
        assert!(
            listed
                .iter()
                .any(|one| one["repositoryName"] == name && one["use"] == "used"),
            "{name}"
        );
        let functions = json["accounts"][0]["lambda"]["eu-central-1"].as_array().unwrap();
        let is_there = |one: &Value| one["FunctionName"] == name && one["Description"] == name;
        assert!(functions.iter().any(is_there), "{name}");
    }
    let table = shape("csv").await;
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let names: Vec<String> = table.records().map(|row| row.unwrap()[2].to_owned()).collect();
    assert_eq!(names.len(), 7);
    for name in HOSTILE {
        let cell = if name.starts_with('=') {
            format!("'{name}")
        } else {
            name.to_owned()
        };
        assert!(names.contains(&cell), "{name}: {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_stay_text_where_there_is_markup() {
    let world = hostile().await;
    let shape = async |output: &str| {
        let run = usage(&world, &["--include", "ecs", "--output", output]);
        run.ran().await.well().stdout
    };
    let markdown = shape("markdown").await;
    assert!(
        !markdown.contains("<script>") && !markdown.contains("<img"),
        "{markdown}"
    );
    let rows = markdown
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" MB |"));
    assert_eq!(rows.count(), 7, "{markdown}");
    let page = shape("html").await;
    assert!(
        !page.contains("<script>alert") && !page.contains("<img src=x"),
        "a name is no HTML"
    );
    assert!(!page.contains("onmouseover=\"alert"), "nor an attribute");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"),
        "it is shown as it is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = world().await;
    fill(&world);
    let page = usage(&world, &["--output", "html", "--include", "ecs"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(page.starts_with("<!DOCTYPE html>"), "{}", &page[..80]);
    for attribute in [" src=", "@import", "url(http", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(attribute), "{attribute}");
    }
    contains(&page, &["default-src 'none'", "legacy/reports", "checkout-mail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_whole_and_another_command_has_no_page() {
    let world = world().await;
    fill(&world);
    let ran = usage(&world, &["--output", "html", "--out", "out/usage.html"])
        .ran()
        .await
        .well();
    assert_eq!(ran.stdout, "");
    assert!(
        world.file("out/usage.html").ends_with("</html>")
            || world.file("out/usage.html").trim_end().ends_with("</html>")
    );
    let nowhere = usage(&world, &["--out", "/dev/null/usage.txt"]).ran().await.code_is(1);
    contains(&nowhere.stderr, &["write the report to /dev/null/usage.txt", "--out"]);
    let plan = world.keeper(&["plan", "--output", "html"]).ran().await.code_is(2);
    contains(&plan.stderr, &["csv, markdown and html are what `usage` prints"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_an_earlier_report_is_told() {
    let world = world().await;
    fill(&world);
    usage(&world, &["--output", "json", "--out", "before.json"])
        .ran()
        .await
        .well();
    let home = place(&world, OWN, "eu-central-1");
    image(home, "shop/new", "1", 50_000_000, 0);
    image(home, "shop/checkout", "v2", 60_000_000, 0);
    home.remove_repository("legacy/reports");
    let ran = usage(&world, &["--output", "json", "--since", "before.json"])
        .ran()
        .await
        .well();
    let changes = &ran.json()["changes"];
    let mut told: Vec<String> = changes["repositories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                one["repositoryName"].as_str().unwrap(),
                one["changes"],
                one["images_before"],
                one["images_now"]
            )
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "legacy/reports [\"gone\"] 2 null",
            "shop/checkout [\"grown\"] 3 4",
            "shop/new [\"new\"] null 1"
        ]
    );
    let grown = changes["bytes_now"].as_i64().unwrap() - changes["bytes_before"].as_i64().unwrap();
    // 90.001 and 100.001 MB came, 1,490.002 MB went.
    assert_eq!(grown, 90_001_000 + 100_001_000 - 1_490_002_000);
    assert_eq!(changes["not_compared"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_not_read_both_times_has_nothing_that_is_new_or_gone() {
    let world = world().await;
    fill(&world);
    usage(&world, &["--output", "json", "--out", "before.json"])
        .ran()
        .await
        .well();
    place(&world, OWN, "eu-central-1").remove_repository("legacy/reports");
    // One region alone.
    let less = [
        "--role-arn",
        super::ROLE,
        "--regions",
        "us-east-1",
        "--since",
        "before.json",
        "--output",
        "json",
    ];
    let less = super::alone(&world, &less).ran().await.well().json();
    assert_eq!(less["changes"]["repositories"].as_array().unwrap().len(), 0);
    let because = &less["changes"]["not_compared"][0];
    assert_eq!(
        (&because["region"], &because["because"]),
        (&"eu-central-1".into(), &"not_asked_now".into())
    );
    let text = usage(&world, &["--since", "before.json"]).ran().await.well().stdout;
    contains(
        &text,
        &[
            "====== CHANGED since ",
            "legacy/reports in eu-central-1 of 123456789012 : gone : 1.49 GB → nothing",
        ],
    );
    usage(&world, &["--output", "json", "--out", "now.json"])
        .ran()
        .await
        .well();
    let same = usage(&world, &["--since", "now.json"]).ran().await.well().stdout;
    contains(&same, &["No repository changed."]);
    let other = usage(&world, &["--since", "now.json", "--include", "ecs"])
        .ran()
        .await
        .well();
    contains(
        &other.stdout,
        &["Who runs what is not compared: other kinds of users were asked for then."],
    );
    assert!(!other.stdout.contains("newly"), "{}", other.stdout);
    let mut to_come: serde_json::Value = serde_json::from_str(&world.file("now.json")).unwrap();
    to_come["generated_at"] = "2999-01-01T00:00:00Z".into();
    std::fs::write(world.folder().join("to-come.json"), to_come.to_string()).unwrap();
    let wrong = usage(&world, &["--since", "to-come.json"]).ran().await.code_is(2);
    contains(&wrong.stderr, &["it is of 2999-01-01T00:00:00Z, which is to come"]);
    let wrong = usage(&world, &["--since", "none.json"]).ran().await.code_is(2);
    contains(
        &wrong.stderr,
        &["read the earlier report none.json", "--output json --out FILE"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_and_coverage_can_be_had_alone() {
    let world = world().await;
    fill(&world);
    let text = usage(&world, &["--candidates"]).ran().await.well().stdout;
    contains(
        &text,
        &[
            "/legacy/reports : 1.45 GB in 2 images, 0.15 USD a month : nobody uses it, last push over 6 months ago",
            "/billing/yearly : 680 MB in 1 image, 0.07 USD a month : its functions last ran over 1 year ago",
            // Not the sum of what each costs to two places.
            "2 in all : 2.13 GB, 0.21 USD a month",
        ],
    );
    assert!(!text.contains("REGION"), "{text}");
    contains(&text, &["Services of Amazon ECS were not asked"]);
    let with_services = usage(&world, &["--candidates", "--include", "ecs"]).ran().await.well();
    contains(
        &with_services.stdout,
        &["Services were asked in eu-central-1, us-east-1 alone"],
    );
    let table = usage(&world, &["--candidates", "--output", "csv"])
        .ran()
        .await
        .well()
        .stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    let longer = usage(&world, &["--candidates"]).env("ECR_KEEPER_USAGE__UNUSED_AFTER", "2 years");
    let longer = longer
        .env("ECR_KEEPER_USAGE__IDLE_AFTER", "2 years")
        .ran()
        .await
        .well()
        .stdout;
    contains(&longer, &["No repository was found that could go."]);
}
