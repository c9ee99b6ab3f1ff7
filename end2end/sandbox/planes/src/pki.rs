//! Certificate authorities and what they sign: one for the sandbox's own parts, one
//! for each cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use crate::config::{private_file, private_folder};

/// EKS's authorities live ten years; so do these.
const AUTHORITY_LIFE: Duration = Duration::days(3650);
const LEAF_LIFE: Duration = Duration::days(365);
/// Certificates count from a little earlier, for clocks that differ.
const SKEW: Duration = Duration::minutes(5);

/// An authority and the folder its certificates are in.
pub(crate) struct Authority {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Whom a certificate is for.
pub(crate) enum Subject<'a> {
    /// A server that answers under these names and addresses.
    Server(&'a [&'a str]),
    /// A client: Kubernetes takes the organisation for its group.
    Client { group: Option<&'a str> },
    /// Both, as etcd's members are.
    Both(&'a [&'a str]),
}

impl Authority {
    /// Opens the authority in `folder`, or makes it there.
    ///
    /// # Errors
    /// When its files cannot be read or written, or are not an authority's.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<Self> {
        private_folder(folder)?;
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        if !certificate.exists() {
            let pair = KeyPair::generate().context("making an authority's key")?;
            let made = authority(name, &pair).context("making an authority")?;
            // The certificate comes last: with it there, the key is too.
            private_file(&key, &pair.serialize_pem())?;
            private_file(&certificate, &made.pem())?;
        }
        let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
        let pem = read(&certificate)?;
        let pair = KeyPair::from_pem(&read(&key)?).with_context(|| format!("reading {}", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).with_context(|| format!("reading {}", certificate.display()))?;
        Ok(Self { folder: folder.to_owned(), pem, issuer })
    }

    /// Its certificate, for those who should trust it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The file of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The file of its key, for the controller that signs requests.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    /// Signs a new certificate and writes it as `file`.crt and `file`.key.
    pub(crate) fn issue(&self, file: &str, name: &str, subject: &Subject<'_>) -> Result<Leaf> {
        let sign = || -> Result<(Certificate, KeyPair)> {
            let pair = KeyPair::generate()?;
            let (names, usages, group) = match subject {
                Subject::Server(names) => (*names, vec![ExtendedKeyUsagePurpose::ServerAuth], None),
                Subject::Client { group } => (&[][..], vec![ExtendedKeyUsagePurpose::ClientAuth], *group),
                Subject::Both(names) => (*names, vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth], None),
            };
            let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
            params.distinguished_name = distinguished(name, group);
            params.extended_key_usages = usages;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.use_authority_key_identifier_extension = true;
            live(&mut params, LEAF_LIFE);
            Ok((params.signed_by(&pair, &self.issuer)?, pair))
        };
        let (certificate, pair) = sign().with_context(|| format!("signing a certificate for {name}"))?;
        let leaf = Leaf { certificate: self.folder.join(format!("{file}.crt")), key: self.folder.join(format!("{file}.key")) };
        private_file(&leaf.key, &pair.serialize_pem())?;
        private_file(&leaf.certificate, &certificate.pem())?;
        Ok(leaf)
    }

    /// The key pair of service account tokens. It stays the same over restarts, so that
    /// tokens do too. Its "certificate" is a bare public key, as Kubernetes wants it.
    pub(crate) fn service_account_key(&self) -> Result<Leaf> {
        let leaf = Leaf { certificate: self.folder.join("service-account.pub"), key: self.folder.join("service-account.key") };
        if !leaf.certificate.exists() {
            let pair = KeyPair::generate().context("making the service account key")?;
            private_file(&leaf.key, &pair.serialize_pem())?;
            private_file(&leaf.certificate, &pair.public_key_pem())?;
        }
        Ok(leaf)
    }
}

fn authority(name: &str, pair: &KeyPair) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    live(&mut params, AUTHORITY_LIFE);
    params.self_signed(pair)
}

fn distinguished(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    if let Some(group) = group {
        distinguished.push(DnType::OrganizationName, group);
    }
    distinguished
}

fn live(params: &mut CertificateParams, life: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - SKEW;
    params.not_after = now + life;
}
