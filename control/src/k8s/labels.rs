//! The labels and annotations by which Slipway knows its own objects.

/// Who manages an object; the watches select by it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`], and the field manager of every apply.
pub const SLIPWAY: &str = "slipway";
/// The object's name, as tools of the field show it.
pub const NAME: &str = "app.kubernetes.io/name";
/// The deployment that an object or pod belongs to, by id.
pub const DEPLOYMENT: &str = "slipway.dev/deployment";
/// The workspace that an object belongs to, by id.
pub const WORKSPACE: &str = "slipway.dev/workspace";
/// The team that owns a namespace, by id; network policies select by it.
pub const TEAM: &str = "slipway.dev/team";
/// On pods: the revision whose template they run, the earliest with the same release, size and environment.
/// As an annotation on other objects: the wanted revision.
pub const REVISION: &str = "slipway.dev/revision";
/// An annotation: the installation of Slipway that made the object.
pub const INSTALLATION: &str = "slipway.dev/installation";
/// An annotation: the generation that was applied last. One above ours means that our database is older than the cluster.
pub const GENERATION: &str = "slipway.dev/generation";
/// The name of a pod's container that serves the model.
pub const CONTAINER: &str = "model";
/// The name of the container's port; network policies open it by this name.
pub const PORT: &str = "model";
