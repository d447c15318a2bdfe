//! Which repositories are of an environment, such as `prod`: by their names, or by a resource tag.

/// The resource tag that says it where no name does.
pub const RESOURCE_TAG: &str = "environment";

/// Where in a repository's name its environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvironmentMatch {
    /// It is a whole part of the path: `prod/app` and `team/prod/app`.
    #[default]
    Part,
    /// The name begins with it: `prod-app` too.
    Prefix,
    /// The name ends with it: `app-prod` too.
    Suffix,
}

impl EnvironmentMatch {
    /// Whether the name says that the repository is of this environment. A word is never taken for another one that it is a piece of: `production-app`
    /// is not of `prod`.
    pub fn is_of(self, environment: &str, name: &str) -> bool {
        let ends = |rest: &str| !rest.ends_with(|c: char| c.is_ascii_alphanumeric());
        let begins = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        match self {
            _ if environment.is_empty() => false,
            Self::Part => name.split('/').any(|part| part == environment),
            Self::Prefix => name.strip_prefix(environment).is_some_and(begins),
            Self::Suffix => name.strip_suffix(environment).is_some_and(ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_a_whole_word_of_a_name() {
        let names = [
            "prod/app",
            "team/prod/app",
            "app/prod",
            "prod",
            "prod-app",
            "app-prod",
            "production/app",
            "app/nonprod",
            "Prod/app",
        ];
        let of = |how: EnvironmentMatch| -> Vec<&str> {
            let named = names.into_iter().filter(|name| how.is_of("prod", name));
            named.collect()
        };
        assert_eq!(
            of(EnvironmentMatch::Part),
            ["prod/app", "team/prod/app", "app/prod", "prod"]
        );
        assert_eq!(of(EnvironmentMatch::Prefix), ["prod/app", "prod", "prod-app"]);
        assert_eq!(of(EnvironmentMatch::Suffix), ["app/prod", "prod", "app-prod"]);
        assert!(!EnvironmentMatch::Prefix.is_of("", "app"));
    }
}
