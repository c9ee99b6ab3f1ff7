//! `/accounts/{id}`

use control::{Ctx, Result, accounts};
use domain::{
    access::PlatformAction,
    account::{Account, AccountCheck, AccountPolicy, GrantedPrefix, Verdict},
    ids::AccountId,
    operation::ObjectKind,
    state::Tone,
};
use leptos::prelude::*;

use super::{
    accounts::rights,
    team_choice::{TeamChoice, Teams},
};
use crate::{
    buttons::{self, Button as _},
    components::{
        code::{CopyBlock, Raw},
        confirm::{Confirm, ConfirmRow},
        facts::{Fact, Facts},
        field::{Field, Once, Overwrite, Seen},
        notice::{FormRejection, Notice},
        status::Status,
        table::Table,
        thing::Thing,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// One account: what Slipway may do there, what to copy, whose repositories are whose.
///
/// # Errors
/// Those of [`accounts::get`].
pub async fn show(ctx: &Ctx, id: AccountId, typed: Typed) -> Result<Page> {
    let account = accounts::get(ctx, id).await?;
    let policy = accounts::policy(ctx, id).await?;
    let may = ctx.actor().check_platform(PlatformAction::Manage, "account").is_ok();
    let teams = if may { Some(Teams::load(ctx).await?) } else { None };
    let answer = typed.answer();
    let drawn = Page::new(account.name.clone(), Nav::Accounts, move || {
        let (tone, word) = rights(&account);
        let (note, name) = ("Nothing in AWS is touched. An account with clusters, releases or prefixes cannot be removed.", account.name.clone());
        let version = account.version;
        view! {
            <div class="head">
                <div><div class="crumbs"><a href="/accounts">"Accounts"</a></div><h1>{account.name.clone()}<Status tone word/></h1></div>
                {may.then(|| view! { <form method="post" action=here()><Once/><button class="primary" name="do" value=buttons::Account::Check.word()>"Check now"</button></form> })}
            </div>
            <FormRejection typed=typed.clone()/>
            <Outcome account=account.clone()/>
            <section class="card"><header><h2>"Account"</h2></header><div class="in"><About account=account.clone() policy=policy.clone()/></div></section>
            <Checks account=account.clone()/>
            <Policies policy named=account.role_arn.is_some() needed=tone != Tone::Good/>
            <Prefixes prefixes=account.prefixes.clone() known=!account.aws_account_id.is_empty() teams typed=typed.clone()/>
            {may.then(|| view! {
                <Settings account typed=typed.clone()/>
                <Confirm name title="Remove this account" button="Remove account" operation=buttons::Account::Delete.word() version typed note/>
            })}
        }
    });
    Ok(drawn.answer(answer).with_islands())
}

/// What to do next, where something is to be done.
#[component]
fn Outcome(account: Account) -> impl IntoView {
    let denied = account.checks.iter().filter(|check| check.verdict != Verdict::Allowed).count();
    match (account.check_error, account.checked_at) {
        (Some(error), _) => view! {
            <Notice tone=Tone::Bad title="Slipway does not get into this account">
                <p>{error}</p>
                <p>"Copy the policies below into IAM, then check again."</p>
                {account.check_error_raw.map(|text| view! { <Raw title="What AWS said" text/> })}
            </Notice>
        }
        .into_any(),
        (None, None) => view! {
            <Notice tone=Tone::Idle title="Check it once">
                <p>"Until then Slipway does not know whether it gets in, nor as whom. Copy the policies below into IAM first if the role does not have them yet."</p>
            </Notice>
        }
        .into_any(),
        (None, Some(_)) if denied > 0 => view! {
            <Notice tone=Tone::Warn title="Some things will not work">
                <p>"What is not allowed below fails when somebody needs it. The policy to copy allows all of it."</p>
            </Notice>
        }
        .into_any(),
        (None, Some(_)) => ().into_any(),
    }
}

#[component]
fn About(account: Account, policy: AccountPolicy) -> impl IntoView {
    let number = if account.aws_account_id.is_empty() { "not known yet".to_owned() } else { account.aws_account_id };
    let way = match account.role_arn {
        Some(role) => view! { <Fact term="Way in">"assumes "<code>{role}</code></Fact><Fact term="External id"><code>{account.external_id}</code></Fact> }.into_any(),
        None => view! { <Fact term="Way in">"Slipway's own credentials, as they are"</Fact> }.into_any(),
    };
    let principal = match (policy.principal, policy.principal_error) {
        (Some(principal), _) => view! { <code>{principal}</code> }.into_any(),
        (None, error) => view! { <span class="muted">{error.unwrap_or_default()}</span> }.into_any(),
    };
    view! {
        <Facts>
            <Fact term="AWS account">{number}</Fact>
            {way}
            <Fact term="Slipway runs as">{principal}</Fact>
            <Fact term="Regions">{account.regions.join(", ")}</Fact>
            <Fact term="Clusters"><a href=format!("/clusters?search={}", account.name)>{account.clusters}</a></Fact>
            <Fact term="Last check">{match account.checked_at { Some(at) => view! { <Ago at/> }.into_any(), None => "never".into_any() }}</Fact>
        </Facts>
    }
}

#[component]
fn Checks(account: Account) -> impl IntoView {
    (!account.checks.is_empty()).then(|| {
        let rows = account.checks.into_iter().map(|check| view! { <CheckRow check/> }).collect_view();
        view! {
            <section class="card" id="checks"><header><h2>"What Slipway may do"</h2></header>
                <p class="in small muted">"Reads were tried, in every region. Writes were put to IAM's policy simulator; nothing was changed."</p>
                <Table label="What Slipway may do"><thead><tr><th scope="col">"What for"</th><th scope="col" class="extra">"Action"</th><th scope="col">"Verdict"</th></tr></thead><tbody>{rows}</tbody></Table>
            </section>
        }
    })
}

#[component]
fn CheckRow(check: AccountCheck) -> impl IntoView {
    let (tone, word) = match check.verdict {
        Verdict::Allowed => (Tone::Good, "Allowed"),
        Verdict::Denied => (Tone::Bad, "Denied"),
        Verdict::Unknown => (Tone::Warn, "Not known"),
    };
    view! {
        <tr class="top">
            <td>{check.purpose}<code class="instead">{check.action.clone()}</code>{check.detail.map(|text| view! { <Raw title="What AWS said" text/> })}</td>
            <td class="extra"><code>{check.action}</code></td>
            <td><Status tone word/></td>
        </tr>
    }
}

#[component]
fn Policies(
    policy: AccountPolicy,
    /// Whether the account has a role to assume.
    named: bool,
    /// Whether something in it may still have to be copied.
    needed: bool,
) -> impl IntoView {
    let AccountPolicy { permissions, trust, assume, principal_error, .. } = policy;
    let pretty = |policy: serde_json::Value| format!("{policy:#}");
    let trust = match trust {
        Some(trust) => {
            view! { <div><h3>"2. The role's trust policy"</h3><p class="small muted">"Who may assume the role: Slipway alone, and only with this external id."</p><CopyBlock id="trust-policy" label="the trust policy" text=pretty(trust)/></div> }
                .into_any()
        }
        None if named => {
            view! { <div><h3>"2. The role's trust policy"</h3><p class="muted">{principal_error.unwrap_or_default()}" It is shown here once Slipway knows who it is."</p></div> }.into_any()
        }
        None => ().into_any(),
    };
    let whose = if named { "1. What the role is allowed" } else { "What Slipway itself has to be allowed" };
    view! {
        <section class="card" id="policy"><header><h2>"Policies to copy"</h2></header><details class="in" open=needed>
            <summary>"What has to be in IAM"</summary>
            <div><h3>{whose}</h3><CopyBlock id="permissions-policy" label="the permissions policy" text=pretty(permissions)/></div>
            {trust}
            {assume.map(|assume| view! {
                <div><h3>"3. What Slipway itself is allowed"</h3>
                <p class="small muted">"With sts:SetSourceIdentity, CloudTrail names the person behind every call. Where it is not allowed Slipway assumes the role without it, and the session's name names them."</p>
                <CopyBlock id="assume-policy" label="Slipway's own policy" text=pretty(assume)/></div>
            })}
        </details></section>
    }
}

/// `teams` are those a prefix can be given to, for whoever may.
#[component]
fn Prefixes(prefixes: Vec<GrantedPrefix>, known: bool, teams: Option<Teams>, typed: Typed) -> impl IntoView {
    let may = teams.is_some();
    let none = prefixes
        .is_empty()
        .then(|| view! { <p class="in muted">"No team may release from here yet. A team sees and releases only repositories that begin with a prefix it was given."</p> });
    let rows = prefixes
        .into_iter()
        .map(|granted| {
            let label = format!("Take back {} from {}", granted.prefix, granted.team_name);
            let take = may.then(|| {
                let (prefix, note) = (granted.prefix.clone(), format!("{} registers no more releases from there. What runs keeps running.", granted.team_name));
                view! { <ConfirmRow name=prefix.clone() button="Take back" label operation=buttons::Account::RemovePrefix.word() field="taken" value=prefix typed=typed.clone() note/> }
            });
            view! { <tr class="top"><td class="breaks"><code>{granted.prefix}</code>{take}</td><td class="breaks"><Thing kind=ObjectKind::Team id=granted.team.to_string() name=granted.team_name/></td></tr> }
        })
        .collect_view();
    let table = none.is_none().then(|| {
        view! { <Table label="Repository prefixes"><thead><tr><th scope="col">"Repositories that begin with"</th><th scope="col">"Team"</th></tr></thead><tbody>{rows}</tbody></Table> }
    });
    let form = teams.filter(|_| known).map(|teams| {
        view! {
            <form class="in" method="post" action=here()>
                <Once/>
                <div class="fields"><Field name="prefix" label="Prefix" typed=typed.clone() autocomplete="off" placeholder="forecasting/"/><TeamChoice typed teams none="Choose a team" hint="Who may register releases from there."/></div>
                <p class="small muted">"Prefixes of different teams never overlap. Taking one back stops new releases; what runs keeps running."</p>
                <div class="row"><button name="do" value=buttons::Account::AddPrefix.word()>"Give to team"</button></div>
            </form>
        }
    });
    view! { <section class="card" id="prefixes"><header><h2>"ECR repositories of teams"</h2></header>{none}{table}{form}</section> }
}

#[component]
fn Settings(account: Account, typed: Typed) -> impl IntoView {
    view! {
        <section class="card"><header><h2>"Settings"</h2></header><form class="in" method="post" action=here()>
            <Once/><Seen version=account.version/>
            <Field name="role_arn" label="Role to assume" typed=typed.clone() value=account.role_arn.unwrap_or_default() autocomplete="off" hint="Empty: Slipway's own credentials. The external id stays the same."/>
            <Field name="regions" label="Regions" typed=typed.clone() value=account.regions.join(", ") autocomplete="off"/>
            <Overwrite version=account.version typed operation=buttons::Account::Update.word()/>
            <div class="row"><button name="do" value=buttons::Account::Update.word()>"Save"</button></div>
        </form></section>
    }
}
