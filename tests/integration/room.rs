//! How much room a run takes in the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ecr_lab::images::{Image, Layer, Platform, tiny};
use ecr_lab::{Disk, Dockerd, DockerdOptions};

use crate::support::{World, on_every_store};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";
const TAGS: usize = 200;
const AT_ONCE: u64 = 4;
/// Of an image's content. A daemon's own books take some MB, and are not what is looked at.
const SIZE: u64 = 6 << 20;

/// The most room that is taken on a disk while `work` goes on.
async fn most_room<T>(disk: &Arc<Disk>, work: impl Future<Output = T>) -> (T, u64) {
    let (over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (disk, ends, highest) = (Arc::clone(disk), Arc::clone(&over), Arc::clone(&most));
    let watch = tokio::task::spawn_blocking(move || {
        while !ends.load(Ordering::Relaxed) {
            highest.fetch_max(disk.used().expect("the disk tells"), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let done = work.await;
    over.store(true, Ordering::Relaxed);
    watch.await.expect("it watches to the end");
    (done, most.load(Ordering::Relaxed))
}

on_every_store! {
    /// What the run brings in goes as soon as no running image needs it.
    async fn two_hundred_tags_take_the_room_of_six(world: World) {
        for number in 0..TAGS {
            let tag = format!("1.{number}");
            let text = format!("{number:0>64}").repeat(SIZE as usize / 64);
            let image = Image::new(Platform::amd64()).layer(Layer::new().file("content", text.as_bytes()));
            world.upstream(UPSTREAM, &tag, image).await;
            world.ecr(REPOSITORY, &tag, tiny("old")).await;
        }
        // Of its own, whose room is told for one moment: files come and go while somebody walks through a folder.
        let disk = Arc::new(Disk::in_memory(world.lab.dir(), 1 << 30).unwrap());
        let options = DockerdOptions {
            temporary: Some(world.folder().to_owned()),
            ..DockerdOptions::default()
        };
        let daemon = Dockerd::start_as(disk.folder(), world.dockerd().store(), options).await.unwrap();
        let before = disk.used().unwrap();
        let run = world
            .keeper(&["sync", "--output", "json"])
            .env("DOCKER_HOST", daemon.host())
            .env("ECR_KEEPER_CONCURRENCY", AT_ONCE.to_string());
        let (ran, most) = most_room(&disk, run.ran()).await;
        let ran = ran.well();
        assert_eq!(ran.json()["totals"]["updated"], TAGS);
        let taken = most.saturating_sub(before);
        assert!(taken >= SIZE, "the watch saw nothing: {taken}");
        assert!(taken <= 6 * SIZE, "{taken} bytes for images of {SIZE}");
    }
}
