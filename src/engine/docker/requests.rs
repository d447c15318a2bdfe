//! What bollard's requests lack: paths, queries and an encoding that it does not know.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bollard::BollardRequest;
use bollard::auth::DockerCredentials;
use secrecy::ExposeSecret;

use crate::image::Platform;
use crate::registry::Credential;

/// Sends a request to another path than bollard would, below the same API version.
pub(super) fn at(request: &mut BollardRequest, path_and_query: String) {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// As the API takes a platform (OCI image specification, "image-index.md").
pub(super) fn in_json(platform: &Platform) -> serde_json::Value {
    let mut json = serde_json::json!({ "os": platform.os, "architecture": platform.architecture });
    if let Some(variant) = &platform.variant {
        json["variant"] = variant.as_str().into();
    }
    json
}

pub(super) fn credentials(registry: &str, credential: &Credential) -> DockerCredentials {
    let server = Some(registry.to_owned());
    match credential {
        Credential::Password { username, password } => DockerCredentials {
            username: Some(username.clone()),
            password: Some(password.expose_secret().to_owned()),
            serveraddress: server,
            ..DockerCredentials::default()
        },
        Credential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token.expose_secret().to_owned()),
            serveraddress: server,
            ..DockerCredentials::default()
        },
    }
}

/// The daemon reads X-Registry-Auth as padded, URL-safe base64 (Docker Engine API, "Authentication"); bollard writes the
/// standard alphabet, which the daemon takes for no credentials at all once it holds `+` or `/`.
pub(super) fn url_safe_auth(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
        let mended = STANDARD
            .decode(value.as_bytes())
            .ok()
            .and_then(|json| URL_SAFE.encode(json).parse().ok());
        if let Some(mended) = mended {
            *value = mended;
            value.set_sensitive(true);
        }
    }
    request
}
