//! The tools, and how each is told to do the same work.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::measure::Line;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Keeper,
    Crane,
    Regsync,
    Skopeo,
}

/// How much a tool may do at once. Rows that were told the same are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// So many layers, or images.
    AtOnce(usize),
    /// Nothing: its defaults.
    Nothing,
    /// Nothing either, as it cannot be told: it is compared with everybody.
    Cannot,
    /// Something that no peer can be told.
    Other,
}

impl Told {
    /// Whether two rows can be compared.
    pub fn is_beside(self, other: Told) -> bool {
        let comparable = self != Told::Other && other != Told::Other;
        comparable && (self == other || other == Told::Cannot || self == Told::Cannot)
    }

    fn at_once(self) -> Option<usize> {
        match self {
            Told::AtOnce(most) => Some(most),
            Told::Nothing | Told::Cannot | Told::Other => None,
        }
    }
}

/// Images to be copied, over TLS or not.
#[derive(Debug, Clone)]
pub struct Job {
    /// `HOST/REPOSITORY:TAG` of each source, and of all its targets.
    pub images: Vec<(String, Vec<String>)>,
    /// All hosts, with the folder of their certificates where they speak TLS.
    pub hosts: Vec<(String, Option<PathBuf>)>,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub keeper: PathBuf,
}

impl Tool {
    pub const PEERS: [Tool; 3] = [Tool::Crane, Tool::Regsync, Tool::Skopeo];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Keeper => "ecr-keeper",
            Tool::Crane => "crane",
            Tool::Regsync => "regsync",
            Tool::Skopeo => "skopeo",
        }
    }

    /// None where it cannot be had here.
    pub fn program(self, programs: &Programs) -> Option<PathBuf> {
        match self {
            Tool::Keeper => Some(programs.keeper.clone()),
            Tool::Crane | Tool::Regsync => ecr_lab::program(self.name()).ok().map(PathBuf::from),
            Tool::Skopeo => Some(PathBuf::from("/usr/bin/skopeo")).filter(|path| path.exists()),
        }
    }

    /// How it does a job. Its files go into `folder`.
    pub fn line(self, programs: &Programs, job: &Job, told: Told, folder: &Path) -> Result<Option<Line>> {
        let Some(program) = self.program(programs) else {
            return Ok(None);
        };
        let (program, at_once) = (program.display().to_string(), told.at_once());
        let line = match self {
            Tool::Keeper => keeper(&program, job, at_once, folder)?,
            Tool::Crane => crane(&program, job, at_once, folder)?,
            Tool::Regsync => regsync(&program, job, at_once, folder)?,
            Tool::Skopeo => skopeo(&program, job, folder)?,
        };
        Ok(Some(line))
    }
}

fn keeper(program: &str, job: &Job, at_once: Option<usize>, folder: &Path) -> Result<Line> {
    let mut settings = String::from("engine: direct\nregistries:\n");
    for (host, certificates) in &job.hosts {
        settings += &match certificates {
            None => format!("  {host}: {{plain_http: true}}\n"),
            Some(folder) => format!("  {host}: {{ca: '{}/ca.pem'}}\n", folder.display()),
        };
    }
    // A layer has two connections, as every peer's has: one that reads it, one that writes it.
    settings += &at_once.map_or_else(String::new, |most| format!("direct: {{connections: {}}}\n", 2 * most));
    let file = write(folder, "settings.yaml", &settings)?;
    let (source, targets) = job.images.first().context("an image")?;
    let mut words = vec![
        program.to_owned(),
        "-c".to_owned(),
        file,
        "copy".to_owned(),
        source.clone(),
    ];
    words.extend(targets.iter().cloned());
    Ok(Line {
        label: match at_once {
            Some(most) => format!("ecr-keeper copy, direct.connections: {}", 2 * most),
            None => "ecr-keeper copy".to_owned(),
        },
        words,
        environment: Vec::new(),
    })
}

