//! The choice of a team, in the forms of admins that ask for one.

use control::{Ctx, Result, teams};
use domain::page::{MAX_PAGE_SIZE, PageQuery};
use leptos::prelude::*;

use crate::{
    components::field::{Choice, Field},
    form::Typed,
};

/// The teams a form offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Teams {
    These(Vec<String>),
    /// More than a choice can hold: the name is typed.
    Many,
}

impl Teams {
    /// Those that the actor may see; to an admin, all there are.
    pub(super) async fn load(ctx: &Ctx) -> Result<Self> {
        let page = teams::list(ctx, &PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() }).await?;
        Ok(if page.next_page_token.is_some() { Self::Many } else { Self::These(page.items.into_iter().map(|team| team.name).collect()) })
    }

    /// Whether there is no team at all.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }
}

/// The field `team`.
#[component]
pub(super) fn TeamChoice(
    typed: Typed,
    teams: Teams,
    /// What the choice says while no team is chosen.
    none: &'static str,
    hint: &'static str,
) -> impl IntoView {
    let mut names = match teams {
        Teams::Many => return view! { <Field name="team" label="Team" typed autocomplete="off" placeholder=none hint/> }.into_any(),
        Teams::These(names) => names,
    };
    // What was asked for and turned down stays to be seen, also where it is no choice.
    if let Some(asked) = typed.filled("team").filter(|asked| !names.iter().any(|name| name == asked)) {
        names.push(asked.to_owned());
    }
    let options = std::iter::once((String::new(), none.to_owned())).chain(names.into_iter().map(|name| (name.clone(), name))).collect();
    view! { <Choice name="team" label="Team" typed options hint/> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::draw_part;

    fn draw(teams: Teams, typed: &str) -> String {
        let typed = Typed::new(vec![("team".into(), typed.into())]);
        draw_part(move || view! { <TeamChoice typed teams none="No team" hint="They join it."/> })
    }

    #[test]
    fn no_team_comes_first_and_the_one_that_was_asked_for_stays() {
        let teams = || Teams::These(vec!["forecasting".into(), "growth".into()]);
        let html = draw(teams(), "growth");
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}"));
        assert!(at(">No team</option>") < at(">forecasting</option>"), "{html}");
        assert!(html.contains("value=\"growth\" selected"), "{html}");
        assert!(draw(teams(), "gone").contains("value=\"gone\" selected"), "a team that is not there any more");
        assert!(!draw(teams(), "\"><script>").contains("<script>"));
    }

    #[test]
    fn with_too_many_teams_the_name_is_typed() {
        let html = draw(Teams::Many, "growth");
        assert!(html.contains("<input") && html.contains("value=\"growth\"") && html.contains("placeholder=\"No team\""), "{html}");
    }
}
