//! The partitions of AWS: sets of regions with accounts and domains of their own.

/// A partition, as the endpoint rules of AWS's SDKs have it (smithy `aws.partition`, "partitions.json").
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in ARNs.
    pub name: &'static str,
    /// What its regions' codes begin with; empty where they have nothing in common.
    regions: &'static str,
    /// The domain of its services.
    pub domain: &'static str,
    /// The domain of its services' endpoints that answer by IPv6 too.
    pub dual_stack: &'static str,
}

/// All of them; the one whose regions have nothing in common is the last.
const PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws-cn",
        regions: "cn-",
        domain: "amazonaws.com.cn",
        dual_stack: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-eusc",
        regions: "eusc-",
        domain: "amazonaws.eu",
        dual_stack: "api.amazonwebservices.eu",
    },
    Partition {
        name: "aws-iso",
        regions: "us-iso-",
        domain: "c2s.ic.gov",
        dual_stack: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        regions: "us-isob-",
        domain: "sc2s.sgov.gov",
        dual_stack: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        regions: "eu-isoe-",
        domain: "cloud.adc-e.uk",
        dual_stack: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        regions: "us-isof-",
        domain: "csp.hci.ic.gov",
        dual_stack: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-us-gov",
        regions: "us-gov-",
        domain: "amazonaws.com",
        dual_stack: "api.aws",
    },
    Partition {
        name: "aws",
        regions: "",
        domain: "amazonaws.com",
        dual_stack: "api.aws",
    },
];

impl Partition {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|partition| partition.name == name)
    }

    /// The one that a region is of. A region that nobody has heard of is AWS's own, as for its SDKs.
    pub fn of_region(region: &str) -> &'static Self {
        let of = |partition: &&Self| region.starts_with(partition.regions);
        PARTITIONS.iter().find(of).unwrap_or(&PARTITIONS[PARTITIONS.len() - 1])
    }

    /// Whether services of any of them are at this domain.
    pub fn is_domain(domain: &str) -> bool {
        PARTITIONS.iter().any(|partition| partition.domain == domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_of_one_partition() {
        // AWS General Reference, "AWS service endpoints", "Amazon Resource Names".
        for (region, name) in [
            ("eu-central-1", "aws"),
            ("mx-central-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("local", "aws"),
        ] {
            let partition = Partition::of_region(region);
            assert_eq!(partition.name, name, "{region}");
            assert_eq!(Partition::named(name), Some(partition));
            assert!(Partition::is_domain(partition.domain));
        }
        assert_eq!(Partition::named("aws-moon"), None);
        assert!(!Partition::is_domain("evil.example"));
    }
}
