//! `slipway admin`: what whoever runs the program can do when nobody can sign in.

use anyhow::{anyhow, bail};
use control::{Actor, Control, Ctx, Error, Request, audit, links};
use domain::audit::Source;

use crate::config::Admin;

/// Does it, and says on standard output what came of it.
///
/// # Errors
/// When it cannot be done, in words; when the record was tampered with, naming the first event that does not fit.
pub async fn run(control: Control, command: &Admin) -> anyhow::Result<()> {
    let ctx = Ctx::new(control, Actor::system("command line"), Source::Cli, Request::default());
    match command {
        Admin::ResetPassword { email } => {
            let link = links::reset_password(&ctx, email).await.map_err(words)?;
            println!("{}", link.url);
            eprintln!("{} sets a new password with this link. It works once, until {}.", link.email, link.expires_at.to_the_minute());
        }
        Admin::VerifyAudit => {
            if let Some(sequence) = audit::seal::verify(&ctx.control().pool).await.map_err(words)? {
                bail!("the record is broken: event {sequence} does not fit the one before it, or is missing");
            }
            let (sealed, waiting) = audit::seal::count(&ctx.control().pool).await.map_err(words)?;
            println!("The record is whole: {sealed} events in the chain, {waiting} not sealed yet.");
        }
    }
    Ok(())
}

fn words(error: Error) -> anyhow::Error {
    match error {
        Error::Rejected(rejected) => anyhow!(rejected.message),
        Error::Fault(fault) => fault,
        Error::Replayed(_) => anyhow!("the command line sends no idempotency keys"),
    }
}
