use serde_json::json;

use super::*;
use crate::settings::{Given, Settings, Written};

fn run(event: Value) -> Run {
    match Asked::read(&event) {
        Ok(Asked::Run(run)) => *run,
        other => panic!("{other:?}"),
    }
}

fn said(event: Value) -> Value {
    run(event).settings.into()
}

#[track_caller]
fn mistakes(event: Value) -> Vec<String> {
    let mistakes = Asked::read(&event).expect_err("a mistake");
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn an_old_event_of_lambda_ecr_image_sync_is_read() {
    // From its README at v0.1, with the fields that came later.
    let event = json!({
        "ecr_repo_prefix": "base/images",
        "images": [
            {
                "constraint": "~>2.0",
                "exclude_rls": ["beta", "rc"],
                "exclude_tags": [],
                "image_name": "docker.io/hashicorp/tfc-agent",
                "include_tags": [],
                "include_rls": ["linux", "debian", "cee"],
                "max_results": 10,
                "repo_prefix": "ecr/cm"
            },
            {"image_name": "docker.io/nginx", "include_tags": ["latest", "6.27.0-rc.6"], "release_only": true, "constraint": ""},
            {"image_name": "datadog/agent", "repo_prefix": "", "max_results": -1}
        ],
        "check_digest": true,
        "max_results": 5,
        "concurrent": 0
    });
    assert_eq!(
        said(event),
        json!({
            "images": [
                {
                    "upstream": "docker.io/hashicorp/tfc-agent",
                    "repository": "ecr/cm/hashicorp/tfc-agent",
                    "constraint": "~>2.0",
                    "exclude_rls": ["beta", "rc"],
                    "include_rls": ["linux", "debian", "cee"],
                    "max_results": 10
                },
                {
                    "upstream": "docker.io/nginx",
                    "repository": "base/images/nginx",
                    "include_tags": ["latest", "6.27.0-rc.6"],
                    "release_only": true,
                    "max_results": 5
                },
                {"upstream": "datadog/agent", "repository": "base/images/datadog/agent", "max_results": 5}
            ],
            "compare": "digest",
            "discovery": {"max_results": 5},
            "concurrency": 1
        })
    );
}

#[test]
fn what_an_old_event_comes_to_is_settings() {
    let event = json!({
        "ecr_repo_prefix": "base/images/",
        "images": [{"image_name": "docker.io/nginx", "constraint": "=> v1.2, < v2", "exclude_tags": []}],
        "check_digest": false
    });
    let given = Given {
        event: Some(Written::said(ORIGIN, said(event).to_string())),
        ..Given::default()
    };
    let settings = Settings::load(None, &given).unwrap();
    let named = &settings.images[0].named;
    assert_eq!(named.upstream.to_string(), "docker.io/library/nginx");
    assert_eq!(
        (named.repository.as_str(), named.from.as_str()),
        ("base/images/nginx", "images.1 of the event")
    );
    assert!(settings.missing_only);
}

#[test]
fn a_new_event_of_lambda_ecr_image_sync_is_read() {
    let arn = |name: &str| format!("arn:aws:ecr:us-east-1:123456789012:repository/{name}");
    let event = json!({
        "action": "s3",
        "check_digest": false,
        "concurrent": 100,
        "max_results": -1,
        "repositories": [arn("base/infra/datadog/agent"), arn("nginx"), "base/app"]
    });
    let run = run(event);
    let found: Vec<_> = run
        .repositories
        .iter()
        .map(|one| (one.host.as_deref(), one.name.as_str()))
        .collect();
    let host = Some("123456789012.dkr.ecr.us-east-1.amazonaws.com");
    let expected = [(host, "base/infra/datadog/agent"), (host, "nginx"), (None, "base/app")];
    assert_eq!(found, expected);
    assert_eq!(run.verb, Verb::List);
    let settings = json!({"compare": "missing-only", "concurrency": 64, "discovery": {"max_results": 0}});
    assert_eq!(Value::from(run.settings), settings);
    let single = self::run(json!({"repository_arn": arn("nginx"), "repositories": null}));
    assert_eq!((single.repositories.len(), single.settings.len()), (1, 0));
}

#[test]
fn messages_are_said_in_our_words() {
    let event = json!({
        "slack_channel_id": "CDDF324",
        "slack_errors_only": true,
        "slack_msg_header": "it has completed",
        "slack_msg_subject": "",
        "slack_err_msg_subject": "something has failed"
    });
    let slack = json!({
        "channel": "CDDF324",
        "errors_only": true,
        "header": "it has completed",
        "error_subject": "something has failed"
    });
    assert_eq!(said(event), json!({"slack": slack}));
    let other = said(json!({"slack_msg_err_subject": "oh"}));
    assert_eq!(other, json!({"slack": {"error_subject": "oh"}}));
}

#[test]
fn eventbridge_hands_on_what_it_was_given_or_nothing() {
    // The forms of the EventBridge User Guide and the EventBridge Scheduler User Guide.
    let wrapped = |detail: Value| {
        json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2015-10-08T16:53:06Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],
            "detail": detail
        })
    };
    for nothing in [json!({}), json!("{}"), json!(""), Value::Null] {
        assert_eq!(run(wrapped(nothing)), Run::default());
    }
    assert_eq!(
        said(wrapped(json!({"keyword": "base/image"}))),
        json!({"keyword": "base/image"})
    );
    assert_eq!(
        said(wrapped(json!("{\"check_digest\": true}"))),
        json!({"compare": "digest"})
    );
    assert_eq!(run(json!({})), Run::default());
    assert_eq!(run(Value::Null), Run::default());
    assert_eq!(
        mistakes(wrapped(json!("soon"))),
        ["the event: detail: is text that is no JSON"]
    );
}

