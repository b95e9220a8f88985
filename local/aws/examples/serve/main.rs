//! Serves the simulators on loopback, for callers in any language:
//! `cargo run -p local-aws --example serve -- [EC2-PORT [SNS-PORT [ORGANIZATIONS-PORT [EVENTS-PORT [SECRETS-PORT
//! [SLACK-PORT [CONTROL-PORT]]]]]]]`. Port 0, the default, takes a free one. The addresses are printed; Ctrl-C ends it.
//!
//! - `--account ID`: the provider's account, which callers belong to whose access key id is none.
//! - `--publish-to URL`: connection notifications go to the SNS at this address, and not to the one here.

mod control;
mod publish;

use std::error::Error;
use std::io::Write;

use clap::Parser;
use local_aws::{
    Config, Ec2, Events, NewOrganization, NewOu, Organizations, Secrets, Slack, SlackConfig, Sns,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::control::Simulators;

const NAMES: [&str; 7] = [
    "ec2",
    "sns",
    "organizations",
    "events",
    "secrets",
    "slack",
    "control",
];

#[derive(Parser)]
struct Arguments {
    /// Ports, in the order in which the addresses are printed
    ports: Vec<u16>,
    /// The provider's account
    #[arg(long, default_value = "123456789012")]
    account: String,
    /// The SNS that connection notifications are published to
    #[arg(long)]
    publish_to: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let account = arguments.account;
    let sns = Sns::new(Config::default());
    let slack = Slack::new(SlackConfig::default());
    let mut ports = arguments.ports.into_iter();
    let mut listeners = Vec::new();
    for name in NAMES {
        let listener = TcpListener::bind(("127.0.0.1", ports.next().unwrap_or(0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        writeln!(std::io::stdout(), "{name} {url}")?;
        match name {
            // The links in its mails lead to this address.
            "sns" => sns.set_base_url(url),
            // The `response_url`s lead to this address.
            "slack" => slack.set_base_url(url),
            _ => {}
        }
        listeners.push(listener);
    }

    let config = Config {
        account: account.clone(),
        ..Config::default()
    };
    let ec2 = Ec2::new(config.clone());
    let organizations = Organizations::new(config);
    let events = Events::new(Config::default());
    let secrets = Secrets::new(Config::default());

    // EC2 publishes its connection notifications to SNS.
    let (sink, notifications) = mpsc::unbounded_channel();
    ec2.set_notification_sink(sink);
    match arguments.publish_to {
        Some(url) => tokio::spawn(publish::elsewhere(notifications, url, account)),
        None => tokio::spawn(publish::here(notifications, sns.clone())),
    };

    // No call makes an organization: account 012345678901 is in an OU below another.
    let organization = NewOrganization::new().id("o-a1b2c3d4e5").root("r-ab12");
    organizations.put_organization(organization)?;
    let ou = NewOu::new("r-ab12").id("ou-ab12-11111111");
    let ou = NewOu::new(organizations.put_ou(ou)?).id("ou-ab12-22222222");
    organizations.put_account("012345678901", &organizations.put_ou(ou)?)?;

    // No call makes a secret either.
    secrets.put_secret("example/secret", "the old value")?;
    secrets.rotate("example/secret", "the new value")?;

    let routers = [
        ec2.router(),
        sns.router(),
        organizations.router(),
        events.router(),
        secrets.router(),
        slack.router(),
        control::router(Simulators {
            ec2,
            organizations,
            slack,
        }),
    ];
    let servers = listeners
        .into_iter()
        .zip(routers)
        .map(|(listener, router)| local_aws::serve(listener, router, stop()));
    futures_util::future::try_join_all(servers).await?;
    Ok(())
}

async fn stop() {
    // Without a signal handler, better serve on than stop at once.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
