//! Each format's words, by what its own documentation says of them. Whatever is made is loaded as settings, too.

mod dregsy;
mod ranges;
mod regsync;

use super::*;
use crate::settings::{Given, Settings, Written};

const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// `ECR` stands for the registry in what is read.
fn imported_beside(format: Format, text: &str, beside: &Beside<'_>) -> Imported {
    let text = text.replace("ECR", ECR);
    let source = Source {
        name: "file",
        text: &text,
    };
    let imported = import(format, source, beside).unwrap_or_else(|error| panic!("{error}\n{text}"));
    settings(&imported);
    imported
}

fn settings(imported: &Imported) -> Settings {
    let given = Given {
        environment: imported
            .variables
            .iter()
            .map(|name| (name.clone(), "x".to_owned()))
            .collect(),
        ..Given::default()
    };
    let settings = Settings::of(Some(&Written::to_be(&imported.settings)), &given);
    let settings = settings.unwrap_or_else(|error| panic!("{error}\n{}", imported.settings));
    assert!(settings.images.len() == imported.images, "{}", imported.settings);
    settings
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
        ..Beside::default()
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
            upstream("registry.example.com/alpine")
                + "    constraint: '>= 3.12.0'\n    deny: ['v?\\d+(\\.\\d+){3,}.*']\n",
            upstream("quay.io/coreos/etcd") + "    include_tags: [latest]\n",
        ]
        .concat()
    );
    assert_eq!(
        places(&imported),
        [
            "3 registry.example.com.images.busybox",
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
    assert!(
        imported.settings.contains("\nplatforms: [linux/amd64]\n"),
        "{}",
        imported.settings
    );
    let whose = why(&imported, "registry.example.com.images.busybox");
    assert!(whose.contains("that of the machine that it runs on"), "{whose}");
    let scoped = imported_beside(Format::Skopeo, yaml, &beside(true));
    assert!(
        scoped.settings.contains("repository: repo/quay.io/coreos/etcd\n"),
        "{}",
        scoped.settings
    );
}

#[test]
fn skopeo_s_all_is_all_platforms() {
    let beside = Beside {
        target: Some(ECR),
        all: true,
        ..Beside::default()
    };
    let imported = imported_beside(Format::Skopeo, "quay.io: {images: {a/bb: []}}\n", &beside);
    assert!(!imported.settings.contains("platforms"), "{}", imported.settings);
    assert!(imported.left_out.is_empty(), "{:?}", imported.left_out);
}

#[test]
fn skopeo_s_prereleases_come_in_the_alternative_that_asks_for_them() {
    let yaml = "quay.io:\n  images-by-semver:\n    a/bb: '>=3.0.0-0 <4 || >=5'\n";
    let beside = Beside {
        target: Some(ECR),
        ..Beside::default()
    };
    let imported = imported_beside(Format::Skopeo, yaml, &beside);
    let images = images(&imported);
    assert!(
        images.contains("\n      - constraint: '>= 3.0.0, < 4 || >= 5'\n        deny: "),
        "{images}"
    );
    assert!(
        images.contains("\n      - constraint: '>= 3.0.0, <= 4'\n        suffix: '.*\\w'\n        deny: "),
        "{images}"
    );
}

#[test]
fn registries_that_no_image_has_to_do_with_are_left_out() {
    let yaml = "quay.io:\n  images: {a/bb: []}\nghcr.io:\n  images: {a/cc: ['sha256:0']}\n  credentials:\n    username: me\n    \
                password: hunter2\n";
    let beside = Beside {
        target: Some(ECR),
        ..Beside::default()
    };
    let imported = imported_beside(Format::Skopeo, yaml, &beside);
    assert!(!imported.settings.contains("registries"), "{}", imported.settings);
    assert!(imported.variables.is_empty(), "{:?}", imported.variables);
    assert_eq!(
        places(&imported),
        [
            "2 quay.io.images.a/bb",
            "4 ghcr.io.images.a/cc.1",
            "6 ghcr.io.credentials.username"
        ]
    );
    let idle = why(&imported, "ghcr.io.credentials.username");
    assert!(
        idle.starts_with("no image that was brought over comes from ghcr.io"),
        "{idle}"
    );
    // What cannot be a host is none.
    let yaml = "http://quay.io:\n  images: {a/bb: []}\nquay.io:\n  images: {a/bb: []}\n";
    let scheme = imported_beside(Format::Skopeo, yaml, &beside);
    assert!(why(&scheme, "http://quay.io").contains("plain_http: true"));
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
                 quay.io/coreos/flannel: \"\"\nnginx:v1: ECR/ruohe/nginx\nquay.io/coreos/nowhere: []\n";
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
             include_tags: [v1.1]\n  - upstream: quay.io/coreos/etcd\n    repository: ruohe/etcd\n  \
             - upstream: docker.io/library/nginx\n    repository: ruohe/nginx\n    include_tags: [v1]\n"
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
            "file:9 quay.io/coreos/flannel",
            "file:11 quay.io/coreos/nowhere"
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
fn image_syncer_s_digests_have_a_tag_where_they_go() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let imported = imported(
        Format::ImageSyncer,
        &format!("quay.io/a/b@{digest}: [ECR/a/b:pinned, ECR/a/b, 'ECR/a/b:x,y']\nquay.io/a/b@sha256:1: ECR/a/b:z\n"),
    );
    assert_eq!(
        images(&imported),
        format!("  - upstream: quay.io/a/b\n    repository: a/b\n    digests:\n      pinned: '{digest}'\n")
    );
    let rule = format!("quay.io/a/b@{digest}");
    assert!(why(&imported, &format!("{rule}.2")).starts_with("no tag is to name it"));
    assert_eq!(why(&imported, &format!("{rule}.3")), "what is behind its : is no tag");
    assert_eq!(
        why(&imported, "quay.io/a/b@sha256:1"),
        "what is behind its @ is no digest"
    );
}

#[test]
fn image_syncer_fills_in_variables_of_a_file_of_logins_alone() {
    let auth = Source {
        name: "auth",
        text: "quay.io: {username: \"robot-$NAME\", password: \"$FIRST-hunter2\"}\n",
    };
    let beside = Beside {
        auth: Some(auth),
        ..Beside::default()
    };
    let imported = imported_beside(Format::ImageSyncer, "quay.io/a/b:v1: ECR/a/b\n", &beside);
    assert!(
        imported.settings.contains("\nregistries:\n  quay.io: {}\n"),
        "{}",
        imported.settings
    );
    for (key, variable) in [("quay.io.username", "USERNAME"), ("quay.io.password", "PASSWORD")] {
        let expected =
            format!("set ECR_KEEPER_REGISTRIES__QUAY_IO__{variable} to what it comes to with its variables filled in");
        assert_eq!(why(&imported, key), expected);
    }
    let older = "auth: {quay.io: {username: a$b, password: $hunter2}}\nimages: {'quay.io/a/b:v1': ECR/a/b}\n";
    let older = self::imported(Format::ImageSyncer, older);
    assert!(older.settings.contains("    username: 'a$b'\n"), "{}", older.settings);
    assert!(why(&older, "auth.quay.io.password").starts_with("a secret is not written: set "));
    assert!(!format!("{imported:?}{older:?}").contains("hunter2"));
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
