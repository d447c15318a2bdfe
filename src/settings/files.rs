//! Where the settings file is.

use std::path::PathBuf;

/// The file, or other place, that ECR_KEEPER_CONFIG names.
pub fn named_file() -> Option<PathBuf> {
    std::env::var_os("ECR_KEEPER_CONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// The file that is read when none is named: `./settings.yaml`, else the one in the user's configuration folder.
pub fn usual_file() -> Option<PathBuf> {
    let here = PathBuf::from("settings.yaml");
    Some(here).filter(|path| path.is_file()).or_else(own_file)
}

/// The file in the user's configuration folder, which nobody else has put there.
pub fn own_file() -> Option<PathBuf> {
    let folder = dirs::config_dir()?;
    Some(folder.join("ecr-keeper/settings.yaml")).filter(|path| path.is_file())
}
