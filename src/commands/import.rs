//! `config import`: settings that do what another program's configuration says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input;
use super::{CommandError, Context, ExitCode, Output, print_json, unless_closed};
use crate::atomic;
use crate::import::{Beside, Format, ImportError, Imported, LeftOut, Source, import};
use crate::report::Failure;
use crate::settings::{Given, Settings, SettingsError, Written};

/// What `config import` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Whose configuration it is
    #[arg(value_enum, value_name = "FORMAT")]
    pub format: Format,
    /// The configuration; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the settings to a file, and not to standard output (-); one that is there stays
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long, requires = "out")]
    pub force: bool,
    /// With skopeo: where `skopeo sync` is told to bring the images
    #[arg(long, value_name = "REGISTRY[/PREFIX]")]
    pub target: Option<String>,
    /// With skopeo: that it is told --scoped, so that the whole name of an upstream goes behind the prefix
    #[arg(long)]
    pub scoped: bool,
    /// With skopeo: that it is told --all, so that all platforms come
    #[arg(long)]
    pub all: bool,
    /// With image-syncer: its file of logins
    #[arg(long, value_name = "FILE")]
    pub auth: Option<PathBuf>,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Answer<'a> {
    schema_version: u32,
    settings: &'a str,
    images: usize,
    variables: &'a [String],
    left_out: &'a [LeftOut],
    failures: Vec<Failure>,
}

const SCHEMA_VERSION: u32 = 1;

/// Reads, checks and writes.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let unusable = |error: &ImportError| {
        CommandError::Unusable(Failure {
            message: format!("read a configuration of {}", options.format),
            causes: vec![error.to_string()],
            hint: hint(error).map(Into::into),
        })
    };
    options.fit().map_err(CommandError::Unusable)?;
    let text = read(&options.file, options.format).map_err(CommandError::Unusable)?;
    let auth = options
        .auth
        .as_deref()
        .map(|file| read(file, options.format))
        .transpose();
    let auth = auth.map_err(CommandError::Unusable)?;
    let beside = Beside {
        target: options.target.as_deref(),
        scoped: options.scoped,
        all: options.all,
        auth: auth.as_ref().map(Text::source),
    };
    let imported = import(options.format, text.source(), &beside).map_err(|error| unusable(&error))?;
    check(&imported)?;
    if imported.images == 0 {
        return nothing(options, context, &imported);
    }
    if let Some(path) = options.file_to_write() {
        write(path, &imported.settings, options.force).map_err(CommandError::Failed)?;
    }
    print(options, context, &imported)?;
    Ok(0)
}

/// Settings without an image would do nothing, and are no answer.
fn nothing(options: &Options, context: &Context, imported: &Imported) -> Result<ExitCode, CommandError> {
    let failure = Failure {
        message: format!("make settings of a configuration of {}", options.format),
        causes: vec!["no entry of `images` came of it; nothing is written".to_owned()],
        hint: Some("what is listed with its line tells why".into()),
    };
    if context.output == Output::Json {
        print_json(&Answer::of(imported, vec![failure]))?;
        return Ok(1);
    }
    unless_closed(list(&imported.left_out, &mut io::stderr().lock()))?;
    Err(CommandError::Failed(failure))
}

impl<'a> Answer<'a> {
    fn of(imported: &'a Imported, failures: Vec<Failure>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            settings: &imported.settings,
            images: imported.images,
            variables: &imported.variables,
            left_out: &imported.left_out,
            failures,
        }
    }
}

fn hint(error: &ImportError) -> Option<&'static str> {
    match error {
        ImportError::NoTarget => {
            Some("give what `skopeo sync` is given as its destination: --target REGISTRY[/PREFIX]")
        }
        ImportError::Target { .. } => {
            Some("write the registry's host[:port], and what is put before the images' names")
        }
        ImportError::Other { found: Some(_), .. } => Some("name that format, or another file"),
        ImportError::Other { .. } | ImportError::Empty(_) => Some("name the file that the other program reads"),
        ImportError::Syntax { .. } => None,
    }
}

