//! What the page after a form says of what was just done, once.

/// Something that was done and would not show by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Saved,
    /// With how many other sessions that ended.
    PasswordChanged(u64),
    SessionEnded,
    TokenRevoked,
    InvitationRevoked,
    MemberRemoved,
    ConnectionSaved,
    ClusterDetached,
}

impl Said {
    /// How it travels to the next page.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Saved => "saved".into(),
            Self::PasswordChanged(ended) => format!("password-{ended}"),
            Self::SessionEnded => "session".into(),
            Self::TokenRevoked => "token".into(),
            Self::InvitationRevoked => "invitation".into(),
            Self::MemberRemoved => "member".into(),
            Self::ConnectionSaved => "connection".into(),
            Self::ClusterDetached => "detached".into(),
        }
    }

    /// What a word stands for. Only these: anybody may have written what a browser brings.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "saved" => Some(Self::Saved),
            "session" => Some(Self::SessionEnded),
            "token" => Some(Self::TokenRevoked),
            "invitation" => Some(Self::InvitationRevoked),
            "member" => Some(Self::MemberRemoved),
            "connection" => Some(Self::ConnectionSaved),
            "detached" => Some(Self::ClusterDetached),
            other => other.strip_prefix("password-")?.parse().ok().map(Self::PasswordChanged),
        }
    }

    /// The sentence.
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::Saved => "Saved.".into(),
            Self::PasswordChanged(0) => "Your password is changed.".into(),
            Self::PasswordChanged(1) => "Your password is changed; 1 other session ended.".into(),
            Self::PasswordChanged(ended) => format!("Your password is changed; {ended} other sessions ended."),
            Self::SessionEnded => "The session has ended.".into(),
            Self::TokenRevoked => "The token is revoked: nothing can be done with it any more.".into(),
            Self::InvitationRevoked => "The invitation is revoked: its link opens nothing any more.".into(),
            Self::MemberRemoved => "The member is removed from the team.".into(),
            Self::ConnectionSaved => "Saved. The cluster is reached this way from now on.".into(),
            Self::ClusterDetached => "The cluster is detached: what runs there goes on, and Slipway has nothing to do with it any more.".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn what_is_said_travels_as_a_word_and_nothing_else_does() {
        for said in [
            Said::Saved,
            Said::PasswordChanged(2),
            Said::SessionEnded,
            Said::TokenRevoked,
            Said::InvitationRevoked,
            Said::MemberRemoved,
            Said::ConnectionSaved,
            Said::ClusterDetached,
        ] {
            assert_eq!(Said::read(&said.word()), Some(said));
            assert!(said.sentence().ends_with('.'));
        }
        assert_eq!(Said::PasswordChanged(2).sentence(), "Your password is changed; 2 other sessions ended.");
        for other in ["", "Saved.", "password-", "password-many", "<script>"] {
            assert_eq!(Said::read(other), None);
        }
    }
}
