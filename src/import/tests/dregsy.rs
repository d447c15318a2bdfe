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
             deny: [LONG]\n      - constraint: '> 1.31.0, <= 1.31.9'\n        suffix: '.*\\w'\n        deny: [NONE]\n      \
             - allow: ['1\\.26\\.[0-9]-(glibc|musl)']\n",
        ),
        ("tags: ['regex: !.*-rc.*']", "    deny: ['.*-rc.*']\n"),
        ("tags: ['keep: 1.*']", "    allow: ['1.*']\n"),
        ("tags: ['1.0', '2.0', 'keep: 1.*']", "    include_tags: ['1.0']\n"),
        (
            "tags: ['semver: 1.x', 'keep: !.*-rc.*', 'keep: v.*']",
            "    any:\n      - constraint: '>= 1, < 2'\n        allow: ['v.*']\n        deny: [LONG, '.*-rc.*']\n      \
             - constraint: '> 1, <= 2'\n        suffix: '.*\\w'\n        allow: ['v.*']\n        deny: [NONE, '.*-rc.*']\n",
        ),
        (
            "tags: [latest, 'regex: 1.*', 'keep: .*t']",
            "    include_tags: [latest]\n",
        ),
    ] {
        // Tags that are versions here alone.
        let long = r"'v?\d+(\.\d+){3,}.*'";
        let none = format!(r"{long}, 'v?[\d.]+[a-zA-Z].*', 'v?\d+(\.\d+)?-.*', '[^-]*-(.*\.)?0\d+(\..*)?'");
        let expected = expected.replace("LONG", long).replace("NONE", &none);
        assert_eq!(images(&dregsy(tags)), format!("{entry}{expected}"), "{tags}");
    }
    let kept = dregsy("tags: ['1.36', latest, 'semver: 1.x', 'keep: .*musl']");
    let told = kept
        .left_out
        .iter()
        .map(|left| left.why.to_string())
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        told.contains("it leaves out what is named beside it, as there: 1.36, latest"),
        "{told}"
    );
    let blank = dregsy("tags: ['regex: ! .*-rc.*']");
    assert!(images(&blank).contains("deny: [' .*-rc.*']"), "{}", images(&blank));
    let told = blank
        .left_out
        .iter()
        .map(|left| left.why.to_string())
        .collect::<Vec<_>>()
        .join("\n");
    assert!(told.contains("no tag has the blank behind `!`"), "{told}");
    for nothing in [
        "tags: ['regex: (']",
        "tags: [latest, 'keep: (']",
        "tags: ['2.0', 'keep: 1.*']",
        "tags: ['semver: latest']",
        "digests: ['sha256:0']",
        // A rule of a wrong shape is no rule less.
        "tags: latest",
        "tags: {latest: true}",
        "tags: [[latest]]",
        "platform: linux",
        "platform: [linux/amd64]",
        "to: 'regex:a,b'",
        "to: [elsewhere]",
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
            "ecr: '{ECR}'\nengine: docker\ndocker:\n  host: 'unix:///var/run/docker.sock'\nplatforms: all\nschedule:\n  \
             every: '60s'\nregistries:\n  source.example.com:\n    username: alex\nimages:\n  # task1\n  - upstream: source.example.com/test/image\n    \
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

/// Mappings of one task, and what else the file says.
fn mappings(head: &str, mappings: &str) -> Imported {
    let task = "tasks:\n- name: one\n  source: {registry: quay.io}\n  target: {registry: ECR}\n  mappings:\n";
    imported(Format::Dregsy, &format!("{head}{task}{mappings}"))
}

#[test]
fn skopeo_brings_one_platform_and_a_daemon_its_own() {
    let open = "  - {from: a/aa}\n  - {from: a/bb}\n";
    let other = "  - {from: a/cc, platform: linux/arm64}\n";
    let skopeo = mappings("relay: skopeo\n", &format!("{open}{other}"));
    let entry = |name: &str, platform: &str| {
        format!(
            "  # one\n  - upstream: quay.io/a/{name}\n    repository: a/{name}\n    platforms: [linux/{platform}]\n"
        )
    };
    assert_eq!(
        images(&skopeo),
        entry("aa", "amd64") + &entry("bb", "amd64") + &entry("cc", "arm64")
    );
    assert_eq!(places(&skopeo), ["7 tasks.1.mappings.1"]);
    assert!(why(&skopeo, "tasks.1.mappings.1").contains("linux/amd64 was taken for it"));
    let alike = mappings("relay: skopeo\n", open);
    assert!(
        alike.settings.contains("\nplatforms: [linux/amd64]\n"),
        "{}",
        alike.settings
    );
    let daemon = mappings("relay: docker\n", open);
    assert!(!daemon.settings.contains("platforms"), "{}", daemon.settings);
    assert!(daemon.left_out.is_empty(), "{:?}", daemon.left_out);
}

#[test]
fn what_a_task_lacks_is_told() {
    let imported = imported(
        Format::Dregsy,
        "relay: docker\ntasks:\n- name: none\n  source: {registry: quay.io}\n  target: {registry: ECR}\n- name: empty\n  \
         source: {registry: quay.io}\n  target: {registry: ECR}\n  mappings: []\n- name: plain\n  source: {registry: \
         'http://registry:5000'}\n  target: {registry: ECR}\n  mappings: [{from: a}]\n",
    );
    assert_eq!(
        places(&imported),
        ["3 tasks.1", "6 tasks.2", "10 tasks.3", "11 tasks.3.source.registry"]
    );
    assert_eq!(why(&imported, "tasks.1"), "it has no mappings");
    assert!(why(&imported, "tasks.3.source.registry").contains("`registries.HOST.plain_http: true`"));
}

#[test]
fn a_registry_has_one_login() {
    let task = |auth: &str| {
        format!(
            "- name: one\n  source:\n    registry: quay.io\n    auth: {auth}\n  target: {{registry: ECR}}\n  mappings: [{{from: a/bb}}]\n"
        )
    };
    // {"username":"me","password":"hunter2"}, and you with hunter3.
    let (me, you) = (
        "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJodW50ZXIyIn0=",
        "eyJ1c2VybmFtZSI6InlvdSIsInBhc3N3b3JkIjoiaHVudGVyMyJ9",
    );
    let imported = imported(
        Format::Dregsy,
        &format!("relay: docker\ntasks:\n{}{}{}", task(me), task(you), task(me)),
    );
    assert!(
        imported.settings.contains("    username: me\n"),
        "{}",
        imported.settings
    );
    assert!(why(&imported, "tasks.2.source.auth").contains("another is said before"));
    assert!(why(&imported, "tasks.3.source.auth").starts_with("a secret is not written"));
}
