//! A world for one test: lab, daemon and a folder of its own, and a way to run the program in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ImageSummary;
use bollard::query_parameters::ListImagesOptions;
use ecr_lab::images::{Image, Index, Place, Pushed};
use ecr_lab::{Dockerd, DockerdOptions, Front, Lab, LabOptions, Logged, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// What the repositories of these tests have in their name.
pub const KEYWORD: &str = "base/image";

pub struct World {
    // Dropped before the lab, whose folder it is in.
    daemon: Option<Dockerd>,
    pub lab: Lab,
    folder: TempDir,
    /// Config blobs that are upstream: the daemon also reads them to see which platform an image is.
    configs: Mutex<BTreeSet<String>>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(LabOptions::default()).await
    }

    /// With another kind of daemon.
    pub async fn on(store: Store) -> Self {
        Self::with_daemon(LabOptions::default(), store).await
    }

    pub async fn with(options: LabOptions) -> Self {
        Self::with_daemon(options, Store::Classic).await
    }

    pub async fn with_daemon(options: LabOptions, store: Store) -> Self {
        let mut world = Self::without_daemon(options).await;
        let dockerd = Dockerd::start_as(world.lab.dir(), store, DockerdOptions::default()).await;
        world.daemon = Some(dockerd.expect("the daemon starts"));
        world
    }

    /// For the direct engine, which needs none.
    pub async fn without_daemon(options: LabOptions) -> Self {
        Self {
            daemon: None,
            lab: Lab::start(options).await.expect("the lab starts"),
            folder: tempfile::tempdir().expect("a folder"),
            configs: Mutex::default(),
        }
    }

    pub fn dockerd(&self) -> &Dockerd {
        self.daemon.as_ref().expect("a world with a daemon")
    }

    pub fn dockerd_mut(&mut self) -> &mut Dockerd {
        self.daemon.as_mut().expect("a world with a daemon")
    }

    /// The working folder of every run: settings, ledger and result files are here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder().join("state/ecr-keeper/ledger.json")
    }

    /// `HOST:PORT/base/image/NAME:TAG`.
    pub fn target(&self, name: &str) -> String {
        format!("{}/{name}", self.lab.ecr().host())
    }

    /// Puts an image upstream without a trace in its log.
    pub async fn upstream(&self, repository: &str, tag: &str, image: impl Content) -> Pushed {
        let pushed = image.put(&Place::of(self.lab.upstream()), repository, tag).await;
        let configs = pushed.children.iter().map(|child| child.config.clone());
        self.configs.lock().expect("no panic").extend(configs);
        pushed
    }

    /// Puts an image into ECR, and makes the repository; ECR's registry forgets the requests that took.
    pub async fn ecr(&self, repository: &str, tag: &str, image: impl Content) -> Pushed {
        let ecr = self.lab.ecr();
        if !ecr.repositories().iter().any(|name| name == repository) {
            ecr.create_repository(repository);
        }
        let pushed = image.put(&Place::ecr(ecr), repository, tag).await;
        ecr.front().clear_requests();
        pushed
    }

    /// The config digest of what a tag in ECR names.
    pub fn config_in_ecr(&self, repository: &str, tag: &str) -> String {
        let digest = self.digest_in_ecr(repository, tag);
        let manifest = self.lab.ecr().manifest(repository, &digest).expect("the manifest");
        let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
        manifest["config"]["digest"].as_str().unwrap_or_default().to_owned()
    }

    pub fn digest_in_ecr(&self, repository: &str, tag: &str) -> String {
        self.lab.ecr().digest_of(repository, tag).expect("the tag is in ECR")
    }

    /// Forgets all requests that were logged until now.
    pub fn forget_requests(&self) {
        self.lab.upstream().clear_requests();
        self.lab.ecr().front().clear_requests();
        self.lab.ecr().blobs().clear_requests();
        self.lab.ecr().clear_api_requests();
    }

    /// Requests for layers at the upstream, as `METHOD PATH`: what a pull of new content cannot do without.
    pub fn pulled_layers(&self) -> Vec<String> {
        let configs = self.configs.lock().expect("no panic");
        let of_layer = |request: &Logged| match request.path.split_once("/blobs/") {
            Some((_, digest)) => !configs.contains(digest),
            None => false,
        };
        requested(self.lab.upstream().requests(), of_layer)
    }

    /// Requests at ECR that only a push makes, as `METHOD PATH`.
    pub fn pushes(&self) -> Vec<String> {
        let writes = |request: &Logged| !matches!(request.method.as_str(), "GET" | "HEAD");
        requested(self.lab.ecr().front().requests(), writes)
    }

    /// Every image of the daemon, by id.
    pub async fn local_images(&self) -> BTreeMap<String, LocalImage> {
        let docker = self.docker();
        let images = loop {
            match docker.list_images(None::<ListImagesOptions>).await {
                // Podman's, of an image or its layer that goes while it makes the list.
                Err(error) if error.to_string().contains(" not known") => {}
                images => break images.expect("the image list"),
            }
        };
        let local = |mut image: ImageSummary| {
            image.repo_tags.sort();
            image.repo_digests.sort();
            let local = LocalImage {
                tags: image.repo_tags,
                digests: image.repo_digests,
            };
            (image.id, local)
        };
        images.into_iter().map(local).collect()
    }

    /// Waits until a front holds a request; a run that never makes it is a failure, not a test without end.
    pub async fn held(&self, front: &Front) {
        let held = tokio::time::timeout(Duration::from_secs(60), front.held(1));
        held.await.expect("the run makes the request");
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        let host = self.dockerd().host();
        PathBuf::from(host.strip_prefix("unix://").expect("a unix socket"))
    }

    pub fn docker(&self) -> Docker {
        Docker::connect_with_host(&self.dockerd().host()).expect("the daemon's address")
    }

    /// A run of the program in this world.
    pub fn keeper(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-keeper"));
        let home = self.folder();
        command
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("AWS_ACCESS_KEY_ID", "LABACCESSKEY")
            .env("AWS_SECRET_ACCESS_KEY", "lab-secret-access-key")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_ECR", self.lab.endpoint())
            .env("AWS_ENDPOINT_URL_ECR_PUBLIC", self.lab.endpoint())
            .env("ECR", self.lab.ecr().host())
            .env("KEYWORD", KEYWORD)
            // What passes is tried again at once: the tests of waiting set their own.
            .env("ECR_KEEPER_RETRY__WAIT", "50ms")
            .env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", self.lab.upstream().host())
            .env("ECR_KEEPER_REGISTRIES__QUAY_IO__MIRRORS", self.lab.upstream().host())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match &self.daemon {
            Some(dockerd) => command.env("DOCKER_HOST", dockerd.host()),
            None => command.env("ECR_KEEPER_ENGINE", "direct"),
        };
        Run(command)
    }

    /// A function of AWS Lambda in this world. Its settings say nothing of what is looked after.
    pub fn function(&self, api: &str) -> Run {
        let folder = self.folder();
        let run = self.keeper(&[]).without("HOME").without("KEYWORD");
        run.without("XDG_STATE_HOME")
            .without("XDG_CONFIG_HOME")
            .without("ECR_KEEPER_ENGINE")
            .env("TMPDIR", folder)
            .env("LAMBDA_TASK_ROOT", folder)
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "ecr-keeper")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    }

    /// `sync --output json`, to its end.
    pub async fn sync(&self) -> Ran {
        self.keeper(&["sync", "--output", "json"]).ran().await
    }
}

