//! Two thousand images on eight workers, two of which are killed at work, while each hundredth request fails: by a queue, and by
//! shards.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ecr_lab::images::{Image, Layer, Place, Platform};
use ecr_lab::{Act, Fault, LabOptions, Logged, S3};
use futures::{StreamExt, stream};
use serde_json::Value;

use crate::support::{Run, Running, World};

const REPOSITORIES: usize = 20;
const TAGS: usize = 100;
const ALL: usize = REPOSITORIES * TAGS;
const WORKERS: usize = 8;
const BUCKET: &str = "shared";

struct Many {
    world: World,
    s3: S3,
    /// The digest that each target is to name, by `REPOSITORY:TAG`.
    expected: BTreeMap<String, String>,
}

impl Many {
    async fn begin() -> Self {
        let world = World::without_daemon(LabOptions::default()).await;
        let mut settings = "images:\n".to_owned();
        for repository in 0..REPOSITORIES {
            world.lab.ecr().create_repository(&format!("mirror/app{repository}"));
            writeln!(
                settings,
                "  - {{upstream: library/app{repository}, repository: mirror/app{repository}}}"
            )
            .unwrap();
        }
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
        let place = Place::of(world.lab.upstream());
        let push = async |(repository, tag): (usize, usize)| {
            let image = Image::new(Platform::amd64()).layer(Layer::new().file("etc/lab", b"all of them"));
            let image = image.label("name", &format!("{repository}.{tag}"));
            let upstream = format!("library/app{repository}");
            let pushed = image
                .push(&place, &upstream, &format!("1.{tag}"))
                .await
                .expect("it is pushed");
            (format!("mirror/app{repository}:1.{tag}"), pushed.digest().to_owned())
        };
        // Within one repository one after the other: the registry does not like the same layer twice at once.
        let all = async |repository: usize| -> Vec<(String, String)> {
            let tags = stream::iter(0..TAGS).then(|tag| push((repository, tag)));
            tags.collect().await
        };
        let pushed: Vec<_> = stream::iter(0..REPOSITORIES)
            .map(all)
            .buffer_unordered(4)
            .collect()
            .await;
        let expected = pushed.into_iter().flatten().collect();
        let s3 = world.lab.s3().await.expect("moto starts");
        s3.create_bucket(BUCKET).await.unwrap();
        for front in [world.lab.upstream(), world.lab.ecr().front()] {
            let unavailable = Act::status(503, "UNAVAILABLE", "come again");
            front.fault(Fault::new("/v2/.+", unavailable).every(100));
        }
        Self { world, s3, expected }
    }

    fn keeper(&self, arguments: &[&str]) -> Run {
        let all = [arguments, &["--output", "json", "--progress", "none"]].concat();
        let run = self.world.keeper(&all).without("KEYWORD");
        run.env("AWS_ENDPOINT_URL_S3", self.s3.endpoint())
            .env("AWS_ENDPOINT_URL_SQS", self.s3.endpoint())
            .env("ECR_KEEPER_WORK__STATE", format!("s3://{BUCKET}/work"))
            .env("ECR_KEEPER_WORK__LEASE", "15s")
            .env("ECR_KEEPER_CONCURRENCY", "10")
            .env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/ledger.json"))
    }

    /// How many targets name what they are to name.
    fn current(&self) -> usize {
        let is_current = |(target, digest): &(&String, &String)| {
            let (repository, tag) = target.split_once(':').unwrap();
            self.world.lab.ecr().digest_of(repository, tag).as_ref() == Some(*digest)
        };
        self.expected.iter().filter(is_current).count()
    }

    /// Kills two of those that are at work, once some of it is done and most of it is not. Answers the others.
    async fn kill_two(&self, mut running: Vec<Running>) -> Vec<Running> {
        let some_is_done = async {
            while self.current() < ALL / 10 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(300), some_is_done)
            .await
            .expect("work is done");
        assert!(self.current() < ALL, "there is work left");
        for killed in running.drain(..2) {
            killed.signal("KILL");
            killed.end().await;
        }
        running
    }

    /// No two workers brought the same image, nor one twice.
    fn each_was_pushed_once(&self) {
        let log = self.world.lab.ecr().front().requests();
        let is_taken = |request: &&Logged| request.method == "PUT" && request.status == 201;
        let mut pushed: Vec<String> = log
            .iter()
            .filter(is_taken)
            .filter_map(|request| request.path.strip_prefix("/v2/")?.split_once("/manifests/"))
            .map(|(repository, tag)| format!("{repository}:{tag}"))
            .collect();
        pushed.sort();
        assert_eq!(pushed, self.targets());
    }

    /// Every target once.
    fn targets(&self) -> Vec<String> {
        sorted(self.expected.keys().cloned().collect())
    }

    fn host(&self) -> String {
        format!("{}/", self.world.lab.ecr().host())
    }
}

fn sorted(mut targets: Vec<String>) -> Vec<String> {
    targets.sort();
    targets
}

/// The targets of a report, each of which is brought.
fn brought(report: &Value, host: &str) -> Vec<String> {
    let images = report["images"].as_array().unwrap().iter();
    let target = |image: &Value| {
        assert!(
            ["updated", "unchanged"].contains(&image["outcome"].as_str().unwrap()),
            "{image}"
        );
        image["target"].as_str().unwrap().strip_prefix(host).unwrap().to_owned()
    };
    images.map(target).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_queue_every_image_is_there_once_and_in_the_report() {
    let many = Many::begin().await;
    let queue = many.s3.create_queue("images", 10).await.unwrap();
    let work = |arguments: &[&str]| {
        let run = many.keeper(&[&["work"], arguments].concat());
        run.env("ECR_KEEPER_WORK__QUEUE", &queue.url)
    };
    let queued = work(&["enqueue"]).ran().await.well().json();
    assert_eq!(queued["queued"], ALL, "{queued}");
    let workers = (0..WORKERS)
        .map(|_| work(&["run", "--until-empty"]).started())
        .collect();
    let mut updated = 0;
    for worker in many.kill_two(workers).await {
        let worked = worker.end().await.well().json();
        updated += worked["updated"].as_u64().unwrap();
    }
    assert!(updated > 0);
    assert_eq!(many.current(), ALL);
    many.each_was_pushed_once();
    let report = work(&["report", "--wait"]).ran().await.well().json();
    assert_eq!(sorted(brought(&report, &many.host())), many.targets());
    assert_eq!(many.s3.messages(&queue.dead).await.unwrap(), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_shards_every_image_is_there_once_and_in_one_report() {
    let many = Many::begin().await;
    let shard = |at: usize| many.keeper(&["sync", "--shard", &format!("{}/{WORKERS}", at + 1)]);
    let workers = (0..WORKERS).map(|at| shard(at).started()).collect();
    let mut reports = Vec::new();
    for worker in many.kill_two(workers).await {
        reports.push(worker.end().await.well().json());
    }
    // The jobs that were killed are started again.
    for at in 0..2 {
        reports.push(shard(at).ran().await.well().json());
    }
    assert_eq!(many.current(), ALL);
    many.each_was_pushed_once();
    let told = reports.iter().flat_map(|report| brought(report, &many.host()));
    assert_eq!(sorted(told.collect()), many.targets());
}
