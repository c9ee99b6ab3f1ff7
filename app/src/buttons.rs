//! Every button of every form: what it posts as `do`, by the address it posts to.

use domain::{Code, Rejected};

use crate::form::Typed;

/// What a form posts as `do` that was kept while somebody signed in again: whatever its buttons do is pressed anew.
pub const RESUME: &str = "resume";

/// The buttons of one address.
pub trait Button: Copy + Sized + 'static {
    const ALL: &'static [Self];

    /// What it posts as `do`.
    fn word(self) -> &'static str;

    /// The button that was pressed.
    ///
    /// # Errors
    /// `invalid_input` when it is none of this address.
    fn pressed(typed: &Typed) -> Result<Self, Rejected> {
        if typed.operation() == RESUME {
            return Err(Rejected::new(Code::InvalidInput, "You are signed in again, and nothing was done yet. Look through what you typed, then press the button once more."));
        }
        Self::ALL.iter().copied().find(|button| button.word() == typed.operation()).ok_or_else(|| Rejected::field("do", "Press one of the buttons."))
    }
}

macro_rules! buttons {
    ($($page:ident at $address:literal { $($button:ident $word:literal),+ $(,)? })+) => {
        $(
            #[doc = concat!("The buttons of `", $address, "`.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $page {
                $($button),+
            }

            impl Button for $page {
                const ALL: &'static [Self] = &[$(Self::$button),+];

                fn word(self) -> &'static str {
                    match self {
                        $(Self::$button => $word),+
                    }
                }
            }
        )+

        /// Every address whose buttons say what they do, as the router has it, with their words.
        pub const EVERY: &[(&str, &[&str])] = &[$(($address, &[$($word),+])),+];
    };
}

buttons! {
    Profile at "/profile" {
        Rename "rename",
        ChangePassword "change_password",
        RevokeSession "revoke_session",
        CreateToken "create_token",
        RevokeToken "revoke_token",
    }
    Users at "/users" { Invite "invite", RevokeInvitation "revoke_invitation" }
    User at "/users/{id}" { Update "update", Disable "disable", Enable "enable" }
    Teams at "/teams" { Create "create" }
    Team at "/teams/{id}" { Update "update", SetMember "set_member", RemoveMember "remove_member", Delete "delete" }
    TeamTokens at "/teams/{id}/tokens" { CreateToken "create_token", RevokeToken "revoke_token" }
    Accounts at "/accounts" { Create "create" }
    Account at "/accounts/{id}" { Check "check", Update "update", AddPrefix "add_prefix", RemovePrefix "remove_prefix", Delete "delete" }
    FindClusters at "/clusters/new" { Attach "attach" }
    Cluster at "/clusters/{id}" { Check "check", SetUpAccess "set_up_access", AcceptDatabase "accept_database", SetConnection "set_connection", Detach "detach" }
    Workspaces at "/workspaces" { Create "create" }
    Workspace at "/workspaces/{id}" { Update "update", Adopt "adopt", Keep "keep", Repair "repair", Delete "delete" }
    Models at "/models" { Create "create" }
    Model at "/models/{id}" { Update "update", Delete "delete" }
    NewRelease at "/models/{id}/releases/new" { Enter "enter", Look "look", Choose "choose", Register "register" }
    Release at "/releases/{id}" { Delete "delete" }
    Deploy at "/deployments/new" { Deploy "deploy", Check "check" }
    Deployment at "/deployments/{id}" { RollBack "roll_back", TakeOver "take_over", Resume "resume_rollout", Cancel "cancel", Predict "predict", Delete "delete" }
    Change at "/deployments/{id}/change" { Change "change", Check "check" }
    Operation at "/operations/{id}" { Cancel "cancel" }
}
