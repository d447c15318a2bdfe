//! How much room a run takes in the daemon.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ecr_lab::Store;
use ecr_lab::images::{Image, Layer, Platform, tiny};

use crate::support::{World, on_every_store};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";
const TAGS: usize = 200;
const AT_ONCE: u64 = 4;
/// Of an image's content. A daemon's own books take some MB, and are not what is looked at.
const SIZE: u64 = 6 << 20;

/// Blocks that the files below a folder take, once where they are mounted a second time; what goes away meanwhile takes none.
fn room(folder: &Path) -> u64 {
    let Ok(own) = folder.symlink_metadata() else { return 0 };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let of_entry = |entry: std::fs::DirEntry| match entry.path().symlink_metadata() {
        Ok(there) if there.dev() != own.dev() => 0,
        Ok(there) if there.is_dir() => room(&entry.path()),
        Ok(there) => there.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of_entry).sum()
}

/// The most room that a folder takes while `work` goes on.
async fn most_room<T>(folder: &Path, work: impl Future<Output = T>) -> (T, u64) {
    let (over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (folder, ends, highest) = (folder.to_owned(), Arc::clone(&over), Arc::clone(&most));
    let watch = tokio::task::spawn_blocking(move || {
        while !ends.load(Ordering::Relaxed) {
            highest.fetch_max(room(&folder), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
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
        let store = match world.dockerd().store() {
            Store::Classic | Store::Containerd => world.dockerd().dir().to_owned(),
            // Beside its storage Podman writes each layer that it pushes to a temporary file.
            Store::Podman => world.dockerd().dir().join("root"),
        };
        let before = room(&store);
        let run = world.keeper(&["sync", "--output", "json"]).env("ECR_KEEPER_CONCURRENCY", AT_ONCE.to_string());
        let (ran, most) = most_room(&store, run.ran()).await;
        let ran = ran.well();
        assert_eq!(ran.json()["totals"]["updated"], TAGS);
        let taken = most.saturating_sub(before);
        assert!(taken >= SIZE, "the watch saw nothing: {taken}");
        assert!(taken <= 6 * SIZE, "{taken} bytes for images of {SIZE}");
    }
}
