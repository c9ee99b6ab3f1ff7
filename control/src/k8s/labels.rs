//! The labels and annotations that say what is Slipway's in a cluster.

/// Label with the value [`MANAGED_BY_SLIPWAY`] on everything Slipway makes for teams; watches select by it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`], and the field manager of every apply.
pub const MANAGED_BY_SLIPWAY: &str = "slipway";
/// What watches of our own kinds select.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=slipway";
/// Label: the object's plain name.
pub const NAME: &str = "app.kubernetes.io/name";
/// Label: the id of the deployment an object belongs to.
pub const DEPLOYMENT: &str = "slipway.dev/deployment";
/// Label: the id of the workspace an object belongs to.
pub const WORKSPACE: &str = "slipway.dev/workspace";
/// Label: the id of the team an object belongs to.
pub const TEAM: &str = "slipway.dev/team";
/// Label on pods: the revision whose template they are. Annotation on a Deployment: the wanted revision.
pub const REVISION: &str = "slipway.dev/revision";
/// Annotation: the installation of Slipway that made an object, so that a second one or a restored database is noticed.
pub const INSTALLATION: &str = "slipway.dev/installation";
/// Annotation: the generation that an object brings about.
pub const GENERATION: &str = "slipway.dev/generation";
/// The namespace of the service accounts that teams act through.
pub const ACCESS_NAMESPACE: &str = "slipway-access";
/// The container of a pod that runs the model.
pub const MODEL_CONTAINER: &str = "model";
/// The name of that container's port; network policies open it by this name.
pub const MODEL_PORT: &str = "model";
