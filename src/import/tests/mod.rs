//! Each format's words, by what its own documentation says of them. Whatever is made is loaded as settings, too.

mod dregsy;
mod regsync;

use std::io::Write;

use super::*;
use crate::settings::{Given, Settings};

const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// `ECR` stands for the registry in what is read.
fn imported_beside(format: Format, text: &str, beside: &Beside<'_>) -> Imported {
    let text = text.replace("ECR", ECR);
    let source = Source {
        name: "file",
        text: &text,
    };
    let imported = import(format, source, beside).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(imported.settings.as_bytes()).unwrap();
    let given = Given {
        environment: imported
            .variables
            .iter()
            .map(|name| (name.clone(), "x".to_owned()))
            .collect(),
        ..Given::default()
    };
    let settings = Settings::load(Some(file.path()), &given);
    let settings = settings.unwrap_or_else(|error| panic!("{error}\n{}", imported.settings));
    assert!(settings.images.len() == imported.images, "{}", imported.settings);
    imported
}

fn imported(format: Format, text: &str) -> Imported {
    imported_beside(format, text, &Beside::default())
}

/// What follows `images:` in the settings.
fn images(imported: &Imported) -> &str {
    let (_, images) = imported.settings.split_once("\nimages:").unwrap();
    images.trim_start_matches('\n')
}

/// `LINE KEY`, as they are told.
fn places(imported: &Imported) -> Vec<String> {
    let told = imported.left_out.iter();
    told.map(|one| format!("{} {}", one.line, one.key)).collect()
}

fn why(imported: &Imported, key: &str) -> String {
    let found = imported.left_out.iter().find(|one| one.key == key);
    found
        .unwrap_or_else(|| panic!("{key} is not in {:#?}", imported.left_out))
        .why
        .to_string()
}

#[test]
fn skopeo_s_registries() {
    // The example of skopeo-sync(1).
    let yaml = "registry.example.com:\n    images:\n        busybox: []\n        redis:\n            - \"1.0\"\n            \
                - \"sha256:0000000000000000000000000000000011111111111111111111111111111111\"\n    images-by-tag-regex:\n        \
                nginx: ^1\\.13\\.[12]-alpine-perl$\n        odd: alpine|edge\n    images-by-semver:\n        \
                alpine: \">= 3.12.0\"\n    credentials:\n        username: john\n        password: this is a secret\n    \
                tls-verify: true\n    cert-dir: /home/john/certs\nquay.io:\n    tls-verify: false\n    images:\n        \
                coreos/etcd:\n            - latest\n";
    let beside = |scoped| Beside {
        target: Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com/repo/"),
        scoped,
        auth: None,
    };
    let imported = imported_beside(Format::Skopeo, yaml, &beside(false));
    let upstream = |name: &str| {
        format!(
            "  - upstream: {name}\n    repository: repo/{}\n",
            name.rsplit('/').next().unwrap()
        )
    };
    assert_eq!(
        images(&imported),
        [
            upstream("registry.example.com/busybox"),
            upstream("registry.example.com/redis") + "    include_tags: ['1.0']\n",
            upstream("registry.example.com/nginx") + "    allow: ['1\\.13\\.[12]-alpine-perl']\n",
            upstream("registry.example.com/odd") + "    allow: ['.*(?:alpine|edge).*']\n",
            upstream("registry.example.com/alpine") + "    constraint: '>= 3.12.0'\n",
            upstream("quay.io/coreos/etcd") + "    include_tags: [latest]\n",
        ]
        .concat()
    );
    assert_eq!(
        places(&imported),
        [
            "6 registry.example.com.images.redis.2",
            "11 registry.example.com.images-by-semver.alpine",
            "14 registry.example.com.credentials.password",
            "16 registry.example.com.cert-dir",
            "18 quay.io.tls-verify"
        ]
    );
    assert!(
        imported.settings.contains("    username: john\n"),
        "{}",
        imported.settings
    );
    assert!(!format!("{imported:?}").contains("this is a secret"));
    let scoped = imported_beside(Format::Skopeo, yaml, &beside(true));
    assert!(
        scoped.settings.contains("repository: repo/quay.io/coreos/etcd\n"),
        "{}",
        scoped.settings
    );
}

