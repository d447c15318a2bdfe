//! regsync's words.

use super::*;

/// An entry of regsync's `sync` to one repository, with more keys.
fn regsync(more: &str) -> Imported {
    imported(
        Format::Regsync,
        &format!("sync:\n- source: alpine\n  target: ECR/library/alpine\n  type: repository\n{more}"),
    )
}

#[test]
fn regsync_s_rules_for_tags() {
    let entry = "  - upstream: docker.io/library/alpine\n    repository: library/alpine\n";
    for (rules, expected) in [
        ("", ""),
        ("  tags: {}\n", ""),
        ("  tags: {allow: []}\n", ""),
        (
            "  tags: {allow: [latest, '3', '3.\\d+'], deny: ['3.0']}\n",
            "    allow: [latest, '3', '3.\\d+']\n    deny: ['3.0']\n",
        ),
        // `^` and `$` belong to one alternative each.
        ("  tags: {allow: ['3|edge']}\n", "    allow: ['.*(?:^3|edge$).*']\n"),
        (
            "  tags: {semverRange: ['>=3.1 <4', '^5.2']}\n",
            "    constraint: '>= 3.1, < 4 || >= 5.2, < 6'\n    suffix: '.*'\n",
        ),
        (
            "  tagSets: [{allow: ['3.10']}, {deny: [edge]}]\n  tags: {allow: [latest]}\n",
            "    any:\n      - allow: ['3.10']\n      - deny: [edge]\n      - allow: [latest]\n",
        ),
        // Of alternatives, one that cannot be read is less.
        ("  tags: {allow: ['(', latest]}\n", "    allow: [latest]\n"),
        (
            "  tagSets: [{deny: ['(']}, {allow: [latest]}]\n",
            "    allow: [latest]\n",
        ),
    ] {
        assert_eq!(images(&regsync(rules)), format!("{entry}{expected}"), "{rules}");
    }
    // Without them more would come than was meant.
    for rules in [
        "  tags: {allow: ['(']}\n",
        "  tags: {deny: ['(', edge]}\n",
        "  tags: {semverRange: ['1.x']}\n",
    ] {
        let imported = regsync(rules);
        assert_eq!(images(&imported), " []\n", "{rules}");
        assert!(
            places(&imported).contains(&"2 sync.1".to_owned()),
            "{:?}",
            imported.left_out
        );
    }
}

#[test]
fn regsync_s_images_and_what_has_no_counterpart() {
    let imported = imported(
        Format::Regsync,
        "x-times: &times '15 01 * * *'\nversion: 1\nunknown: 1\ndefaults: {parallel: 2, interval: 60m, odd: 1}\nsync:\n\
         - {source: 'busybox:1.10', target: 'ECR/busybox:1.10', type: image, schedule: *times}\n\
         - {source: 'busybox:latest', target: 'ECR/busybox', type: image}\n\
         - {source: 'busybox:1', target: 'ECR/busybox:one', type: image}\n\
         - {source: 'busybox@sha256:0', target: ECR/busybox, type: image}\n\
         - {source: 'localhost:5000', target: ECR, type: registry}\n\
         - {source: '{{.Sync.Target}}', target: ECR/a, type: repository}\n\
         - {source: 'ocidir://dir', target: ECR/a, type: repository}\n\
         - {source: a}\n\
         - {source: quay.io/other/busybox, target: ECR/busybox, type: repository}\n\
         - {source: alpine, target: 'localhost:5000/alpine', type: repository}\n",
    );
    assert_eq!(
        imported.settings.lines().skip(1).collect::<Vec<_>>().join("\n"),
        format!(
            "ecr: '{ECR}'\nengine: direct\nconcurrency: 2\nimages:\n  - upstream: docker.io/library/busybox\n    \
             repository: busybox\n    include_tags: ['1.10', latest]"
        )
    );
    assert_eq!(
        places(&imported),
        [
            "1 x-times",
            "3 unknown",
            "4 defaults.interval",
            "4 defaults.odd",
            "6 sync.1.schedule",
            "8 sync.3",
            "9 sync.4",
            "10 sync.5",
            "11 sync.6",
            "12 sync.7",
            "13 sync.8",
            "14 sync.9",
            "15 sync.10"
        ]
    );
    for (key, says) in [
        (
            "sync.1.schedule",
            "run `ecr-keeper serve` with schedule.every or schedule.cron",
        ),
        ("sync.3", "a tag keeps its name here: 1 cannot become one"),
        ("sync.4", "what is behind its @ is no digest"),
        ("sync.5", "name each of its repositories"),
        ("sync.6", "templates are not filled in"),
        ("sync.7", "it is a folder"),
        ("sync.9", "busybox follows docker.io/library/busybox already"),
        (
            "sync.10",
            "its images go to localhost:5000, and the one registry of the settings is 1234",
        ),
    ] {
        assert!(why(&imported, key).contains(says), "{}", why(&imported, key));
    }
}

