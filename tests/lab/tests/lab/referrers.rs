use std::process::Command;

use ecr_lab::images::{self, Artifact, Place, Pushed};
use ecr_lab::{EcrReferrers, Front, LabOptions, Referrers, RegistryOptions, Software, peer};
use reqwest::Client;
use serde_json::Value;

use super::{ask, header, lab, lab_with, run};

const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const BILL: &str = "application/spdx+json";

/// An image, two signatures of it and a bill of materials.
async fn signed(place: &Place) -> Pushed {
    let image = images::tiny("a").push(place, "aa", "1").await.unwrap();
    for text in ["one", "two"] {
        let signature = Artifact::new(SIGNATURE, text.as_bytes()).subject(&image);
        signature.annotation("by", text).push(place, "aa", None).await.unwrap();
    }
    let bill = Artifact::new(BILL, b"{}").subject(&image);
    bill.push(place, "aa", None).await.unwrap();
    image
}

fn url(front: &Front, subject: &Pushed, query: &str) -> String {
    format!("http://{}/v2/aa/referrers/{}{query}", front.host(), subject.digest())
}

/// How many of each type a front answers, page by page.
async fn pages(front: &Front, subject: &Pushed, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(url(front, subject, query));
    while let Some(url) = next {
        let request = Client::new().get(&url).basic_auth("AWS", Some("none"));
        let answer = ask(request).await;
        assert_eq!(
            header(&answer, "content-type"),
            "application/vnd.oci.image.index.v1+json"
        );
        let link = header(&answer, "link").trim_start_matches('<').split('>').next();
        next = link
            .filter(|link| !link.is_empty())
            .map(|link| format!("http://{}{link}", front.host()));
        let index: Value = answer.json().await.unwrap();
        let entries = index["manifests"].as_array().unwrap().iter();
        pages.push(
            entries
                .map(|entry| entry["artifactType"].as_str().unwrap().to_owned())
                .collect(),
        );
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_the_api_says_nothing_of_subjects() {
    let lab = lab().await;
    let image = signed(&Place::new(lab.upstream().host())).await;
    assert_eq!(
        reqwest::get(url(lab.upstream(), &image, "")).await.unwrap().status(),
        404
    );
    lab.upstream().set_referrers(Referrers::Supported);
    assert_eq!(
        pages(lab.upstream(), &image, "").await.concat().len(),
        3,
        "it had them all the time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_distribution_answer_referrers_in_pages() {
    let lab = lab().await;
    for software in [Software::Distribution2, Software::Distribution3] {
        let options = RegistryOptions {
            software,
            page_size: 1,
            referrers: Referrers::Supported,
            ..RegistryOptions::default()
        };
        let registry = lab.registry(options).await.unwrap();
        let image = signed(&Place::new(registry.host())).await;
        let mut all = pages(registry.front(), &image, "").await;
        all.sort();
        assert_eq!(all, [[BILL], [SIGNATURE], [SIGNATURE]]);
        let kind = SIGNATURE.replace('+', "%2B");
        let signatures = pages(registry.front(), &image, &format!("?artifactType={kind}")).await;
        assert_eq!(signatures, [[SIGNATURE], [SIGNATURE]]);
        let one = reqwest::get(url(registry.front(), &image, &format!("?artifactType={kind}")))
            .await
            .unwrap();
        assert_eq!(header(&one, "oci-filters-applied"), "artifactType");

        let name = format!("{}/aa:1", registry.host());
        let host = format!("reg={},tls=disabled", registry.host());
        let mut regctl = Command::new(peer("regctl"));
        regctl.args([
            "--host",
            &host,
            "artifact",
            "list",
            &name,
            "--format",
            "{{len .Descriptors}}",
        ]);
        assert_eq!(run(&mut regctl).unwrap().trim(), "3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_with_a_subject_is_answered_with_it() {
    let lab = lab().await;
    lab.upstream().set_referrers(Referrers::Supported);
    lab.ecr().create_repository("aa");
    let token = lab.ecr().issue_token();
    for front in [lab.upstream(), lab.ecr().front()] {
        let place = Place::new(front.host()).login("AWS", &token);
        let image = signed(&place).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [],
            "subject": {"mediaType": image.media_type, "digest": image.digest(), "size": image.size},
        });
        let put = Client::new().put(format!("http://{}/v2/aa/manifests/2", front.host()));
        let put = put.basic_auth("AWS", Some(&token)).body(manifest.to_string());
        let done = ask(put.header("Content-Type", "application/vnd.oci.image.index.v1+json")).await;
        assert_eq!(
            (done.status().as_u16(), header(&done, "oci-subject")),
            (201, image.digest())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_has_the_api_or_refuses_what_needs_it() {
    for (referrers, expected) in [(EcrReferrers::Supported, 200), (EcrReferrers::Refused405, 405)] {
        let lab = lab_with(LabOptions {
            ecr_referrers: referrers,
            ..LabOptions::default()
        })
        .await;
        lab.ecr().create_repository("aa");
        let place = Place::ecr(lab.ecr());
        let image = images::tiny("a").push(&place, "aa", "1").await.unwrap();
        let signature = Artifact::new(SIGNATURE, b"one").subject(&image);
        let pushed = signature.push(&place, "aa", None).await;
        assert_eq!(pushed.is_ok(), expected == 200, "{pushed:?}");
        let password = lab.ecr().issue_token();
        let path = format!("/v2/aa/referrers/{}", image.digest());
        let (status, text) = super::get(lab.ecr().host(), &path, &password).await;
        assert_eq!(status, expected, "{text}");
        match referrers {
            EcrReferrers::Supported => assert!(text.contains(pushed.unwrap().digest()), "{text}"),
            EcrReferrers::Refused405 => assert!(text.contains("UNSUPPORTED"), "{text}"),
        }
        // Under a tag and without a subject it is an image like any other.
        let tag = images::Subject::from(&image).cosign_tag("sig");
        Artifact::new(SIGNATURE, b"one")
            .push(&place, "aa", Some(&tag))
            .await
            .unwrap();
        assert!(lab.ecr().digest_of("aa", &tag).is_some());
    }
}
