//! Layers on disk, by digest. The emulator keeps them in its memory and writes all of them down at every request.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is wrong with a blob or an upload.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such upload in this repository.
    #[error("there is no such upload")]
    UnknownUpload,
    /// What came is not what the digest says.
    #[error("the content is not {0}")]
    WrongDigest(String),
    /// Only SHA-256 is known.
    #[error("{0} is no SHA-256 digest")]
    BadDigest(String),
    /// The client stopped in the middle.
    #[error("the upload broke off: {0}")]
    Broken(#[from] axum::Error),
    /// The disk failed.
    #[error("the layer could not be stored: {0}")]
    Disk(#[from] io::Error),
}

/// A digest that was checked to be one: 64 hexadecimal digits, so it is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobDigest(String);

impl BlobDigest {
    /// Reads `sha256:…`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let good = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if good { Ok(Self(hex.to_owned())) } else { Err(BlobError::BadDigest(text.to_owned())) }
    }
}

impl std::fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// The layers of all repositories.
pub struct Blobs {
    content: PathBuf,
    repositories: PathBuf,
    uploads: PathBuf,
}

impl Blobs {
    /// Opens the store in `folder`; uploads that an earlier run left unfinished are dropped.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let store = Self { content: folder.join("content"), repositories: folder.join("repositories"), uploads: folder.join("uploads") };
        if store.uploads.exists() {
            std::fs::remove_dir_all(&store.uploads)?;
        }
        for folder in [&store.content, &store.repositories, &store.uploads] {
            std::fs::create_dir_all(folder)?;
        }
        Ok(store)
    }

    /// The size of a repository's blob, if it has it.
    pub async fn size(&self, repository: &str, digest: &BlobDigest) -> Option<u64> {
        if !fs::try_exists(self.link(repository, digest)).await.unwrap_or(false) {
            return None;
        }
        fs::metadata(self.content.join(&digest.0)).await.ok().map(|metadata| metadata.len())
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn read(&self, digest: &BlobDigest) -> io::Result<fs::File> {
        fs::File::open(self.content.join(&digest.0)).await
    }

    /// Begins an upload into a repository and returns its id.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn begin(&self, repository: &str) -> Result<String, BlobError> {
        let id = crate::answer::request_id();
        fs::write(self.upload(repository, &id), b"").await?;
        Ok(id)
    }

    /// Appends what comes to an upload and returns how long it is now.
    ///
    /// # Errors
    /// When there is no such upload, the client breaks off or the disk fails.
    pub async fn append(&self, repository: &str, id: &str, mut body: Body) -> Result<u64, BlobError> {
        let path = self.checked_upload(repository, id).await?;
        let mut file = fs::OpenOptions::new().append(true).open(&path).await?;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                file.write_all(&data).await?;
            }
        }
        file.flush().await?;
        Ok(file.metadata().await?.len())
    }

    /// How long an upload is so far.
    ///
    /// # Errors
    /// When there is no such upload.
    pub async fn length(&self, repository: &str, id: &str) -> Result<u64, BlobError> {
        let path = self.checked_upload(repository, id).await?;
        Ok(fs::metadata(path).await?.len())
    }

    /// Ends an upload: its content becomes a blob of the repository.
    ///
    /// # Errors
    /// When the content is not what the digest says; the upload stays then.
    pub async fn finish(&self, repository: &str, id: &str, digest: &BlobDigest) -> Result<(), BlobError> {
        let path = self.checked_upload(repository, id).await?;
        if hash(&path).await? != digest.0 {
            return Err(BlobError::WrongDigest(digest.to_string()));
        }
        fs::rename(&path, self.content.join(&digest.0)).await?;
        self.add(repository, digest).await
    }

    /// Drops an upload.
    ///
    /// # Errors
    /// When there is none.
    pub async fn cancel(&self, repository: &str, id: &str) -> Result<(), BlobError> {
        let path = self.checked_upload(repository, id).await?;
        Ok(fs::remove_file(path).await?)
    }

    /// Gives a repository a blob that another one has.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn add(&self, repository: &str, digest: &BlobDigest) -> Result<(), BlobError> {
        let link = self.link(repository, digest);
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder).await?;
        }
        Ok(fs::write(link, b"").await?)
    }

    /// Forgets a repository, and the blobs that only it had.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn forget(&self, repository: &str) -> Result<(), BlobError> {
        match fs::remove_dir_all(self.repositories.join(flat(repository))).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut blobs = fs::read_dir(&self.content).await?;
        while let Some(blob) = blobs.next_entry().await? {
            let mut repositories = fs::read_dir(&self.repositories).await?;
            let mut used = false;
            while let Some(repository) = repositories.next_entry().await? {
                used |= fs::try_exists(repository.path().join(blob.file_name())).await?;
            }
            if !used {
                fs::remove_file(blob.path()).await?;
            }
        }
        Ok(())
    }

    fn link(&self, repository: &str, digest: &BlobDigest) -> PathBuf {
        self.repositories.join(flat(repository)).join(&digest.0)
    }

    fn upload(&self, repository: &str, id: &str) -> PathBuf {
        self.uploads.join(format!("{}+{id}", flat(repository)))
    }

    async fn checked_upload(&self, repository: &str, id: &str) -> Result<PathBuf, BlobError> {
        let plain = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let path = self.upload(repository, id);
        if plain && fs::try_exists(&path).await? { Ok(path) } else { Err(BlobError::UnknownUpload) }
    }
}

/// A repository's name as one file name; ECR's names have no `+`.
fn flat(repository: &str) -> String {
    repository.replace('/', "+")
}

async fn hash(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path).await?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok(super::hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[tokio::test]
    async fn a_blob_belongs_to_the_repositories_it_was_given_to() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let digest = BlobDigest::parse(HELLO).unwrap();
        let id = blobs.begin("a/b").await.unwrap();
        assert_eq!(blobs.append("a/b", &id, Body::from("hel")).await.unwrap(), 3);
        assert!(matches!(blobs.finish("a/b", &id, &digest).await, Err(BlobError::WrongDigest(_))));
        assert_eq!(blobs.append("a/b", &id, Body::from("lo")).await.unwrap(), 5);
        assert!(matches!(blobs.append("other", &id, Body::empty()).await, Err(BlobError::UnknownUpload)));
        blobs.finish("a/b", &id, &digest).await.unwrap();
        assert_eq!(blobs.size("a/b", &digest).await, Some(5));
        assert_eq!(blobs.size("other", &digest).await, None);

        blobs.add("other", &digest).await.unwrap();
        blobs.forget("a/b").await.unwrap();
        assert_eq!((blobs.size("a/b", &digest).await, blobs.size("other", &digest).await), (None, Some(5)));
        blobs.forget("other").await.unwrap();
        assert!(blobs.read(&digest).await.is_err(), "nobody has it any more");
    }

    #[test]
    fn only_sha256_is_a_digest() {
        for bad in ["sha256:..", "sha512:00", "2cf2", &HELLO.to_uppercase(), &HELLO[..70]] {
            assert!(matches!(BlobDigest::parse(bad), Err(BlobError::BadDigest(_))), "{bad}");
        }
    }
}
