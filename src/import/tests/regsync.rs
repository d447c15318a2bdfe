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
            "    any:\n      - constraint: '>= 3.1, < 4 || >= 5.2, < 6'\n      - constraint: '> 3.1, <= 4 || > 5.2, <= \
             6'\n        suffix: '.*\\w'\n        deny: ['v?[\\d.]+[a-zA-Z].*']\n",
        ),
        // One version has no suffixes.
        (
            "  tags: {semverRange: [1.2.3, =1.2.4]}\n",
            "    constraint: '= 1.2.3 || = 1.2.4'\n",
        ),
        (
            "  tags: {semverRange: ['=1.2.3', '<=1.1'], allow: [v.*], deny: [edge]}\n",
            "    any:\n      - constraint: '= 1.2.3 || <= 1.1'\n        allow: ['v.*']\n        deny: [edge]\n      \
             - constraint: '<= 1.1'\n        suffix: '.*\\w'\n        allow: ['v.*']\n        deny: [edge, \
             'v?[\\d.]+[a-zA-Z].*']\n",
        ),
        (
            "  tagSets: [{allow: ['3.10']}, {deny: [edge]}]\n  tags: {allow: [latest]}\n",
            "    any:\n      - allow: ['3.10']\n      - deny: [edge]\n      - allow: [latest]\n",
        ),
        // regsync passes over `tags` without a rule in them.
        (
            "  tagSets: [{allow: ['3.10']}]\n  tags: {allow: []}\n",
            "    allow: ['3.10']\n",
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
        "  tags: {semverRange: '>=1'}\n",
        "  tags: {allow: latest}\n",
        "  tags: {deny: edge}\n",
        "  tags: {allow: {latest: true}}\n",
        "  tags: {allows: [latest]}\n",
        "  tags: {allow: [latest], unknown: [edge]}\n",
        "  tags: [latest]\n",
        "  tagSets: {allow: [latest]}\n",
        "  tagSets: [latest]\n",
        "  platform: local\n",
        "  platform: all\n",
        "  platforms: {linux: amd64}\n",
        "  platforms: [linux/amd64, {linux: arm64}]\n",
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
            "`schedule` is one setting for all images, and other entries say otherwise",
        ),
        ("sync.3", "a tag keeps its name here: 1 cannot become one"),
        ("sync.4", "what is behind its @ is no digest"),
        ("sync.5", "name each of its repositories"),
        ("sync.6", "templates are not filled in"),
        ("sync.7", "it is a folder"),
        ("sync.9", "busybox follows docker.io/library/busybox already"),
        (
            "sync.10",
            "its images go to localhost:5000, which is no registry of Amazon ECR",
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
        "referrers: true, digestTags: true, includeExternal: true",
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
    let mixed = of("", &[", includeExternal: true", ""]);
    assert!(!mixed.settings.contains("foreign_layers"), "{}", mixed.settings);
    assert_eq!(places(&mixed), ["3 sync.1.includeExternal"]);
    let denied = of("includeExternal: true", &["", ", includeExternal: false"]);
    assert_eq!(places(&denied), ["1 defaults.includeExternal"]);
    let idle = of(
        "includeExternal: true, platform: linux/amd64",
        &[", includeExternal: false"],
    );
    assert_eq!(places(&idle), ["1 defaults.includeExternal", "1 defaults.platform"]);
    assert!(why(&idle, "defaults.includeExternal").starts_with("no entry that was brought over takes it"));
    // Either of regsync's words alone is less than ours.
    for word in ["referrers", "digestTags"] {
        let half = of(&format!("{word}: true"), &["", ""]);
        assert!(!half.settings.contains("referrers"), "{}", half.settings);
        assert_eq!(places(&half), [format!("1 defaults.{word}")]);
        assert!(why(&half, &format!("defaults.{word}")).contains("is both"));
        let other = if word == "referrers" { "digestTags" } else { "referrers" };
        let denied = of(&format!("{word}: true, {other}: false"), &["", ""]);
        assert!(!denied.settings.contains("referrers"), "{}", denied.settings);
    }
}

