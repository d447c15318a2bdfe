//! The files themselves, and all that is made from them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::seen::on;

/// Actions that AWS knows no resource for (Service Authorization Reference), and a network's, whose interfaces have no name beforehand.
const OF_EVERYTHING: &[&str] = &[
    "ecr:GetAuthorizationToken",
    "ecr:DescribePullThroughCacheRules",
    "ecr:DescribeRepositoryCreationTemplates",
    "ecr-public:GetAuthorizationToken",
    "sts:GetServiceBearerToken",
    "lambda:ListFunctions",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTasks",
    "ecs:DescribeTaskDefinition",
];

/// Policies whose calls the lab cannot see: Lambda's own for its log and its network; roles and ECR Public, which tests of logins are about.
const OUT_OF_SIGHT: &[&str] = &["assume-role", "ecr-public", "lambda-log", "lambda-vpc"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn policy(name: &str) -> Value {
    let path = root().join(format!("deploy/iam/{name}.json"));
    serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names() -> Vec<String> {
    let files = fs::read_dir(root().join("deploy/iam")).expect("deploy/iam");
    let stem = |file: std::io::Result<fs::DirEntry>| {
        let name = file.expect("a file").file_name().into_string().expect("UTF-8");
        name.strip_suffix(".json").map(str::to_owned)
    };
    files.filter_map(stem).collect()
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["Statement"].as_array().expect("statements").iter()
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    let actions = statement["Action"].as_array().expect("actions");
    actions.iter().map(|action| action.as_str().expect("text"))
}

/// What a policy of `deploy/iam` allows.
pub fn allowed(name: &str) -> BTreeSet<String> {
    let policy = policy(name);
    statements(&policy).flat_map(actions).map(str::to_owned).collect()
}

/// The same, with what [`on`] says of it.
pub fn allowed_on(name: &str) -> BTreeSet<String> {
    let policy = policy(name);
    let of = |statement: &Value| {
        let resource = statement["Resource"].as_str().unwrap_or_default();
        actions(statement)
            .map(|action| on(action, resource))
            .collect::<Vec<_>>()
    };
    statements(&policy).flat_map(of).collect()
}

/// Every `service:Action` that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_action = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-');
    let words = text.split(|c| !is_of_action(c));
    let is_action = |word: &&str| match word.split_once(':') {
        Some((service, action)) => {
            matches!(
                service,
                "ecr"
                    | "ecr-public"
                    | "sts"
                    | "s3"
                    | "sqs"
                    | "ssm"
                    | "secretsmanager"
                    | "logs"
                    | "kms"
                    | "ec2"
                    | "lambda"
                    | "ecs"
                    | "account"
            ) && action.starts_with(|c: char| c.is_ascii_uppercase())
        }
        None => false,
    };
    words.filter(is_action).map(str::to_owned).collect()
}

#[test]
fn a_policy_names_what_it_is_about_wherever_aws_lets_it() {
    for name in names().iter().filter(|name| *name != "lambda-vpc") {
        let policy = policy(name);
        for statement in statements(&policy) {
            let of_everything = statement["Resource"] == "*";
            for action in actions(statement) {
                assert_eq!(OF_EVERYTHING.contains(&action), of_everything, "{name}: {action}");
            }
        }
    }
}

#[test]
fn every_policy_is_held_to_what_the_lab_saw() {
    let tests = include_str!("../iam.rs").to_owned() + include_str!("work.rs");
    for name in names() {
        let is_tried = tests.contains(&format!("\"{name}\""));
        assert_eq!(is_tried, !OUT_OF_SIGHT.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn the_documentation_quotes_every_policy_as_it_is() {
    let documentation = read(&root().join("docs/iam.md"));
    for name in names() {
        let text = read(&root().join(format!("deploy/iam/{name}.json")));
        let quoted = format!("[{name}.json](../deploy/iam/{name}.json)\n\n```json\n{text}```\n");
        assert!(documentation.contains(&quoted), "docs/iam.md has another {name}.json");
    }
}

#[test]
fn a_function_with_a_queue_is_told_of_it_and_of_where_its_state_is() {
    for file in ["deploy/terraform/main.tf", "deploy/cloudformation/template.yaml"] {
        let text = read(&root().join(file));
        for key in ["ECR_KEEPER_WORK__QUEUE", "ECR_KEEPER_WORK__STATE"] {
            assert!(text.contains(key), "{file} has no {key}");
        }
    }
}

/// A key of one's own asks for these in the place of a call (AWS KMS Developer Guide, "How Amazon S3 uses AWS KMS").
const BY_A_KEY: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

#[test]
fn the_function_s_role_allows_what_the_policies_do_and_no_more() {
    let roles = [
        ("deploy/terraform/role.tf", &[][..]),
        (
            "deploy/cloudformation/template.yaml",
            &[
                "create-settings",
                "create-template",
                "ecr-public",
                "lambda-vpc",
                "settings-ssm",
            ],
        ),
    ];
    // A function copies directly; what is put into the queue is put there by somebody else, or by a shell.
    let of_shells = [
        "plan-docker",
        "sync-docker",
        "compare-pull",
        "copy",
        "rollback",
        "prune",
        "delete-repository",
        "work-enqueue",
        "work-report",
        "work-run",
    ];
    for (file, left_out) in roles {
        let role = named(&read(&root().join(file)));
        let is_in = |name: &String| !of_shells.contains(&name.as_str()) && !left_out.contains(&name.as_str());
        let policies: BTreeSet<String> = names()
            .iter()
            .filter(|name| is_in(name))
            .flat_map(|name| allowed(name))
            .collect();
        let by_a_key: BTreeSet<String> = BY_A_KEY.iter().map(|&action| action.to_owned()).collect();
        let missing: Vec<_> = policies.difference(&role).collect();
        let more: Vec<_> = role
            .difference(&policies)
            .filter(|action| !by_a_key.contains(*action))
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{file}: lacks {missing:?}, has {more:?}"
        );
    }
}