#[test]
fn the_settings_own_shape_is_read_with_what_a_command_line_says() {
    let event = json!({
        "command": "plan",
        "only": ["base/image/nginx:1.27", "base/image/app"],
        "shard": "2/5",
        "keyword": "base/image",
        "repositories": {"scan_on_push": true},
        "settings": {"images": [{"upstream": "nginx", "repo_prefix": "base/image"}], "discovery": {"strip_components": 1}},
        "max_results": 3
    });
    let run = run(event);
    assert_eq!((run.verb, run.shard), (Verb::Plan, "2/5".parse().ok()));
    let only: Vec<String> = run.only.iter().map(ToString::to_string).collect();
    assert_eq!(only, ["base/image/nginx:1.27", "base/image/app"]);
    assert_eq!(
        Value::from(run.settings),
        json!({
            "keyword": "base/image",
            "repositories": {"scan_on_push": true},
            "images": [{"upstream": "nginx", "repo_prefix": "base/image"}],
            "discovery": {"strip_components": 1, "max_results": 3}
        })
    );
    assert_eq!(self::run(json!({"only": "app"})).only.len(), 1);
}

#[test]
fn an_event_of_eventbridge_may_be_written_by_hand() {
    assert_eq!(said(json!({"detail": {"keyword": "a"}})), json!({"keyword": "a"}));
    assert_eq!(
        said(json!({"source": "me", "detail": "{\"keyword\": \"a\"}"})),
        json!({"keyword": "a"})
    );
    assert_eq!(
        mistakes(json!({"detail": {"keywrod": "a"}})),
        ["the event: keywrod: no such field; did you mean keyword?"]
    );
    assert_eq!(mistakes(json!({"detail": {}, "keyword": "a"})).len(), 1);
}

#[test]
fn an_empty_list_says_nothing_and_that_is_told() {
    let event = json!({"images": [], "only": [], "repositories": [], "repository_arn": []});
    let run = run(event);
    let notes: Vec<&str> = run.notes.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(notes, ["images", "only", "repositories", "repository_arn"]);
    assert!(run.notes[0].problem.starts_with("is an empty list, which says nothing"));
    assert_eq!(
        run,
        Run {
            notes: run.notes.clone(),
            ..Run::default()
        }
    );
}

#[test]
fn a_misspelled_image_name_is_one_mistake() {
    let event = json!({"images": [{"image_name": "nginx"}, {"image_nmae": "docker.io/app", "repo_prefix": "base"}, {"upstream": "app", "name": "b"}]});
    assert_eq!(
        mistakes(event),
        ["the event: images.2.image_nmae: no such field; did you mean image_name?"]
    );
}