#[test]
fn what_entries_say_otherwise_stays_with_each() {
    let entry = |name: &str, more: &str| {
        format!("- {{source: a, target: ECR/library/{name}, type: repository, tags: {{allow: [b]}}{more}}}\n")
    };
    let of = |all: [(&str, &str); 3]| {
        let entries = all.map(|(name, more)| entry(name, more)).concat();
        imported(Format::Regsync, &format!("sync:\n{entries}"))
    };
    let platform = ", platform: linux/amd64";
    let backup = r#", backup: '{{.Ref.Tag}}-old-{{time.Now.Format "2006-01-02"}}'"#;
    let each = of([("aa", platform), ("bb", backup), ("cc", "")]);
    let head =
        |name: &str| format!("  - upstream: docker.io/library/a\n    repository: library/{name}\n    allow: [b]\n");
    assert_eq!(
        images(&each),
        [
            head("aa") + "    platforms: [linux/amd64]\n",
            head("bb") + "    policy:\n      backup: '{tag}-old-{date}'\n",
            head("cc"),
        ]
        .concat()
    );
    assert!(each.left_out.is_empty(), "{:?}", each.left_out);
    // Of one repository there is one word.
    let same = of([("aa", platform), ("aa", ""), ("aa", platform)]);
    assert_eq!(images(&same), head("aa") + "    platforms: [linux/amd64]\n");
    assert_eq!(places(&same), ["3 sync.2"]);
    let why = why(&same, "sync.2");
    assert_eq!(
        why,
        "`platforms` holds for all of library/aa, and line 2 says otherwise of it: name another repository"
    );
}

#[test]
fn regsync_s_other_registries_and_digests() {
    let (one, two) = (
        format!("sha256:{}", "1".repeat(64)),
        format!("sha256:{}", "2".repeat(64)),
    );
    let other = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    let imported = imported(
        Format::Regsync,
        &format!(
            "sync:\n- {{source: 'a@{one}', target: 'ECR/aa:audited', type: image}}\n\
             - {{source: 'a@{two}', target: 'ECR/aa:audited', type: image}}\n\
             - {{source: 'a@{two}', target: 'ECR/aa@{two}', type: image}}\n\
             - {{source: a, target: {other}/aa, type: repository}}\n\
             - {{source: 'a@{two}', target: '{other}/aa:audited', type: image}}\n\
             - {{source: quay.io/b/a, target: {other}/aa, type: repository}}\n"
        ),
    );
    assert_eq!(
        images(&imported),
        format!(
            "  - upstream: docker.io/library/a\n    repository: aa\n    digests:\n      audited: '{one}'\n  \
             - upstream: docker.io/library/a\n    targets:\n      - registry: '{other}'\n        repository: aa\n    \
             allow: ['.*']\n    digests:\n      audited: '{two}'\n"
        )
    );
    assert_eq!(places(&imported), ["3 sync.2", "4 sync.3", "7 sync.6"]);
    assert_eq!(why(&imported, "sync.2"), "audited is another digest by line 2");
    assert!(why(&imported, "sync.3").starts_with("no tag is to name it: write `digests: {TAG: DIGEST}`"));
    assert!(why(&imported, "sync.6").starts_with("aa follows docker.io/library/a already"));
}

#[test]
fn all_tags_and_some_are_all_tags() {
    let entry = |tags: &str| format!("- {{source: a, target: ECR/library/a, type: repository{tags}}}\n");
    for (first, second) in [("", ", tags: {allow: [b]}"), (", tags: {allow: [b]}", "")] {
        let imported = imported(Format::Regsync, &format!("sync:\n{}{}", entry(first), entry(second)));
        assert_eq!(
            images(&imported),
            "  - upstream: docker.io/library/a\n    repository: library/a\n"
        );
    }
}