fn crane(program: &str, job: &Job, at_once: Option<usize>, folder: &Path) -> Result<Line> {
    let mut insecure = "";
    let mut authorities = String::new();
    for (_, certificates) in &job.hosts {
        match certificates {
            None => insecure = "--insecure ",
            Some(folder) => authorities += &fs::read_to_string(folder.join("ca.pem"))?,
        }
    }
    let copies = job
        .images
        .iter()
        .flat_map(|(source, targets)| targets.iter().map(move |target| (source, target)));
    let copies: Vec<String> = copies.map(|(source, target)| format!("{source} {target}")).collect();
    let list = write(folder, "copies", &copies.join("\n"))?;
    let authorities = write(folder, "authorities.pem", &authorities)?;
    let alone = copies.len() == 1;
    let (jobs, processes) = match at_once {
        None => (String::new(), 1),
        Some(most) if alone => (format!("-j {most} "), 1),
        Some(most) => (format!("-j {} ", most / 4), 4),
    };
    let script = format!("xargs -P {processes} -n 2 {program} copy {jobs}{insecure}<{list}");
    let label = match alone {
        true => format!("crane copy {jobs}"),
        false => format!("xargs -P {processes} crane copy {jobs}"),
    };
    Ok(Line {
        label: label.trim_end().to_owned(),
        words: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        environment: vec![("SSL_CERT_FILE".to_owned(), authorities)],
    })
}

fn regsync(program: &str, job: &Job, at_once: Option<usize>, folder: &Path) -> Result<Line> {
    let mut config = String::from("version: 1\n");
    config += &at_once.map_or_else(String::new, |most| format!("defaults: {{parallel: {most}}}\n"));
    config += "creds:\n";
    for (host, certificates) in &job.hosts {
        config += &format!("  - registry: {host}\n");
        config += &at_once.map_or_else(String::new, |most| format!("    reqConcurrent: {most}\n"));
        match certificates {
            None => config += "    tls: disabled\n",
            Some(folder) => {
                config += "    tls: enabled\n    regcert: |\n";
                for line in fs::read_to_string(folder.join("ca.pem"))?.lines() {
                    config += &format!("      {line}\n");
                }
            }
        }
    }
    config += "sync:\n";
    for (source, targets) in &job.images {
        for target in targets {
            config += &format!("  - {{source: '{source}', target: '{target}', type: image}}\n");
        }
    }
    let file = write(folder, "regsync.yml", &config)?;
    Ok(Line {
        label: match at_once {
            Some(most) => format!("regsync once, parallel and reqConcurrent: {most}"),
            None => "regsync once".to_owned(),
        },
        words: [program, "once", "-c", &file].map(str::to_owned).to_vec(),
        environment: Vec::new(),
    })
}

fn skopeo(program: &str, job: &Job, folder: &Path) -> Result<Line> {
    let certificates = |host: &str, side: &str| -> Result<String> {
        let own = job.hosts.iter().find(|(name, _)| name == host);
        match own.and_then(|(_, certificates)| certificates.as_ref()) {
            None => Ok(format!("--{side}-tls-verify=false")),
            Some(own) => {
                let mine = folder.join(format!("certificates-{}", host.replace(':', "-")));
                fs::create_dir_all(&mine)?;
                fs::copy(own.join("ca.pem"), mine.join("ca.crt"))?;
                Ok(format!("--{side}-cert-dir={}", mine.display()))
            }
        }
    };
    let mut copies = Vec::new();
    for (source, targets) in &job.images {
        for target in targets {
            let host = |image: &str| image.split('/').next().unwrap_or_default().to_owned();
            let (from, to) = (
                certificates(&host(source), "src")?,
                certificates(&host(target), "dest")?,
            );
            copies.push(format!("{from} {to} docker://{source} docker://{target}"));
        }
    }
    let list = write(folder, "copies", &copies.join("\n"))?;
    let processes = copies.len().min(4);
    // What it remembers of registries it keeps on the disk, and for ever: each run begins with nothing, in memory.
    let cache = "/var/lib/containers/cache";
    let script = format!(
        "mkdir -p {cache} && mount -t tmpfs tmpfs {cache} && xargs -P {processes} -n 4 {program} copy -q --preserve-digests <{list}"
    );
    Ok(Line {
        label: match processes {
            1 => "skopeo copy --preserve-digests".to_owned(),
            _ => format!("xargs -P {processes} skopeo copy --preserve-digests"),
        },
        words: ["unshare", "--mount", "sh", "-c", &script].map(str::to_owned).to_vec(),
        environment: Vec::new(),
    })
}

fn write(folder: &Path, name: &str, content: &str) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}
