use super::{Asked, EcsService, Failed, Function, Repository};

/// What was read, before anything is made of it.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the settings.
    pub accounts: Vec<FoundAccount>,
    /// What could not be read.
    pub failures: Vec<Failed>,
}

/// What was read in one account.
#[derive(Debug)]
pub struct FoundAccount {
    /// Twelve digits; none where it could not be asked who it is.
    pub id: Option<String>,
    /// The name in the settings.
    pub name: Option<String>,
    /// The e-mail address in the settings.
    pub email: Option<String>,
    /// The ARN that asked.
    pub asked_as: Option<String>,
    /// Whether it could not be asked anything, wherever.
    pub is_closed: bool,
    /// Whether `regions` are all that it has, or those that were named.
    pub knows_regions: bool,
    /// Every one that was to be asked, as far as that is known.
    pub regions: Vec<FoundRegion>,
}

/// What was read in one region of an account.
#[derive(Debug)]
pub struct FoundRegion {
    /// Who answered.
    pub asked: Asked,
    /// What was listed.
    pub repositories: Vec<Repository>,
    /// Functions whose package is an image.
    pub functions: Vec<FoundFunction>,
    /// Services with a task definition.
    pub services: Vec<EcsService>,
    /// Whether this is all that runs here, as far as it was to be asked for, each with its image's address.
    pub knows_runs: bool,
}

/// A function, and what its address came to when it was deployed.
#[derive(Debug)]
pub struct FoundFunction {
    /// The function.
    pub function: Function,
    /// Lambda's ResolvedImageUri: the address with the digest that runs.
    pub resolved: Option<String>,
}