#[test]
fn image_syncer_s_rules_and_logins() {
    // After its examples/images.yaml and auth.yaml.
    let rules = "quay.io/coreos/kube-rbac-proxy:v1.0: ECR/ruohe/proxy\n\
                 quay.io/coreos/kube-rbac-proxy:v1.0,v2.0: ECR/ruohe/proxy:v1.0,v2.0\n\
                 quay.io/coreos/kube-rbac-proxy@sha256:14b2: ECR/ruohe/proxy\n\
                 quay.io/coreos/kube-rbac-proxy:v1.1:\n  - ECR/ruohe/proxy1\n  - ECR/ruohe/proxy2:other\n\
                 quay.io/coreos/kube-rbac-proxy:/a+/: ECR/ruohe/proxy\n\
                 quay.io/coreos/etcd: ECR/ruohe/etcd\n\
                 quay.io/coreos/flannel: \"\"\n";
    let auth = Source {
        name: "auth",
        text: "quay.io: {username: xxx, password: hunter2, insecure: true}\ndocker.io:\n  username: \"${HUB}\"\n  \
               password: \"$TOKEN\"\nquay.io/coreos: {username: abc, password: hunter2}\n",
    };
    let beside = Beside {
        auth: Some(auth),
        ..Beside::default()
    };
    let imported = imported_beside(Format::ImageSyncer, rules, &beside);
    let proxy = "  - upstream: quay.io/coreos/kube-rbac-proxy\n    repository: ruohe/proxy";
    assert_eq!(
        images(&imported),
        format!(
            "{proxy}\n    any:\n      - include_tags: [v1.0, v2.0]\n      - allow: ['.*a+.*']\n{proxy}1\n    \
             include_tags: [v1.1]\n  - upstream: quay.io/coreos/etcd\n    repository: ruohe/etcd\n"
        )
    );
    let registries = "registries:\n  docker.io: {}\n  quay.io:\n    username: xxx\n    plain_http: true\n";
    assert!(imported.settings.contains(registries), "{}", imported.settings);
    let told: Vec<String> = imported
        .left_out
        .iter()
        .map(|one| format!("{}:{} {}", one.file, one.line, one.key))
        .collect();
    assert_eq!(
        told,
        [
            "auth:1 quay.io.password",
            "auth:3 docker.io.username",
            "auth:4 docker.io.password",
            "auth:5 quay.io/coreos",
            "file:3 quay.io/coreos/kube-rbac-proxy@sha256:14b2",
            "file:6 quay.io/coreos/kube-rbac-proxy:v1.1.2",
            "file:9 quay.io/coreos/flannel"
        ]
    );
    assert!(!format!("{imported:?}").contains("hunter2"));
    // The older form, in JSON.
    let json = "{\"auth\": {\"quay.io\": {\"username\": \"x\", \"password\": \"hunter2\"}},\n\"images\": {\"quay.io/a/b:1.10\": \
                \"ECR/a/b\"}, \"odd\": 1}";
    let older = self::imported(Format::ImageSyncer, json);
    assert!(images(&older).contains("include_tags: ['1.10']"), "{}", older.settings);
    assert_eq!(places(&older), ["1 auth.quay.io.password", "2 odd"]);
}

#[test]
fn a_file_of_another_kind_is_told_by_its_line() {
    let regsync = "version: 1\nsync:\n- {source: a, target: b, type: image}\n";
    let dregsy = "relay: skopeo\ntasks: []\n";
    for (format, text, says) in [
        (Format::Regsync, "", "file has nothing in it"),
        (Format::Regsync, "a: [\n", "file: line "),
        (
            Format::Regsync,
            "- a\n",
            "file: line 1: a configuration of regsync is a mapping",
        ),
        (
            Format::Regsync,
            "sync: 1\n",
            "file: line 1: a configuration of regsync is a mapping with a list `sync`",
        ),
        (
            Format::Regsync,
            "sync: []\nversion: 2\n",
            "file: line 2: a configuration of regsync has `version: 1`",
        ),
        (Format::Regsync, dregsy, "; this looks like dregsy's"),
        (
            Format::Dregsy,
            regsync,
            "file: line 1: a configuration of dregsy is a mapping with a list `tasks`; this looks",
        ),
        (
            Format::Dregsy,
            "tasks: []\nrelay: crane\n",
            "file: line 2: a configuration of dregsy has `relay: skopeo`",
        ),
        (
            Format::Skopeo,
            regsync,
            "file: line 1: a configuration of skopeo sync is a mapping of registries",
        ),
        (
            Format::Skopeo,
            "quay.io: {tls-verify: true}\n",
            "file: line 1: a configuration of skopeo sync",
        ),
        (
            Format::ImageSyncer,
            "a: b\nquay.io: {username: x}\n",
            "file: line 2: a file of images of image-syncer",
        ),
    ] {
        let source = Source { name: "file", text };
        let beside = Beside {
            target: Some("localhost:5000"),
            ..Beside::default()
        };
        let error = import(format, source, &beside).unwrap_err().to_string();
        assert!(error.contains(says), "{format} {text}: {error}");
        assert!(
            !error.contains("looks like regsync's") || format != Format::Regsync,
            "{error}"
        );
    }
    let skopeo = |target| {
        let source = Source {
            name: "file",
            text: "quay.io: {images: {a: []}}\n",
        };
        let beside = Beside {
            target,
            ..Beside::default()
        };
        import(Format::Skopeo, source, &beside).unwrap_err().to_string()
    };
    assert_eq!(
        skopeo(None),
        "a configuration of skopeo sync does not say where the images go"
    );
    let wrong = skopeo(Some("me:hunter2@registry"));
    assert!(wrong.starts_with("registry is no REGISTRY[/PREFIX]: "), "{wrong}");
}