#[test]
fn every_mistake_is_named() {
    let event = json!({
        "action": "copy",
        "check_digest": "yes",
        "concurrent": 1.5,
        "chek_digest": true,
        "imagse": [],
        "only": [1],
        "shard": "5",
        "command": "prune",
        "repositories": ["base/image/nginx:1.27", "Base/Image", "arn:aws:s3:::bucket"]
    });
    assert_eq!(
        mistakes(event),
        [
            "the event: only: [1] is not allowed; allowed: text, or a list of it",
            "the event: shard: \"5\" is not allowed; allowed: I/N, such as 2/5",
            "the event: action: \"copy\" is not allowed; allowed: sync or s3",
            "the event: command: \"prune\" is not allowed; allowed: sync, plan or usage",
            "the event: check_digest: \"yes\" is not allowed; allowed: true or false",
            "the event: concurrent: 1.5 is not allowed; allowed: a whole number",
            "the event: repositories: \"base/image/nginx:1.27\" is no repository's ARN or name: it is one tag, which is for only",
            "the event: repositories: \"Base/Image\" is no repository's ARN or name: \"Base/Image\" is no image \
             reference: a repository's name is in small letters",
            "the event: repositories: \"arn:aws:s3:::bucket\" is no repository's ARN or name: it is of another service than ECR",
            "the event: chek_digest: no such field; did you mean check_digest?",
            "the event: imagse: no such field; did you mean images?",
        ]
    );
    assert_eq!(mistakes(json!([1])), ["the event: is no JSON object"]);
    let narrowed = mistakes(json!({"command": "usage", "only": "app", "shard": "1/2", "include": "ecs, lamda"}));
    assert_eq!(
        narrowed,
        [
            "the event: only: is not of command: usage, which tells of all repositories",
            "the event: shard: is not of command: usage, which tells of all repositories",
            "the event: include: \"lamda\" is not allowed; allowed: lambda, ecs",
        ]
    );
    let both = mistakes(json!({"action": "s3", "command": "plan"}));
    assert!(both[0].contains("only one of both"), "{both:?}");
}

#[test]
fn who_the_function_is_and_where_its_secrets_go_an_event_does_not_say() {
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hub";
    for settings in [
        json!({"ecr": "registry.example.com"}),
        json!({"aws": {"endpoint_url": "https://aws.example.com"}}),
        json!({"aws": {"secret_access_key": arn}}),
        json!({"registries": {"docker.io": {"mirrors": ["mirror.example.com"]}}}),
        json!({"registries": {"example.com": {"password": arn}}}),
        json!({"webhook": {"url": arn}}),
        json!({"ledger": "s3://other/ledger.json"}),
        json!({"results": {"dir": "/tmp/elsewhere"}}),
        json!({"s3": {"key": "other.zip"}}),
        json!({"docker": {"host": "tcp://example.com:2375"}}),
        json!({"timeouts": {"answer": "1h"}}),
        json!({"repositories": {"policy": "/proc/self/environ"}}),
        json!({"images": [{"upstream": "app", "targets": [{"region": "eu-west-1", "endpoint_url": "https://aws.example.com"}]}]}),
        json!({"images": [{"upstream": "app", "targets": [{"region": "eu-west-1", "role_arn": "arn:aws:iam::222222222222:role/admin"}]}]}),
    ] {
        let told = mistakes(json!({ "settings": settings }));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("an event does not say this"), "{told:?}");
        assert_eq!(mistakes(settings).len(), 1);
    }
    // In one word it would be read as the setting all the same.
    for name in [
        "webhook.url",
        "webhook.headers.authorization",
        "aws.role_arn",
        "images[0].upstream",
    ] {
        let told = mistakes(json!({"settings": {name: arn}}));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("no such field"), "{told:?}");
        assert_eq!(mistakes(json!({name: arn})).len(), 1);
    }
}

#[test]
fn no_secret_is_within_an_event_s_reach() {
    for key in keys().filter(|key| key.secret) {
        let name = key.path.replace('*', "example_com");
        let value = name.rsplit('.').fold(json!("x"), |inner, part| json!({ part: inner }));
        assert!(!mistakes(json!({ "settings": value })).is_empty(), "{name}");
    }
}