/// An image of the daemon.
#[derive(Debug, PartialEq, Eq)]
pub struct LocalImage {
    /// Its names by tag.
    pub tags: Vec<String>,
    /// Its names by digest.
    pub digests: Vec<String>,
}

/// One test for each kind of daemon.
macro_rules! on_every_store {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn case($world: World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn classic() {
                case(World::on(ecr_lab::Store::Classic).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn containerd() {
                case(World::on(ecr_lab::Store::Containerd).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn podman() {
                case(World::on(ecr_lab::Store::Podman).await).await;
            }
        }
    )*};
}
pub(crate) use on_every_store;

fn requested(log: Vec<Logged>, which: impl Fn(&Logged) -> bool) -> Vec<String> {
    let which = log.into_iter().filter(which);
    which
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

pub struct Run(Command);

impl Run {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// With a file as its standard input.
    pub fn reading(mut self, file: &str) -> Self {
        self.0.stdin(std::fs::File::open(file).expect("the file opens"));
        self
    }

    /// Where /run is empty: the machine's own daemon would be found first.
    pub fn without_sockets_of_the_machine(self) -> Self {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs tmpfs /run && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(self.0.as_std().get_program());
        self.handed_to(command)
    }

    /// As another user than root, who starts the program at a place of his own.
    pub fn by_nobody(self, program: &Path) -> Self {
        let mut command = Command::new(program);
        command.uid(65534);
        self.handed_to(command)
    }

    /// Another program in the same folder and environment.
    pub fn of(self, program: &OsStr, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let given = self.0.as_std();
        command
            .args(arguments)
            .current_dir(given.get_current_dir().expect("a folder"))
            .env_clear()
            .envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(command)
    }

    /// The same arguments, folder and environment for another command.
    fn handed_to(self, mut command: Command) -> Self {
        let given = self.0.as_std();
        command
            .args(given.get_args())
            .current_dir(given.get_current_dir().expect("a folder"))
            .env_clear()
            .envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(command)
    }

    pub async fn ran(mut self) -> Ran {
        Ran::of(self.0.output().await.expect("the program starts"))
    }

    /// To its end, with this as its standard input.
    pub async fn given(self, input: &str) -> Ran {
        let mut child = self.listening();
        let mut stdin = child.stdin.take().expect("a pipe");
        // One that does not read tells by how it ends.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        Ran::of(child.wait_with_output().await.expect("its end"))
    }

    /// With pipes to and from it.
    pub fn listening(mut self) -> Child {
        self.0.stdin(Stdio::piped()).spawn().expect("the program starts")
    }

    /// The same at a terminal, whose output is all that is said.
    pub fn at_a_terminal(self) -> Self {
        let given = self.0.as_std();
        let words = [given.get_program()].into_iter().chain(given.get_args());
        let words: Vec<&str> = words.map(|word| word.to_str().expect("UTF-8")).collect();
        let line = words.join(" ");
        self.of("script".as_ref(), &["-qec", &line, "/dev/null"])
    }

    pub fn started(mut self) -> Running {
        let mut child = self.0.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("a pipe");
        Running {
            child,
            lines: BufReader::new(stderr).lines(),
            heard: String::new(),
        }
    }
}

/// A run on its way.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    heard: String,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(sent.expect("kill starts").success());
    }

    /// Waits until it has said `word` on standard error.
    pub async fn said(&mut self, word: &str) {
        while !self.heard.contains(word) {
            assert!(self.hear().await, "it ended without {word}: {}", self.heard);
        }
    }

    /// Waits until it has said `word` so often on standard error.
    pub async fn said_times(&mut self, word: &str, times: usize) {
        while self.heard.matches(word).count() < times {
            assert!(self.hear().await, "it ended without {word}: {}", self.heard);
        }
    }

    /// All that it has said until now, as far as it was waited for.
    pub fn heard(&self) -> &str {
        &self.heard
    }

    async fn hear(&mut self) -> bool {
        let line = self.lines.next_line().await.expect("UTF-8");
        self.heard.extend(line.iter().flat_map(|line| [line.as_str(), "\n"]));
        line.is_some()
    }

    /// As `| head -c 0`: nobody reads the answer.
    pub fn close_stdout(&mut self) {
        self.child.stdout = None;
    }

    pub async fn end(mut self) -> Ran {
        let stdout = self.child.stdout.take();
        let mut said = String::new();
        let read = async {
            match stdout {
                Some(mut stdout) => stdout.read_to_string(&mut said).await,
                None => Ok(0),
            }
        };
        let hear = async { while self.hear().await {} };
        let (read, ()) = tokio::join!(read, hear);
        read.expect("UTF-8");
        Ran {
            code: self.child.wait().await.expect("its end").code(),
            stdout: said,
            stderr: self.heard,
        }
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Exit code 0, or all that the run said.
    #[track_caller]
    pub fn well(self) -> Self {
        self.code_is(0)
    }

    #[track_caller]
    pub fn code_is(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// How an image of a sync's report ended.
    #[track_caller]
    pub fn image(&self, target: &str) -> Value {
        let report = self.json();
        let images = report["images"].as_array().expect("images");
        let found = images
            .iter()
            .find(|image| image["target"].as_str().is_some_and(|name| name.ends_with(target)));
        found
            .cloned()
            .unwrap_or_else(|| panic!("{target} is not in {report:#}"))
    }

    #[track_caller]
    pub fn outcome(&self, target: &str) -> String {
        self.image(target)["outcome"].as_str().expect("an outcome").to_owned()
    }

    /// The one failure that is no image's.
    #[track_caller]
    pub fn failure(&self) -> String {
        let report = self.json();
        match report["failures"].as_array().map(Vec::as_slice) {
            Some([failure]) => format!("{failure}"),
            other => panic!("not one failure: {other:?}\n{}", self.stderr),
        }
    }
}

/// Images and indexes alike.
pub trait Content {
    fn put(&self, place: &Place, repository: &str, tag: &str) -> impl Future<Output = Pushed> + Send;
}

impl Content for Image {
    async fn put(&self, place: &Place, repository: &str, tag: &str) -> Pushed {
        self.push(place, repository, tag).await.expect("the push")
    }
}

impl Content for Index {
    async fn put(&self, place: &Place, repository: &str, tag: &str) -> Pushed {
        self.push(place, repository, tag).await.expect("the push")
    }
}