#[test]
fn regsync_s_times_and_backups() {
    let of = |defaults: &str, entry: &str| {
        imported(
            Format::Regsync,
            &format!(
                "defaults: {{{defaults}}}\nsync:\n- {{source: a, target: ECR/library/a, type: repository{entry}}}\n"
            ),
        )
    };
    for (defaults, entry, expected, told) in [
        ("interval: 60m", "", "\nschedule:\n  every: '60m'\n", &[][..]),
        (
            "interval: 1h",
            ", schedule: '0 3 * * *'",
            "\nschedule:\n  cron: '0 3 * * *'\n",
            &["1 defaults.interval", "3 sync.1.schedule"],
        ),
        (
            "schedule: '@every 1h30m', interval: 1h",
            "",
            "\nschedule:\n  every: '1h30m'\n",
            &["1 defaults.interval"],
        ),
        (
            "backup: '{{.Ref.Tag}}-old-{{time.Now.Format \"2006-01-02\"}}'",
            "",
            "\npolicy:\n  backup: '{tag}-old-{date}'\n",
            &[],
        ),
    ] {
        let imported = of(defaults, entry);
        assert!(
            imported.settings.contains(expected),
            "{defaults}: {}",
            imported.settings
        );
        assert_eq!(places(&imported), told, "{defaults}");
    }
    for (defaults, entry, key, says) in [
        ("interval: 1000h", "", "defaults.interval", "from 1s to 30d"),
        ("schedule: '0 25 * * *'", "", "defaults.schedule", "is not from 0 to 23"),
        (
            "schedule: 'CRON_TZ=Europe/Berlin 0 3 * * *'",
            "",
            "defaults.schedule",
            "write schedule.time_zone",
        ),
        // A default does not take the place of what an entry says.
        (
            "interval: 1h",
            ", schedule: often",
            "sync.1.schedule",
            "it is no schedule.cron",
        ),
        (
            "backup: 'bkup-{{.Ref.Tag}}'",
            "",
            "defaults.backup",
            "it has to end with {date}",
        ),
    ] {
        let imported = of(defaults, entry);
        assert!(
            !imported.settings.contains("\nschedule:") && !imported.settings.contains("\npolicy:"),
            "{defaults}: {}",
            imported.settings
        );
        let why = why(&imported, key);
        assert!(why.contains(says), "{defaults}: {why}");
    }
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
         - {registry: 'localhost:5001', user: me, pass: hunter2}\n\
         - {registry: 'localhost:5002', scheme: ftp}\n\
         - {registry: 'http://localhost:5003', user: me, pass: hunter2}\n\
         sync:\n- {source: a, target: ECR/aa, type: repository}\n- {source: quay.io/a/b, target: ECR/bb, type: repository}\n",
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
            "3 creds.2.reqPerSec",
            "4 creds.3.credHelper",
            "4 creds.3.hostname",
            "4 creds.3.odd",
            "4 creds.3.tls",
            "5 creds.4.credHelper",
            "6 creds.5.user",
            "7 creds.6.clientKey",
            "7 creds.6.regcert",
            "7 creds.6.reqPerSec",
            "8 creds.7.user",
            "9 creds.8.scheme",
            "10 creds.9"
        ]
    );
    assert_eq!(
        why(&imported, "creds.2.reqPerSec"),
        "it is a whole number here: 5 was taken for 5.5"
    );
    assert!(why(&imported, "creds.7.user").starts_with("no image that was brought over comes from localhost:5001"));
    assert!(why(&imported, "creds.9").contains("it begins with http://"));
    assert!(why(&imported, "creds.1.user").ends_with("DOCKER_IO__USERNAME to what HUB_USER holds"));
    assert!(why(&imported, "creds.1.pass").ends_with("DOCKER_IO__PASSWORD to the content of /run/hub"));
    assert!(!format!("{imported:?}").contains("hunter2"));
}