#[test]
fn what_all_entries_say_alike_is_one_setting() {
    let entry = |more: &str| format!("- {{source: a, target: ECR/library/a, type: repository{more}}}\n");
    let of = |defaults: &str, entries: &[&str]| {
        let entries: String = entries.iter().map(|more| entry(more)).collect();
        imported(Format::Regsync, &format!("defaults: {{{defaults}}}\nsync:\n{entries}"))
    };
    let alike = of(
        "referrers: true, includeExternal: true",
        &[
            ", platforms: [linux/arm64, linux/amd64]",
            ", platforms: [linux/amd64, linux/arm64]",
        ],
    );
    for line in [
        "referrers: true",
        "foreign_layers: true",
        "platforms: [linux/amd64, linux/arm64]",
    ] {
        assert!(alike.settings.contains(&format!("\n{line}\n")), "{}", alike.settings);
    }
    assert!(alike.left_out.is_empty(), "{:?}", alike.left_out);
    let mixed = of("", &[", platform: linux/amd64, digestTags: true", ""]);
    assert!(
        !mixed.settings.contains("platforms") && !mixed.settings.contains("referrers"),
        "{}",
        mixed.settings
    );
    assert_eq!(places(&mixed), ["3 sync.1.digestTags", "3 sync.1.platform"]);
    let denied = of("referrers: true", &["", ", referrers: false"]);
    assert_eq!(places(&denied), ["1 defaults.referrers"]);
}

#[test]
fn regsync_s_creds() {
    let imported = imported(
        Format::Regsync,
        "creds:\n\
         - {registry: docker.io, user: '{{env \"HUB_USER\"}}', pass: '{{file \"/run/hub\"}}', mirrors: [mirror.example.com]}\n\
         - {registry: mirror.example.com, user: me, pass: hunter2, reqPerSec: 5.5, reqConcurrent: 0, tls: disabled}\n\
         - {registry: 'localhost:5000', tls: insecure, hostname: other, credHelper: helper, odd: 1}\n\
         - {registry: ECR, credHelper: docker-credential-ecr-login}\n\
         - {registry: ghcr.io, user: me}\n\
         - {registry: quay.io, tls: ENABLED, reqPerSec: 0.5, clientKey: hunter2, regcert: pem}\n\
         sync: [{source: a, target: ECR/aa, type: repository}]\n",
    );
    let (_, registries) = imported.settings.split_once("\nregistries:\n").unwrap();
    let (registries, _) = registries.split_once("images:").unwrap();
    assert_eq!(
        registries,
        "  docker.io:\n    mirrors: [mirror.example.com, docker.io]\n  mirror.example.com:\n    username: me\n    \
         plain_http: true\n    requests_per_second: 5\n  quay.io:\n    plain_http: false\n"
    );
    assert_eq!(
        imported.variables,
        [
            "ECR_KEEPER_REGISTRIES__DOCKER_IO__PASSWORD",
            "ECR_KEEPER_REGISTRIES__DOCKER_IO__USERNAME",
            "ECR_KEEPER_REGISTRIES__MIRROR_EXAMPLE_COM__PASSWORD"
        ]
    );
    assert_eq!(
        places(&imported),
        [
            "2 creds.1.pass",
            "2 creds.1.user",
            "3 creds.2.pass",
            "4 creds.3.credHelper",
            "4 creds.3.hostname",
            "4 creds.3.odd",
            "4 creds.3.tls",
            "5 creds.4.credHelper",
            "6 creds.5.user",
            "7 creds.6.clientKey",
            "7 creds.6.regcert",
            "7 creds.6.reqPerSec"
        ]
    );
    assert!(why(&imported, "creds.1.user").ends_with("DOCKER_IO__USERNAME to what HUB_USER holds"));
    assert!(why(&imported, "creds.1.pass").ends_with("DOCKER_IO__PASSWORD to the content of /run/hub"));
    assert!(!format!("{imported:?}").contains("hunter2"));
}