impl Options {
    /// Where the settings go; none where that is standard output.
    fn file_to_write(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// Flags for one format say nothing with another.
    fn fit(&self) -> Result<(), Failure> {
        let is_skopeo = self.format == Format::Skopeo;
        let stray = match () {
            () if self.target.is_some() && !is_skopeo => Some(("--target", "skopeo")),
            () if self.scoped && !is_skopeo => Some(("--scoped", "skopeo")),
            () if self.all && !is_skopeo => Some(("--all", "skopeo")),
            () if self.auth.is_some() && self.format != Format::ImageSyncer => Some(("--auth", "image-syncer")),
            () => None,
        };
        match stray {
            None => Ok(()),
            Some((flag, format)) => Err(Failure {
                message: format!(
                    "{flag} is for {format}, and says nothing of a configuration of {}",
                    self.format
                ),
                causes: Vec::new(),
                hint: Some("leave it out".into()),
            }),
        }
    }
}

/// A file, and what is in it.
struct Text {
    name: String,
    text: String,
}

impl Text {
    fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            text: &self.text,
        }
    }
}

fn read(file: &Path, format: Format) -> Result<Text, Failure> {
    let name = input::name(file);
    match input::read(file) {
        Ok(text) => Ok(Text { name, text }),
        Err(error) => Err(Failure {
            message: format!("read {name} as a configuration of {format}"),
            causes: vec![error.to_string()],
            hint: Some("name a text file, or - for standard input".into()),
        }),
    }
}

/// The settings by themselves, with something in each variable that they ask for.
fn check(imported: &Imported) -> Result<(), CommandError> {
    let variables = imported.variables.iter().map(|name| (name.clone(), "-".to_owned()));
    let given = Given {
        environment: variables.collect(),
        ..Given::default()
    };
    let failed = |causes: Vec<String>| {
        CommandError::Failed(Failure {
            message: "check the settings that were made; nothing is written".to_owned(),
            causes,
            hint: Some(
                "take out of the configuration what they name, and report it to the makers of ecr-keeper".into(),
            ),
        })
    };
    match Settings::of(Some(&Written::to_be(&imported.settings)), &given) {
        Ok(_) => Ok(()),
        Err(SettingsError::Invalid(mistakes)) => {
            let causes = mistakes
                .iter()
                .map(|mistake| format!("{}: {}", mistake.key, mistake.problem));
            Err(failed(causes.collect()))
        }
        Err(error) => Err(failed(vec![error.to_string()])),
    }
}

fn write(path: &Path, settings: &str, force: bool) -> Result<(), Failure> {
    // A link that leads nowhere is there, too.
    if !force && path.symlink_metadata().is_ok() {
        return Err(Failure {
            message: format!("write the settings to {}", path.display()),
            causes: vec!["it is there already".to_owned()],
            hint: Some("name another file with --out, or replace it with --force".into()),
        });
    }
    atomic::write(path, settings.as_bytes()).map_err(|error| Failure {
        message: format!("write the settings to {}", path.display()),
        causes: vec![error.to_string()],
        hint: Some("name a file in a folder that can be written to with --out".into()),
    })
}

/// The settings on standard output, and what is not in them on standard error; for programs both on standard output.
fn print(options: &Options, context: &Context, imported: &Imported) -> io::Result<()> {
    if context.output == Output::Json {
        return print_json(&Answer::of(imported, Vec::new()));
    }
    if options.file_to_write().is_none() {
        // As it is, on a terminal too: a line that is broken would be other YAML.
        let mut out = io::stdout().lock();
        unless_closed(out.write_all(imported.settings.as_bytes()).and_then(|()| out.flush()))?;
    }
    unless_closed(tell(options, imported, &mut io::stderr().lock()))
}

fn list(left_out: &[LeftOut], out: &mut impl Write) -> io::Result<()> {
    for LeftOut { file, line, key, why } in left_out {
        writeln!(out, "{file}:{line}: {key}: {why}")?;
    }
    Ok(())
}

fn tell(options: &Options, imported: &Imported, out: &mut impl Write) -> io::Result<()> {
    list(&imported.left_out, out)?;
    if let Some(path) = options.file_to_write() {
        writeln!(out, "wrote {}", path.display())?;
    }
    let images = match imported.images {
        1 => "1 entry of `images` came of it".to_owned(),
        many => format!("{many} entries of `images` came of it"),
    };
    let told = match imported.left_out.len() {
        0 => "everything has a counterpart".to_owned(),
        1 => "1 line above tells what has no counterpart, or not quite".to_owned(),
        many => format!("{many} lines above tell what has no counterpart, or not quite"),
    };
    writeln!(out, "{images}; {told}")?;
    for variable in &imported.variables {
        writeln!(out, "to be set in the environment: {variable}")?;
    }
    Ok(())
}
