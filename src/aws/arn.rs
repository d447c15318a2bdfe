/// Account and region in the name of a resource, `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE` (IAM User Guide, "Amazon Resource Names
/// (ARNs)"). What is of no region, as a role, has an empty one.
pub fn account_and_region_of(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some((account, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_its_account_and_its_region() {
        // The forms of the Service Authorization Reference.
        for (arn, is) in [
            (
                "arn:aws:ecr:eu-west-1:123456789012:repository/a:b",
                Some(("123456789012", "eu-west-1")),
            ),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:api:3",
                Some(("123456789012", "us-east-1")),
            ),
            ("arn:aws:iam::210987654321:role/reader", Some(("210987654321", ""))),
            ("arn:aws:ecr:eu-west-1", None),
            ("reader", None),
        ] {
            assert_eq!(account_and_region_of(arn), is, "{arn}");
        }
    }
}
