//! ECR's own names: of a registry's host, and of a repository in an ARN.

use crate::aws::partitions::Partition;

/// Where registries answer by IPv6 too.
const DUAL_STACK: [&str; 2] = ["on.aws", "on.amazonwebservices.com.cn"];

/// Account and region, where a registry's host is one of ECR's own names
/// (`ACCOUNT.dkr.ecr.REGION.amazonaws.com`, and the newer `ACCOUNT.dkr-ecr.REGION.on.aws`; AWS page "Amazon ECR endpoints").
pub fn account_and_region(host: &str) -> Option<(&str, &str)> {
    let (account, rest) = host.split_once('.')?;
    let rest = ["dkr.ecr-fips.", "dkr.ecr.", "dkr-ecr-fips.", "dkr-ecr."]
        .iter()
        .find_map(|service| rest.strip_prefix(service))?;
    let (region, domain) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_domain = Partition::is_domain(domain) || DUAL_STACK.contains(&domain);
    (is_account && !region.is_empty() && is_domain).then_some((account, region))
}

/// The registry's host and the repository's name in the ARN of a repository,
/// `arn:PARTITION:ecr:REGION:ACCOUNT:repository/NAME` (Service Authorization Reference, "Resource types defined by Amazon ECR").
///
/// # Errors
/// Why it is none, in words that can follow it.
pub fn host_and_name(arn: &str) -> Result<(String, &str), &'static str> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (_, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
    let partition = Partition::named(partition).ok_or("AWS has no such partition")?;
    match service {
        "ecr" => {}
        "ecr-public" => return Err("it is of ECR Public, to which nothing is brought here"),
        _ => return Err("it is of another service than ECR"),
    }
    let name = resource.strip_prefix("repository/").filter(|name| !name.is_empty());
    let name = name.ok_or("it is not one of a repository")?;
    let host = format!("{account}.dkr.ecr.{region}.{}", partition.domain);
    match account_and_region(&host) {
        Some(_) => Ok((host, name)),
        None => Err("it lacks a region or an account of 12 digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_region_are_read_from_ecr_s_own_host_names() {
        // AWS page "Amazon ECR endpoints and quotas", all partitions.
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr-ecr.us-east-1.on.aws", "us-east-1"),
        ] {
            assert_eq!(account_and_region(host), Some(("123456789012", region)), "{host}");
        }
        for other in [
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr..amazonaws.com",
            "127.0.0.1:5000",
            "registry.example.com",
            "12.dkr.ecr.x.amazonaws.com",
            "public.ecr.aws",
        ] {
            assert_eq!(account_and_region(other), None, "{other}");
        }
    }

    #[test]
    fn a_repository_s_arn_is_read_or_refused_by_what_it_is() {
        // The forms are those of the Service Authorization Reference.
        for (arn, host, name) in [
            (
                "arn:aws:ecr:eu-west-1:123456789012:repository/base/image/nginx",
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "base/image/nginx",
            ),
            (
                "arn:aws-iso-b:ecr:us-isob-east-1:123456789012:repository/nginx",
                "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
                "nginx",
            ),
            (
                "arn:aws-cn:ecr:cn-north-1:123456789012:repository/nginx",
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "nginx",
            ),
        ] {
            assert_eq!(host_and_name(arn), Ok((host.to_owned(), name)));
        }
        for (arn, why) in [
            ("arn:aws:lambda:eu-west-1:123456789012:function:x", "another service"),
            ("arn:aws:ecr-public::123456789012:repository/x", "ECR Public"),
            ("arn:aws-moon:ecr:us-east-1:123456789012:repository/x", "partition"),
            ("arn:aws:ecr:eu-west-1:12:repository/x", "12 digits"),
            ("arn:aws:ecr::123456789012:repository/x", "lacks a region"),
            (
                "arn:aws:ecr:eu-west-1:123456789012:repository/",
                "not one of a repository",
            ),
            (
                "arn:aws:ecr:eu-west-1:123456789012:pull-through/x",
                "not one of a repository",
            ),
            ("arn:aws:ecr:eu-west-1", "not one of a repository"),
        ] {
            let told = host_and_name(arn).unwrap_err();
            assert!(told.contains(why), "{arn}: {told}");
        }
    }
}
