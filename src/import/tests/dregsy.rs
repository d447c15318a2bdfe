//! dregsy's words.

use super::*;

/// A mapping of one task of dregsy.
fn dregsy(mapping: &str) -> Imported {
    let head = "relay: skopeo\ntasks:\n- name: one\n  source: {registry: registry.hub.docker.com}\n";
    imported(
        Format::Dregsy,
        &format!("{head}  target: {{registry: ECR}}\n  mappings:\n  - {{from: library/busybox, {mapping}}}\n"),
    )
}

#[test]
fn dregsy_s_tags() {
    let entry = "  # one\n  - upstream: docker.io/library/busybox\n    repository: library/busybox\n";
    for (tags, expected) in [
        ("tags: []", ""),
        ("tags: [latest, '1.10']", "    include_tags: [latest, '1.10']\n"),
        (
            "tags: ['semver: >=1.31.0 <1.31.9', 'regex: 1\\.26\\.[0-9]-(glibc|musl)', '1.29.4', latest]",
            "    any:\n      - include_tags: ['1.29.4', latest]\n      - constraint: '>= 1.31.0, < 1.31.9'\n        \
             suffix: '.*'\n      - allow: ['1\\.26\\.[0-9]-(glibc|musl)']\n",
        ),
        ("tags: ['regex: !.*-rc.*']", "    deny: ['.*-rc.*']\n"),
        ("tags: ['keep: 1.*']", "    allow: ['1.*']\n"),
        ("tags: ['1.0', '2.0', 'keep: 1.*']", "    include_tags: ['1.0']\n"),
        (
            "tags: ['semver: 1.x', 'keep: !.*-rc.*', 'keep: v.*']",
            "    constraint: '>= 1, < 2'\n    suffix: '.*'\n    allow: ['v.*']\n    deny: ['.*-rc.*']\n",
        ),
        (
            "tags: [latest, 'regex: 1.*', 'keep: .*t']",
            "    include_tags: [latest]\n",
        ),
    ] {
        assert_eq!(images(&dregsy(tags)), format!("{entry}{expected}"), "{tags}");
    }
    for nothing in [
        "tags: ['regex: (']",
        "tags: [latest, 'keep: (']",
        "tags: ['2.0', 'keep: 1.*']",
        "tags: ['semver: latest']",
        "digests: ['sha256:0']",
        "to: 'regex:a,b'",
    ] {
        assert_eq!(images(&dregsy(nothing)), " []\n", "{nothing}");
    }
}

#[test]
fn dregsy_s_relays_and_locations() {
    // {"username": "alex", "password": "secret"}, as in its README.
    let auth = "eyJ1c2VybmFtZSI6ICJhbGV4IiwgInBhc3N3b3JkIjogInNlY3JldCJ9Cg==";
    let imported = imported(
        Format::Dregsy,
        &format!(
            "relay: docker\nwatch: true\ndocker:\n  dockerhost: unix:///var/run/docker.sock\n  api-version: 1.41\n\
             lister: {{maxItems: 100}}\ntasks:\n- name: task1\n  interval: 60\n  verbose: true\n  source:\n    \
             registry: source.example.com\n    auth: {auth}\n  target:\n    registry: ECR\n    auth-refresh: 10h\n    \
             skip-tls-verify: true\n  mappings:\n  - from: /test/image\n    to: archive/test/image\n    platform: all\n  \
             - from: regex:test/.*\n  - from: test/another-image\n    platform: all\n"
        ),
    );
    assert_eq!(
        imported.settings.lines().skip(2).collect::<Vec<_>>().join("\n"),
        format!(
            "ecr: '{ECR}'\nengine: docker\ndocker:\n  host: 'unix:///var/run/docker.sock'\nplatforms: all\nregistries:\n  \
             source.example.com:\n    username: alex\nimages:\n  # task1\n  - upstream: source.example.com/test/image\n    \
             repository: archive/test/image\n  # task1\n  - upstream: source.example.com/test/another-image\n    \
             repository: test/another-image"
        )
    );
    assert_eq!(
        places(&imported),
        [
            "2 watch",
            "5 docker.api-version",
            "6 lister",
            "9 tasks.1.interval",
            "10 tasks.1.verbose",
            "13 tasks.1.source.auth",
            "16 tasks.1.target.auth-refresh",
            "17 tasks.1.target.skip-tls-verify",
            "22 tasks.1.mappings.2"
        ]
    );
    let told = format!("{imported:?}");
    assert!(!told.contains("secret\"") && !told.contains(auth), "{told}");
}
